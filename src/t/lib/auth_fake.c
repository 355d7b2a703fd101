/* auth_fake.c: the server's side of SMTP AUTH. */
#include "auth_fake.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

enum { TEXT_MAX = 12288, HASH = 32, ITERATIONS = 4096 };

static const char salt[] = "sixteen is salty"; /* any will do */
static const char challenge[] = "<1896.697170952@fake>";

typedef enum auth_fake_step hear_fn(struct auth_fake *a, const char *in, size_t n, struct buf *out);

static hear_fn hear_plain, hear_login, hear_cram, hear_scram, hear_xoauth2;

static const struct mechanism {
	const char *name;
	bool client_first;
	hear_fn *hear;
} mechanisms[] = {
    {"PLAIN", true, hear_plain},
    {"LOGIN", false, hear_login},
    {"CRAM-MD5", false, hear_cram},
    {"SCRAM-SHA-256", true, hear_scram},
    {"XOAUTH2", true, hear_xoauth2},
};

static void
add_base64(struct buf *out, const void *data, size_t n)
{
	char *text = xmalloc(4 * (n / 3 + 1) + 1);

	EVP_EncodeBlock((unsigned char *)text, data, (int)n);
	buf_adds(out, text);
	free(text);
}

/* Its length; -1: it is no base64. */
static int
from_base64(const char *text, char *dst, size_t size)
{
	size_t n = strlen(text), padding = 0;
	int got;

	if (n % 4 != 0 || n / 4 * 3 >= size)
		return -1;
	while (padding < 2 && padding < n && text[n - 1 - padding] == '=')
		padding++;
	got = EVP_DecodeBlock((unsigned char *)dst, (const unsigned char *)text, (int)n);
	if (got < 0)
		return -1;
	dst[got - (int)padding] = '\0';
	return got - (int)padding;
}

static enum auth_fake_step
ask(struct buf *out, const char *text)
{
	add_base64(out, text, strlen(text));
	return AUTH_FAKE_ASK;
}

static enum auth_fake_step
rude(struct buf *out, const char *what)
{
	buf_adds(out, what);
	return AUTH_FAKE_RUDE;
}

static enum auth_fake_step
judge(bool right)
{
	return right ? AUTH_FAKE_RIGHT : AUTH_FAKE_WRONG;
}

static bool
is(const char *in, size_t n, const char *text)
{
	return n == strlen(text) && memcmp(in, text, n) == 0;
}

static enum auth_fake_step
hear_plain(struct auth_fake *a, const char *in, size_t n, struct buf *out)
{
	char right[512];
	int len = snprintf(right, sizeof(right), "%c%s%c%s", 0, a->user, 0, a->secret);

	if (a->round > 1)
		return rude(out, "PLAIN has one message");
	return judge(n == (size_t)len && memcmp(in, right, n) == 0);
}

static enum auth_fake_step
hear_login(struct auth_fake *a, const char *in, size_t n, struct buf *out)
{
	if (a->round == 0)
		return ask(out, "Username:");
	if (a->round == 1) {
		a->wrong = !is(in, n, a->user);
		return ask(out, "Password:");
	}
	return judge(!a->wrong && is(in, n, a->secret));
}

static enum auth_fake_step
hear_cram(struct auth_fake *a, const char *in, size_t n, struct buf *out)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char right[512];
	size_t at;

	if (a->round == 0)
		return ask(out, challenge);
	HMAC(EVP_md5(), a->secret, (int)strlen(a->secret), (const unsigned char *)challenge,
	    strlen(challenge), mac, &len);
	at = (size_t)snprintf(right, sizeof(right), "%s ", a->user);
	for (unsigned i = 0; i < len && at < sizeof(right); i++)
		at += (size_t)snprintf(right + at, sizeof(right) - at, "%02x", mac[i]);
	return judge(is(in, n, right));
}

/* A refusal comes as a challenge with the reasons, and the client answers with nothing. */
static enum auth_fake_step
hear_xoauth2(struct auth_fake *a, const char *in, size_t n, struct buf *out)
{
	char right[512];

	if (a->wrong)
		return n == 0 ? AUTH_FAKE_WRONG : rude(out, "an empty line is the answer");
	snprintf(right, sizeof(right), "user=%s\001auth=Bearer %s\001\001", a->user, a->secret);
	if (is(in, n, right))
		return AUTH_FAKE_RIGHT;
	a->wrong = true;
	return ask(out, "{\"status\":\"401\"}");
}

/* --- SCRAM, RFC 5802 3 --- */

static void
hmac(const unsigned char *key, const char *text, unsigned char *mac)
{
	HMAC(EVP_sha256(), key, HASH, (const unsigned char *)text, strlen(text), mac, NULL);
}

/* "n,,n=user,r=nonce" */
static enum auth_fake_step
scram_first(struct auth_fake *a, const char *in, struct buf *out)
{
	const char *bare, *nonce = strstr(in, ",r=");
	struct buf coded;
	char name[256];

	if ((in[0] != 'n' && in[0] != 'y') || (bare = strstr(in, ",,")) == NULL || nonce == NULL)
		return rude(out, "that is no client-first-message");
	bare += 2;
	str_copy(a->bare, sizeof(a->bare), bare);
	snprintf(name, sizeof(name), "n=%s,", a->user);
	a->wrong = !str_starts(bare, name);
	snprintf(a->nonce, sizeof(a->nonce), "%.40sFAKE", nonce + 3);
	buf_init(&coded, TEXT_MAX);
	add_base64(&coded, salt, strlen(salt));
	snprintf(
	    a->first, sizeof(a->first), "r=%s,s=%s,i=%d", a->nonce, buf_str(&coded), ITERATIONS);
	buf_free(&coded);
	return ask(out, a->first);
}

/* "c=biws,r=nonce,p=proof" */
static enum auth_fake_step
scram_final(struct auth_fake *a, const char *in, struct buf *out)
{
	unsigned char salted[HASH], key[HASH], stored[HASH], signature[HASH];
	char text[1024], proof[TEXT_MAX];
	const char *p = strstr(in, ",p=");
	struct buf final;

	if (p == NULL || strstr(in, a->nonce) == NULL || from_base64(p + 3, proof, 64) != HASH)
		return rude(out, "that is no client-final-message");
	snprintf(text, sizeof(text), "%s,%s,%.*s", a->bare, a->first, (int)(p - in), in);
	PKCS5_PBKDF2_HMAC(a->secret, (int)strlen(a->secret), (const unsigned char *)salt,
	    (int)strlen(salt), ITERATIONS, EVP_sha256(), HASH, salted);
	hmac(salted, "Client Key", key);
	EVP_Digest(key, HASH, stored, NULL, EVP_sha256(), NULL);
	hmac(stored, text, signature);
	for (size_t i = 0; i < HASH; i++)
		a->wrong |= (unsigned char)proof[i] != (key[i] ^ signature[i]);
	if (a->wrong)
		return AUTH_FAKE_WRONG;
	hmac(salted, "Server Key", key);
	hmac(key, text, signature);
	buf_init(&final, TEXT_MAX);
	buf_adds(&final, "v=");
	add_base64(&final, signature, HASH);
	ask(out, buf_str(&final));
	buf_free(&final);
	return AUTH_FAKE_ASK;
}

static enum auth_fake_step
hear_scram(struct auth_fake *a, const char *in, size_t n, struct buf *out)
{
	if (a->round == 1)
		return scram_first(a, in, out);
	if (a->round == 2)
		return scram_final(a, in, out);
	return n == 0 ? AUTH_FAKE_RIGHT : rude(out, "nothing more is to be said");
}

/* --- all of them --- */

bool
auth_fake_begin(struct auth_fake *a, const char *mechanism, const char *user, const char *secret)
{
	*a = (struct auth_fake){.user = user, .secret = secret};
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (str_eqi(mechanisms[i].name, mechanism)) {
			a->mechanism = (int)i;
			return true;
		}
	return false;
}

enum auth_fake_step
auth_fake_hear(struct auth_fake *a, const char *line, struct buf *out)
{
	const struct mechanism *m = &mechanisms[a->mechanism];
	char in[TEXT_MAX];
	int n = 0;
	enum auth_fake_step step;

	if (line == NULL && m->client_first) {
		a->round = 1;
		return AUTH_FAKE_ASK; /* an empty challenge */
	}
	if (line != NULL && a->round == 0)
		a->round = 1; /* an initial response */
	if (line != NULL && strcmp(line, "=") != 0)
		n = from_base64(line, in, sizeof(in));
	if (n < 0)
		return rude(out, "that is no base64");
	in[n] = '\0';
	step = m->hear(a, in, (size_t)n, out);
	a->round++;
	return step;
}
