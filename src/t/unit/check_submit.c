/*
 * check_submit.c: what comes in on standard input, and what of it is in the spool afterwards.
 */
#include <check.h>

#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "submit.h"
#include "submit_intake.h"
#include "t/unit/suites.h"
#include "testspool.h"

/* A header that lacks nothing, so that nothing is added to it. */
#define HEAD \
	"From: alice@example.org\n" \
	"Date: Tue, 24 Nov 2026 06:10:00 +0000\n" \
	"Message-ID: <1@example.org>\n"
#define HEAD_CRLF \
	"From: alice@example.org\r\n" \
	"Date: Tue, 24 Nov 2026 06:10:00 +0000\r\n" \
	"Message-ID: <1@example.org>\r\n"

static struct spool *sp;
static struct submit_options o;
static char id[ENVELOPE_ID_MAX + 1], why[512];
static struct envelope e;
static char *message; /* all of the body file */
static const char *rest; /* what is behind the Received field */
static size_t nmessage;

static char *one_recipient[] = {(char[]){"bob@example.net"}, NULL};

static long long
fixed_wall_ns(void)
{
	return 1795500600LL * 1000000000; /* 2026-11-24 06:10:00 UTC */
}

static void
setup(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	logcap_start();
	sp = testspool_open();
	sys.wall_ns = fixed_wall_ns;
	o = (struct submit_options){.hostname = "mx.example.org",
	    .domain = "example.org",
	    .login = "alice",
	    .gecos = "Alice Adams,Room 1,,",
	    .uid = 1000,
	    .source = "cron",
	    .recipients = one_recipient,
	    .nrecipients = 1};
	envelope_init(&e);
}

static void
teardown(void)
{
	fault_disarm();
	sys = sys_libc;
	free(message);
	message = NULL;
	envelope_free(&e);
	testspool_close(&sp);
	logcap_stop();
	submit_stop = 0;
}

static size_t
longest_line(const char *text)
{
	size_t longest = 0, n = 0;

	for (const char *p = text; *p != '\0'; p++) {
		n = *p == '\n' ? 0 : *p == '\r' ? n : n + 1;
		longest = n > longest ? n : longest;
	}
	return longest;
}

static bool
starts(const char *text, const char *want)
{
	return strncmp(text, want, strlen(want)) == 0;
}

/* --- running it --- */

static void
load(void)
{
	const char *p;

	envelope_free(&e);
	envelope_init(&e);
	testspool_load(sp, id, &e);
	free(message);
	message = testspool_body(sp, id, &nmessage);
	ck_assert_uint_eq(e.size, nmessage);
	ck_assert(starts(message, "Received: by "));
	p = message;
	do
		p = strstr(p, "\r\n") + 2;
	while (*p == '\t');
	rest = p;
}

static int
run_bytes(const char *text, size_t n)
{
	FILE *f = tmpfile();
	int rc;

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	rewind(f);
	o.input = fileno(f);
	why[0] = id[0] = '\0';
	rc = submit(sp, &o, id, why, sizeof(why));
	fclose(f);
	if (rc == 0)
		load();
	return rc;
}

static int
run(const char *text)
{
	return run_bytes(text, strlen(text));
}

/* Taken, and this is behind the Received field. */
static void
gives(const char *text, const char *want)
{
	int rc = run(text);

	ck_assert_msg(rc == 0, "%s: %s", text, why);
	ck_assert_str_eq(rest, want);
}

/* Refused with this code and these words, and nothing is left anywhere in the spool. */
static void
refuses(const char *text, int rc, const char *words)
{
	size_t before = testspool_count(sp);
	int got = run(text);

	ck_assert_msg(got == rc, "%d: %s", got, why);
	ck_assert_msg(strstr(why, words) != NULL, "%s", why);
	ck_assert(strchr(why, '\n') == NULL);
	ck_assert_uint_eq(testspool_count(sp), before);
}

static size_t
files_in(const char *sub)
{
	char path[512], line[512];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "ls '%s/%s'", spool_path(sp), sub);
	f = popen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n++;
	pclose(f);
	return n;
}

static const char *
recipients(void)
{
	static char text[2000];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < e.nrcpts && n < sizeof(text); i++)
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "", e.rcpts[i].address);
	return text;
}

/* Standard input made up as it is read: `at` counts the bytes given. */
static size_t source_at, source_size;
static void (*source_fn)(char *p, size_t n);

static ssize_t
read_source(int fd, void *buf, size_t n)
{
	(void)fd;
	if (n > source_size - source_at)
		n = source_size - source_at;
	if (n > 0)
		source_fn(buf, n);
	source_at += n;
	return (ssize_t)n;
}

static int
run_source(void (*fn)(char *p, size_t n), size_t size)
{
	ssize_t (*saved)(int, void *, size_t) = sys.read;
	int rc;

	source_fn = fn;
	source_at = 0;
	source_size = size;
	sys.read = read_source;
	o.input = open("/dev/null", O_RDONLY);
	why[0] = '\0';
	rc = submit(sp, &o, id, why, sizeof(why));
	close(o.input);
	sys.read = saved;
	return rc;
}

/* --- a plain message --- */

START_TEST(a_message_is_queued_whole)
{
	char want[1000];

	ck_assert_int_eq(run("To: bob@example.net\nSubject: hello\n\nline 1\nline 2\n"), 0);
	snprintf(want, sizeof(want),
	    "Received: by mx.example.org (sortie, from userid 1000)\r\n"
	    "\tid %s\r\n"
	    "\tfor <bob@example.net>; Tue, 24 Nov 2026 06:10:00 +0000\r\n"
	    "To: bob@example.net\r\n"
	    "Subject: hello\r\n"
	    "Date: Tue, 24 Nov 2026 06:10:00 +0000\r\n"
	    "From: Alice Adams <alice@example.org>\r\n"
	    "Message-ID: <%s@mx.example.org>\r\n"
	    "\r\n"
	    "line 1\r\n"
	    "line 2\r\n",
	    id, id);
	ck_assert_str_eq(message, want);
	ck_assert_str_eq(e.sender, "alice@example.org");
	ck_assert_str_eq(recipients(), "bob@example.net");
	ck_assert_str_eq(e.source_room, "cron");
	ck_assert_int_eq(e.uid, 1000);
	ck_assert_int_eq(e.submitted, 1795500600);
	ck_assert(!e.eightbit && !e.utf8 && !e.dots);
	ck_assert_uint_eq(e.longest, longest_line(message));
	ck_assert_uint_eq(files_in("tmp"), 0);
	ck_assert_uint_eq(files_in("msg"), 1);
	ck_assert(logcap_has("uid=1000, from=<alice@example.org>"));
}
END_TEST

START_TEST(what_is_there_is_not_added_again)
{
	gives(HEAD "\nbody\n", HEAD_CRLF "\r\nbody\r\n");
	gives("date:x\nFROM :y\nmessage-id: z\n\nbody\n",
	    "date:x\r\nFROM :y\r\nmessage-id: z\r\n\r\nbody\r\n");
}
END_TEST

START_TEST(required_fields_without_a_value_count_as_missing)
{
	ck_assert_int_eq(run("From:\nDate:  \n \nMessage-ID: \nSubject:\nX: y\n\nbody\n"), 0);
	ck_assert(starts(rest, "Subject:\r\nX: y\r\nDate: Tue"));
	ck_assert_ptr_nonnull(strstr(rest, "\r\nFrom: Alice Adams <alice@example.org>\r\n"));
	ck_assert_ptr_null(strstr(rest, "From:\r\n"));
}
END_TEST

START_TEST(the_body_file_knows_its_kind)
{
	gives(HEAD "\n.dot\n", HEAD_CRLF "\r\n.dot\r\n");
	ck_assert(e.dots && !e.eightbit);
	gives(HEAD "\nx.\n", HEAD_CRLF "\r\nx.\r\n");
	ck_assert(!e.dots && !e.eightbit);
	gives(HEAD "\n\xc3\xbc\n", HEAD_CRLF "\r\n\xc3\xbc\r\n");
	ck_assert(e.eightbit && !e.utf8);
	gives(HEAD "Subject: \xc3\xbc\n\nx\n", HEAD_CRLF "Subject: \xc3\xbc\r\n\r\nx\r\n");
	ck_assert(e.eightbit && e.utf8);
	gives(HEAD "\nlonger than everything in the header, which has at the most "
		   "sixty-six bytes in one of its lines\n",
	    HEAD_CRLF "\r\nlonger than everything in the header, which has at the most "
		      "sixty-six bytes in one of its lines\r\n");
	ck_assert_uint_eq(e.longest, longest_line(message));
}
END_TEST

START_TEST(without_names_everything_is_at_localhost)
{
	o.hostname = o.domain = NULL;
	o.login = NULL;
	o.gecos = NULL;
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(e.sender, "uid1000@localhost");
	ck_assert_ptr_nonnull(strstr(message, "Received: by localhost (sortie"));
	ck_assert_ptr_nonnull(strstr(rest, "From: uid1000@localhost\r\n"));
	ck_assert_ptr_nonnull(strstr(rest, "@localhost>\r\n\r\nbody\r\n"));
	o.login = "DOMAIN\\alice b";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(e.sender, "\"DOMAIN\\\\alice b\"@localhost");
	o.login = "alice b";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(e.sender, "\"alice b\"@localhost");
	o.login = "\xc3\xbc";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(e.sender, "uid1000@localhost");
}
END_TEST

START_TEST(full_names_are_written_so_that_they_may_stand)
{
	o.full_name = "Cron Daemon (root)";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(strstr(rest, "From: \"Cron Daemon (root)\" <alice@example.org>\r\n"));
	o.full_name = "J\xc3\xbcrgen";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(
	    strstr(rest, "From: =?utf-8?q?J=C3=BCrgen?= <alice@example.org>\r\n"));
	o.full_name = "A name that is so long that with the address it needs two lines";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(strstr(rest, "needs two lines\r\n <alice@example.org>\r\n"));
	o.full_name = NULL;
	o.gecos = "& B. Adams";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(strstr(rest, "From: \"Alice B. Adams\" <alice@example.org>\r\n"));
	o.full_name = "";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(strstr(rest, "From: alice@example.org\r\n"));
}
END_TEST

START_TEST(the_sender_may_be_chosen_and_the_received_line_tells_who_did)
{
	o.sender = "root";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(e.sender, "root@example.org");
	ck_assert_ptr_nonnull(strstr(message, "from userid 1000)"));
	ck_assert_ptr_nonnull(strstr(rest, "From: root@example.org\r\n")); /* not Alice's name */
	o.sender = "Bounces <bounces@example.net>";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(e.sender, "bounces@example.net");
	o.sender = "";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(e.sender, "");
	ck_assert_ptr_nonnull(strstr(rest, "From: alice@example.org\r\n"));
	o.sender = "a@b, c@d";
	refuses("X: y\n\nbody\n", EX_USAGE, "more than one");
	o.sender = "()";
	refuses("X: y\n\nbody\n", EX_USAGE, "-f ()");
	o.sender = "a b";
	refuses("X: y\n\nbody\n", EX_DATAERR, "a b: not a mail address");
}
END_TEST

/* --- 20: line breaks where none belong --- */

START_TEST(a_bare_cr_in_a_subject_makes_no_field)
{
	gives(HEAD "Subject: x\rBcc: eve@example.net\n\nbody\n",
	    HEAD_CRLF "Subject: x Bcc: eve@example.net\r\n\r\nbody\r\n");
	o.from_headers = true;
	gives(HEAD "Subject: x\rBcc: eve@example.net\n\nbody\n",
	    HEAD_CRLF "Subject: x Bcc: eve@example.net\r\n\r\nbody\r\n");
	ck_assert_str_eq(recipients(), "bob@example.net");
	gives(HEAD "Subject: x\r\r\nBcc: eve@example.net\n\nbody\n",
	    HEAD_CRLF "Subject: x \r\n\r\nbody\r\n");
	gives(HEAD "Subject\r: x\n\rBcc: y\n\nbody\n",
	    HEAD_CRLF "Subject : x\r\n Bcc: y\r\n\r\nbody\r\n");
}
END_TEST

START_TEST(line_breaks_and_control_characters_in_addresses_are_refused)
{
	static const char *const bad[] = {"bob@example.net\r\nDATA", "bob@example.net\n",
	    "bob\r@example.net", "\"bob\x01\"@example.net", "bob\x7f@example.net",
	    "<bob@example.net>\nx", "\"a\tb\"@example.net"};
	char text[100], *argv[] = {text, NULL};

	o.recipients = argv;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		refuses(HEAD "\nbody\n", EX_DATAERR, "control character");
	}
	o.recipients = one_recipient;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o.sender = bad[i];
		refuses(HEAD "\nbody\n", EX_DATAERR, "control character");
	}
}
END_TEST

START_TEST(a_line_break_in_a_full_name_is_dropped)
{
	o.full_name = "Alice\r\nBcc: eve@example.net\r\n\r\nbody";
	ck_assert_int_eq(run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(
	    strstr(rest, "From: \"AliceBcc: eve@example.netbody\" <alice@example.org>\r\n"));
}
END_TEST

START_TEST(one_bad_recipient_among_many_refuses_all_and_is_named)
{
	char *argv[] = {(char[]){"bob@example.net"}, (char[]){"carol@@example.net"}, NULL};

	o.recipients = argv;
	o.nrecipients = 2;
	refuses(HEAD "\nbody\n", EX_DATAERR, "carol@@example.net: not a mail address (5.1.3)");
	o.nrecipients = 1;
	o.from_headers = true;
	refuses(HEAD "To: carol@example.net, b@d@b\n\nbody\n", EX_DATAERR, "b@d@b");
	ck_assert_uint_eq(files_in("tmp"), 0);
	ck_assert_uint_eq(files_in("msg"), 0);
}
END_TEST

START_TEST(a_non_ascii_address_is_refused_with_its_own_status)
{
	char *argv[] = {(char[]){"bob@ex\xc3\xa4mple.net"}, NULL};

	o.recipients = argv;
	refuses(HEAD "\nbody\n", EX_DATAERR, "5.6.7");
	ck_assert_ptr_nonnull(strstr(why, "bob@ex\xc3\xa4mple.net"));
}
END_TEST

START_TEST(a_local_part_of_2000_bytes_is_refused)
{
	static char text[2100], *argv[] = {text, NULL};

	memset(text, 'a', 2000);
	memcpy(text + 2000, "@example.net", 13);
	o.recipients = argv;
	refuses(HEAD "\nbody\n", EX_DATAERR, "too long (5.1.3)");
}
END_TEST

/* --- 21: line ends and dots --- */

static const struct {
	const char *body, *want, *want_ignoring_dots; /* NULL: the same */
} ends[] = {
    {"", "", NULL},
    {"a", "a\r\n", NULL},
    {"a\n", "a\r\n", NULL},
    {"a\r\n", "a\r\n", NULL},
    {"a\r", "a\r\n", NULL},
    {"a\rb", "a\r\nb\r\n", NULL},
    {"a\r\rb\n", "a\r\n\r\nb\r\n", NULL},
    {"a\r\r\nb\n", "a\r\n\r\nb\r\n", NULL},
    {"a\n\rb\n", "a\r\n\r\nb\r\n", NULL},
    {"\n\n", "\r\n\r\n", NULL},
    {"\r\n\r\n", "\r\n\r\n", NULL},
    {"a\n.\nb\n", "a\r\n", "a\r\n.\r\nb\r\n"},
    {"a\r\n.\r\nb\n", "a\r\n", "a\r\n.\r\nb\r\n"},
    {"a\r\n.\nb\n", "a\r\n", "a\r\n.\r\nb\r\n"},
    {"a\n.\r\nb\n", "a\r\n", "a\r\n.\r\nb\r\n"},
    {".\nb\n", "", ".\r\nb\r\n"},
    {"a\n.", "a\r\n", "a\r\n.\r\n"},
    /* a CR alone makes no lone dot, before it or behind it */
    {"a\r.\r\nb\n", "a\r\n.\r\nb\r\n", NULL},
    {"a\r.\nb\n", "a\r\n.\r\nb\r\n", NULL},
    {"a\n.\rb\n", "a\r\n.\r\nb\r\n", NULL},
    {"a\r.\rb\n", "a\r\n.\r\nb\r\n", NULL},
    {"a\n.\r\r\nb\n", "a\r\n.\r\n\r\nb\r\n", NULL},
    {"a\n.\r", "a\r\n.\r\n", NULL},
    {"a\r.", "a\r\n.\r\n", NULL},
    /* more than a dot */
    {"a\n..\nb\n", "a\r\n..\r\nb\r\n", NULL},
    {"a\n.b\n", "a\r\n.b\r\n", NULL},
    {"a\n. \nb\n", "a\r\n. \r\nb\r\n", NULL},
    {"a.\nb\n", "a.\r\nb\r\n", NULL},
    {"a\n \n.\n", "a\r\n \r\n", "a\r\n \r\n.\r\n"},
};

START_TEST(every_mix_of_cr_lf_and_dots)
{
	char text[500], want[500];

	snprintf(text, sizeof(text), HEAD "\n%s", ends[_i].body);
	snprintf(want, sizeof(want), HEAD_CRLF "\r\n%s", ends[_i].want);
	gives(text, want);
	o.ignore_dots = true;
	if (ends[_i].want_ignoring_dots != NULL)
		snprintf(want, sizeof(want), HEAD_CRLF "\r\n%s", ends[_i].want_ignoring_dots);
	gives(text, want);
}
END_TEST

START_TEST(a_nul_becomes_a_question_mark)
{
	static const char text[] = HEAD "X: a\0b\n\na\0b\n\0\n";

	ck_assert_int_eq(run_bytes(text, sizeof(text) - 1), 0);
	ck_assert_uint_eq(strlen(message), nmessage);
	ck_assert_str_eq(rest, HEAD_CRLF "X: a?b\r\n\r\na?b\r\n?\r\n");
}
END_TEST

/* --- the intake alone --- */

static struct buf seen;

static bool
see_header(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	buf_adds(&seen, "[");
	buf_add(&seen, text, n);
	buf_adds(&seen, "]");
	return true;
}

static bool
see_body(void *ctx, const char *data, size_t n)
{
	(void)ctx;
	buf_add(&seen, data, n);
	return true;
}

static void
take_in(const char *text, size_t n, size_t chunk)
{
	struct submit_intake in;

	buf_clear(&seen);
	submit_intake_init(&in, false, see_header, see_body, NULL);
	for (size_t at = 0; at < n; at += chunk)
		submit_intake_feed(&in, text + at, n - at < chunk ? n - at : chunk);
	submit_intake_end(&in);
	submit_intake_free(&in);
}

/* Where the header ends, and what becomes of what is no header. */
static const struct {
	const char *text, *want;
} heads[] = {
    {"", "[]"},
    {"\n", "[]"},
    {"\nbody\n", "[]body\r\n"},
    {"\r\nbody\r\n", "[]body\r\n"},
    {"\r\r\nbody\r\r\n", "[]body\r\n\r\n"},
    {"A: b\n", "[A: b\r\n]"},
    {"A: b", "[A: b\r\n]"},
    {"A: b\n.\nC: d\n", "[A: b\r\n]"},
    {".\n", "[]"},
    {"A: b\n\nbody\n", "[A: b\r\n]body\r\n"},
    {"A: b\r\n\r\nbody\r\n", "[A: b\r\n]body\r\n"},
    {"A: b\r\r\nC: d\r\r\n\r\r\nbody\r\r\n", "[A: b \r\nC: d \r\n]body\r\n\r\n"},
    {"A: b\n c\n\td\n\nbody\n", "[A: b\r\n c\r\n\td\r\n]body\r\n"},
    {"A: b\n \n\nbody\n", "[A: b\r\n \r\n]body\r\n"},
    {"A : b\nC\t:d\n\n", "[A : b\r\nC\t:d\r\n]"},
    {"A: b\nno field\nC: d\n", "[A: b\r\n]no field\r\nC: d\r\n"},
    {"A: b\nnofield\n\nC: d\n", "[A: b\r\n]nofield\r\n\r\nC: d\r\n"},
    {"A: b\n: c\n", "[A: b\r\n]: c\r\n"},
    {"A: b\nno field", "[A: b\r\n]no field\r\n"},
    {"body\n", "[]body\r\n"},
    {"two words: x\n", "[]two words: x\r\n"},
    {"body\rTo: x\n", "[]body\r\nTo: x\r\n"},
    {" A: b\nC: d\n", "[] A: b\r\nC: d\r\n"},
    {"\rA: b\n", "[]\r\nA: b\r\n"},
    {"A: b\rC: d\n\n", "[A: b C: d\r\n]"},
    {"\xc3\xbc: b\n", "[]\xc3\xbc: b\r\n"},
    {"From alice Tue Nov 24\nA: b\n\nbody\n", "[A: b\r\n]body\r\n"},
    {">From alice Tue Nov 24\nA: b\n\nbody\n", "[A: b\r\n]body\r\n"},
    {"From a\n>From b\nA: b\n\nbody\n", "[A: b\r\n]body\r\n"},
    {"From alice Tue Nov 24\n\nbody\n", "[]body\r\n"},
    {"From here to eternity\nis a film\n", "[]From here to eternity\r\nis a film\r\n"},
    {"From here\rto eternity\nis a film\n", "[]From here\r\nto eternity\r\nis a film\r\n"},
    {"From here to eternity", "[]From here to eternity\r\n"},
    {"A: b\nFrom here\n", "[A: b\r\n]From here\r\n"},
    {"A: b\n\nFrom here\n>From there\n", "[A: b\r\n]From here\r\n>From there\r\n"},
    {"From: a\n\n", "[From: a\r\n]"},
    {"From : a\n\n", "[From : a\r\n]"},
    {"From", "[]From\r\n"},
};

START_TEST(where_the_header_ends_however_the_bytes_arrive)
{
	const char *text = heads[_i].text;

	buf_init(&seen, 10000);
	for (size_t chunk = 1; chunk <= strlen(text) + 1; chunk++) {
		take_in(text, strlen(text), chunk);
		ck_assert_msg(strcmp(buf_str(&seen), heads[_i].want) == 0,
		    "\"%s\" by %zu: \"%s\", not \"%s\"", text, chunk, buf_str(&seen),
		    heads[_i].want);
	}
	buf_free(&seen);
}
END_TEST

START_TEST(ends_and_dots_do_not_depend_on_how_the_bytes_arrive)
{
	char text[500], want[500];

	buf_init(&seen, 10000);
	snprintf(text, sizeof(text), "A: b\n\n%s", ends[_i].body);
	snprintf(want, sizeof(want), "[A: b\r\n]%s", ends[_i].want);
	for (size_t chunk = 1; chunk <= strlen(text); chunk++) {
		take_in(text, strlen(text), chunk);
		ck_assert_str_eq(buf_str(&seen), want);
	}
	buf_free(&seen);
}
END_TEST

/* --- 22: recipients and headers --- */

START_TEST(recipients_come_from_to_cc_and_bcc)
{
	o.from_headers = true;
	o.nrecipients = 0;
	gives("To: a@x, B <b@x>,\n (comment, c@x)\n \"d e\"@x\n" HEAD
	      "cc: =?utf-8?q?f=2C?= <f@x>, friends: g@x, h@x;\n"
	      "BCC: i@x\n\nTo: j@x\nBcc: k@x\n",
	    "To: a@x, B <b@x>,\r\n (comment, c@x)\r\n \"d e\"@x\r\n" HEAD_CRLF
	    "cc: =?utf-8?q?f=2C?= <f@x>, friends: g@x, h@x;\r\n"
	    "\r\nTo: j@x\r\nBcc: k@x\r\n");
	ck_assert_str_eq(recipients(), "a@x b@x \"d e\"@x f@x g@x h@x i@x");
	ck_assert_ptr_null(strstr(message, "\tfor <"));
}
END_TEST

START_TEST(resent_recipients_stand_alone)
{
	o.from_headers = true;
	o.nrecipients = 0;
	gives("To: a@x\nResent-Bcc: b@x\nResent-To: c@x\nBcc: d@x\n" HEAD "\n",
	    "To: a@x\r\nResent-To: c@x\r\n" HEAD_CRLF "\r\n");
	ck_assert_str_eq(recipients(), "b@x c@x");
}
END_TEST

START_TEST(with_t_and_arguments_both_count_and_duplicates_once)
{
	char *argv[] = {(char[]){"x@x, bob"}, (char[]){""}, (char[]){"x@x"}, NULL};

	o.from_headers = true;
	o.recipients = argv;
	o.nrecipients = 3;
	ck_assert_int_eq(run(HEAD "To: a@x, bob@example.org\n\n"), 0);
	ck_assert_str_eq(recipients(), "x@x bob@example.org a@x");
}
END_TEST

START_TEST(without_t_the_header_names_nobody_and_still_loses_its_bcc)
{
	gives(HEAD "To: a@x\nBcc: b@x,\n c@x\nRESENT-BCC : d@x\nReturn-Path: <x>\n"
		   "Content-Length: 4711\nX-Bcc: y\n\nbody\n",
	    HEAD_CRLF "To: a@x\r\nX-Bcc: y\r\n\r\nbody\r\n");
	ck_assert_str_eq(recipients(), "bob@example.net");
}
END_TEST

START_TEST(no_recipients_is_wrong_usage)
{
	o.nrecipients = 0;
	refuses(HEAD "To: a@x\n\n", EX_USAGE, "no recipients");
	o.from_headers = true;
	refuses(HEAD "\nTo: a@x\n", EX_USAGE, "no recipients");
	refuses(HEAD "To: undisclosed-recipients:;\nBcc:\n\nx\n", EX_USAGE, "no recipients");
	refuses("", EX_USAGE, "no recipients");
}
END_TEST

START_TEST(no_header_at_all_and_an_empty_message)
{
	ck_assert_int_eq(run("just text\nTo: nobody\n"), 0);
	ck_assert(starts(rest, "Date: "));
	ck_assert_ptr_nonnull(strstr(rest, ".org>\r\n\r\njust text\r\nTo: nobody\r\n"));
	ck_assert_int_eq(run(""), 0);
	ck_assert(starts(rest, "Date: "));
	ck_assert_str_eq(rest + strlen(rest) - 7, "org>\r\n\r\n" + 1);
	ck_assert_int_eq(run("."), 0);
	ck_assert_int_eq(run("x"), 0);
	ck_assert_ptr_nonnull(strstr(rest, "\r\n\r\nx\r\n"));
}
END_TEST

static struct buf big;

START_TEST(a_hundred_thousand_recipients_in_one_header)
{
	o.from_headers = true;
	o.nrecipients = 0;
	buf_init(&big, 32 << 20);
	buf_adds(&big, HEAD "To: nobody@example.net");
	for (int i = 0; i < 100000; i++)
		buf_addf(&big, ",\n \"No. %d\" <user%d@example%d.org>", i, i, i % 1000);
	buf_adds(&big, "\n\nbody\n");
	ck_assert_int_eq(run_bytes(buf_data(&big), buf_len(&big)), 0);
	buf_free(&big);
	ck_assert_uint_eq(e.nrcpts, 100001);
	ck_assert_str_eq(e.rcpts[100000].address, "user99999@example999.org");
}
END_TEST

START_TEST(ten_megabytes_of_header)
{
	buf_init(&big, 32 << 20);
	buf_adds(&big, HEAD);
	for (int i = 0; buf_len(&big) < 10 * 1000 * 1000; i++)
		buf_addf(&big, "X-%d: some text\n\tthat goes on\n", i);
	buf_adds(&big, "\nbody\n");
	ck_assert_int_eq(run_bytes(buf_data(&big), buf_len(&big)), 0);
	ck_assert_str_eq(rest + strlen(rest) - 10, "\r\n\r\nbody\r\n");
	buf_free(&big);
}
END_TEST

static void
make_header(char *p, size_t n)
{
	memset(p, 'a', n);
	if (source_at == 0)
		memcpy(p, "X: ", 3);
}

START_TEST(a_header_beyond_all_measure_is_refused)
{
	ck_assert_int_eq(run_source(make_header, 40 << 20), EX_DATAERR);
	ck_assert_ptr_nonnull(strstr(why, "header is larger"));
	ck_assert_uint_lt(source_at, 20 << 20);
	ck_assert_uint_eq(files_in("tmp"), 0);
}
END_TEST

START_TEST(more_than_a_hundred_received_lines_are_a_loop)
{
	buf_init(&big, 1 << 20);
	buf_adds(&big, HEAD);
	for (int i = 0; i < 100; i++)
		buf_adds(&big, "Received: from a by b\n");
	ck_assert_int_eq(run_bytes(buf_data(&big), buf_len(&big)), 0);
	buf_adds(&big, "RECEIVED: from a\n by b\n\nbody\n");
	ck_assert_int_eq(run_bytes(buf_data(&big), buf_len(&big)), EX_DATAERR);
	ck_assert_ptr_nonnull(strstr(why, "loop"));
	ck_assert_ptr_nonnull(strstr(why, "5.4.6"));
	buf_free(&big);
}
END_TEST

/* --- 23: long lines --- */

/* A message whose body is one line of n bytes. */
static int
run_line(const char *head, size_t n, const char *fill)
{
	int rc;

	buf_init(&big, 32 << 20);
	buf_adds(&big, head);
	buf_adds(&big, "\n");
	while (n > 0) {
		size_t part = n < strlen(fill) ? n : strlen(fill);

		buf_add(&big, fill, part);
		n -= part;
	}
	buf_adds(&big, "\n");
	rc = run_bytes(buf_data(&big), buf_len(&big));
	buf_free(&big);
	return rc;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789ABCDEF", *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? 256 : (int)(at - digits);
}

/* The body, decoded: what RFC 2045 6.7 says, as a second opinion. An assertion costs a system call,
 * so there is one at the end. */
static char *
decode_qp(const char *p)
{
	char *out = xmalloc(strlen(p) + 1);
	bool ok = true;
	size_t n = 0;

	for (; *p != '\0' && ok; p++) {
		if (*p == '=' && p[1] == '\r' && p[2] == '\n') {
			p += 2;
		} else if (*p == '=') {
			int c = hex_digit(p[1]) << 4 | hex_digit(p[2]);

			ok = c < 256;
			out[n++] = (char)c;
			p += 2;
		} else {
			ok = *p == '\r' || *p == '\n' || *p == '\t' || (*p >= ' ' && *p < 127);
			out[n++] = *p;
		}
	}
	ck_assert(ok);
	out[n] = '\0';
	return out;
}

START_TEST(lines_of_1_and_998_bytes_stay_as_they_are)
{
	ck_assert_int_eq(run_line(HEAD, 1, "x"), 0);
	ck_assert_str_eq(rest, HEAD_CRLF "\r\nx\r\n");
	ck_assert_int_eq(run_line(HEAD, 998, "x"), 0);
	ck_assert_uint_eq(longest_line(rest), 998);
	ck_assert_uint_eq(e.longest, 998);
	ck_assert_ptr_null(strstr(rest, "quoted-printable"));
}
END_TEST

START_TEST(a_line_of_999_bytes_becomes_quoted_printable)
{
	const char *body;
	char *text;

	ck_assert_int_eq(run_line(HEAD "Subject: x\n", 999, "a=b .\t"), 0);
	body = strstr(rest, "\r\n\r\n") + 4;
	ck_assert_uint_le(longest_line(body), 76);
	ck_assert(
	    starts(rest, HEAD_CRLF "Subject: x\r\n"
				   "MIME-Version: 1.0\r\n"
				   "Content-Type: text/plain; charset=us-ascii\r\n"
				   "Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db"));
	text = decode_qp(body);
	ck_assert_uint_eq(strlen(text), 999 + 2);
	for (size_t i = 0; i < 999; i++)
		ck_assert_int_eq(text[i], "a=b .\t"[i % 6]);
	free(text);
	ck_assert_uint_lt(e.longest, 998);
	ck_assert(!e.eightbit);
	ck_assert_uint_eq(files_in("tmp"), 0);
	ck_assert(logcap_has("becomes quoted-printable"));
}
END_TEST

START_TEST(a_line_of_ten_million_bytes_becomes_quoted_printable)
{
	char *text;

	ck_assert_int_eq(run_line(HEAD, 10 * 1000 * 1000, "some text "), 0);
	ck_assert_uint_le(longest_line(rest), 76);
	text = decode_qp(strstr(rest, "\r\n\r\n") + 4);
	ck_assert_uint_eq(strlen(text), 10 * 1000 * 1000 + 2);
	free(text);
}
END_TEST

START_TEST(such_a_body_says_what_it_is_written_in)
{
	static const struct {
		const char *fill, *charset;
	} rows[] = {{"x", "charset=us-ascii"}, {"\xc3\xbc", "charset=utf-8"},
	    {"\xf0\x9f\x90\xa6\xe2\x82\xac", "charset=utf-8"}, {"\xfc", "charset=unknown-8bit"},
	    {"\xc0\x80", "charset=unknown-8bit"}, {"\xe0\x80\x80", "charset=unknown-8bit"},
	    {"\xed\xa0\x80", "charset=unknown-8bit"}, {"\xf4\x90\x80\x80", "charset=unknown-8bit"},
	    {"\xf0\x80\x80\x80", "charset=unknown-8bit"}, {"\xed\x9f\xbf", "charset=utf-8"},
	    {"\xe2\x82x", "charset=unknown-8bit"}};
	char *text;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(run_line(HEAD, 100000 * strlen(rows[i].fill), rows[i].fill), 0);
		ck_assert_msg(strstr(rest, rows[i].charset) != NULL, "row %zu", i);
		ck_assert(!e.eightbit);
		text = decode_qp(strstr(rest, "\r\n\r\n") + 4);
		ck_assert_uint_eq(strlen(text), 100000 * strlen(rows[i].fill) + 2);
		ck_assert(starts(text, rows[i].fill));
		free(text);
	}
}
END_TEST

START_TEST(the_fields_of_mime_are_completed_not_repeated)
{
	ck_assert_int_eq(run_line(HEAD "MIME-Version: 1.0\nContent-Type: text/html; charset=x\n"
				       "Content-Transfer-Encoding: 8bit\n",
			     2000, "x"),
	    0);
	ck_assert(
	    starts(rest, HEAD_CRLF "MIME-Version: 1.0\r\nContent-Type: text/html; charset=x\r\n"
				   "Content-Transfer-Encoding: quoted-printable\r\n\r\nxxx"));
	ck_assert_int_eq(
	    run_line(
		HEAD "content-type: TEXT/plain\ncontent-transfer-encoding :\n 7BIT\n", 2000, "x"),
	    0);
	ck_assert_ptr_null(strstr(rest, "7BIT"));
	ck_assert_ptr_nonnull(strstr(rest, "MIME-Version: 1.0\r\n"));
	ck_assert_uint_le(longest_line(rest), 76);
}
END_TEST

START_TEST(where_it_must_not_be_changed_it_is_left_with_a_log_line)
{
	static const char *const heads_left[] = {HEAD "Content-Type: multipart/mixed; boundary=x\n",
	    HEAD "Content-Type: application/pdf\n", HEAD "Content-Type: text\n",
	    HEAD "Content-Type: text/plain\nContent-Type: text/plain\n",
	    HEAD "Content-Transfer-Encoding: base64\n", HEAD "Content-Transfer-Encoding: binary\n",
	    HEAD "Content-Transfer-Encoding: 7bitter\n",
	    HEAD "Content-Transfer-Encoding: quoted-printable\n", HEAD "dkim-signature: v=1\n"};

	for (size_t i = 0; i < sizeof(heads_left) / sizeof(heads_left[0]); i++) {
		logcap_start();
		ck_assert_int_eq(run_line(heads_left[i], 999, "x"), 0);
		ck_assert_uint_eq(longest_line(rest), 999);
		ck_assert_uint_eq(e.longest, 999);
		ck_assert(logcap_has("left as it is"));
	}
}
END_TEST

START_TEST(blanks_at_line_ends_survive_the_encoding)
{
	char *text;

	ck_assert_int_eq(run_line(HEAD "\na \nb\t\n \n\nFrom x\n.\r.x\n", 999, "x"), 0);
	text = decode_qp(strstr(rest, "\r\n\r\n") + 4);
	ck_assert(starts(text, "a \r\nb\t\r\n \r\n\r\nFrom x\r\n.\r\n.x\r\n\r\nxxx"));
	ck_assert_ptr_nonnull(strstr(rest, "a=20\r\nb=09\r\n=20\r\n\r\n=46rom x\r\n=2E\r\n"));
	free(text);
}
END_TEST

START_TEST(long_fields_are_folded_at_white_space_only)
{
	const char *p;

	buf_init(&big, 1 << 20);
	buf_adds(&big, HEAD "X-Words:");
	for (int i = 0; i < 1000; i++)
		buf_addf(&big, " word%04d", i);
	buf_adds(&big, "\nX-Long: ");
	for (int i = 0; i < 1200; i++)
		buf_addc(&big, 'x');
	buf_adds(&big, " end\nX-Token: ");
	for (int i = 0; i < 1500; i++)
		buf_addc(&big, 'y');
	buf_adds(&big, "  \n\nbody\n");
	ck_assert_int_eq(run_bytes(buf_data(&big), buf_len(&big)), 0);
	p = strstr(rest, "X-Words: word0000 ");
	ck_assert_ptr_nonnull(p);
	for (int i = 0; i < 1000; i++) { /* every word, and nothing but one space or fold between */
		char word[20];

		snprintf(word, sizeof(word), "word%04d", i);
		p = strstr(p, word);
		ck_assert_ptr_nonnull(p);
		p += 8;
		ck_assert(*p == ' ' || strncmp(p, "\r\n ", 3) == 0 || i == 999);
	}
	ck_assert_ptr_nonnull(strstr(rest, "x\r\n end\r\n"));
	ck_assert_ptr_nonnull(strstr(rest, "X-Token: yyy"));
	ck_assert_ptr_nonnull(strstr(rest, "y\r\n\r\nbody\r\n"));
	ck_assert_uint_eq(longest_line(rest), 1500 + 9); /* cannot be folded, is not refused */
	ck_assert_uint_eq(longest_line(strstr(rest, "X-Words")), 1500 + 9);
	ck_assert_uint_eq(e.longest, 1509);
	ck_assert_ptr_null(strstr(rest, "quoted-printable"));
	buf_free(&big);
}
END_TEST

/* Quadratic would be hours. */
START_TEST(ten_megabytes_of_one_field_are_folded_in_one_pass)
{
	static const char *const fills[] = {"x", " ", "x ", "\t x", "word word       "};

	buf_init(&big, 32 << 20);
	buf_adds(&big, HEAD "X: ");
	while (buf_len(&big) < 10 * 1000 * 1000)
		buf_adds(&big, fills[_i]);
	for (int i = 0; i < 2 * 1000 * 1000; i++)
		buf_addc(&big, ' ');
	buf_adds(&big, "\n\nbody\n");
	ck_assert_int_eq(run_bytes(buf_data(&big), buf_len(&big)), 0);
	ck_assert_str_eq(rest + strlen(rest) - 10, "\r\n\r\nbody\r\n");
	ck_assert_ptr_null(strstr(strstr(rest, "\r\nX:"), "\r\n \r\n"));
	buf_free(&big);
}
END_TEST

/* --- 24: standard input and the disk --- */

static void
make_body(char *p, size_t n)
{
	static const char line[] =
	    "This is a line of text, sixty-four bytes long with its newline.\n";
	static const char head[] =
	    "From: a@b\nDate: x\nMessage-ID: <1@example.org>\n0:56789abcdef0123\n";

	for (size_t i = 0; i < n; i++) {
		size_t at = source_at + i;

		p[i] = at < 64 ? head[at] : at == 64 ? '\n' : line[(at - 1) % 64];
	}
}

START_TEST(fifty_megabytes_pass_through_a_fixed_buffer)
{
	struct rusage before, after;

	ck_assert_int_eq(run_source(make_body, 100000), 0);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &before), 0);
	ck_assert_int_eq(run_source(make_body, 50 * 1000 * 1000), 0);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &after), 0);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 4 * 1024); /* KiB */
	load();
	ck_assert_uint_gt(nmessage, 50 * 1000 * 1000);
	ck_assert_uint_le(longest_line(rest), 63);
}
END_TEST

START_TEST(a_message_larger_than_max_size_is_refused_before_it_is_read_whole)
{
	o.max_size = 1000 * 1000;
	ck_assert_int_eq(run_source(make_body, 100 * 1000 * 1000), EX_DATAERR);
	ck_assert_ptr_nonnull(strstr(why, "5.3.4"));
	ck_assert_uint_lt(source_at, 2 * 1000 * 1000);
	ck_assert_uint_eq(files_in("tmp"), 0);
	ck_assert_int_eq(run_source(make_body, 900 * 1000), 0);
}
END_TEST

START_TEST(closed_standard_input_and_a_directory_are_no_input)
{
	o.input = open("/", O_RDONLY);
	ck_assert_int_eq(submit(sp, &o, id, why, sizeof(why)), EX_NOINPUT);
	close(o.input);
	ck_assert_int_eq(submit(sp, &o, id, why, sizeof(why)), EX_NOINPUT);
	ck_assert_ptr_nonnull(strstr(why, strerror(EBADF)));
	ck_assert_uint_eq(testspool_count(sp), 0);
	ck_assert_uint_eq(files_in("tmp"), 0);
}
END_TEST

START_TEST(a_pipe_that_ends_early_is_the_message)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], HEAD "\nhalf a li", strlen(HEAD) + 10), strlen(HEAD) + 10);
	close(fds[1]);
	o.input = fds[0];
	ck_assert_int_eq(submit(sp, &o, id, why, sizeof(why)), 0);
	close(fds[0]);
	load();
	ck_assert_str_eq(rest, HEAD_CRLF "\r\nhalf a li\r\n");
}
END_TEST

static size_t reads_left;

static ssize_t
read_then_fail(int fd, void *buf, size_t n)
{
	if (reads_left-- > 0)
		return read(fd, buf, n < 10 ? n : 10);
	errno = EIO;
	return -1;
}

START_TEST(a_read_error_at_any_point_queues_nothing)
{
	sys.read = read_then_fail;
	for (size_t n = 0; n < 10; n++) {
		reads_left = n;
		refuses(HEAD "\nbody\n", EX_IOERR, "reading the message");
	}
	ck_assert_uint_eq(files_in("tmp"), 0);
	sys.read = sys_libc.read;
}
END_TEST

static ssize_t
read_then_stop(int fd, void *buf, size_t n)
{
	if (reads_left-- > 0)
		return read(fd, buf, n < 10 ? n : 10);
	submit_stop = 1; /* as a signal handler would */
	errno = EINTR;
	return -1;
}

START_TEST(a_signal_while_reading_queues_nothing)
{
	sys.read = read_then_stop;
	for (size_t n = 0; n < 10; n++) {
		submit_stop = 0;
		reads_left = n;
		refuses(HEAD "\nbody\n", EX_TEMPFAIL, "interrupted");
	}
	ck_assert_uint_eq(files_in("tmp"), 0);
	sys.read = sys_libc.read;
}
END_TEST

/* Whatever goes wrong, and where: not 0 and nothing queued, or 0 and all of it. */
static void
every_fault(enum fault_kind kind, int err, const char *text, size_t n)
{
	bool fired = true;

	for (unsigned call = 1; fired; call++) {
		size_t before = testspool_count(sp);
		int rc, input = open("/dev/null", O_RDONLY);
		FILE *f = tmpfile();

		ck_assert_uint_eq(fwrite(text, 1, n, f), n);
		rewind(f);
		o.input = fileno(f);
		fault_arm(call, kind, err);
		rc = submit(sp, &o, id, why, sizeof(why));
		fired = fault_fired();
		fault_disarm();
		sys.wall_ns = fixed_wall_ns;
		fclose(f);
		close(input);
		if (rc == 0) {
			load();
			ck_assert_uint_eq(testspool_count(sp), before + 1);
		} else {
			ck_assert_msg(fired, "%s", why);
			ck_assert_msg(testspool_count(sp) == before,
			    "%s fails: queued all the same", fault_where());
			ck_assert(rc == EX_TEMPFAIL || rc == EX_IOERR || rc == EX_CANTCREAT);
		}
		ck_assert_uint_lt(call, 200);
	}
}

START_TEST(a_full_disk_queues_nothing)
{
	every_fault(FAULT_FULL, ENOSPC, HEAD "\nbody\n", strlen(HEAD "\nbody\n"));
	ck_assert_uint_eq(files_in("tmp"), 0);
}
END_TEST

START_TEST(any_call_that_fails_queues_nothing_or_all)
{
	char text[3000] = HEAD "\n";

	memset(text + strlen(HEAD) + 1, 'x', 1500); /* with the second pass */
	every_fault(FAULT_ONCE, EIO, text, strlen(text));
}
END_TEST

START_TEST(short_reads_and_writes_lose_nothing)
{
	char text[3000] = HEAD "\n";

	memset(text + strlen(HEAD) + 1, 'x', 1500);
	every_fault(FAULT_SHORT, 0, text, strlen(text));
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *
suite_submit(void)
{
	Suite *s = suite_create("submit");
	TCase *t = tcase_create("submit");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_message_is_queued_whole);
	tcase_add_test(t, what_is_there_is_not_added_again);
	tcase_add_test(t, required_fields_without_a_value_count_as_missing);
	tcase_add_test(t, the_body_file_knows_its_kind);
	tcase_add_test(t, without_names_everything_is_at_localhost);
	tcase_add_test(t, full_names_are_written_so_that_they_may_stand);
	tcase_add_test(t, the_sender_may_be_chosen_and_the_received_line_tells_who_did);
	tcase_add_test(t, a_bare_cr_in_a_subject_makes_no_field);
	tcase_add_test(t, line_breaks_and_control_characters_in_addresses_are_refused);
	tcase_add_test(t, a_line_break_in_a_full_name_is_dropped);
	tcase_add_test(t, one_bad_recipient_among_many_refuses_all_and_is_named);
	tcase_add_test(t, a_non_ascii_address_is_refused_with_its_own_status);
	tcase_add_test(t, a_local_part_of_2000_bytes_is_refused);
	tcase_add_test(t, a_nul_becomes_a_question_mark);
	tcase_add_test(t, recipients_come_from_to_cc_and_bcc);
	tcase_add_test(t, resent_recipients_stand_alone);
	tcase_add_test(t, with_t_and_arguments_both_count_and_duplicates_once);
	tcase_add_test(t, without_t_the_header_names_nobody_and_still_loses_its_bcc);
	tcase_add_test(t, no_recipients_is_wrong_usage);
	tcase_add_test(t, no_header_at_all_and_an_empty_message);
	tcase_add_test(t, a_hundred_thousand_recipients_in_one_header);
	tcase_add_test(t, ten_megabytes_of_header);
	tcase_add_test(t, a_header_beyond_all_measure_is_refused);
	tcase_add_test(t, more_than_a_hundred_received_lines_are_a_loop);
	tcase_add_test(t, lines_of_1_and_998_bytes_stay_as_they_are);
	tcase_add_test(t, a_line_of_999_bytes_becomes_quoted_printable);
	tcase_add_test(t, a_line_of_ten_million_bytes_becomes_quoted_printable);
	tcase_add_test(t, such_a_body_says_what_it_is_written_in);
	tcase_add_test(t, the_fields_of_mime_are_completed_not_repeated);
	tcase_add_test(t, where_it_must_not_be_changed_it_is_left_with_a_log_line);
	tcase_add_test(t, blanks_at_line_ends_survive_the_encoding);
	tcase_add_test(t, long_fields_are_folded_at_white_space_only);
	tcase_add_test(t, fifty_megabytes_pass_through_a_fixed_buffer);
	tcase_add_test(t, a_message_larger_than_max_size_is_refused_before_it_is_read_whole);
	tcase_add_test(t, closed_standard_input_and_a_directory_are_no_input);
	tcase_add_test(t, a_pipe_that_ends_early_is_the_message);
	tcase_add_test(t, a_read_error_at_any_point_queues_nothing);
	tcase_add_test(t, a_signal_while_reading_queues_nothing);
	tcase_add_test(t, a_full_disk_queues_nothing);
	tcase_add_test(t, any_call_that_fails_queues_nothing_or_all);
	tcase_add_test(t, short_reads_and_writes_lose_nothing);
	tcase_add_loop_test(t, every_mix_of_cr_lf_and_dots, 0, COUNT(ends));
	tcase_add_loop_test(t, where_the_header_ends_however_the_bytes_arrive, 0, COUNT(heads));
	tcase_add_loop_test(t, ends_and_dots_do_not_depend_on_how_the_bytes_arrive, 0, COUNT(ends));
	tcase_add_loop_test(t, ten_megabytes_of_one_field_are_folded_in_one_pass, 0, 5);
	suite_add_tcase(s, t);
	return s;
}
