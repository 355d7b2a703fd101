#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/sys.h"
#include "proto/sasl.h"
#include "proto/sasl_impl.h"
#include "suites.h"

static struct sasl *s;
static struct sasl_credentials c;
static struct sasl_binding tls; /* all zero: none */
static struct buf out, plain; /* the line sent, and what it says */
static char why[256];

static void
setup(void)
{
	c = (struct sasl_credentials){.user = "user", .secret = "pencil"};
	memset(&tls, 0, sizeof(tls));
	buf_init(&out, 2 * SASL_LINE_MAX);
	buf_init(&plain, 2 * SASL_LINE_MAX);
	memset(why, 'x', sizeof(why) - 1);
}

static void
teardown(void)
{
	sasl_free(&s);
	ck_assert_ptr_null(s);
	buf_free(&out);
	buf_free(&plain);
}

static bool
begin_on(const char *offered, bool plain_ok)
{
	sasl_free(&s);
	s = sasl_new(&c, &tls, offered, plain_ok, why, sizeof(why));
	return s != NULL;
}

static void
begin(const char *offered)
{
	if (!begin_on(offered, true))
		ck_abort_msg("%s: %s", offered, why);
}

static void
refuse(const char *offered, bool plain_ok, const char *reason)
{
	ck_assert_msg(!begin_on(offered, plain_ok), "%s is taken", sasl_mechanism(s));
	ck_assert_msg(str_has_i(why, reason), "not \"%s\": %s", reason, why);
}

/* What was sent last, decoded. */
static const char *
said(void)
{
	buf_clear(&plain);
	ck_assert(sasl_decode(&plain, buf_data(&out), buf_len(&out)));
	return buf_str(&plain);
}

static const char *
initial(void)
{
	buf_clear(&out);
	ck_assert(sasl_initial(s, &out));
	return said();
}

static enum sasl_step
hears_line(const char *line)
{
	buf_clear(&out);
	return sasl_challenge(s, line, strlen(line), &out);
}

static enum sasl_step
hears_bytes(const char *text, size_t n)
{
	struct buf coded;
	enum sasl_step step;

	buf_init(&coded, 4 * SASL_LINE_MAX);
	sasl_encode(&coded, text, n);
	step = hears_line(buf_str(&coded));
	buf_free(&coded);
	return step;
}

static const char *
answer_to(const char *text)
{
	if (hears_bytes(text, strlen(text)) != SASL_SEND)
		ck_abort_msg("\"%s\" gets no answer: %s", text, sasl_why(s));
	return said();
}

static bool
believes(const char *text)
{
	return sasl_success(s, text, strlen(text));
}

static void
gives_up_on(const char *text, const char *reason)
{
	ck_assert_int_eq(hears_bytes(text, strlen(text)), SASL_FAILED);
	ck_assert_str_eq(buf_str(&out), "*");
	ck_assert_msg(str_has_i(sasl_why(s), reason), "not \"%s\": %s", reason, sasl_why(s));
	/* and for good */
	ck_assert_int_eq(hears_line(""), SASL_FAILED);
	ck_assert_str_eq(buf_str(&out), "*");
	ck_assert(!believes("2.7.0 welcome"));
}

/* --- which mechanism --- */

#define EVERYTHING \
	"LOGIN PLAIN CRAM-MD5 XOAUTH2 OAUTHBEARER EXTERNAL SCRAM-SHA-1 SCRAM-SHA-256 " \
	"SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS DIGEST-MD5 GSSAPI"

static void
chooses(const char *mechanism, const char *offered)
{
	begin(offered);
	ck_assert_str_eq(sasl_mechanism(s), mechanism);
}

START_TEST(strongest_of_what_is_offered_first)
{
	chooses("SCRAM-SHA-256", EVERYTHING);
	tls.nexporter = 32;
	chooses("SCRAM-SHA-256-PLUS", EVERYTHING);
	chooses("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256 SCRAM-SHA-1-PLUS");
	tls.nexporter = 0;
	tls.nend_point = 32;
	chooses("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256 SCRAM-SHA-1-PLUS");
	chooses("SCRAM-SHA-1", "PLAIN CRAM-MD5 SCRAM-SHA-1");
	chooses("CRAM-MD5", "LOGIN PLAIN CRAM-MD5");
	chooses("PLAIN", "LOGIN PLAIN");
	chooses("LOGIN", "  login  GSSAPI ");
}
END_TEST

START_TEST(token_and_certificate_have_their_own)
{
	c.token = true;
	chooses("OAUTHBEARER", EVERYTHING);
	chooses("XOAUTH2", "PLAIN LOGIN XOAUTH2");
	refuse("PLAIN LOGIN SCRAM-SHA-256", true, "password");
	c.external = true;
	chooses("EXTERNAL", EVERYTHING);
	c = (struct sasl_credentials){.external = true};
	chooses("EXTERNAL", EVERYTHING);
	refuse("PLAIN LOGIN", true, "password");
	c = (struct sasl_credentials){.user = "user", .secret = "pencil"};
	refuse("EXTERNAL", true, "certificate");
	refuse("XOAUTH2 OAUTHBEARER", true, "token");
}
END_TEST

START_TEST(only_the_mechanism_asked_for)
{
	c.mechanism = "plain";
	chooses("PLAIN", EVERYTHING);
	refuse("LOGIN SCRAM-SHA-256", true, "asked for");
	c.mechanism = "SCRAM-SHA-256-PLUS";
	refuse(EVERYTHING, true, "channel binding");
}
END_TEST

START_TEST(nothing_that_shows_the_secret_in_clear_text)
{
	refuse("PLAIN LOGIN", false, "not encrypted");
	ck_assert(str_has_i(why, "PLAIN LOGIN"));
	ck_assert(begin_on("PLAIN LOGIN CRAM-MD5", false));
	ck_assert_str_eq(sasl_mechanism(s), "CRAM-MD5");
	ck_assert(begin_on("PLAIN LOGIN SCRAM-SHA-1", false));
	ck_assert_str_eq(sasl_mechanism(s), "SCRAM-SHA-1");
	refuse("EXTERNAL OAUTHBEARER PLAIN", false, "not encrypted");
	c.token = true;
	refuse("XOAUTH2 PLAIN", false, "not encrypted");
	refuse("OAUTHBEARER", false, "not encrypted");
	c.external = true;
	ck_assert(begin_on("XOAUTH2 EXTERNAL", false));
}
END_TEST

START_TEST(server_offers_nothing_we_know)
{
	refuse("", true, "no way to log in");
	refuse("GSSAPI NTLM", true, "GSSAPI NTLM");
	refuse("PLAINER XPLAIN PLAI", true, "none of which");
	refuse("EVIL\x1b[2J\r\n", true, "EVIL?[2J");
}
END_TEST

START_TEST(credentials_that_cannot_be_sent)
{
	c.user = "us\001er";
	refuse(EVERYTHING, true, "control");
	c.user = "us\xff";
	refuse(EVERYTHING, true, "UTF-8");
	c.user = "";
	refuse(EVERYTHING, true, "no user name");
	c.user = NULL;
	refuse(EVERYTHING, true, "no user name");
	c.user = "user";
	c.secret = "pen\ncil";
	refuse(EVERYTHING, true, "control");
	c.secret = "pen\xc3";
	refuse(EVERYTHING, true, "UTF-8");
	c.secret = "";
	refuse(EVERYTHING, true, "empty");
	c.token = true;
	refuse(EVERYTHING, true, "token");
	c.secret = "to ken";
	refuse(EVERYTHING, true, "token");
	c.secret = "token\001auth=x";
	refuse(EVERYTHING, true, "token");
	ck_assert(!str_has_i(why, "auth=x"));
}
END_TEST

/* --- lines --- */

START_TEST(initial_response_too_long_for_a_command)
{
	char secret[SASL_LINE_MAX + 1];

	memset(secret, 'p', sizeof(secret));
	c.secret = secret;
	/* "AUTH PLAIN " and CRLF leave 499 bytes: 124 groups of four, 372 bytes */
	secret[372 - strlen("..user")] = '\0';
	begin("PLAIN");
	initial();
	ck_assert_uint_eq(buf_len(&out), 496);
	secret[372 - strlen("..user")] = 'p';
	secret[373 - strlen("..user")] = '\0';
	begin("PLAIN");
	buf_clear(&out);
	ck_assert(!sasl_initial(s, &out));
	ck_assert_uint_eq(buf_len(&out), 0);
	ck_assert(!believes(""));
	begin("PLAIN");
	ck_assert_int_eq(hears_line(""), SASL_SEND);
	ck_assert_uint_eq(buf_len(&out), 500);
	ck_assert(!sasl_initial(s, &out)); /* said already */
	ck_assert(believes(""));
}
END_TEST

START_TEST(line_too_long_for_anybody)
{
	static char secret[2 * SASL_LINE_MAX];

	memset(secret, 'p', sizeof(secret) - 1);
	c.secret = secret;
	secret[SASL_RAW_MAX - strlen("..user")] = '\0';
	begin("PLAIN");
	ck_assert_int_eq(hears_line(""), SASL_SEND);
	ck_assert_uint_le(buf_len(&out) + 2, SASL_LINE_MAX);
	ck_assert_uint_gt(buf_len(&out) + 2, SASL_LINE_MAX - 4);
	secret[SASL_RAW_MAX - strlen("..user")] = 'p';
	secret[SASL_RAW_MAX + 1 - strlen("..user")] = '\0';
	refuse("PLAIN", true, "too long");
	secret[SASL_RAW_MAX + 1 - strlen("..user")] = 'p';
	begin("LOGIN"); /* user and password are a line each */
	answer_to("Username:");
	secret[SASL_RAW_MAX] = 'p';
	secret[SASL_RAW_MAX + 1] = '\0';
	gives_up_on("Password:", "longer than a line");
}
END_TEST

START_TEST(growing_leaves_no_copy)
{
	/* What is reserved has room for CRLF: the caller's two bytes do not move it. */
	const char *at;

	c.secret = "long enough for memory of just that size, sixty bytes or more";
	buf_free(&out);
	begin("PLAIN");
	ck_assert(sasl_initial(s, &out));
	at = buf_data(&out);
	buf_adds(&out, "\r\n");
	ck_assert_ptr_eq(buf_data(&out), at);
}
END_TEST

static const char *const not_base64[] = {
    "A",
    "AA",
    "AAA",
    "AAAAA",
    "A===",
    "====",
    "AAAA=",
    "=AAA",
    "AA=A",
    "AA==AAAA",
    "AAAA\t",
    "AA A",
    "AAA-",
    "AAA_",
    "AA\xc3\xa9",
    "Username:",
};

START_TEST(challenge_is_not_base64)
{
	begin("LOGIN");
	ck_assert_int_eq(hears_line(not_base64[_i]), SASL_FAILED);
	ck_assert(str_has_i(sasl_why(s), "not base64"));
	ck_assert_str_eq(buf_str(&out), "*");
	begin("PLAIN");
	ck_assert_int_eq(hears_line(not_base64[_i]), SASL_FAILED);
}
END_TEST

START_TEST(challenge_with_a_nul_in_it)
{
	begin("LOGIN");
	buf_clear(&out);
	ck_assert_int_eq(sasl_challenge(s, "AA\0A", 4, &out), SASL_FAILED);
	begin("CRAM-MD5");
	ck_assert_int_eq(hears_bytes("<a\0b>", 5), SASL_SEND); /* in what it says: its own affair */
}
END_TEST

START_TEST(challenge_too_long)
{
	static char text[SASL_LINE_MAX + 8];

	memset(text, 'A', sizeof(text) - 1);
	text[SASL_LINE_MAX + 4] = '\0';
	begin("LOGIN");
	ck_assert_int_eq(hears_line(text), SASL_FAILED);
	ck_assert(str_has_i(sasl_why(s), "too long"));
}
END_TEST

static const char *const all[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "EXTERNAL", "OAUTHBEARER",
    "XOAUTH2", "CRAM-MD5", "PLAIN", "LOGIN"};

static void
begin_any(const char *mechanism)
{
	c.token = str_has_i(mechanism, "AUTH");
	c.external = strcmp(mechanism, "EXTERNAL") == 0;
	begin(mechanism);
}

START_TEST(challenges_without_end)
{
	int n = 0;

	begin_any(all[_i]);
	while (hears_line(n % 2 == 0 ? "" : "PDFAYT4=") == SASL_SEND)
		ck_assert_int_lt(++n, 5);
	ck_assert_str_eq(buf_str(&out), "*");
	ck_assert_str_ne(sasl_why(s), "");
	ck_assert(!believes("2.7.0 ok"));
}
END_TEST

START_TEST(yes_before_anything_was_asked)
{
	begin_any(all[_i]);
	ck_assert(!believes("2.7.0 Authentication successful"));
	ck_assert(str_has_i(sasl_why(s), "in the middle"));
	ck_assert_int_eq(hears_line(""), SASL_FAILED);
}
END_TEST

/* --- the simple ones --- */

START_TEST(rfc4616_plain)
{
	c.user = "tim";
	c.secret = "tanstaaftanstaaf";
	begin("PLAIN");
	initial();
	ck_assert_str_eq(buf_str(&out), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
	ck_assert(believes("2.7.0 Authentication successful"));
	begin("PLAIN");
	ck_assert_int_eq(hears_line(""), SASL_SEND);
	ck_assert_str_eq(buf_str(&out), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
	ck_assert(believes(""));
	ck_assert_str_eq(sasl_why(s), "");
}
END_TEST

START_TEST(plain_invitation_with_a_word)
{
	begin("PLAIN");
	answer_to("go on");
	ck_assert(believes(""));
	gives_up_on("go on", "keeps asking");
}
END_TEST

START_TEST(login_with_any_prompts)
{
	begin("LOGIN");
	buf_clear(&out);
	ck_assert(!sasl_initial(s, &out));
	ck_assert_str_eq(answer_to("User Name\0"), "user");
	ck_assert(!believes(""));
	begin("LOGIN");
	ck_assert_int_eq(hears_line("VXNlcm5hbWU6"), SASL_SEND);
	ck_assert_str_eq(buf_str(&out), "dXNlcg==");
	ck_assert_int_eq(hears_line("UGFzc3dvcmQ6"), SASL_SEND);
	ck_assert_str_eq(buf_str(&out), "cGVuY2ls");
	ck_assert(believes("2.7.0 ok"));
	begin("LOGIN");
	ck_assert_str_eq(answer_to(""), "user");
	ck_assert_str_eq(answer_to(""), "pencil");
	gives_up_on("Once more:", "keeps asking");
}
END_TEST

START_TEST(rfc2195_cram_md5)
{
	c.user = "tim";
	c.secret = "tanstaaftanstaaf";
	begin("CRAM-MD5");
	ck_assert(!sasl_initial(s, &out));
	ck_assert_int_eq(
	    hears_line("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"), SASL_SEND);
	ck_assert_str_eq(buf_str(&out), "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
	ck_assert(believes(""));
}
END_TEST

START_TEST(cram_md5_with_an_empty_challenge)
{
	begin("CRAM-MD5");
	gives_up_on("", "empty challenge");
}
END_TEST

START_TEST(external_with_and_without_a_name)
{
	c = (struct sasl_credentials){.external = true};
	begin("EXTERNAL");
	buf_clear(&out);
	ck_assert(sasl_initial(s, &out));
	ck_assert_str_eq(buf_str(&out), "="); /* RFC 4954 4: empty, and there */
	ck_assert(believes(""));
	begin("EXTERNAL");
	ck_assert_int_eq(hears_line(""), SASL_SEND);
	ck_assert_str_eq(buf_str(&out), "");
	ck_assert(believes(""));
	c.user = "fred@example.com";
	begin("EXTERNAL");
	ck_assert_str_eq(initial(), "fred@example.com");
}
END_TEST

static void
use_token(void)
{
	c = (struct sasl_credentials){.user = "user@example.com",
	    .secret = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
	    .token = true,
	    .host = "server.example.com",
	    .port = 143};
}

START_TEST(rfc7628_oauthbearer)
{
	use_token();
	begin("OAUTHBEARER");
	initial();
	ck_assert_str_eq(buf_str(&out),
	    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcm"
	    "Vy"
	    "IHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
	ck_assert(believes(""));
	c.host = NULL;
	c.port = 0;
	c.user = "a=b,c";
	begin("OAUTHBEARER");
	ck_assert_str_eq(initial(),
	    "n,a=a=3Db=2Cc,\001auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001");
}
END_TEST

START_TEST(rfc7628_token_refused)
{
	use_token();
	begin("OAUTHBEARER");
	initial();
	answer_to("{\"status\":\"invalid_token\",\"scope\":\"example_scope\"}");
	ck_assert_str_eq(buf_str(&out), "AQ==");
	ck_assert(str_has_i(sasl_why(s), "(invalid_token)"));
	ck_assert(!believes("2.7.0 all is well"));
}
END_TEST

START_TEST(xoauth2_as_google_has_it)
{
	c = (struct sasl_credentials){.user = "someuser@example.com",
	    .secret = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
	    .token = true};
	begin("XOAUTH2");
	initial();
	ck_assert_str_eq(buf_str(&out), "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5Ln"
					"ZGOWRmdDRxbVRjMk52YjNSbGNrQmhk"
					"SFJoZG1semRHRXVZMjl0Q2cBAQ==");
	ck_assert(believes("2.7.0 Accepted"));
}
END_TEST

static const struct {
	const char *json, *shown;
} refusals[] = {
    {"{\"status\":\"401\",\"schemes\":\"bearer mac\",\"scope\":\"https://mail.google.com/\"}",
	"(401)"},
    {"{ \"schemes\" : \"bearer\", \"status\" : 400 }", "(400)"},
    {"{\"status\":\"\x1b[2J<b>\"}", "(??2j?b?)"},
    {"{\"status\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)"},
    {"{\"status\":\"bad vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\"}", "(bad)"},
    {"{\"status\":\"<vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==>\"}", "(***)"},
    {"{\"status\"", "still valid"},
    {"{\"status\":", "still valid"},
    {"{\"sta", "still valid"},
    {"", "still valid"},
};

START_TEST(xoauth2_token_refused)
{
	use_token();
	begin("XOAUTH2");
	initial();
	answer_to(refusals[_i].json);
	ck_assert_str_eq(buf_str(&out), "");
	ck_assert_msg(str_has_i(sasl_why(s), refusals[_i].shown), "%s", sasl_why(s));
	ck_assert(str_is_clean(sasl_why(s), strlen(sasl_why(s))));
	gives_up_on("{}", "keeps asking");
}
END_TEST

/* --- SCRAM --- */

#define NONCE1 "fyko+d2lbbFgONRv9qkxdawL"
#define NONCE256 "rOprNGfwEbeRWgbNEkqO"
#define MORE256 "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SALT256 "W22ZaJ0SNY7soEsUEjb6gQ=="
#define SERVER256 "r=" NONCE256 MORE256 ",s=" SALT256 ",i=4096"
#define SIGNATURE256 "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void
begin256(void)
{
	begin("SCRAM-SHA-256");
	scram_use_nonce(s, NONCE256);
	ck_assert_str_eq(initial(), "n,,n=user,r=" NONCE256);
}

static void
prove256(void)
{
	begin256();
	ck_assert_str_eq(answer_to(SERVER256),
	    "c=biws,r=" NONCE256 MORE256 ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
}

START_TEST(rfc5802_scram_sha_1)
{
	begin("SCRAM-SHA-1");
	scram_use_nonce(s, NONCE1);
	ck_assert_str_eq(initial(), "n,,n=user,r=" NONCE1);
	ck_assert_str_eq(answer_to("r=" NONCE1 "3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
	    "c=biws,r=" NONCE1 "3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
	ck_assert_str_eq(answer_to("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), "");
	ck_assert(believes("2.7.0 ok"));
}
END_TEST

START_TEST(rfc7677_scram_sha_256)
{
	prove256();
	ck_assert_str_eq(answer_to(SIGNATURE256), "");
	ck_assert(believes("2.7.0 ok"));
	ck_assert_str_eq(sasl_why(s), "");
}
END_TEST

START_TEST(scram_without_initial_response)
{
	begin("SCRAM-SHA-256");
	scram_use_nonce(s, NONCE256);
	ck_assert_str_eq(answer_to(""), "n,,n=user,r=" NONCE256);
	answer_to(SERVER256);
	answer_to(SIGNATURE256 ",extension=x");
	ck_assert(believes(""));
}
END_TEST

/* The expected proofs are computed with another implementation. */
START_TEST(scram_plus_bound_to_this_connection)
{
	for (size_t i = 0; i < 32; i++) {
		tls.exporter[i] = (unsigned char)i;
		tls.end_point[i] = (unsigned char)(255 - i);
	}
	tls.nexporter = tls.nend_point = 32;
	begin("SCRAM-SHA-256 SCRAM-SHA-256-PLUS");
	scram_use_nonce(s, NONCE256);
	ck_assert_str_eq(initial(), "p=tls-exporter,,n=user,r=" NONCE256);
	ck_assert_str_eq(answer_to(SERVER256),
	    "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=" NONCE256 MORE256
	    ",p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=");
	answer_to("v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=");
	ck_assert(believes(""));

	tls.nexporter = 0;
	begin("SCRAM-SHA-1 SCRAM-SHA-1-PLUS");
	scram_use_nonce(s, NONCE1);
	ck_assert_str_eq(initial(), "p=tls-server-end-point,,n=user,r=" NONCE1);
	ck_assert_str_eq(answer_to("r=" NONCE1 "3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
	    "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws//79/Pv6+fj39vX08/Lx8O/"
	    "u7ezr6uno5+bl5OPi4eA=,r=" NONCE1 "3rfcNHYJY1ZVvWVs7j,p=lGKWZi466NtqfCLzYE97aM6Vwqg=");
	answer_to("v=Yn7ZVUg+YfQ8S7nzn80YWNbGK3w=");
	ck_assert(believes(""));
}
END_TEST

START_TEST(somebody_took_plus_out_of_the_list)
{
	tls.nexporter = 32;
	begin("SCRAM-SHA-256 PLAIN");
	scram_use_nonce(s, NONCE256);
	ck_assert_str_eq(initial(), "y,,n=user,r=" NONCE256);
	ck_assert_str_eq(answer_to(SERVER256),
	    "c=eSws,r=" NONCE256 MORE256 ",p=FoqiHTtQEDE8lz1CdaEe3tK4mS+iMDTl77SPyDS53DY=");
	gives_up_on("e=server-does-support-channel-binding", "server-does-support-channel-binding");
	/* we know that it does, and were told not to */
	c.mechanism = "SCRAM-SHA-256";
	begin("SCRAM-SHA-256 SCRAM-SHA-256-PLUS");
	ck_assert(str_starts(initial(), "n,,"));
	begin("SCRAM-SHA-256 SCRAM-SHA-512-PLUS");
	ck_assert(str_starts(initial(), "n,,"));
	begin("SCRAM-SHA-256 SCRAM-PLUS XSCRAM-SHA-1-PLUS SCRAM-SHA-1-PLUSH");
	ck_assert(str_starts(initial(), "y,,"));
}
END_TEST

START_TEST(names_are_escaped_and_utf8_stays)
{
	c.user = "a=b,c@example";
	c.secret = "p\xc3\xa4ss, w=rd";
	begin("SCRAM-SHA-256");
	scram_use_nonce(s, NONCE256);
	ck_assert_str_eq(initial(), "n,,n=a=3Db=2Cc@example,r=" NONCE256);
	ck_assert_str_eq(answer_to(SERVER256),
	    "c=biws,r=" NONCE256 MORE256 ",p=uoUL72V9u4yEIBMiJy8Iz+5U6Kxd/bDI14BKo4Kvir0=");
	answer_to("v=BrNkdAC0tVMi7ytctYyobcUIxr3+gDy8a2HIEVtD9W4=");
	ck_assert(believes(""));
}
END_TEST

START_TEST(nonces_are_new_each_time)
{
	char first[64];

	begin("SCRAM-SHA-256");
	str_copy(first, sizeof(first), initial());
	ck_assert_uint_eq(strlen(first), strlen("n,,n=user,r=") + SCRAM_NONCE);
	begin("SCRAM-SHA-256");
	ck_assert_str_ne(first, initial());
}
END_TEST

static const struct {
	const char *challenge, *why;
} bad_challenges[] = {
    {"", "not SCRAM's"},
    {"r", "not SCRAM's"},
    {"r=", "not SCRAM's"},
    {"s=" SALT256 ",r=" NONCE256 MORE256 ",i=4096", "not SCRAM's"},
    {"r=" NONCE256 MORE256 ",i=4096,s=" SALT256, "not SCRAM's"},
    {"x=1," SERVER256, "not SCRAM's"},
    {"r=" NONCE256 MORE256 ",s=" SALT256, "not SCRAM's"},
    {"r=" NONCE256 MORE256 "\0,s=", "not SCRAM's"},
    {"m=something," SERVER256, "extension"},
    {"r=" NONCE256 ",s=" SALT256 ",i=4096", "nonce"}, /* the server's own part is missing */
    {"r=ROprNGfwEbeRWgbNEkqO" MORE256 ",s=" SALT256 ",i=4096", "nonce"},
    {"r=rOprNGfwEbeRWgbNEkqP" MORE256 ",s=" SALT256 ",i=4096", "nonce"},
    {"r=" MORE256 NONCE256 ",s=" SALT256 ",i=4096", "nonce"},
    {"r=rOpr,s=" SALT256 ",i=4096", "nonce"},
    {"r=" NONCE256 "a b,s=" SALT256 ",i=4096", "printable"},
    {"r=" NONCE256 "\x7f,s=" SALT256 ",i=4096", "printable"},
    {"r=" NONCE256 "\xc3\xa4,s=" SALT256 ",i=4096", "printable"},
    {"r=" NONCE256 MORE256 ",s=,i=4096", "salt"},
    {"r=" NONCE256 MORE256 ",s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096", "salt"},
    {"r=" NONCE256 MORE256 ",s=!!!!,i=4096", "salt"},
    {"r=" NONCE256 MORE256 ",s=" SALT256 ",i=", "number"},
    {"r=" NONCE256 MORE256 ",s=" SALT256 ",i=-4096", "number"},
    {"r=" NONCE256 MORE256 ",s=" SALT256 ",i=4096x", "number"},
    {"r=" NONCE256 MORE256 ",s=" SALT256 ",i=99999999999999999999", "number"},
    {"r=" NONCE256 MORE256 ",s=" SALT256 ",i=0", "too few"},
    {"r=" NONCE256 MORE256 ",s=" SALT256 ",i=4095", "too few"},
    {"r=" NONCE256 MORE256 ",s=" SALT256 ",i=100001", "hold up"},
    {"r=" NONCE256 MORE256 ",s=" SALT256 ",i=4294971392", "hold up"}, /* 2^32 + 4096 */
    {"e=unknown-user", "unknown-user"},
    {"e=\x1b]0;x\x07", "??0?x?"},
    {"e=unsupported-channel-binding-type", "without -PLUS"},
};

START_TEST(scram_challenges_that_are_refused)
{
	begin256();
	gives_up_on(bad_challenges[_i].challenge, bad_challenges[_i].why);
}
END_TEST

START_TEST(scram_nul_in_a_challenge)
{
	static const char text[] = "r=" NONCE256 "\0x,s=" SALT256 ",i=4096";

	begin256();
	ck_assert_int_eq(hears_bytes(text, sizeof(text) - 1), SASL_FAILED);
}
END_TEST

START_TEST(scram_salt_too_long)
{
	static char text[2048];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", "r=" NONCE256 MORE256 ",s=");

	memset(text + n, 'A', 1400);
	memcpy(text + n + 1400, ",i=4096", sizeof(",i=4096"));
	begin256();
	gives_up_on(text, "salt");
}
END_TEST

START_TEST(scram_extensions_are_skipped)
{
	begin256();
	answer_to(SERVER256 ",x=whatever,m=not-first");
	ck_assert(!believes(""));
}
END_TEST

static const char *const false_signatures[] = {
    "",
    "v=",
    "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=AAAA",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4",
    "v6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    "x=1," SIGNATURE256,
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    SERVER256,
};

START_TEST(server_that_does_not_know_the_password)
{
	prove256();
	gives_up_on(false_signatures[_i], "does not know the password");
}
END_TEST

START_TEST(server_that_skips_its_signature)
{
	prove256();
	ck_assert(!believes("2.7.0 Authentication successful"));
	ck_assert(str_has_i(sasl_why(s), "without having shown"));
	prove256();
	ck_assert(!believes(""));
	prove256();
	gives_up_on("e=invalid-proof", "invalid-proof");
	/* nor is the first message's nonce a proof */
	begin256();
	ck_assert(!believes("2.7.0 ok"));
	ck_assert(str_has_i(sasl_why(s), "in the middle"));
}
END_TEST

START_TEST(signature_in_the_235)
{
	/* base64 of v=6rri... */
	static const char coded[] =
	    "dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==";
	char text[256];

	prove256();
	ck_assert(believes(coded));
	prove256();
	snprintf(text, sizeof(text), "2.7.0 %s", coded);
	ck_assert(believes(text));
	prove256();
	snprintf(text, sizeof(text), "2.7.0 %s welcome", coded);
	ck_assert(believes(text));
	prove256();
	snprintf(text, sizeof(text),
	    "2.7.0 dj03cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==");
	ck_assert(!believes(text));
	prove256(); /* as it is, not coded */
	ck_assert(!believes(SIGNATURE256));
}
END_TEST

START_TEST(signature_twice)
{
	prove256();
	answer_to(SIGNATURE256);
	gives_up_on(SIGNATURE256, "keeps asking");
}
END_TEST

Suite *
suite_sasl(void)
{
	Suite *suite = suite_create("sasl");
	TCase *t = tcase_create("sasl");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, strongest_of_what_is_offered_first);
	tcase_add_test(t, token_and_certificate_have_their_own);
	tcase_add_test(t, only_the_mechanism_asked_for);
	tcase_add_test(t, nothing_that_shows_the_secret_in_clear_text);
	tcase_add_test(t, server_offers_nothing_we_know);
	tcase_add_test(t, credentials_that_cannot_be_sent);
	tcase_add_test(t, initial_response_too_long_for_a_command);
	tcase_add_test(t, line_too_long_for_anybody);
	tcase_add_test(t, growing_leaves_no_copy);
	tcase_add_loop_test(
	    t, challenge_is_not_base64, 0, (int)(sizeof(not_base64) / sizeof(not_base64[0])));
	tcase_add_test(t, challenge_with_a_nul_in_it);
	tcase_add_test(t, challenge_too_long);
	tcase_add_loop_test(t, challenges_without_end, 0, (int)(sizeof(all) / sizeof(all[0])));
	tcase_add_loop_test(
	    t, yes_before_anything_was_asked, 0, (int)(sizeof(all) / sizeof(all[0])));
	tcase_add_test(t, rfc4616_plain);
	tcase_add_test(t, plain_invitation_with_a_word);
	tcase_add_test(t, login_with_any_prompts);
	tcase_add_test(t, rfc2195_cram_md5);
	tcase_add_test(t, cram_md5_with_an_empty_challenge);
	tcase_add_test(t, external_with_and_without_a_name);
	tcase_add_test(t, rfc7628_oauthbearer);
	tcase_add_test(t, rfc7628_token_refused);
	tcase_add_test(t, xoauth2_as_google_has_it);
	tcase_add_loop_test(
	    t, xoauth2_token_refused, 0, (int)(sizeof(refusals) / sizeof(refusals[0])));
	suite_add_tcase(suite, t);

	t = tcase_create("scram");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, rfc5802_scram_sha_1);
	tcase_add_test(t, rfc7677_scram_sha_256);
	tcase_add_test(t, scram_without_initial_response);
	tcase_add_test(t, scram_plus_bound_to_this_connection);
	tcase_add_test(t, somebody_took_plus_out_of_the_list);
	tcase_add_test(t, names_are_escaped_and_utf8_stays);
	tcase_add_test(t, nonces_are_new_each_time);
	tcase_add_loop_test(t, scram_challenges_that_are_refused, 0,
	    (int)(sizeof(bad_challenges) / sizeof(bad_challenges[0])));
	tcase_add_test(t, scram_nul_in_a_challenge);
	tcase_add_test(t, scram_salt_too_long);
	tcase_add_test(t, scram_extensions_are_skipped);
	tcase_add_loop_test(t, server_that_does_not_know_the_password, 0,
	    (int)(sizeof(false_signatures) / sizeof(false_signatures[0])));
	tcase_add_test(t, server_that_skips_its_signature);
	tcase_add_test(t, signature_in_the_235);
	tcase_add_test(t, signature_twice);
	suite_add_tcase(suite, t);
	return suite;
}
