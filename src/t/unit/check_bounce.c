#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "bounce.h"
#include "suites.h"
#include "testspool.h"
#include "vclock.h"

enum { T0 = 1764000000, LATER = T0 + 900 }; /* Mon, 24 Nov 2025 16:00:00 +0000 */

static struct spool *sp;
static struct bounce_options options;

static const char *const bob[] = {"bob@example.net", NULL};
static const char *const three[] = {
    "bob@example.net", "carol@example.com", "dave@example.net", NULL};
static const char plain[] = "From: Alice <alice@example.org>\r\n"
			    "Subject: hello\r\n"
			    "Message-ID: <1@example.org>\r\n"
			    "\r\n"
			    ".hello\r\n";

static void
setup(void)
{
	setenv("TZ", "UTC0", 1);
	vclock_install(T0);
	sp = testspool_open();
	options = (struct bounce_options){.hostname = "mx.example.org",
	    .postmaster = "postmaster@example.org",
	    .whole_max = 10000,
	    .expire_s = 5 * 86400};
}

static void
teardown(void)
{
	testspool_close(&sp);
	sys = sys_libc;
}

static int
no_chance(void *buf, size_t n)
{
	memset(buf, 0xab, n);
	return 0;
}

/* Queues a message and loads it, as the queue has it when it comes to report. */
static void
queued(struct envelope *e, const struct testspool_message *m)
{
	struct testspool_message copy = *m;
	char id[ENVELOPE_ID_MAX + 1];

	copy.submitted = T0;
	copy.body = m->body != NULL ? m->body : plain;
	copy.recipients = m->recipients != NULL ? m->recipients : bob;
	testspool_add(sp, &copy, id);
	envelope_init(e);
	testspool_load(sp, id, e);
	e->attempted = T0 + 600;
}

static enum bounce_outcome
make(const struct envelope *e, enum bounce_kind kind, unsigned n, char id[ENVELOPE_ID_MAX + 1])
{
	snprintf(id, ENVELOPE_ID_MAX + 1, "%.50s.r%u", e->id, n);
	return bounce_make(sp, &options, e, kind, n, id, LATER);
}

/* The text of the report about all that has failed by now; free(3). */
static char *
report(const struct envelope *e, enum bounce_kind kind)
{
	char id[ENVELOPE_ID_MAX + 1];
	size_t n;

	ck_assert_int_eq(make(e, kind, 1, id), BOUNCE_MADE);
	return testspool_body(sp, id, &n);
}

/* As report(), about one message to bob that failed with that reason. */
static char *
report_on(const struct testspool_message *m, const char *reason)
{
	struct envelope e;
	char *text;

	queued(&e, m);
	envelope_settle(&e, 0, RCPT_FAILED, reason);
	text = report(&e, BOUNCE_FAILED);
	envelope_free(&e);
	return text;
}

static void
assert_has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in:\n%s", part, text);
}

static void
assert_lacks(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) == NULL, "\"%s\" in:\n%s", part, text);
}

/* --- a reader of MIME, as strict as the standard --- */

struct part {
	const char *type; /* the Content-Type's value up to ; or the line's end */
	size_t type_len;
	bool says_eightbit;
	const char *body;
	size_t n;
};

static void
assert_lines(const char *text)
{
	const char *at = text, *nl;

	for (; *at != '\0'; at = nl + 1) {
		nl = strchr(at, '\n');
		ck_assert_msg(
		    nl != NULL && nl > at && nl[-1] == '\r', "a line without CRLF: %s", at);
		ck_assert_msg(memchr(at, '\r', (size_t)(nl - at)) == nl - 1, "a bare CR");
		ck_assert_msg(nl - 1 - at <= 998, "a line of %d", (int)(nl - 1 - at));
	}
}

static void
part_read(struct part *p, const char *text, size_t n)
{
	static const char type[] = "Content-Type: ",
			  eightbit[] = "Content-Transfer-Encoding: 8bit\r\n";
	const char *end = strstr(text, "\r\n\r\n"), *at;

	*p = (struct part){.type = ""};
	ck_assert_msg(end != NULL && end < text + n, "a part without a header's end");
	for (at = text; at < end; at = strchr(at, '\n') + 1) {
		if (str_starts(at, type)) {
			p->type = at + strlen(type);
			p->type_len = strcspn(p->type, ";\r");
		}
		p->says_eightbit = p->says_eightbit || str_starts(at, eightbit);
	}
	p->body = end + 4;
	p->n = n - (size_t)(p->body - text);
}

static bool
eightbit(const char *text, size_t n)
{
	while (n > 0 && (unsigned char)text[n - 1] <= 127)
		n--;
	return n > 0;
}

/* Takes a report apart and checks all that RFC 2045, 2046 and 6522 ask of it. Number of parts. */
static size_t
parse(const char *text, struct part parts[3])
{
	char delimiter[100];
	const char *boundary, *at, *next;
	struct part whole;
	size_t n = 0;

	assert_lines(text);
	part_read(&whole, text, strlen(text));
	ck_assert(str_neqi(whole.type, "multipart/report;", 17));
	ck_assert(eightbit(text, strlen(text)) == whole.says_eightbit);
	ck_assert_ptr_nonnull(boundary = strstr(text, "boundary=\""));
	boundary += strlen("boundary=\"");
	snprintf(
	    delimiter, sizeof(delimiter), "\r\n--%.*s", (int)strcspn(boundary, "\""), boundary);

	at = strstr(text, delimiter);
	while (at != NULL && !str_starts(at + strlen(delimiter), "--")) {
		at += strlen(delimiter);
		ck_assert(str_starts(at, "\r\n"));
		ck_assert_ptr_nonnull(next = strstr(at, delimiter));
		ck_assert_uint_lt(n, 3);
		part_read(&parts[n], at + 2, (size_t)(next - at) - 2);
		ck_assert(eightbit(parts[n].body, parts[n].n) == parts[n].says_eightbit);
		n++;
		at = next;
	}
	ck_assert_ptr_nonnull(at);
	ck_assert_str_eq(at + strlen(delimiter), "--\r\n");
	return n;
}

static void
assert_type(const struct part *p, const char *type)
{
	ck_assert_msg(p->type_len == strlen(type) && strncmp(p->type, type, p->type_len) == 0,
	    "%.*s instead of %s", (int)p->type_len, p->type, type);
}

/* --- tests --- */

START_TEST(report_reads_as_it_should)
{
	static const char want[] =
	    "Date: Mon, 24 Nov 2025 16:15:00 +0000\r\n"
	    "From: Mail Delivery System <MAILER-DAEMON@mx.example.org>\r\n"
	    "To: alice@example.org\r\n"
	    "Subject: Your message could not be delivered\r\n"
	    "Message-ID: <ID.r1@mx.example.org>\r\n"
	    "In-Reply-To: <1@example.org>\r\n"
	    "References: <1@example.org>\r\n"
	    "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"=abababababababababababababababab\"\r\n"
	    "\r\n"
	    "This is a report in the format of RFC 3464, made of several parts.\r\n"
	    "\r\n"
	    "--=abababababababababababababababab\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "\r\n"
	    "This is the mail system at mx.example.org.\r\n"
	    "\r\n"
	    "Your message, taken in on Mon, 24 Nov 2025 16:00:00 +0000 as ID, could not\r\n"
	    "be delivered to the recipients below. It will not be tried again for them.\r\n"
	    "\r\n"
	    "bob@example.net\r\n"
	    "    The answer was: 550 5.1.1 no such user here\r\n"
	    "    The receiving server does not know this address. Look for a typing\r\n"
	    "    mistake in it.\r\n"
	    "\r\n"
	    "--=abababababababababababababababab\r\n"
	    "Content-Type: message/delivery-status\r\n"
	    "\r\n"
	    "Reporting-MTA: dns; mx.example.org\r\n"
	    "Arrival-Date: Mon, 24 Nov 2025 16:00:00 +0000\r\n"
	    "\r\n"
	    "Final-Recipient: rfc822; bob@example.net\r\n"
	    "Action: failed\r\n"
	    "Status: 5.1.1\r\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 no such user here\r\n"
	    "Last-Attempt-Date: Mon, 24 Nov 2025 16:10:00 +0000\r\n"
	    "\r\n"
	    "--=abababababababababababababababab\r\n"
	    "Content-Type: message/rfc822\r\n"
	    "\r\n"
	    "From: Alice <alice@example.org>\r\n"
	    "Subject: hello\r\n"
	    "Message-ID: <1@example.org>\r\n"
	    "\r\n"
	    ".hello\r\n"
	    "\r\n"
	    "--=abababababababababababababababab--\r\n";
	struct envelope e, made;
	char *text;
	size_t n;

	queued(&e, &(struct testspool_message){.uid = 1000});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no such user here");
	str_copy(e.id, sizeof(e.id), "ID"); /* so that lines break in the same places each time */
	sys.getentropy = no_chance;
	text = report(&e, BOUNCE_FAILED);
	ck_assert_str_eq(text, want);

	envelope_init(&made);
	testspool_load(sp, "ID.r1", &made);
	free(testspool_body(sp, made.msgid, &n));
	ck_assert_uint_eq(made.size, n);
	ck_assert_str_eq(made.sender, "");
	ck_assert(made.bounceto == NULL);
	ck_assert_str_eq(made.source_room, "report");
	ck_assert_int_eq(made.uid, 1000);
	ck_assert_int_eq(made.submitted, LATER);
	ck_assert_uint_eq(made.nrcpts, 1);
	ck_assert_str_eq(made.rcpts[0].address, "alice@example.org");
	ck_assert(made.dots);
	ck_assert(!made.eightbit);
	ck_assert_uint_eq(made.longest, 74);
	envelope_free(&made);
	envelope_free(&e);
	free(text);
}
END_TEST

START_TEST(large_original_comes_back_as_its_header)
{
	struct part parts[3];
	char *text;

	options.whole_max = strlen(plain) - 1;
	text = report_on(&(struct testspool_message){0}, "550 5.1.1 no");
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_type(&parts[0], "text/plain");
	assert_type(&parts[1], "message/delivery-status");
	assert_type(&parts[2], "text/rfc822-headers");
	assert_has(parts[2].body, "Message-ID: <1@example.org>\r\n");
	assert_lacks(text, "hello\r\n.");
	assert_lacks(text, ".hello");
	free(text);

	options.whole_max++;
	text = report_on(&(struct testspool_message){0}, "550 5.1.1 no");
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_type(&parts[2], "message/rfc822");
	free(text);
}
END_TEST

START_TEST(eight_bits_are_declared_where_they_are)
{
	static const char latin[] = "Subject: a\r\n\r\ngr\xc3\xbc\xc3\x9f\x65\r\n";
	static const char header[] = "Subject: gr\xfc\x65\r\n\r\nplain\r\n";
	struct part parts[3];
	struct envelope e, made;
	char *text, id[ENVELOPE_ID_MAX + 1];

	text = report_on(&(struct testspool_message){.body = latin}, "550 5.1.1 no");
	ck_assert_uint_eq(parse(text, parts), 3);
	ck_assert(!parts[0].says_eightbit && parts[2].says_eightbit);
	free(text);

	options.whole_max = 0; /* the header of that is plain */
	text = report_on(&(struct testspool_message){.body = latin}, "550 5.1.1 no");
	ck_assert_uint_eq(parse(text, parts), 3);
	ck_assert(!parts[2].says_eightbit);
	free(text);

	text = report_on(&(struct testspool_message){.body = header}, "550 5.1.1 gr\xc3\xbc\x65");
	ck_assert_uint_eq(parse(text, parts), 3);
	ck_assert(parts[0].says_eightbit && !parts[1].says_eightbit && parts[2].says_eightbit);
	assert_has(parts[1].body, "Diagnostic-Code: smtp; 550 5.1.1 gr??e\r\n");
	free(text);

	queued(&e, &(struct testspool_message){.body = header});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_MADE);
	envelope_init(&made);
	testspool_load(sp, id, &made);
	ck_assert(made.eightbit);
	envelope_free(&made);
	envelope_free(&e);
}
END_TEST

START_TEST(long_reasons_fold_and_long_words_are_cut)
{
	char reason[1024] = "550 5.7.1 ";
	struct part parts[3];
	char *text;

	while (strlen(reason) < 900)
		strncat(reason, "word ", sizeof(reason) - strlen(reason) - 1);
	text = report_on(&(struct testspool_message){0}, reason);
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_has(parts[1].body, "word\r\n\tword ");
	free(text);

	memset(reason + 10, 'x', 1013);
	reason[1023] = '\0';
	text = report_on(&(struct testspool_message){0}, reason);
	ck_assert_uint_eq(parse(text, parts), 3);
	free(text);

	/* Never through the middle of a character. */
	for (size_t i = 11; i + 1 < 1023; i += 2)
		memcpy(reason + i, "\xc3\xbc", 2);
	text = report_on(&(struct testspool_message){0}, reason);
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_lacks(text, "\xc3\r");
	assert_lacks(text, "\xc3 ");
	free(text);
}
END_TEST

START_TEST(overlong_lines_of_the_original_are_not_passed_on)
{
	char body[4000] = "Subject: ";
	struct part parts[3];
	char *text;

	memset(body + 9, 'x', 1500);
	strncat(body, "\r\nTo: bob\r\n\r\nbody\r\n", sizeof(body) - 1510);
	text = report_on(&(struct testspool_message){.body = body}, "550 5.1.1 no");
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_type(&parts[2], "text/rfc822-headers");
	assert_has(parts[2].body, "x\r\nTo: bob\r\n");
	free(text);
}
END_TEST

START_TEST(report_covers_only_its_own_failures)
{
	struct envelope e;
	struct part parts[3];
	char id[ENVELOPE_ID_MAX + 1], *text;
	size_t n;

	queued(&e, &(struct testspool_message){.recipients = three});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 first");
	envelope_report(&e, 1);
	envelope_settle(&e, 1, RCPT_FAILED, "550 5.1.1 second");
	envelope_settle(&e, 2, RCPT_DEFERRED, "451 4.7.1 third");

	text = report(&e, BOUNCE_FAILED);
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_has(text, "bob@example.net");
	assert_lacks(text, "carol@example.com");
	assert_lacks(text, "dave@example.net");
	assert_has(text, "Whoever is not named here");
	free(text);

	/* The second, entered into the envelope or not yet. */
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 2, id), BOUNCE_MADE);
	text = testspool_body(sp, id, &n);
	assert_has(text, "carol@example.com");
	assert_lacks(text, "bob@example.net");
	free(text);

	/* A third has nobody to name. */
	envelope_report(&e, 2);
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 3, id), BOUNCE_MADE);
	ck_assert_uint_eq(testspool_count(sp), 3);
	envelope_free(&e);
}
END_TEST

START_TEST(delay_names_those_who_wait_and_until_when)
{
	struct envelope e;
	struct part parts[3];
	char *text;

	queued(&e, &(struct testspool_message){.recipients = three});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 first");
	envelope_settle(&e, 1, RCPT_DELIVERED, "250 2.0.0 ok");
	envelope_settle(&e, 2, RCPT_DEFERRED, "451 4.7.1 greylisted");
	text = report(&e, BOUNCE_DELAYED);
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_lacks(text, "bob@example.net");
	assert_lacks(text, "carol@example.com");
	assert_has(parts[0].body, "being tried again until Sat, 29 Nov 2025\r\n16:00:00 +0000.");
	assert_has(parts[1].body, "Action: delayed\r\n");
	assert_has(parts[1].body, "Status: 4.7.1\r\n");
	assert_has(parts[1].body, "Will-Retry-Until: Sat, 29 Nov 2025 16:00:00 +0000\r\n");
	assert_has(text, "Subject: Your message is delayed");
	free(text);
	envelope_free(&e);
}
END_TEST

START_TEST(reasons_become_status_and_diagnostic)
{
	static const struct {
		const char *reason, *status, *diagnostic; /* NULL: none */
	} t[] = {
	    {"550 5.1.1 no such user", "5.1.1", "550 5.1.1 no such user"},
	    {"554 refused", "5.0.0", "554 refused"},
	    {"550", "5.0.0", "550"},
	    {"5.4.4 no such domain", "5.4.4", NULL},
	    {"451 4.4.7 gave up", "4.4.7", "451 4.4.7 gave up"},
	    {"550 5.7.509 x", "5.7.509", "550 5.7.509 x"},
	    {"550 5.7.5091 x", "5.0.0", "550 5.7.5091 x"},
	    {"550 3.1.1 x", "5.0.0", "550 3.1.1 x"},
	    {"550 5.1.1x", "5.0.0", "550 5.1.1x"},
	    {"5504 5.1.1 x", "5.0.0", NULL},
	    {"no idea", "5.0.0", NULL},
	    {"", "5.0.0", NULL},
	    {NULL, "5.0.0", NULL},
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *text = report_on(&(struct testspool_message){0}, t[i].reason), line[200];

		snprintf(line, sizeof(line), "\r\nStatus: %s\r\n", t[i].status);
		assert_has(text, line);
		snprintf(line, sizeof(line), "\r\nDiagnostic-Code: smtp; %s\r\n",
		    t[i].diagnostic != NULL ? t[i].diagnostic : "");
		if (t[i].diagnostic != NULL)
			assert_has(text, line);
		else
			assert_lacks(text, "Diagnostic-Code");
		free(text);
	}
}
END_TEST

START_TEST(what_came_with_the_recipient_is_told)
{
	struct envelope e;
	char *text;

	queued(&e, &(struct testspool_message){0});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	e.rcpts[0].extra = xstrdup("notify=failure|orcpt=rfc822;bob+2Bx@example.net|x=y");
	text = report(&e, BOUNCE_FAILED);
	assert_has(text, "\r\nOriginal-Recipient: rfc822; bob+x@example.net\r\nFinal-Recipient: ");
	assert_lacks(text, "Remote-MTA");
	free(text);
	envelope_free(&e);
}
END_TEST

START_TEST(host_that_refused_is_named)
{
	static const char *const t[][2] = {{"mx.example.net", "mx.example.net"},
	    {"192.0.2.1", "[192.0.2.1]"}, {"2001:db8::1", "[IPv6:2001:db8::1]"},
	    {"/run/lmtp", NULL}};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct envelope e;
		char *text, line[100];

		queued(&e, &(struct testspool_message){0});
		envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
		e.rcpts[0].mta = xstrdup(t[i][0]);
		text = report(&e, BOUNCE_FAILED);
		snprintf(line, sizeof(line), "\r\nRemote-MTA: dns; %s\r\n",
		    t[i][1] != NULL ? t[i][1] : "");
		if (t[i][1] != NULL)
			assert_has(text, line);
		else
			assert_lacks(text, "Remote-MTA");
		free(text);
		envelope_free(&e);
	}
}
END_TEST

START_TEST(hostile_fields_do_not_get_out_of_their_lines)
{
	static const char body[] = "Message-ID: <a\r\n\tb@c>\r\nX: y\r\n\r\nx\r\n";
	static const char *const odd[] = {"bob\n\n--x@example.net", NULL};
	struct envelope e;
	struct part parts[3];
	char *text;

	queued(&e, &(struct testspool_message){.body = body, .recipients = odd});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no\nStatus: 2.0.0");
	e.rcpts[0].extra = xstrdup("orcpt=rfc822;a+0D+0ABcc: eve@example.net");
	text = report(&e, BOUNCE_FAILED);
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_lacks(text, "In-Reply-To");
	assert_lacks(text, "\nStatus: 2.0.0");
	assert_has(text, "\r\nbob --x@example.net\r\n");
	assert_has(text, "Original-Recipient: rfc822; a??Bcc: eve@example.net\r\n");
	free(text);
	envelope_free(&e);
}
END_TEST

START_TEST(report_made_before_is_not_made_again)
{
	struct envelope e;
	char id[ENVELOPE_ID_MAX + 1], *first, *again;
	size_t n;

	queued(&e, &(struct testspool_message){0});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_MADE);
	first = testspool_body(sp, id, &n);
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_MADE);
	again = testspool_body(sp, id, &n);
	ck_assert_str_eq(first, again); /* their boundaries differ otherwise */
	ck_assert_uint_eq(testspool_count(sp), 2);
	free(first);
	free(again);
	envelope_free(&e);
}
END_TEST

static int
no_sync(int fd)
{
	(void)fd;
	errno = EIO;
	return -1;
}

/* Its maker may have died before he synced it: no "reported" may rest on that. */
START_TEST(report_made_before_counts_only_when_synced)
{
	struct envelope e;
	char id[ENVELOPE_ID_MAX + 1];

	queued(&e, &(struct testspool_message){0});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_MADE);
	sys.fsync = no_sync;
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_ERROR);
	ck_assert_int_eq(errno, EIO);
	envelope_free(&e);
}
END_TEST

START_TEST(report_that_fails_goes_to_the_postmaster_and_then_to_nobody)
{
	struct envelope e, second;
	char id[ENVELOPE_ID_MAX + 1], again[ENVELOPE_ID_MAX + 1], *text;
	size_t n;

	queued(&e, &(struct testspool_message){.sender = "", .source_room = "report"});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_MADE);
	text = testspool_body(sp, id, &n);
	assert_has(text, "\r\nTo: postmaster@example.org\r\n");
	free(text);

	envelope_init(&second);
	testspool_load(sp, id, &second);
	ck_assert_str_eq(second.source_room, "postmaster");
	envelope_settle(&second, 0, RCPT_FAILED, "550 5.1.1 nor he");
	ck_assert_int_eq(make(&second, BOUNCE_FAILED, 1, again), BOUNCE_NOBODY);
	ck_assert_uint_eq(testspool_count(sp), 2);
	envelope_free(&second);
	envelope_free(&e);
}
END_TEST

START_TEST(without_a_postmaster_nobody_hears_of_a_failed_report)
{
	struct envelope e;
	char id[ENVELOPE_ID_MAX + 1];

	options.postmaster = NULL;
	queued(&e, &(struct testspool_message){.sender = ""});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_NOBODY);
	ck_assert_uint_eq(testspool_count(sp), 1);
	envelope_free(&e);
}
END_TEST

START_TEST(delay_of_a_report_is_nobodys_business)
{
	struct envelope e;
	char id[ENVELOPE_ID_MAX + 1];

	queued(&e, &(struct testspool_message){.sender = ""});
	envelope_settle(&e, 0, RCPT_DEFERRED, "451 4.2.0 later");
	ck_assert_int_eq(make(&e, BOUNCE_DELAYED, 1, id), BOUNCE_MADE);
	ck_assert_uint_eq(testspool_count(sp), 1);
	envelope_free(&e);
}
END_TEST

START_TEST(bounceto_comes_before_the_sender)
{
	char *text = report_on(
	    &(struct testspool_message){.bounceto = "bounces@example.org"}, "550 5.1.1 no");

	assert_has(text, "\r\nTo: bounces@example.org\r\n");
	free(text);
}
END_TEST

START_TEST(list_without_a_sender_reports_to_the_from_header)
{
	static const char folded[] =
	    "Subject: x\r\nFROM: \"A. L.\"\r\n (c)\r\n <al@example.org>\r\n\r\nx\r\n";
	static const char none[] = "Subject: x\r\n\r\nFrom: eve@example.org\r\n";
	struct envelope e;
	char id[ENVELOPE_ID_MAX + 1], *text;

	queued(&e, &(struct testspool_message){.body = folded});
	free(e.sender);
	e.sender = NULL;
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	text = report(&e, BOUNCE_FAILED);
	assert_has(text, "\r\nTo: al@example.org\r\n");
	free(text);
	envelope_free(&e);

	queued(&e, &(struct testspool_message){.body = none});
	free(e.sender);
	e.sender = NULL;
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_NOBODY);
	envelope_free(&e);
}
END_TEST

START_TEST(lost_body_is_reported_without_it)
{
	struct envelope e;
	struct part parts[3];
	char *text;

	queued(&e, &(struct testspool_message){0});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	ck_assert_int_eq(spool_remove_body(sp, e.msgid), 0);
	text = report(&e, BOUNCE_FAILED);
	ck_assert_uint_eq(parse(text, parts), 2);
	free(text);
	envelope_free(&e);
}
END_TEST

START_TEST(many_recipients_are_all_named_to_programs)
{
	enum { MANY = 3000 };
	static char addresses[MANY][32];
	static const char *all[MANY + 1];
	struct envelope e;
	struct part parts[3];
	char *text;
	size_t i;

	for (i = 0; i < MANY; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "u%zu@example.net", i);
		all[i] = addresses[i];
	}
	queued(&e, &(struct testspool_message){.recipients = all});
	for (i = 0; i < MANY; i++)
		envelope_settle(&e, i, RCPT_FAILED, "550 5.1.1 no");
	text = report(&e, BOUNCE_FAILED);
	ck_assert_uint_eq(parse(text, parts), 3);
	assert_has(parts[0].body, "\r\nu99@example.net\r\n");
	assert_has(parts[0].body, "\r\nand 2900 more, named in the next part.\r\n");
	assert_has(parts[1].body, "rfc822; u2999@example.net\r\n");
	free(text);
	envelope_free(&e);
}
END_TEST

static int writes_left;

static ssize_t
full_disk(int fd, const void *buf, size_t n)
{
	if (writes_left-- > 0)
		return sys_libc.write(fd, buf, n);
	errno = ENOSPC;
	return -1;
}

START_TEST(full_disk_leaves_nothing_behind)
{
	struct envelope e;
	char id[ENVELOPE_ID_MAX + 1];
	int n;

	queued(&e, &(struct testspool_message){0});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	for (n = 0; n < 2; n++) { /* the body, the control file */
		writes_left = n;
		sys.write = full_disk;
		ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_ERROR);
		ck_assert_int_eq(errno, ENOSPC);
		ck_assert_uint_eq(testspool_count(sp), 1);
		ck_assert_int_lt(spool_open_body(sp, id, NULL), 0);
	}
	sys.write = sys_libc.write;
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_MADE);
	envelope_free(&e);
}
END_TEST

static ssize_t
bad_disk(int fd, void *buf, size_t n, off_t at)
{
	(void)fd;
	(void)buf;
	(void)n;
	(void)at;
	errno = EIO;
	return -1;
}

START_TEST(unreadable_original_is_tried_again_later)
{
	struct envelope e;
	char id[ENVELOPE_ID_MAX + 1];

	queued(&e, &(struct testspool_message){0});
	envelope_settle(&e, 0, RCPT_FAILED, "550 5.1.1 no");
	sys.pread = bad_disk;
	ck_assert_int_eq(make(&e, BOUNCE_FAILED, 1, id), BOUNCE_ERROR);
	ck_assert_int_eq(errno, EIO);
	ck_assert_uint_eq(testspool_count(sp), 1);
	envelope_free(&e);
}
END_TEST

Suite *
suite_bounce(void)
{
	Suite *s = suite_create("bounce");
	TCase *tc = tcase_create("bounce");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, report_reads_as_it_should);
	tcase_add_test(tc, large_original_comes_back_as_its_header);
	tcase_add_test(tc, eight_bits_are_declared_where_they_are);
	tcase_add_test(tc, long_reasons_fold_and_long_words_are_cut);
	tcase_add_test(tc, overlong_lines_of_the_original_are_not_passed_on);
	tcase_add_test(tc, report_covers_only_its_own_failures);
	tcase_add_test(tc, delay_names_those_who_wait_and_until_when);
	tcase_add_test(tc, reasons_become_status_and_diagnostic);
	tcase_add_test(tc, what_came_with_the_recipient_is_told);
	tcase_add_test(tc, host_that_refused_is_named);
	tcase_add_test(tc, hostile_fields_do_not_get_out_of_their_lines);
	tcase_add_test(tc, report_made_before_is_not_made_again);
	tcase_add_test(tc, report_made_before_counts_only_when_synced);
	tcase_add_test(tc, report_that_fails_goes_to_the_postmaster_and_then_to_nobody);
	tcase_add_test(tc, without_a_postmaster_nobody_hears_of_a_failed_report);
	tcase_add_test(tc, delay_of_a_report_is_nobodys_business);
	tcase_add_test(tc, bounceto_comes_before_the_sender);
	tcase_add_test(tc, list_without_a_sender_reports_to_the_from_header);
	tcase_add_test(tc, lost_body_is_reported_without_it);
	tcase_add_test(tc, many_recipients_are_all_named_to_programs);
	tcase_add_test(tc, full_disk_leaves_nothing_behind);
	tcase_add_test(tc, unreadable_original_is_tried_again_later);
	suite_add_tcase(s, tc);
	return s;
}
