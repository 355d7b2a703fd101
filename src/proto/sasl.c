/* sasl.c: which mechanism, and the rounds of one exchange. */
#include "proto/sasl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "proto/sasl_impl.h"

/* RFC 5321 4.5.3.1.4: "AUTH" and all behind it; RFC 4954 4 keeps that limit for initial responses. */
enum { COMMAND_MAX = 512 };

/* Strongest first. */
static const struct sasl_mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", NEEDS_PASSWORD | NEEDS_BINDING, true, 3, 2, scram_respond, scram_proved},
    {"SCRAM-SHA-1-PLUS", NEEDS_PASSWORD | NEEDS_BINDING, true, 3, 2, scram_respond, scram_proved},
    {"SCRAM-SHA-256", NEEDS_PASSWORD, true, 3, 2, scram_respond, scram_proved},
    {"SCRAM-SHA-1", NEEDS_PASSWORD, true, 3, 2, scram_respond, scram_proved},
    {"EXTERNAL", NEEDS_CERTIFICATE, true, 1, 1, external_respond, NULL},
    /* a second round acknowledges an error; no 235 can follow it */
    {"OAUTHBEARER", NEEDS_TOKEN | SHOWS_SECRET, true, 2, 1, oauthbearer_respond, NULL},
    {"XOAUTH2", NEEDS_TOKEN | SHOWS_SECRET, true, 2, 1, xoauth2_respond, NULL},
    {"CRAM-MD5", NEEDS_PASSWORD, false, 1, 1, cram_md5_respond, NULL},
    {"PLAIN", NEEDS_PASSWORD | SHOWS_SECRET, true, 1, 1, plain_respond, NULL},
    {"LOGIN", NEEDS_PASSWORD | SHOWS_SECRET, false, 2, 2, login_respond, NULL},
};
enum { NMECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

bool
sasl_fail(struct sasl *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return false;
}

/* Some servers say in their errors what they were sent. */
static bool
repeats_secret(const struct sasl *s, const char *text, size_t n)
{
	const char *secret = s->c->secret;
	size_t len = secret != NULL ? strlen(secret) : 0;

	for (size_t i = 0; len > 0 && i + len <= n; i++)
		if (str_neqi(text + i, secret, len))
			return true;
	return false;
}

void
sasl_word(const struct sasl *s, char *dst, size_t size, const char *text, size_t n)
{
	size_t out = 0;

	if (repeats_secret(s, text, n)) {
		str_copy(dst, size, "***");
		return;
	}
	for (size_t i = 0; i < n && out + 1 < size; i++) {
		int c = str_lower((unsigned char)text[i]);
		bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			  c == '_' || c == '.';

		dst[out++] = ok ? text[i] : '?';
	}
	dst[out] = '\0';
}

void
sasl_add_name(struct buf *b, const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == '=')
			buf_adds(b, "=3D");
		else if (*name == ',')
			buf_adds(b, "=2C");
		else
			buf_addc(b, *name);
	}
}

/* --- base64 --- */

bool
sasl_decode(struct buf *b, const char *text, size_t n)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t pad = 0;
	char *out;

	while (pad < 2 && pad < n && text[n - 1 - pad] == '=')
		pad++;
	if (n % 4 != 0 || n > SASL_LINE_MAX)
		return false;
	for (size_t i = 0; i < n - pad; i++)
		if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL)
			return false;
	if (n == 0)
		return true;
	out = buf_reserve(b, n / 4 * 3);
	if (out == NULL ||
	    EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)n) < 0)
		return false;
	buf_commit(b, n / 4 * 3 - pad);
	return true;
}

void
sasl_encode(struct buf *b, const void *data, size_t n)
{
	size_t len = (n + 2) / 3 * 4;
	char *out = buf_reserve(b, len + 2);

	if (out == NULL || n == 0)
		return;
	/* EVP_EncodeBlock's NUL goes where CRLF will be. */
	EVP_EncodeBlock((unsigned char *)out, data, (int)n);
	buf_commit(b, len);
}

/* --- which mechanism --- */

static bool
is_offered(const char *offered, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = offered; *p != '\0';) {
		size_t n = strcspn(p, " ");

		if (n == len && str_neqi(p, name, n))
			return true;
		p += n + strspn(p + n, " ");
	}
	return false;
}

/* What the credentials and the channel can do, as enum sasl_needs. */
static unsigned
abilities(const struct sasl_credentials *c, const struct sasl_binding *b, bool plain_ok)
{
	unsigned can = plain_ok ? SHOWS_SECRET : 0;

	if (c->secret != NULL)
		can |= c->token ? NEEDS_TOKEN : NEEDS_PASSWORD;
	if (c->external)
		can |= NEEDS_CERTIFICATE;
	if (b != NULL && (b->nexporter > 0 || b->nend_point > 0))
		can |= NEEDS_BINDING;
	return can;
}

/*
 * The strongest that is offered, within what can be done; NULL: none, and *lacks is what the one
 * nearest to fitting would need besides (0: nothing is offered that we know, or that was asked for).
 */
static const struct sasl_mechanism *
choose(const struct sasl_credentials *c, const char *offered, unsigned can, unsigned *lacks)
{
	*lacks = 0;
	for (size_t i = 0; i < NMECHANISMS; i++) {
		const struct sasl_mechanism *m = &mechanisms[i];
		unsigned missing = m->needs & ~can;

		if (c->mechanism != NULL && !str_eqi(c->mechanism, m->name))
			continue;
		if (!is_offered(offered, m->name))
			continue;
		if (missing == 0)
			return m;
		/* Clear text is what alone stands in the way: that is what people must hear of. */
		if (*lacks == 0 || missing == SHOWS_SECRET)
			*lacks = missing;
	}
	return NULL;
}

static void
explain(
    const struct sasl_credentials *c, const char *offered, unsigned lacks, char *why, size_t size)
{
	char list[160];
	const char *what = "none of which we know";

	if (lacks == SHOWS_SECRET)
		what =
		    "which would show the secret to anybody on the way, for the connection is not "
		    "encrypted";
	else if ((lacks & NEEDS_BINDING) != 0)
		what = "which needs TLS with channel binding";
	else if ((lacks & NEEDS_TOKEN) != 0)
		what = "which needs an OAuth token, and we have none";
	else if ((lacks & NEEDS_CERTIFICATE) != 0)
		what = "which needs a client certificate and to be asked for";
	else if ((lacks & NEEDS_PASSWORD) != 0)
		what = "which needs a password, and we have none";
	str_clean(list, sizeof(list), offered, strlen(offered));
	if (list[0] == '\0')
		snprintf(why, size, "the server offers no way to log in");
	else if (c->mechanism != NULL && lacks == 0)
		snprintf(
		    why, size, "the server does not offer the mechanism asked for, but %s", list);
	else
		snprintf(why, size, "the server offers %s, %s", list, what);
}

/* --- the credentials --- */

/* SASLprep's prohibitions (RFC 4013 2.3) as far as people run into them: controls, malformed UTF-8. */
static bool
is_prepared(const char *s)
{
	return str_is_clean(s, strlen(s));
}

/* RFC 6750 2.1 and RFC 7628 3.1: a token has no space and nothing but ASCII. */
static bool
is_token(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if (*p <= 0x20 || *p >= 0x7f)
			return false;
	return *s != '\0';
}

/* NULL: they can be used. */
static const char *
check_credentials(const struct sasl_credentials *c)
{
	if (c->user != NULL && !is_prepared(c->user))
		return "the user name holds control characters or is not UTF-8";
	if (c->secret != NULL && !c->token && !is_prepared(c->secret))
		return "the password holds control characters or is not UTF-8";
	if (c->secret != NULL && c->token && !is_token(c->secret))
		return "the token is empty, or holds spaces or bytes that no token has";
	if (c->secret != NULL && (c->user == NULL || c->user[0] == '\0'))
		return "there is a secret, but no user name";
	if (c->secret != NULL && c->secret[0] == '\0')
		return "the password is empty";
	return NULL;
}

/* --- one exchange --- */

static struct sasl *
create(const struct sasl_mechanism *m, const struct sasl_credentials *c,
    const struct sasl_binding *b, const char *offered)
{
	struct sasl *s = xcalloc(1, sizeof(*s));

	s->mechanism = m;
	s->c = c;
	if (b != NULL)
		s->binding = *b;
	/* Whole at birth, so that no copy is left behind by growing. */
	buf_init(&s->raw, SASL_RAW_MAX);
	buf_reserve(&s->raw, SASL_RAW_MAX);
	buf_init(&s->in, SASL_RAW_MAX);
	scram_begin(s, offered);
	return s;
}

struct sasl *
sasl_new(const struct sasl_credentials *c, const struct sasl_binding *b, const char *offered,
    bool plain_ok, char *why, size_t whysize)
{
	unsigned lacks;
	const struct sasl_mechanism *m = choose(c, offered, abilities(c, b, plain_ok), &lacks);
	const char *wrong = check_credentials(c);
	struct sasl *s;

	if (wrong != NULL) {
		str_copy(why, whysize, wrong);
		return NULL;
	}
	if (m == NULL) {
		explain(c, offered, lacks, why, whysize);
		return NULL;
	}
	s = create(m, c, b, offered);
	/* What cannot be said at all is found out now, before anything has been said. */
	if (m->client_first && (!m->respond(s, "", 0) || s->raw.overflow)) {
		str_copy(why, whysize,
		    s->raw.overflow ? "user name and secret are too long for a line of SMTP"
				    : s->why);
		sasl_free(&s);
		return NULL;
	}
	why[0] = '\0';
	return s;
}

void
sasl_free(struct sasl **sp)
{
	struct sasl *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	scram_end(s);
	buf_wipe(&s->raw);
	buf_wipe(&s->in);
	buf_free(&s->raw);
	buf_free(&s->in);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

const char *
sasl_mechanism(const struct sasl *s)
{
	return s->mechanism->name;
}

const char *
sasl_why(const struct sasl *s)
{
	return s->why;
}

/* Our message goes out: as base64, into out. */
static void
emit(struct sasl *s, struct buf *out)
{
	sasl_encode(out, buf_data(&s->raw), buf_len(&s->raw));
	buf_wipe(&s->raw);
	s->round++;
}

bool
sasl_initial(struct sasl *s, struct buf *out)
{
	size_t coded = (buf_len(&s->raw) + 2) / 3 * 4;

	if (!s->mechanism->client_first || s->round > 0)
		return false;
	if (strlen("AUTH  \r\n") + strlen(s->mechanism->name) + coded > COMMAND_MAX)
		return false;
	if (coded == 0) /* RFC 4954 4: an empty one is a single "=" */
		buf_addc(out, '=');
	emit(s, out);
	return true;
}

static enum sasl_step
give_up(struct sasl *s, struct buf *out)
{
	s->failed = true;
	buf_wipe(&s->raw);
	buf_clear(out);
	buf_addc(out, '*');
	return SASL_FAILED;
}

enum sasl_step
sasl_challenge(struct sasl *s, const char *text, size_t n, struct buf *out)
{
	bool ok = true;

	if (s->failed)
		return give_up(s, out);
	if (s->round >= s->mechanism->rounds)
		ok = sasl_fail(s, "the server keeps asking after %s is over", s->mechanism->name);
	buf_wipe(&s->in);
	if (ok && !sasl_decode(&s->in, text, n))
		ok = sasl_fail(s, "the server sends a challenge that is not base64, or too long");
	/* The answer to an invitation was written by sasl_new(); some servers say a word with it. */
	if (ok && !(s->mechanism->client_first && s->round == 0))
		ok = s->mechanism->respond(s, buf_data(&s->in), buf_len(&s->in));
	if (ok && s->raw.overflow)
		ok = sasl_fail(s, "our answer would be longer than a line may be");
	if (!ok)
		return give_up(s, out);
	emit(s, out);
	return SASL_SEND;
}

bool
sasl_success(struct sasl *s, const char *text, size_t n)
{
	if (s->failed)
		return false;
	if (s->round < s->mechanism->enough ||
	    (s->mechanism->proved == NULL && s->round > s->mechanism->enough)) {
		s->failed = true;
		return sasl_fail(s, "the server says yes in the middle of %s", s->mechanism->name);
	}
	if (s->mechanism->proved != NULL && !s->mechanism->proved(s, text, n)) {
		s->failed = true;
		return false;
	}
	return true;
}
