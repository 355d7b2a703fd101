/* check_dial.c: the race of connections, in virtual time. */
#include <netinet/in.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sys.h"
#include "dial.h"
#include "logcap.h"
#include "net_fake.h"
#include "suites.h"
#include "vclock.h"

enum { HOPS = 8 };

static struct reactor *r;
static struct dial *d;
static struct hop hops[HOPS];
static char peers[HOPS][32];
static char host[] = "mx";
static size_t nhops, known, at; /* all; those the route knows; the next to give out */
static struct buf trail; /* what happened: "250:2 " is hop 2 asked for after 250 ms */
static int64_t start_ms;
static bool over;
static struct conn *won, *spare;
static struct timer guard;

static void
accept_and_hold(void *ctx, int fd, bool stream)
{
	(void)ctx;
	(void)stream;
	(void)fd; /* stays open until the test, which is a process, ends */
}

static long long
elapsed(void)
{
	return (long long)(reactor_now(r) - start_ms);
}

static enum route_state
on_next(void *ctx, const struct hop **h, size_t *index)
{
	(void)ctx;
	if (at == nhops)
		return ROUTE_END;
	if (at == known)
		return ROUTE_WAIT;
	*h = &hops[at];
	*index = at++;
	return ROUTE_HOP;
}

static void
on_failed(void *ctx, size_t index, const struct verdict *v)
{
	(void)ctx;
	ck_assert_int_eq(v->scope, SCOPE_HOST);
	ck_assert_int_eq(v->fate, FATE_RETRY);
	buf_addf(&trail, "%lld:-%zu%s ", elapsed(), index, v->no_attempt ? "!" : "");
}

static void
on_conn(void *ctx, enum conn_event event)
{
	(void)ctx;
	(void)event;
}

static void
on_opened(void *ctx, struct conn *c, size_t index, int64_t connect_ms)
{
	(void)ctx;
	ck_assert(!over);
	over = true;
	won = c;
	if (c != NULL)
		conn_handler(c, on_conn, NULL);
	if (c != NULL)
		buf_addf(&trail, "%lld:+%zu(%lld)", elapsed(), index, (long long)connect_ms);
	else
		buf_addf(&trail, "%lld:none", elapsed());
	dial_cancel(&d);
}

static void
on_spare(void *ctx, struct conn *c, size_t index)
{
	(void)ctx;
	ck_assert(!over);
	spare = c;
	conn_handler(c, on_conn, NULL);
	buf_addf(&trail, "%lld:~%zu ", elapsed(), index);
}

static const struct dial_ops ops = {on_next, on_failed, on_opened, on_spare};

static void
on_guard(void *ctx)
{
	(void)ctx;
	ck_abort_msg("still dialling: %s", buf_str(&trail));
}

static void
setup(void)
{
	vclock_install(1800000000);
	net_fake_install();
	logcap_start();
	r = reactor_new();
	buf_init(&trail, 4096);
	nhops = known = at = 0;
	over = false;
	won = spare = NULL;
	timer_init(&guard, on_guard, NULL);
	timer_arm(r, &guard, reactor_now(r) + 200000);
}

static void
teardown(void)
{
	dial_cancel(&d);
	conn_close(&won);
	conn_close(&spare);
	timer_disarm(r, &guard);
	while (reactor_turn(r))
		;
	reactor_free(&r);
	buf_free(&trail);
	logcap_stop();
}

enum what { OPENS, REFUSED, SILENT, UNREACHABLE };

/* The next hop, at 192.0.2.N. */
static void
hop(unsigned preference, enum what what, int64_t latency_ms)
{
	struct hop *h = &hops[nhops];
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(25)};
	char address[32];

	snprintf(address, sizeof(address), "192.0.2.%zu:25", nhops + 1);
	snprintf(peers[nhops], sizeof(peers[nhops]), "[192.0.2.%zu]:25", nhops + 1);
	sin.sin_addr.s_addr = htonl(0xc0000200 + (uint32_t)nhops + 1);
	memset(h, 0, sizeof(*h));
	memcpy(&h->addr, &sin, sizeof(sin));
	h->addrlen = sizeof(sin);
	h->host = host;
	h->peer = peers[nhops];
	h->preference = preference;
	if (what == OPENS)
		net_fake_listen(address, accept_and_hold, NULL);
	else
		net_fake_down(address, what == REFUSED       ? ECONNREFUSED
				       : what == UNREACHABLE ? ENETUNREACH
							     : 0);
	net_fake_latency(address, latency_ms);
	known = ++nhops;
}

static void
start(bool race)
{
	struct dial_options o = {.connect_s = 30, .race = race};

	start_ms = reactor_now(r);
	d = dial_start(r, &o, &ops, NULL);
}

static void
run(const char *expected)
{
	while (!over)
		ck_assert(reactor_turn(r));
	ck_assert_str_eq(buf_str(&trail), expected);
}

START_TEST(the_first_that_opens)
{
	hop(10, OPENS, 40);
	hop(10, OPENS, 10);
	start(true);
	run("40:+0(40)");
	ck_assert_uint_eq(net_fake_connects("192.0.2.2:25"), 0);
}
END_TEST

START_TEST(a_silent_host_of_the_same_preference_holds_up_250_ms)
{
	hop(10, SILENT, 0);
	hop(10, SILENT, 0);
	hop(10, OPENS, 20);
	start(true);
	run("520:+2(20)");
}
END_TEST

START_TEST(a_silent_host_of_a_better_preference_holds_up_2_s)
{
	hop(10, SILENT, 0);
	hop(20, OPENS, 20);
	start(true);
	run("2020:+1(20)");
}
END_TEST

START_TEST(a_failure_starts_the_next_at_once)
{
	hop(10, REFUSED, 0);
	hop(20, REFUSED, 30);
	hop(30, OPENS, 5);
	start(true);
	run("0:-0 30:-1 35:+2(5)");
}
END_TEST

START_TEST(a_failure_behind_a_silent_host_starts_the_next_at_once)
{
	hop(10, SILENT, 0);
	hop(10, REFUSED, 0);
	hop(20, OPENS, 5);
	start(true);
	run("250:-1 255:+2(5)");
}
END_TEST

START_TEST(the_slow_one_may_still_win)
{
	hop(10, OPENS, 300);
	hop(10, OPENS, 100);
	start(true);
	run("300:+0(300)");
	/* the other is given up: its opening finds nobody */
	ck_assert_uint_eq(net_fake_connects("192.0.2.2:25"), 1);
	ck_assert_ptr_null(spare);
}
END_TEST

START_TEST(both_open_in_the_same_moment)
{
	hop(10, OPENS, 300);
	hop(10, OPENS, 50);
	start(true);
	while (!over)
		ck_assert(reactor_turn(r));
	ck_assert_ptr_nonnull(won);
	ck_assert_ptr_nonnull(spare);
	ck_assert(conn_is_open(spare));
}
END_TEST

START_TEST(nobody)
{
	hop(10, REFUSED, 0);
	hop(10, SILENT, 0);
	hop(20, UNREACHABLE, 0);
	start(true);
	run("0:-0 2000:-2! 30000:-1 30000:none");
}
END_TEST

START_TEST(no_hop_at_all)
{
	start(true);
	run("0:none");
}
END_TEST

START_TEST(without_a_race_the_next_only_after_a_failure)
{
	hop(10, SILENT, 0);
	hop(10, OPENS, 1);
	start(false);
	run("30000:-0 30001:+1(1)");
}
END_TEST

START_TEST(waits_for_the_route)
{
	hop(10, REFUSED, 0);
	hop(10, OPENS, 5);
	known = 1;
	start(true);
	while (buf_len(&trail) == 0)
		ck_assert(reactor_turn(r));
	vclock_advance(1000);
	known = 2;
	dial_more(d);
	run("0:-0 1005:+1(5)");
}
END_TEST

START_TEST(cancelled)
{
	hop(10, SILENT, 0);
	hop(10, SILENT, 0);
	start(true);
	while (net_fake_connects("192.0.2.2:25") == 0)
		ck_assert(reactor_turn(r));
	dial_cancel(&d);
	ck_assert_ptr_null(d);
	timer_disarm(r, &guard);
	while (reactor_turn(r))
		;
	ck_assert_uint_eq(buf_len(&trail), 0);
}
END_TEST

static int
no_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	errno = EMFILE;
	return -1;
}

/* Nothing is wrong with the host: it must not count as an attempt. */
START_TEST(no_descriptor_left)
{
	hop(10, OPENS, 0);
	hop(10, OPENS, 0);
	sys.socket = no_socket;
	start(true);
	run("0:-0! 0:-1! 0:none");
}
END_TEST

Suite *
suite_dial(void)
{
	Suite *s = suite_create("dial");
	TCase *tc = tcase_create("dial");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_first_that_opens);
	tcase_add_test(tc, a_silent_host_of_the_same_preference_holds_up_250_ms);
	tcase_add_test(tc, a_silent_host_of_a_better_preference_holds_up_2_s);
	tcase_add_test(tc, a_failure_starts_the_next_at_once);
	tcase_add_test(tc, a_failure_behind_a_silent_host_starts_the_next_at_once);
	tcase_add_test(tc, the_slow_one_may_still_win);
	tcase_add_test(tc, both_open_in_the_same_moment);
	tcase_add_test(tc, nobody);
	tcase_add_test(tc, no_hop_at_all);
	tcase_add_test(tc, without_a_race_the_next_only_after_a_failure);
	tcase_add_test(tc, waits_for_the_route);
	tcase_add_test(tc, cancelled);
	tcase_add_test(tc, no_descriptor_left);
	suite_add_tcase(s, tc);
	return s;
}
