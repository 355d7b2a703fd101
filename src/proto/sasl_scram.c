/*
 * sasl_scram.c: SCRAM (RFC 5802) with SHA-1 and SHA-256 (RFC 7677), with and without channel binding.
 *
 *	C: gs2-header "n=" user ",r=" nonce
 *	S: "r=" nonce more ",s=" salt ",i=" count
 *	C: "c=" base64(gs2-header binding) ",r=" nonce more ",p=" proof
 *	S: "v=" signature
 *
 * The proof shows that we know the password, and the signature that the server knows what was made of
 * it: a server that cannot show one does not know who we are, whatever it says. The password itself
 * never travels.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/str.h"
#include "base/sys.h"
#include "proto/sasl_impl.h"

enum { AUTH_MAX = 3 * SASL_RAW_MAX, SALT_MAX = 1024 };

struct scram_hash {
	const EVP_MD *(*md)(void);
	size_t size;
};

static const struct scram_hash sha1 = {EVP_sha1, 20}, sha256 = {EVP_sha256, 32};

struct keys { /* RFC 5802 3; all of them secrets */
	unsigned char salted[SASL_HASH_MAX], client[SASL_HASH_MAX], stored[SASL_HASH_MAX];
	unsigned char server[SASL_HASH_MAX], proof[SASL_HASH_MAX];
};

/* --- what is fixed before the first word --- */

static bool
uses_binding(const struct sasl *s)
{
	return (s->mechanism->needs & NEEDS_BINDING) != 0;
}

/* "tls-exporter" (RFC 9266) before "tls-server-end-point" (RFC 5929): it is the connection's own. */
static const char *
binding_type(const struct sasl_binding *b)
{
	return b->nexporter > 0    ? "tls-exporter"
	       : b->nend_point > 0 ? "tls-server-end-point"
				   : NULL;
}

static void
make_nonce(char *dst)
{
	unsigned char random[SCRAM_NONCE / 4 * 3];

	if (sys.getentropy(random, sizeof(random)) == -1)
		die(EX_TEMPFAIL, "no randomness from the kernel");
	EVP_EncodeBlock((unsigned char *)dst, random, sizeof(random));
}

static bool
offers_plus(const char *offered)
{
	for (const char *p = offered; *p != '\0';) {
		size_t n = strcspn(p, " ");

		if (n > strlen("SCRAM--PLUS") && str_neqi(p, "SCRAM-", 6) &&
		    str_neqi(p + n - 5, "-PLUS", 5))
			return true;
		p += n + strspn(p + n, " ");
	}
	return false;
}

void
scram_begin(struct sasl *s, const char *offered)
{
	struct scram *scram = &s->scram;

	buf_init(&scram->auth, AUTH_MAX);
	if (!str_starts(s->mechanism->name, "SCRAM-"))
		return;
	scram->hash = str_starts(s->mechanism->name, "SCRAM-SHA-256") ? &sha256 : &sha1;
	scram->binding_type = binding_type(&s->binding);
	scram->offered_plus = offers_plus(offered);
	make_nonce(scram->nonce);
}

void
scram_end(struct sasl *s)
{
	buf_free(&s->scram.auth);
}

/*
 * RFC 5802 7: gs2-header = gs2-cbind-flag "," [authzid] ","
 * "y": we could bind, and saw no -PLUS. A server that did offer one then knows that somebody between
 * us took it out of the list (6), and refuses. "n": we could not, or were told not to.
 */
static void
add_gs2_header(const struct sasl *s, struct buf *b)
{
	const struct scram *scram = &s->scram;

	if (uses_binding(s))
		buf_addf(b, "p=%s,,", scram->binding_type);
	else if (scram->binding_type != NULL && !scram->offered_plus)
		buf_adds(b, "y,,");
	else
		buf_adds(b, "n,,");
}

/* RFC 5802 7: client-first-message = gs2-header client-first-message-bare */
static bool
first(struct sasl *s)
{
	struct buf *auth = &s->scram.auth;

	buf_adds(auth, "n=");
	sasl_add_name(auth, s->c->user);
	buf_addf(auth, ",r=%s", s->scram.nonce);
	add_gs2_header(s, &s->raw);
	buf_add(&s->raw, buf_data(auth), buf_len(auth));
	return true;
}

void
scram_use_nonce(struct sasl *s, const char *nonce)
{
	str_copy(s->scram.nonce, sizeof(s->scram.nonce), nonce);
	buf_clear(&s->scram.auth);
	buf_clear(&s->raw);
	first(s);
}

/* --- the server's messages --- */

struct attribute {
	const char *value;
	size_t n;
};

/*
 * RFC 5802 7: attr-val = ALPHA "=" value, separated by commas; value has no comma and no NUL. Takes the
 * next one, which must be `name`; false: it is not.
 */
static bool
take(const char **at, const char *end, char name, struct attribute *a)
{
	const char *p = *at, *comma;

	if (end - p < 2 || p[0] != name || p[1] != '=')
		return false;
	p += 2;
	comma = memchr(p, ',', (size_t)(end - p));
	a->value = p;
	a->n = (size_t)((comma != NULL ? comma : end) - p);
	*at = comma != NULL ? comma + 1 : end;
	return memchr(a->value, '\0', a->n) == NULL;
}

/* server-error: "e=" and a word; it may stand for either message. */
static bool
is_refusal(struct sasl *s, const char *in, size_t n)
{
	struct attribute a;
	char word[48];

	if (!take(&in, in + n, 'e', &a))
		return false;
	sasl_word(s, word, sizeof(word), a.value, a.n);
	sasl_fail(s, "the server says %s%s", word,
	    str_starts(word, "unsupported-channel-binding") || str_starts(word, "channel-binding")
		? "; a mechanism without -PLUS can be set for it"
		: "");
	return true;
}

struct challenge {
	struct attribute nonce;
	unsigned char salt[SALT_MAX];
	size_t nsalt;
	uint64_t iterations;
};

/* The nonce must be ours and more, so that nobody plays an old conversation back to us. */
static bool
check_nonce(struct sasl *s, const struct attribute *a)
{
	size_t ours = strlen(s->scram.nonce);

	if (a->n <= ours || CRYPTO_memcmp(a->value, s->scram.nonce, ours) != 0)
		return sasl_fail(s, "the server answers somebody else's nonce");
	for (size_t i = 0; i < a->n; i++) /* printable = %x21-2B / %x2D-7E */
		if (a->value[i] < 0x21 || a->value[i] > 0x7e)
			return sasl_fail(s, "the server's nonce is not printable");
	return true;
}

static bool
check_iterations(struct sasl *s, const struct attribute *a, uint64_t *iterations)
{
	if (!str_u64n(a->value, a->n, UINT64_MAX, iterations))
		return sasl_fail(s, "the server's iteration count is not a number");
	if (*iterations < SCRAM_ITERATIONS_MIN)
		return sasl_fail(s,
		    "the server asks for %" PRIu64
		    " iterations, which is too few to be safe (%d at least)",
		    *iterations, SCRAM_ITERATIONS_MIN);
	if (*iterations > SCRAM_ITERATIONS_MAX)
		return sasl_fail(s,
		    "the server asks for %" PRIu64 " iterations, which would hold up all other "
		    "mail (%d at most); another mechanism can be "
		    "set for it",
		    *iterations, SCRAM_ITERATIONS_MAX);
	return true;
}

static bool
decode_salt(struct challenge *ch, const struct attribute *a)
{
	struct buf salt;
	bool ok;

	buf_init(&salt, SALT_MAX);
	ok = sasl_decode(&salt, a->value, a->n) && buf_len(&salt) > 0;
	if (ok) {
		ch->nsalt = buf_len(&salt);
		memcpy(ch->salt, buf_data(&salt), ch->nsalt);
	}
	buf_free(&salt);
	return ok;
}

/*
 * RFC 5802 7: server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count
 *                                    ["," extensions]
 * A mandatory extension (m=) is one that we do not know, and so must refuse (5.1); others are skipped.
 */
static bool
parse_challenge(struct sasl *s, const char *in, size_t n, struct challenge *ch)
{
	const char *at = in, *end = in + n;
	struct attribute salt, count;

	if (take(&at, end, 'm', &salt))
		return sasl_fail(s, "the server wants an extension of SCRAM that nobody knows");
	if (!take(&at, end, 'r', &ch->nonce) || !take(&at, end, 's', &salt) ||
	    !take(&at, end, 'i', &count))
		return sasl_fail(s, "the server's challenge is not SCRAM's");
	if (!decode_salt(ch, &salt))
		return sasl_fail(s, "the server's salt is not base64, empty or too long");
	return check_nonce(s, &ch->nonce) && check_iterations(s, &count, &ch->iterations);
}

/* --- the arithmetic --- */

static bool
hmac(const struct scram_hash *h, const unsigned char *key, const void *data, size_t n,
    unsigned char *out)
{
	return HMAC(h->md(), key, (int)h->size, data, n, out, NULL) != NULL;
}

/*
 * RFC 5802 3:
 *   SaltedPassword  := Hi(Normalize(password), salt, i)
 *   ClientKey       := HMAC(SaltedPassword, "Client Key")
 *   StoredKey       := H(ClientKey)
 *   ClientSignature := HMAC(StoredKey, AuthMessage)
 *   ClientProof     := ClientKey XOR ClientSignature
 *   ServerKey       := HMAC(SaltedPassword, "Server Key")
 *   ServerSignature := HMAC(ServerKey, AuthMessage)
 * Hi is PBKDF2 with HMAC.
 */
static bool
compute(struct sasl *s, const struct challenge *ch, struct keys *k)
{
	const struct scram_hash *h = s->scram.hash;
	const char *password = s->c->secret, *auth = buf_data(&s->scram.auth);
	size_t nauth = buf_len(&s->scram.auth);

	if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), ch->salt, (int)ch->nsalt,
		(int)ch->iterations, h->md(), (int)h->size, k->salted) != 1 ||
	    !hmac(h, k->salted, "Client Key", strlen("Client Key"), k->client) ||
	    EVP_Digest(k->client, h->size, k->stored, NULL, h->md(), NULL) != 1 ||
	    !hmac(h, k->stored, auth, nauth, k->proof) ||
	    !hmac(h, k->salted, "Server Key", strlen("Server Key"), k->server) ||
	    !hmac(h, k->server, auth, nauth, s->scram.signature))
		return sasl_fail(s, "this system's OpenSSL does not do what SCRAM needs");
	for (size_t i = 0; i < h->size; i++)
		k->proof[i] ^= k->client[i];
	s->scram.nsignature = h->size;
	return true;
}

/* channel-binding = "c=" base64 of the gs2-header and the binding's data (RFC 5802 7: cbind-input) */
static void
add_channel_binding(const struct sasl *s, struct buf *to)
{
	struct buf input;

	buf_init(&input, SASL_RAW_MAX);
	add_gs2_header(s, &input);
	if (uses_binding(s) && s->binding.nexporter > 0)
		buf_add(&input, s->binding.exporter, s->binding.nexporter);
	else if (uses_binding(s))
		buf_add(&input, s->binding.end_point, s->binding.nend_point);
	buf_adds(to, "c=");
	sasl_encode(to, buf_data(&input), buf_len(&input));
	buf_free(&input);
}

/* client-final-message = channel-binding "," nonce "," proof; AuthMessage is all that was said before it. */
static bool
final(struct sasl *s, const char *in, size_t n)
{
	struct buf *raw = &s->raw, *auth = &s->scram.auth;
	struct challenge ch = {.nsalt = 0};
	struct keys keys;
	bool ok;

	if (is_refusal(s, in, n) || !parse_challenge(s, in, n, &ch))
		return false;
	add_channel_binding(s, raw);
	buf_adds(raw, ",r=");
	buf_add(raw, ch.nonce.value, ch.nonce.n);
	buf_addc(auth, ',');
	buf_add(auth, in, n);
	buf_addc(auth, ',');
	buf_add(auth, buf_data(raw), buf_len(raw));
	if (auth->overflow)
		return sasl_fail(s, "the server's challenge is too long");
	ok = compute(s, &ch, &keys);
	if (ok) {
		buf_adds(raw, ",p=");
		sasl_encode(raw, keys.proof, s->scram.hash->size);
	}
	OPENSSL_cleanse(&keys, sizeof(keys));
	return ok;
}

/* server-final-message = (server-error / verifier) ["," extensions]. false: it does not prove anything. */
static bool
verify(struct sasl *s, const char *in, size_t n)
{
	struct attribute a;
	struct buf shown;

	if (!take(&in, in + n, 'v', &a))
		return false;
	buf_init(&shown, SASL_HASH_MAX * 2);
	if (sasl_decode(&shown, a.value, a.n) && buf_len(&shown) == s->scram.nsignature &&
	    CRYPTO_memcmp(buf_data(&shown), s->scram.signature, s->scram.nsignature) == 0)
		s->scram.proved = true;
	buf_free(&shown);
	return s->scram.proved;
}

/* --- for sasl.c --- */

bool
scram_respond(struct sasl *s, const char *in, size_t n)
{
	if (s->round == 0)
		return first(s);
	if (s->round == 1)
		return final(s, in, n);
	if (is_refusal(s, in, n))
		return false;
	/* Acknowledged with an empty line (RFC 4954 4); what counts is the 235 behind it. */
	return verify(s, in, n) ||
	       sasl_fail(s, "the server's signature is wrong: it does not know the password");
}

/* RFC 4954 has no success data in a 235, so it comes as a 334 before; some servers put it here. */
bool
scram_proved(struct sasl *s, const char *text, size_t n)
{
	const char *end = text + n;

	while (!s->scram.proved && text < end) {
		const char *space = memchr(text, ' ', (size_t)(end - text));
		size_t len = (size_t)((space != NULL ? space : end) - text);
		struct buf word;

		buf_init(&word, SASL_HASH_MAX * 2);
		if (sasl_decode(&word, text, len))
			verify(s, buf_data(&word), buf_len(&word));
		buf_free(&word);
		text += space != NULL ? len + 1 : len;
	}
	return s->scram.proved ||
	       sasl_fail(s, "the server says yes without having shown that it knows the password");
}
