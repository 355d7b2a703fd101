/* check_session.c: one connection and its conversation, against a scripted server. */
#include <netinet/in.h>
#include <sys/socket.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/sys.h"
#include "logcap.h"
#include "net_fake.h"
#include "proto/smtp_impl.h"
#include "session_impl.h"
#include "smtp_fake.h"
#include "suites.h"
#include "vclock.h"

enum { JOBS = 100 };

static struct reactor *r;
static struct smtp_fake *server;
static char host[] = "mx", peer[] = "[192.0.2.1]:25";
static struct hop hop;
static struct session_options options;
static struct session *session;
static struct conn *conn;
static struct buf trail; /* s: settled, d: done, b: came back, i: idle, c: closed; and fates */
static struct job jobs[JOBS];
static struct job_rcpt rcpts[JOBS];
static size_t njobs, given;
static int body;
static struct verdict last, why;
static int64_t setups[JOBS];
static unsigned long theirs,
    ours_at[JOBS]; /* allocations: the server's; ours when a job was settled */
static const char text[] = "Subject: hello\r\n\r\nHello.\r\n";

/* --- the owner --- */

static struct job *
on_next(void *ctx, struct session *s, bool *last_hop)
{
	(void)ctx;
	(void)s;
	*last_hop = true;
	return given < njobs ? &jobs[given++] : NULL;
}

static void
on_settled(void *ctx, struct session *s, struct job *j, size_t rcpt, const struct verdict *v)
{
	static const char fates[] = {'S', 'R', 'F'};

	(void)ctx;
	(void)s;
	ck_assert(!j->rcpts[rcpt].settled);
	ck_assert_str_eq(j->relay, "mx[192.0.2.1]:25");
	setups[j - jobs] = j->setup_ms;
	ours_at[j - jobs] = xallocs() - theirs;
	j->rcpts[rcpt].settled = true;
	j->unsettled--;
	last = *v;
	buf_addc(&trail, fates[v->fate]);
}

static void
on_finished(void *ctx, struct session *s, struct job *j, const struct verdict *back, bool again)
{
	(void)ctx;
	(void)s;
	(void)j;
	(void)again;
	if (back != NULL)
		last = *back;
	buf_addc(&trail, back != NULL ? 'b' : 'd');
}

static void
on_idle(void *ctx, struct session *s)
{
	(void)ctx;
	ck_assert(session_is_idle(s));
	if (buf_len(&trail) == 0 || buf_data(&trail)[buf_len(&trail) - 1] != 'i')
		buf_addc(&trail, 'i');
}

static void
on_closed(void *ctx, struct session *s, const struct session_end *end)
{
	(void)ctx;
	ck_assert_ptr_eq(s, session);
	why = *end->verdict;
	buf_addc(&trail, end->benign ? 'c' : 'C');
	session = NULL; /* it frees itself */
}

static struct session_ops ops = {NULL, on_next, on_settled, on_finished, on_idle, on_closed, NULL};

/* --- the world --- */

static void
setup(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(25)};
	char path[] = "/tmp/check_session.XXXXXX";

	vclock_install(1800000000);
	net_fake_install();
	logcap_start();
	server = smtp_fake_new("mx");
	smtp_fake_serve(server, "192.0.2.1:25");
	body = mkstemp(path);
	unlink(path);
	ck_assert_int_eq(write(body, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	sin.sin_addr.s_addr = htonl(0xc0000201);
	memset(&hop, 0, sizeof(hop));
	memcpy(&hop.addr, &sin, sizeof(sin));
	hop.addrlen = sizeof(sin);
	hop.host = host;
	hop.peer = peer;
	options = (struct session_options){
	    .helo = "out.example.org",
	    .one_behind_dot = true,
	    .hop = &hop,
	    .connect_ms = 7,
	};
	buf_init(&trail, 4096);
	njobs = given = 0;
	r = reactor_new();
}

static void
teardown(void)
{
	if (session != NULL)
		session_stop(session, true);
	while (reactor_turn(r))
		;
	ck_assert_ptr_null(session);
	reactor_free(&r);
	buf_free(&trail);
	close(body);
	logcap_stop();
}

static void
script(const char *line)
{
	ck_assert_msg(smtp_script_line(&server->script, line), "%s", line);
}

static struct job *
give(void)
{
	struct job *j = &jobs[njobs];

	rcpts[njobs] = (struct job_rcpt){.address = "bob@example.net"};
	*j = (struct job){
	    .id = "id",
	    .sender = "alice@example.org",
	    .rcpts = &rcpts[njobs],
	    .nrcpts = 1,
	    .unsettled = 1,
	    .size = sizeof(text) - 1,
	    .no_dots = true,
	    .body = body,
	};
	njobs++;
	return j;
}

static void
on_conn(void *ctx, enum conn_event event)
{
	(void)ctx;
	if (event == CONN_OPEN)
		session = session_new(r, conn, &options, &ops, NULL);
}

static void
start(void)
{
	conn = conn_connect(
	    r, (const struct sockaddr *)&hop.addr, hop.addrlen, NULL, 0, on_conn, NULL);
	while (session == NULL)
		ck_assert(reactor_turn(r));
}

static void
until(char what)
{
	int64_t end = vclock_ms() + 2000000;

	while (memchr(buf_data(&trail), what, buf_len(&trail)) == NULL)
		ck_assert(reactor_turn(r) && vclock_ms() < end);
}

START_TEST(many_over_one)
{
	give();
	give();
	give();
	start();
	until('i');
	ck_assert_str_eq(buf_str(&trail), "SdSdSdi");
	ck_assert_uint_eq(server->nmessages, 3);
	ck_assert_uint_eq(session_delivered(session), 3);
	ck_assert_int_eq(setups[0], 7);
	ck_assert_int_eq(setups[1], 0);
	give();
	session_kick(session);
	while (server->nmessages < 4)
		ck_assert(reactor_turn(r));
	session_quit(session);
	until('c');
	ck_assert_int_eq(why.fate, FATE_SENT);
	ck_assert_uint_eq(server->sessions, 1);
	ck_assert_uint_eq(buf_len(&server->complaints), 0);
}
END_TEST

static struct {
	size_t sends, sends_then, recvs, recvs_then;
} calls;

static ssize_t
counted_send(int fd, const void *buf, size_t n, int flags)
{
	calls.sends++;
	if (given == 1)
		calls.sends_then = calls.sends;
	return sys_libc.send(fd, buf, n, flags);
}

static ssize_t
counted_recv(int fd, void *buf, size_t n, int flags)
{
	calls.recvs++;
	if (given == 1)
		calls.recvs_then = calls.recvs;
	return sys_libc.recv(fd, buf, n, flags);
}

/* CHUNKING: behind the first, which is tried alone, a write carries eight, a read their answers. */
START_TEST(eight_in_one_write)
{
	script("on DOT delay 1s");
	for (int i = 0; i < 9; i++)
		give()->verbatim = true;
	memset(&calls, 0, sizeof(calls));
	sys.send = counted_send;
	sys.recv = counted_recv;
	start();
	until('i');
	ck_assert_str_eq(buf_str(&trail), "SdSdSdSdSdSdSdSdSdi");
	ck_assert_uint_eq(server->nmessages, 9);
	ck_assert_uint_eq(calls.sends - calls.sends_then, 1);
	ck_assert_uint_le(calls.recvs - calls.recvs_then, 3);
	ck_assert_ptr_null(strstr(buf_str(&server->transcript), "DATA"));
	ck_assert_uint_eq(buf_len(&server->complaints), 0);
}
END_TEST

static int (*whole_poll)(struct pollfd *fds, nfds_t n, int ms);

/* The server lives within poll(2). */
static int
counted_poll(struct pollfd *fds, nfds_t n, int ms)
{
	unsigned long before = xallocs();
	int ready = whole_poll(fds, n, ms);

	theirs += xallocs() - before;
	return ready;
}

/* Of bodies that are larger than what a session keeps for its commands, in each of the ways they go. */
START_TEST(a_busy_session_allocates_nothing)
{
	static const char *const offers[] = {
	    "offer PIPELINING", "offer PIPELINING, CHUNKING", "offer nothing"};
	static const char line[] = ".A line that starts with a dot, and is one of many others.\r\n";
	size_t size = sizeof(text) - 1;

	for (int i = 0; i < 200; i++, size += sizeof(line) - 1)
		ck_assert_int_eq(write(body, line, sizeof(line) - 1), sizeof(line) - 1);
	script(offers[_i]);
	for (int i = 0; i < JOBS; i++) {
		struct job *j = give();

		j->size = size;
		j->verbatim = true;
	}
	buf_reserve(&trail, 4 * JOBS);
	whole_poll = sys.poll;
	sys.poll = counted_poll;
	start();
	until('i');
	ck_assert_uint_eq(server->nmessages, JOBS);
	ck_assert_uint_eq(ours_at[JOBS - 1] - ours_at[9], 0);
}
END_TEST

static bool
holds_memory(const struct session *s)
{
	const struct smtp *e = s->smtp;

	return s->spares.first != NULL || e->spares.first != NULL || e->out.mem != NULL ||
	       e->reply.raw.mem != NULL || e->flight != NULL || e->notes != NULL ||
	       e->verdicts != NULL;
}

static struct job *
next_of_one_that_holds_nothing(void *ctx, struct session *s, bool *last_hop)
{
	ck_assert(given > 0 || !holds_memory(s));
	return on_next(ctx, s, last_hop);
}

/* Thousands may be, while they wait for their greeting or for more mail. */
START_TEST(before_mail_and_behind_it_a_session_is_small)
{
	ops.next = next_of_one_that_holds_nothing;
	give();
	start();
	until('i');
	ck_assert_str_eq(buf_str(&trail), "Sdi");
	ck_assert(!holds_memory(session));
}
END_TEST

START_TEST(no_chunks_where_they_came_to_nothing)
{
	options.no_chunking = _i == 1;
	give()->verbatim = true;
	start();
	until('i');
	ck_assert((strstr(buf_str(&server->transcript), "BDAT") == NULL) == (_i == 1));
}
END_TEST

START_TEST(a_chunk_shorter_than_recorded)
{
	struct job *j = give();

	j->verbatim = true;
	j->size = sizeof(text) + 100;
	start();
	until('c');
	ck_assert_ptr_nonnull(strstr(buf_str(&trail), "Rd"));
	ck_assert_uint_eq(server->nmessages, 0);
	ck_assert_int_eq(last.scope, SCOPE_MSG);
	ck_assert_ptr_nonnull(strstr(last.text, "shorter than recorded"));
}
END_TEST

START_TEST(a_greeting_that_never_comes)
{
	int64_t before = vclock_ms();

	script("on CONNECT silence");
	options.patience_s[SMTP_WAIT_GREETING] = 60;
	give();
	start();
	until('C');
	ck_assert_int_eq(vclock_ms() - before, 60000);
	ck_assert_str_eq(buf_str(&trail), "C"); /* no job was taken for it */
	ck_assert_int_eq(why.scope, SCOPE_HOST);
	ck_assert_uint_eq(given, 0);
}
END_TEST

/* RFC 5321 4.5.3.2: a deadline is for the whole reply, however it drips. */
START_TEST(a_reply_in_drops)
{
	int64_t before = vclock_ms();

	script("on CONNECT drip 20s");
	options.patience_s[SMTP_WAIT_GREETING] = 60;
	start();
	until('C');
	ck_assert_int_eq(vclock_ms() - before, 60000);
}
END_TEST

START_TEST(closed_in_the_middle)
{
	script("on DATA close");
	give();
	start();
	until('C');
	ck_assert_str_eq(buf_str(&trail), "bC");
	ck_assert_int_eq(last.scope, SCOPE_HOST);
}
END_TEST

START_TEST(closed_after_the_dot)
{
	script("on DOT close");
	give();
	start();
	until('C');
	ck_assert_str_eq(buf_str(&trail), "RdC");
	ck_assert_int_eq(last.scope, SCOPE_MSG);
	ck_assert_ptr_nonnull(strstr(last.text, "duplicate"));
}
END_TEST

/* Submission servers are asked for one thing after the other: some die of more. */
START_TEST(nothing_goes_behind_a_providers_dot)
{
	script("on DOT close");
	hop.submission = _i == 1;
	give();
	give();
	start();
	until('C');
	ck_assert_uint_eq(given, _i == 1 ? 1 : 2);
}
END_TEST

/* 421 to the MAIL behind a message that was served: it says nothing about the host. */
START_TEST(closed_between_messages)
{
	script("on MAIL skip 1 reply 421 4.3.2 enough; close");
	give();
	give();
	start();
	until('c');
	ck_assert_str_eq(buf_str(&trail), "Sddc");
	ck_assert_uint_eq(jobs[1].unsettled, 1);
}
END_TEST

/* Without its last line a message must not end. */
START_TEST(a_body_shorter_than_recorded)
{
	give()->size = sizeof(text) + 100;
	start();
	until('c');
	ck_assert_uint_eq(server->nmessages, 0);
	ck_assert_int_eq(buf_data(&trail)[0], 'R');
	ck_assert_int_eq(last.scope, SCOPE_MSG);
}
END_TEST

static ssize_t
bad_pread(int fd, void *buf, size_t n, off_t at)
{
	(void)fd;
	(void)buf;
	(void)n;
	(void)at;
	errno = EIO;
	return -1;
}

START_TEST(a_body_that_cannot_be_read)
{
	sys.pread = bad_pread;
	give();
	start();
	until('R');
	while (session != NULL)
		ck_assert(reactor_turn(r));
	ck_assert_uint_eq(server->nmessages, 0);
	ck_assert_ptr_nonnull(strstr(last.text, strerror(EIO)));
}
END_TEST

START_TEST(a_foreign_server_with_our_name)
{
	script("on EHLO reply 250 OUT.example.org");
	give();
	start();
	until('C');
	ck_assert_str_eq(why.enhanced, "5.4.6");
	ck_assert_int_eq(why.fate, FATE_RETRY);
	ck_assert_uint_eq(given, 0);
}
END_TEST

START_TEST(a_configured_server_with_our_name)
{
	script("on EHLO reply 250 OUT.example.org");
	hop.configured = true;
	give();
	start();
	until('i');
	ck_assert_str_eq(buf_str(&trail), "Sdi");
}
END_TEST

START_TEST(without_a_name_of_our_own)
{
	options.helo = NULL;
	give();
	start();
	until('i');
	ck_assert_ptr_nonnull(strstr(buf_str(&server->transcript), "> EHLO ["));
	ck_assert_uint_eq(server->nmessages, 1);
}
END_TEST

START_TEST(stopped_past_the_dot)
{
	script("on DOT delay 5s");
	give();
	start();
	while (!session_is_ready(session) || strstr(buf_str(&server->transcript), "354") == NULL)
		ck_assert(reactor_turn(r));
	reactor_turn(r); /* the body and its end go out */
	session_stop(session, false);
	until('d');
	ck_assert_int_eq(buf_data(&trail)[0], 'S'); /* the answer was waited for */
}
END_TEST

START_TEST(stopped_before_the_dot)
{
	script("on RCPT delay 5s");
	give();
	start();
	while (given == 0)
		ck_assert(reactor_turn(r));
	session_stop(session, false);
	until('b');
	while (session != NULL)
		ck_assert(reactor_turn(r));
	ck_assert_uint_eq(server->nmessages, 0);
}
END_TEST

Suite *
suite_session(void)
{
	Suite *s = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_over_one);
	tcase_add_test(tc, eight_in_one_write);
	tcase_add_loop_test(tc, a_busy_session_allocates_nothing, 0, 3);
	tcase_add_test(tc, before_mail_and_behind_it_a_session_is_small);
	tcase_add_loop_test(tc, no_chunks_where_they_came_to_nothing, 0, 2);
	tcase_add_test(tc, a_chunk_shorter_than_recorded);
	tcase_add_test(tc, a_greeting_that_never_comes);
	tcase_add_test(tc, a_reply_in_drops);
	tcase_add_test(tc, closed_in_the_middle);
	tcase_add_test(tc, closed_after_the_dot);
	tcase_add_loop_test(tc, nothing_goes_behind_a_providers_dot, 0, 2);
	tcase_add_test(tc, closed_between_messages);
	tcase_add_test(tc, a_body_shorter_than_recorded);
	tcase_add_test(tc, a_body_that_cannot_be_read);
	tcase_add_test(tc, a_foreign_server_with_our_name);
	tcase_add_test(tc, a_configured_server_with_our_name);
	tcase_add_test(tc, without_a_name_of_our_own);
	tcase_add_test(tc, stopped_past_the_dot);
	tcase_add_test(tc, stopped_before_the_dot);
	suite_add_tcase(s, tc);
	return s;
}
