/*
 * fuzz_sasl.c: a server that says anything. The first byte chooses the mechanism, the second what
 * credentials and channel there are; then lines: "+..." is a 235 with that text, "=..." a challenge as
 * it is, anything else is a challenge that is put into base64 first.
 *
 * Whatever comes, what we send is a line that fits, no text for people holds a secret, and nobody is
 * believed who has not shown SCRAM's signature, which only the RFC's own conversation can have here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "proto/sasl.h"
#include "proto/sasl_impl.h"
#include "fuzz.h"

#define NONCE "rOprNGfwEbeRWgbNEkqO"
static const char rfc7677[] =
    "r=" NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

static const char *const offers[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS", "EXTERNAL", "OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "PLAIN", "LOGIN"};

static void
require(bool ok)
{
	if (!ok)
		abort();
}

/* More rounds than a fuzzer has time for. */
static bool
too_slow(const char *line, size_t n)
{
	for (size_t i = 0; i + 6 < n; i++)
		if (line[i] == 'i' && line[i + 1] == '=' && line[i + 6] >= '0' &&
		    line[i + 6] <= '9')
			return true;
	return false;
}

/* Whether the exchange goes on. */
static bool
challenge(struct sasl *s, const char *line, size_t n, struct buf *out)
{
	enum sasl_step step;

	buf_clear(out);
	step = sasl_challenge(s, line, n, out);
	require(!out->overflow && buf_len(out) <= SASL_LINE_MAX - 2);
	require(str_is_clean(sasl_why(s), strlen(sasl_why(s))));
	require(!str_has_i(sasl_why(s), "pencil"));
	if (step == SASL_SEND) {
		struct buf said;

		buf_init(&said, SASL_LINE_MAX);
		require(sasl_decode(&said, buf_data(out), buf_len(out)));
		buf_free(&said);
		return true;
	}
	require(strcmp(buf_str(out), "*") == 0 && sasl_why(s)[0] != '\0');
	require(!sasl_success(s, "", 0));
	return false;
}

static void
converse(struct sasl *s, const char *at, const char *end)
{
	bool scram = str_starts(sasl_mechanism(s), "SCRAM"), rfc = false, on = true;
	struct buf out, coded;

	buf_init(&out, SASL_LINE_MAX);
	buf_init(&coded, 65536);
	sasl_initial(s, &out);
	while (at < end && on) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((newline != NULL ? newline : end) - at);

		buf_clear(&coded);
		if (too_slow(at, n))
			break;
		if (n > 0 && at[0] == '+') {
			bool ok = sasl_success(s, at + 1, n - 1);

			require(!ok || !scram || rfc);
			on = false;
		} else if (n > 0 && at[0] == '=') {
			on = challenge(s, at + 1, n - 1, &out);
		} else {
			rfc = rfc || (n == strlen(rfc7677) && memcmp(at, rfc7677, n) == 0);
			sasl_encode(&coded, at, n);
			on = challenge(s, buf_data(&coded), buf_len(&coded), &out);
		}
		at += newline != NULL ? n + 1 : n;
	}
	buf_free(&out);
	buf_free(&coded);
}

void
fuzz_sasl(const uint8_t *data, size_t size)
{
	struct sasl_credentials c = {.user = "user", .secret = "pencil"};
	struct sasl_binding b = {.nexporter = 0};
	char why[256];
	struct sasl *s;
	const char *offer;

	if (size < 2 || size > 16384)
		return;
	offer = offers[data[0] % (sizeof(offers) / sizeof(offers[0]))];
	c.token = str_has_i(offer, "AUTH");
	c.external = strcmp(offer, "EXTERNAL") == 0;
	b.nexporter = (data[1] & 1) != 0 ? 32 : 0;
	b.nend_point = (data[1] & 2) != 0 ? 48 : 0;
	s = sasl_new(&c, &b, offer, (data[1] & 4) == 0, why, sizeof(why));
	if (s == NULL)
		return;
	if (str_starts(offer, "SCRAM"))
		scram_use_nonce(s, NONCE);
	converse(s, (const char *)data + 2, (const char *)data + size);
	sasl_free(&s);
}
