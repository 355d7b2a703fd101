/*
 * check_smtp_server.c: what a client says and what it is answered, and what of its messages comes through.
 */
#include <check.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "proto/smtp_server.h"
#include "suites.h"

enum { TEXT_MAX = 1 << 16 };

static struct smtp_server server;
static struct smtp_server_options options;
static struct buf said; /* all its replies */
static struct buf texts; /* the messages that came to their end, "[]" around each */

/* What whoever reads messages does: takes all of them. */
static size_t
take_text(const char *data, size_t n)
{
	char out[64];
	size_t nout, taken = smtp_server_text(&server, data, n, out, sizeof(out), &nout);

	ck_assert_uint_gt(taken, 0);
	buf_add(&texts, out, nout);
	if (server.state == SMTP_SERVER_END) {
		buf_addc(&texts, ']');
		smtp_server_answer(&server, 250, "2.0.0", "taken");
	}
	return taken;
}

static void
feed(const char *data, size_t n)
{
	size_t taken = 0;

	while (taken < n && server.state != SMTP_SERVER_CLOSED) {
		if (server.state == SMTP_SERVER_TEXT)
			taken += take_text(data + taken, n - taken);
		else
			taken += smtp_server_input(&server, data + taken, n - taken);
		if (server.state == SMTP_SERVER_DATA) {
			smtp_server_invite(&server);
			buf_addc(&texts, '[');
		}
		if (buf_len(&server.out) > 4096) {
			buf_add(&said, buf_data(&server.out), buf_len(&server.out));
			smtp_server_sent(&server, buf_len(&server.out));
		}
	}
}

/* A group of commands, in pieces, all of it before anything is written. */
static void
client_bytes(const char *data, size_t n, size_t piece)
{
	for (size_t i = 0; i < n; i += piece)
		feed(data + i, n - i < piece ? n - i : piece);
	buf_add(&said, buf_data(&server.out), buf_len(&server.out));
	smtp_server_sent(&server, buf_len(&server.out));
}

static void
client(const char *text)
{
	client_bytes(text, strlen(text), TEXT_MAX);
}

static void
begin(void)
{
	smtp_server_free(&server);
	smtp_server_init(&server, &options);
	buf_clear(&said);
	buf_clear(&texts);
}

/* The codes of what has been said since, each with its status where it has one: "250- 250/2.1.0". */
static const char *
codes(void)
{
	static char list[8192];
	const char *p = buf_str(&said), *eol;
	size_t n = 0;

	for (; *p != '\0'; p = eol + 2) {
		eol = strstr(p, "\r\n");
		ck_assert_ptr_nonnull(eol);
		ck_assert_uint_le((size_t)(eol - p), 510); /* RFC 5321 4.5.3.1.5 */
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%.3s%s", n > 0 ? " " : "", p,
		    p[3] == '-' ? "-" : "");
		if (p[5] == '.' && p[7] == '.')
			n += (size_t)snprintf(list + n, sizeof(list) - n, "/%.5s", p + 4);
	}
	list[n] = '\0';
	buf_clear(&said);
	return list;
}

#define E "EHLO me\r\n"
#define ES "250- 250- 250- 250"
#define MAIL "MAIL FROM:<a@x.example>\r\n"
#define RCPT "RCPT TO:<b@y.example>\r\n"

static const struct {
	const char *sent, *codes;
} dialogues[] = {
    {"QUIT\r\n", "220 221/2.0.0"},
    {"quit \r\n", "220 221/2.0.0"},
    {"QUIT now\r\n", "220 501/5.5.4"},
    {"HELO me\r\n", "220 250"},
    {E, "220 " ES},
    {"EHLO\r\n", "220 501/5.5.4"},
    {"EHLO  \r\n", "220 501/5.5.4"},
    {"EHLO my old computer\r\n", "220 " ES},
    {"NOOP\r\nNOOP with words\r\nRSET\r\nHELP\r\nHELP MAIL\r\nVRFY bob\r\nVRFY\r\nEXPN list\r\n",
	"220 250/2.0.0 250/2.0.0 250/2.0.0 214/2.0.0 214/2.0.0 252/2.0.0 501/5.5.4 502/5.5.1"},
    {"AUTH PLAIN x\r\nSTARTTLS\r\nBDAT 4\r\nETRN x\r\nTURN\r\nSEND FROM:<x@y>\r\nXYZ\r\n\r\n",
	"220 502/5.5.1 502/5.5.1 502/5.5.1 502/5.5.1 502/5.5.1 502/5.5.1 500/5.5.1 500/5.5.1"},
    {"RSET now\r\nDATA now\r\n", "220 501/5.5.4 501/5.5.4"},
    {" NOOP\r\nNOO\r\nNOOPS\r\nLHLO me\r\n", "220 500/5.5.1 500/5.5.1 500/5.5.1 500/5.5.1"},

    /* out of order */
    {MAIL, "220 503/5.5.1"},
    {E RCPT, "220 " ES " 503/5.5.1"},
    {E "DATA\r\n", "220 " ES " 503/5.5.1"},
    {E MAIL "DATA\r\n", "220 " ES " 250/2.1.0 554/5.5.1"},
    {E MAIL MAIL, "220 " ES " 250/2.1.0 503/5.5.1"},
    {E MAIL RCPT "RSET\r\n" RCPT, "220 " ES " 250/2.1.0 250/2.1.5 250/2.0.0 503/5.5.1"},
    {E MAIL RCPT E RCPT, "220 " ES " 250/2.1.0 250/2.1.5 " ES " 503/5.5.1"},
    {E MAIL RCPT "HELO me\r\n" MAIL, "220 " ES " 250/2.1.0 250/2.1.5 250 250/2.1.0"},
    {E MAIL RCPT "DATA\r\n.\r\n" RCPT, "220 " ES " 250/2.1.0 250/2.1.5 354 250/2.0.0 503/5.5.1"},
    {E MAIL RCPT "DATA\r\n.\r\nDATA\r\n", "220 " ES " 250/2.1.0 250/2.1.5 354 250/2.0.0 503/5.5.1"},

    /* addresses */
    {E "MAIL FROM:<>\r\n", "220 " ES " 250/2.1.0"},
    {E "mail from: <a@x.example>\r\n", "220 " ES " 250/2.1.0"},
    {E "MAIL FROM:a@x.example\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM <a@x.example>\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL TO:<a@x.example>\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x.example\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x.example>x\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x.example> <b@x.example>\r\n", "220 " ES " 555/5.5.4"},
    {E "MAIL FROM:<a(b)@x.example>\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a b@x.example>\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x..example>\r\n", "220 " ES " 501/5.1.7"},
    {E "MAIL FROM:<a@x.example,b@x.example>\r\n", "220 " ES " 501/5.1.7"},
    {E "MAIL FROM:<@>\r\n", "220 " ES " 501/5.1.7"},
    {E "MAIL FROM:<\xc3\xbc@x.example>\r\n", "220 " ES " 553/5.6.7"},
    {E "MAIL FROM:<a@\xc3\xbc.example>\r\n", "220 " ES " 553/5.6.7"},
    {E MAIL "RCPT TO:<>\r\n", "220 " ES " 250/2.1.0 501/5.1.3"},
    {E MAIL "RCPT TO:<postmaster>\r\n", "220 " ES " 250/2.1.0 250/2.1.5"},
    {E MAIL "RCPT TO:<Postmaster>\r\nRCPT TO:<bob>\r\n",
	"220 " ES " 250/2.1.0 250/2.1.5 250/2.1.5"},
    {E MAIL "RCPT TO:<\"a b\"@y.example>\r\nRCPT TO:<\">\"@y.example>\r\n",
	"220 " ES " 250/2.1.0 250/2.1.5 250/2.1.5"},
    {E MAIL "RCPT TO:<b@[192.0.2.1]>\r\nRCPT TO:<@r.example,@s.example:b@y.example>\r\n",
	"220 " ES " 250/2.1.0 250/2.1.5 250/2.1.5"},
    {E MAIL "RCPT TO:<\xc3\xbc@x.example>\r\nRCPT TO:<b@-@>\r\nRCPT TO:b\r\n",
	"220 " ES " 250/2.1.0 553/5.6.7 501/5.1.3 501/5.5.4"},

    /* parameters */
    {E "MAIL FROM:<a@x.example> SIZE=1000\r\n", "220 " ES " 250/2.1.0"},
    {E "MAIL FROM:<a@x.example>  size=0 \r\n", "220 " ES " 250/2.1.0"},
    {E "MAIL FROM:<a@x.example> SIZE=1001\r\n", "220 " ES " 552/5.3.4"},
    {E "MAIL FROM:<a@x.example> SIZE=99999999999999999999\r\n", "220 " ES " 552/5.3.4"},
    {E "MAIL FROM:<a@x.example> SIZE=999999999999999999999\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x.example> SIZE=\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x.example> SIZE=-1\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x.example> SIZE=1 SIZE=1\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x.example>SIZE=1\r\n", "220 " ES " 501/5.5.4"},
    {E "MAIL FROM:<a@x.example> BODY=8BITMIME\r\n", "220 " ES " 555/5.5.4"},
    {E "MAIL FROM:<a@x.example> SIZE=1 SMTPUTF8\r\n", "220 " ES " 555/5.5.4"},
    {E MAIL "RCPT TO:<b@y.example> NOTIFY=NEVER\r\nRCPT TO:<b@y.example> SIZE=1\r\n",
	"220 " ES " 250/2.1.0 555/5.5.4 555/5.5.4"},

    /* lines that are none */
    {"NOOP\nNOOP\r\n", "220 500/5.5.2 250/2.0.0"},
    {"NOOP\rNOOP\r\n", "220 500/5.5.2"},
    {"NOOP\r\r\n", "220 500/5.5.2"},
    {"\n\r\n", "220 500/5.5.2 500/5.5.1"},
    {"NO\tOP\r\nNOOP \x7f\r\n", "220 500/5.5.2 500/5.5.2"},
    {E "MAIL FROM:<a@x.example>\nRCPT TO:<b@y.example>\nDATA\n",
	"220 " ES " 500/5.5.2 500/5.5.2 500/5.5.2"},

    /* somebody else's protocol */
    {"GET / HTTP/1.1\r\nNOOP\r\n", "220 421/4.7.0"},
    {"POST /mail HTTP/1.0\r\n" E MAIL, "220 421/4.7.0"},
};

static const size_t pieces[] = {1, 2, 3, 7, TEXT_MAX};
enum { NPIECES = sizeof(pieces) / sizeof(pieces[0]) };

START_TEST(commands_and_their_answers)
{
	for (size_t i = 0; i < NPIECES; i++) {
		begin();
		client_bytes(dialogues[_i].sent, strlen(dialogues[_i].sent), pieces[i]);
		ck_assert_str_eq(codes(), dialogues[_i].codes);
	}
}
END_TEST

START_TEST(EHLO_offers_what_there_is)
{
	client(E);
	ck_assert_str_eq(buf_str(&said), "220 mx.example.org ESMTP sortie\r\n250-mx.example.org\r\n"
					 "250-PIPELINING\r\n250-SIZE 1000\r\n"
					 "250 ENHANCEDSTATUSCODES\r\n");
	options.max_size = 0;
	begin();
	client(E "MAIL FROM:<a@x.example> SIZE=99999999999999999999\r\n");
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "250-SIZE\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "250 2.1.0"));
}
END_TEST

START_TEST(names_are_made_harmless)
{
	client("HELO [127.0.0.1]\r\n");
	ck_assert_str_eq(server.helo, "[127.0.0.1]");
	ck_assert(!server.esmtp);
	client("EHLO a (b) \"c\" <d>,\xc3\xbc;e\r\n");
	ck_assert_str_eq(server.helo, "a??b???c???d?????e");
	ck_assert(server.esmtp);
}
END_TEST

START_TEST(a_name_without_end)
{
	char line[400];

	memset(line, 'x', sizeof(line));
	memcpy(line, "EHLO ", 5);
	snprintf(line + 261, sizeof(line) - 261, "\r\n");
	client(line);
	ck_assert_str_eq(codes(), "220 501/5.5.4");
	snprintf(line + 260, sizeof(line) - 260, "\r\n");
	client(line);
	ck_assert_str_eq(codes(), ES);
}
END_TEST

START_TEST(addresses_are_completed)
{
	client(E "MAIL FROM:<alice>\r\nRCPT TO:<@r.example:Bob>\r\n"
		 "RCPT TO:<\"bob\"@y.example.>\r\n");
	ck_assert_str_eq(server.sender, "alice@example.org");
	ck_assert_uint_eq(server.nrcpts, 2);
	ck_assert_uint_eq(buf_len(&server.rcpts), sizeof("Bob@example.org\0bob@y.example"));
	ck_assert_mem_eq(buf_data(&server.rcpts), "Bob@example.org\0bob@y.example",
	    sizeof("Bob@example.org\0bob@y.example"));
}
END_TEST

/* --- the message --- */

#define D E MAIL RCPT "DATA\r\n"
#define DS "220 " ES " 250/2.1.0 250/2.1.5 354"

static const struct {
	const char *sent, *codes, *texts;
} messages[] = {
    {".\r\n", "250/2.0.0", "[]"},
    {"\r\n.\r\n", "250/2.0.0", "[\r\n]"},
    {"a: b\r\n\r\nc\r\n.\r\n", "250/2.0.0", "[a: b\r\n\r\nc\r\n]"},
    {"..\r\n.\r\n", "250/2.0.0", "[.\r\n]"},
    {"...\r\n..a\r\n.\r\n", "250/2.0.0", "[..\r\n.a\r\n]"},
    {".a\r\n.\r\n", "250/2.0.0",
	"[a\r\n]"}, /* RFC 5321 4.5.2: the first is removed, whatever follows */
    {"a.\r\n.\r\n", "250/2.0.0", "[a.\r\n]"},
    {"a\r\n.\r\nNOOP\r\n", "250/2.0.0 250/2.0.0", "[a\r\n]"},
    {"\xff\x01\r\n.\r\n", "250/2.0.0", "[\xff\x01\r\n]"},
    {"a\r\n.\r\n" MAIL RCPT "DATA\r\nb\r\n.\r\n", "250/2.0.0 250/2.1.0 250/2.1.5 354 250/2.0.0",
	"[a\r\n][b\r\n]"},

    /* what is no end, and could be one for somebody else; and the end that is behind it */
    {"a\n.\nNOOP\r\n", "", NULL},
    {"a\r\n.\nNOOP\r\n", "", NULL},
    {"a\n.\r\nNOOP\r\n", "", NULL},
    {"a\r.\rNOOP\r\n", "", NULL},
    {"a\r\n.\rNOOP\r\n", "", NULL},
    {"a\r.\r\nNOOP\r\n", "", NULL},
    {"a\n\n.\r\nNOOP\r\n", "", NULL},
    {"a\r\r\n.\r\r\nNOOP\r\n", "", NULL},
    {"a\r\n.\r\r\nNOOP\r\n", "", NULL},
    {"a\r\n.\r\n", "250/2.0.0", "[a\r\n]"},
    {"a\n.\n.\r\n", "", NULL},
    {"a\n.\nNOOP\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"a\r\n.\nNOOP\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"a\n.\r\nNOOP\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"a\r.\rNOOP\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"a\r\n.\rNOOP\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"a\r\r\nb\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"\n\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"\r\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {".\n\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"..\n\r\n.\r\nNOOP\r\n", "550/5.5.2 250/2.0.0", NULL},
    {"a\n.\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@y.example>\r\nDATA\r\nb\r\n.\r\n",
	"550/5.5.2", NULL},
};

START_TEST(messages_and_what_comes_of_them)
{
	char want[200];

	for (size_t i = 0; i < NPIECES; i++) {
		begin();
		client(D);
		client_bytes(messages[_i].sent, strlen(messages[_i].sent), pieces[i]);
		snprintf(want, sizeof(want), "%s%s%s", DS, messages[_i].codes[0] == '\0' ? "" : " ",
		    messages[_i].codes);
		ck_assert_str_eq(codes(), want);
		if (messages[_i].texts != NULL)
			ck_assert_str_eq(buf_str(&texts), messages[_i].texts);
		else
			ck_assert_ptr_null(strchr(buf_str(&texts), ']'));
	}
}
END_TEST

/* All texts of a few bytes that can be made of those that mean something, against what RFC 5321 4.1.1.4 says
 * in a sentence: the end is at the first CRLF "." CRLF, DATA's own CRLF included. */
START_TEST(every_short_text)
{
	static const char letters[] = "\r\n.a";
	enum { N = 7, ALL = 1 << (2 * N) };
	char text[N + 1];
	bool ended, bare;

	for (int x = 0; x < ALL; x++) {
		char whole[N + 3] = "\r\n", out[2 * N], *end;
		size_t nout, taken;

		for (int i = 0; i < N; i++)
			text[i] = letters[(x >> (2 * i)) & 3];
		text[N] = '\0';
		memcpy(whole + 2, text, sizeof(text));
		end = strstr(whole, "\r\n.\r\n");
		ended = end != NULL;
		bare = false;
		for (char *p = whole; *p != '\0' && (!ended || p < end); p++)
			bare = bare || (*p == '\r' && p[1] != '\n') ||
			       (*p == '\n' && (p == whole || p[-1] != '\r'));
		server.state = SMTP_SERVER_DATA;
		smtp_server_invite(&server);
		taken = smtp_server_text(&server, text, N, out, sizeof(out), &nout);
		if (ended)
			ck_assert_int_eq(
			    server.state, bare ? SMTP_SERVER_COMMAND : SMTP_SERVER_END);
		else
			ck_assert_int_eq(server.state, SMTP_SERVER_TEXT);
		ck_assert_uint_eq(taken, ended ? (size_t)(end - whole) + 3 : N);
		buf_clear(&server.out);
	}
}
END_TEST

START_TEST(a_line_of_a_message_may_be_long)
{
	static char line[100000];

	memset(line, 'x', sizeof(line));
	client(D);
	client_bytes(line, sizeof(line), 1000);
	client("\r\n.\r\n");
	ck_assert_uint_eq(buf_len(&texts), sizeof(line) + 4);
}
END_TEST

/* --- limits --- */

START_TEST(a_command_has_a_ceiling)
{
	static char line[SMTP_SERVER_LINE_MAX + 2];

	memset(line, 'x', sizeof(line));
	memcpy(line, "NOOP ", 5);
	memcpy(line + SMTP_SERVER_LINE_MAX - 2, "\r\n", 2);
	client_bytes(line, SMTP_SERVER_LINE_MAX, 100);
	ck_assert_str_eq(codes(), "220 250/2.0.0");
	memcpy(line + SMTP_SERVER_LINE_MAX - 2, "x\r\n", 3);
	client_bytes(line, SMTP_SERVER_LINE_MAX + 1, 100);
	client("NOOP\r\n");
	ck_assert_str_eq(codes(), "500/5.5.2 250/2.0.0");
	for (int i = 0; i < 1000; i++)
		client_bytes(line, 1000, 100);
	client("\r\nNOOP\r\n");
	ck_assert_str_eq(codes(), "500/5.5.2 250/2.0.0");
}
END_TEST

START_TEST(recipients_have_a_ceiling)
{
	char line[64];

	client(E MAIL);
	for (int i = 0; i < SMTP_SERVER_RCPTS_MAX; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<b%d@y.example>\r\n", i);
		feed(line, strlen(line));
	}
	client("");
	buf_clear(&said);
	client(RCPT "DATA\r\na\r\n.\r\n" MAIL RCPT);
	ck_assert_str_eq(codes(), "452/4.5.3 354 250/2.0.0 250/2.1.0 250/2.1.5");
}
END_TEST

START_TEST(recipients_have_a_ceiling_of_bytes)
{
	static char line[1200];
	size_t n;

	client(E MAIL);
	buf_clear(&said);
	snprintf(line, sizeof(line), "RCPT TO:<\"%01000d\"@y.example>\r\n", 0);
	for (n = 0; n < SMTP_SERVER_RCPTS_MAX && buf_len(&said) == 0; n++) {
		client(line);
		if (strncmp(buf_str(&said), "250", 3) == 0)
			buf_clear(&said);
	}
	ck_assert_str_eq(codes(), "452/4.5.3");
	ck_assert_uint_gt(n, 4000);
	ck_assert_uint_lt(n, 5000);
}
END_TEST

START_TEST(too_many_errors)
{
	for (int i = 0; i < SMTP_SERVER_ERRORS_MAX; i++)
		client("XYZ\r\n");
	buf_clear(&said);
	client("XYZ\r\nNOOP\r\n");
	ck_assert_str_eq(codes(), "421/4.7.0");
	ck_assert_int_eq(server.state, SMTP_SERVER_CLOSED);
	ck_assert(!server.quit);
}
END_TEST

/* A list with mistakes in it is one, and a process that stays may see many such lists. */
START_TEST(bad_addresses_are_no_errors)
{
	client(E MAIL);
	for (int i = 0; i < 100; i++)
		client("RCPT TO:<b@y..example>\r\nRCPT TO:<\xc3\xbc@y.example>\r\n");
	buf_clear(&said);
	for (int i = 0; i < 100; i++)
		client("XYZ\r\n" RCPT "DATA\r\n.\r\n" MAIL);
	buf_clear(&said);
	client("NOOP\r\n");
	ck_assert_str_eq(codes(), "250/2.0.0");
}
END_TEST

/* One who reads no replies is not served beyond what they may take. */
START_TEST(replies_have_a_ceiling)
{
	char text[6000], *p = text;
	size_t taken = 0, n;

	for (; p + 6 < text + sizeof(text); p += 6)
		memcpy(p, "NOOP\r\n", 6);
	while ((n = smtp_server_input(&server, text, (size_t)(p - text))) == (size_t)(p - text))
		taken += n;
	ck_assert_uint_lt(taken, 100000);
	ck_assert_uint_eq(smtp_server_input(&server, text, 6), 0);
	smtp_server_sent(&server, buf_len(&server.out));
	ck_assert_uint_eq(smtp_server_input(&server, text, 6), 6);
}
END_TEST

/* --- clients that are not to be trusted --- */

/* Who wrote the text must not command us: a program that does not read our answers sends it all the same. */
START_TEST(a_message_behind_a_refused_DATA)
{
	for (size_t i = 0; i < NPIECES; i++) {
		static const char text[] = E "DATA\r\nRSET\r\n" MAIL RCPT;

		begin();
		client_bytes(text, sizeof(text) - 1, pieces[i]);
		ck_assert_str_eq(codes(), "220 " ES " 503/5.5.1 421/4.7.0");
	}
	begin();
	client(E MAIL "DATA\r\n");
	client("RSET\r\n");
	ck_assert_str_eq(codes(), "220 " ES " 250/2.1.0 554/5.5.1 250/2.0.0");
}
END_TEST

START_TEST(a_message_behind_a_DATA_that_the_caller_refuses)
{
	client(E MAIL RCPT);
	buf_clear(&said);
	ck_assert_uint_eq(smtp_server_input(&server, "DATA\r\nRSET\r\n", 12), 6);
	ck_assert_int_eq(server.state, SMTP_SERVER_DATA);
	smtp_server_answer(&server, 452, "4.3.1", "full");
	client("RSET\r\n");
	ck_assert_str_eq(codes(), "452/4.3.1 421/4.7.0");
}
END_TEST

START_TEST(a_client_that_is_refused)
{
	options.refused = true;
	begin();
	client(E MAIL "NOOP\r\nRSET\r\nQUIT\r\n");
	ck_assert_str_eq(codes(), "554 503/5.7.1 503/5.7.1 503/5.7.1 503/5.7.1 221/2.0.0");
	ck_assert_int_eq(server.state, SMTP_SERVER_CLOSED);
}
END_TEST

START_TEST(answers_are_ascii)
{
	client(D ".");
	smtp_server_answer(&server, 451, "4.3.0", "%s", "gr\xc3\xbc\xc3\x9f\r\n250 ok");
	buf_clear(&said);
	client("");
	ck_assert_str_eq(buf_str(&said), "451 4.3.0 gr????"
					 "??250 ok\r\n");
}
END_TEST

static void
setup(void)
{
	options = (struct smtp_server_options){
	    .hostname = "mx.example.org", .domain = "example.org", .max_size = 1000};
	buf_init(&said, 1 << 20);
	buf_init(&texts, 1 << 20);
	smtp_server_init(&server, &options);
}

static void
teardown(void)
{
	smtp_server_free(&server);
	buf_free(&said);
	buf_free(&texts);
}

Suite *
suite_smtp_server(void)
{
	Suite *s = suite_create("smtp_server");
	TCase *tc = tcase_create("smtp_server");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, commands_and_their_answers, 0, sizeof(dialogues) / sizeof(dialogues[0]));
	tcase_add_test(tc, EHLO_offers_what_there_is);
	tcase_add_test(tc, names_are_made_harmless);
	tcase_add_test(tc, a_name_without_end);
	tcase_add_test(tc, addresses_are_completed);
	tcase_add_loop_test(
	    tc, messages_and_what_comes_of_them, 0, sizeof(messages) / sizeof(messages[0]));
	tcase_add_test(tc, every_short_text);
	tcase_add_test(tc, a_line_of_a_message_may_be_long);
	tcase_add_test(tc, a_command_has_a_ceiling);
	tcase_add_test(tc, recipients_have_a_ceiling);
	tcase_add_test(tc, recipients_have_a_ceiling_of_bytes);
	tcase_add_test(tc, too_many_errors);
	tcase_add_test(tc, bad_addresses_are_no_errors);
	tcase_add_test(tc, replies_have_a_ceiling);
	tcase_add_test(tc, a_message_behind_a_refused_DATA);
	tcase_add_test(tc, a_message_behind_a_DATA_that_the_caller_refuses);
	tcase_add_test(tc, a_client_that_is_refused);
	tcase_add_test(tc, answers_are_ascii);
	suite_add_tcase(s, tc);
	return s;
}
