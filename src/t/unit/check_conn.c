#include <sys/socket.h>
#include <sys/un.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "net/conn.h"
#include "net/reactor.h"
#include "net_fake.h"
#include "suites.h"
#include "vclock.h"

static struct reactor *r;
static struct conn *c;
static struct timer guard; /* so that a test that fails does not wait for ever */

/* What was reported: o(pen) f(ailed) r(eady) d(eadline); in capitals to the second owner. */
static char trail[64];
static void (*act)(enum conn_event event); /* what the owner does then */

static char dir[32], path[64];
static int listener, peer; /* the other side; -1: not there */
static struct sockaddr_storage at;
static socklen_t at_len;

static void
note(enum conn_event event, const char *letters)
{
	size_t n = strlen(trail);

	if (n + 1 < sizeof(trail)) {
		trail[n] = letters[event];
		trail[n + 1] = '\0';
	}
}

static void
on_event(void *ctx, enum conn_event event)
{
	ck_assert_ptr_eq(ctx, trail);
	note(event, "ofrd");
	if (act != NULL)
		act(event);
}

static void
on_event_second(void *ctx, enum conn_event event)
{
	ck_assert_ptr_eq(ctx, dir);
	note(event, "OFRD");
}

static void
on_guard(void *ctx)
{
	(void)ctx;
	ck_abort_msg("nothing happened");
}

static void
setup(void)
{
	r = reactor_new();
	c = NULL;
	listener = peer = -1;
	trail[0] = '\0';
	act = NULL;
	timer_init(&guard, on_guard, NULL);
	timer_arm(r, &guard, reactor_now(r) + 20000);
	memcpy(dir, "/tmp/check_conn.XXXXXX", sizeof("/tmp/check_conn.XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
}

static void
setup_virtual(void)
{
	vclock_install(1764000000);
	setup();
}

static void
teardown(void)
{
	conn_close(&c);
	conn_close(&c);
	timer_disarm(r, &guard);
	while (reactor_turn(r))
		;
	reactor_free(&r);
	if (listener != -1)
		close(listener);
	if (peer != -1)
		close(peer);
	unlink(path);
	rmdir(dir);
	sys = sys_libc;
}

/* --- the other side --- */

static void
address_tcp(void)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&at;

	memset(&at, 0, sizeof(at));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at_len = sizeof(*in);
}

static void
address_unix(void)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&at;

	memset(&at, 0, sizeof(at));
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
	at_len = sizeof(*un);
}

/* A port of our own, or a path; `at` says which. */
static void
bind_at(void)
{
	listener = socket(at.ss_family, SOCK_STREAM, 0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, at_len), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &at_len), 0);
}

static void
listen_at(void)
{
	bind_at();
	ck_assert_int_eq(listen(listener, 8), 0);
}

static void
start(void)
{
	c = conn_connect(r, (struct sockaddr *)&at, at_len, NULL, 0, on_event, trail);
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(trail, ""); /* never from within the call */
}

/* Turns until something has been reported, and forgets what. */
static char
next(void)
{
	char first;

	while (trail[0] == '\0')
		ck_assert(reactor_turn(r));
	first = trail[0];
	memmove(trail, trail + 1, strlen(trail));
	return first;
}

static void
start_and_open(void)
{
	start();
	ck_assert_int_eq(next(), 'o');
	peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
}

static void
peer_says(const char *text)
{
	if (write(peer, text, strlen(text)) != (ssize_t)strlen(text))
		ck_abort_msg("write: %s", strerror(errno));
}

static void
peer_closes(void)
{
	close(peer);
	peer = -1;
}

static void
on_tick(void *ctx)
{
	*(bool *)ctx = true;
}

/* How many turns the reactor makes until a second has passed. */
static size_t
turns_in_a_second(void)
{
	struct timer second;
	bool passed = false;
	size_t turns = 0;

	timer_init(&second, on_tick, &passed);
	timer_arm(r, &second, reactor_now(r) + 1000);
	for (; !passed && turns < 1000; turns++)
		reactor_turn(r);
	timer_disarm(r, &second);
	return turns;
}

/* --- connecting --- */

START_TEST(tcp_opens_talks_and_ends)
{
	struct sockaddr_in local, seen;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(seen);
	char text[16];

	address_tcp();
	listen_at();
	start();
	ck_assert_int_eq(conn_local(c, &ss, &len), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert_int_eq(next(), 'o');
	ck_assert(conn_is_open(c));
	len = sizeof(seen);
	peer = accept(listener, (struct sockaddr *)&seen, &len);
	ck_assert_int_eq(conn_local(c, &ss, &len), 0);
	ck_assert_uint_eq(len, sizeof(local));
	memcpy(&local, &ss, sizeof(local));
	ck_assert_int_eq(local.sin_port, seen.sin_port);

	ck_assert_int_eq(conn_read(c, text, sizeof(text)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	conn_want(c, true, false);
	peer_says("220 hello\r\n");
	ck_assert_int_eq(next(), 'r');
	ck_assert_int_eq(conn_read(c, text, sizeof(text)), 11);
	ck_assert_mem_eq(text, "220 hello\r\n", 11);
	ck_assert_int_eq(conn_write(c, "QUIT\r\n", 6), 6);
	ck_assert_int_eq(recv(peer, text, sizeof(text), 0), 6);
	peer_closes();
	ck_assert_int_eq(next(), 'r');
	ck_assert_int_eq(conn_read(c, text, sizeof(text)), 0);
}
END_TEST

static int
spy_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	int on = 0;
	socklen_t onlen = sizeof(on);

	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &onlen), 0);
	ck_assert_int_ne(on, 0);
	return sys_libc.connect(fd, to, len);
}

START_TEST(tcp_does_not_delay_small_writes)
{
	sys.connect = spy_connect;
	address_tcp();
	listen_at();
	start_and_open();
}
END_TEST

START_TEST(a_local_socket_opens_at_once_and_says_so_later)
{
	address_unix();
	listen_at();
	start();
	ck_assert(conn_is_open(c));
	ck_assert_int_eq(conn_write(c, "x", 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	conn_want(c, true, true); /* remembered */
	ck_assert_str_eq(trail, "");
	ck_assert_int_eq(next(), 'o');
	ck_assert_int_eq(next(), 'r');
	conn_want(c, false, false);
}
END_TEST

START_TEST(refused_by_a_host)
{
	address_tcp();
	bind_at(); /* and does not listen */
	start();
	ck_assert_int_eq(next(), 'f');
	ck_assert_int_eq(conn_errno(c), ECONNREFUSED);
	ck_assert(!conn_is_open(c));
	ck_assert_int_eq(conn_read(c, trail, 0), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(conn_write(c, "x", 1), -1);
	conn_want(c, true, true);
}
END_TEST

START_TEST(no_such_local_socket)
{
	address_unix();
	start();
	ck_assert_int_eq(next(), 'f');
	ck_assert_int_eq(conn_errno(c), ENOENT);
}
END_TEST

START_TEST(a_local_address_that_is_not_ours)
{
	struct sockaddr_in from = {.sin_family = AF_INET};

	from.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 */
	address_tcp();
	listen_at();
	c = conn_connect(r, (struct sockaddr *)&at, at_len, (struct sockaddr *)&from, sizeof(from),
	    on_event, trail);
	ck_assert_int_eq(next(), 'f');
	ck_assert_int_eq(conn_errno(c), EADDRNOTAVAIL);
}
END_TEST

START_TEST(binds_to_the_address_it_is_given)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, seen;
	socklen_t len = sizeof(seen);

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address_tcp();
	listen_at();
	c = conn_connect(r, (struct sockaddr *)&at, at_len, (struct sockaddr *)&from, sizeof(from),
	    on_event, trail);
	ck_assert_int_eq(next(), 'o');
	peer = accept(listener, (struct sockaddr *)&seen, &len);
	ck_assert_int_eq(seen.sin_addr.s_addr, from.sin_addr.s_addr);
}
END_TEST

static int
no_socket(int domain, int type, int protocol)
{
	(void)domain, (void)type, (void)protocol;
	errno = EMFILE;
	return -1;
}

START_TEST(no_descriptor_is_told_at_once)
{
	sys.socket = no_socket;
	address_tcp();
	ck_assert_ptr_null(
	    conn_connect(r, (struct sockaddr *)&at, at_len, NULL, 0, on_event, trail));
	ck_assert_int_eq(errno, EMFILE);
}
END_TEST

static int
stuck_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	(void)fd, (void)to, (void)len;
	errno = EINPROGRESS;
	return -1;
}

/* A socket that claims to be writable, without an error, and has no peer. */
START_TEST(writable_is_not_connected)
{
	sys.connect = stuck_connect;
	address_tcp();
	start();
	ck_assert(!conn_is_open(c));
	ck_assert_int_eq(next(), 'f');
	ck_assert_int_eq(conn_errno(c), ENOTCONN);
}
END_TEST

/* --- with a scripted network and time --- */

static void
address_scripted(void)
{
	address_tcp();
	((struct sockaddr_in *)(void *)&at)->sin_port = htons(25);
	net_fake_install();
}

START_TEST(a_silent_host_meets_the_deadline)
{
	int64_t now = reactor_now(r);

	address_scripted();
	net_fake_down("127.0.0.1:25", 0);
	timer_disarm(r, &guard);
	start();
	conn_deadline(c, now + 30000);
	ck_assert_int_eq(next(), 'd');
	ck_assert_int_eq(reactor_now(r), now + 30000);
	ck_assert(!conn_is_open(c));
	conn_deadline(c, now + 60000); /* it can be set again, and taken back */
	conn_deadline(c, now + 40000);
	ck_assert_int_eq(next(), 'd');
	ck_assert_int_eq(reactor_now(r), now + 40000);
	conn_deadline(c, now + 50000);
	conn_deadline(c, 0);
	while (reactor_now(r) < now + 50000)
		turns_in_a_second();
	ck_assert_str_eq(trail, "");
}
END_TEST

START_TEST(unreachable_at_once_is_reported_later)
{
	address_scripted();
	net_fake_down("127.0.0.1:25", EHOSTUNREACH);
	start();
	ck_assert_int_eq(next(), 'f');
	ck_assert_int_eq(conn_errno(c), EHOSTUNREACH);
}
END_TEST

/* --- reading and writing --- */

static void
open_local(void)
{
	address_unix();
	listen_at();
	start_and_open();
}

START_TEST(a_peer_that_does_not_read_holds_writing_up)
{
	static const char block[4096];
	char sink[65536];
	ssize_t n;

	open_local();
	while ((n = conn_write(c, block, sizeof(block))) > 0)
		;
	ck_assert_int_eq(n, -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(conn_errno(c), 0);
	conn_want(c, false, true);
	timer_disarm(r, &guard);
	timer_arm(r, &guard, reactor_now(r) + 60000);
	while (recv(peer, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(next(), 'r');
	ck_assert_int_eq(conn_write(c, "x", 1), 1);
	ck_assert_int_eq(conn_write(c, "", 0), 0);
}
END_TEST

/* Both would kill the program if SIGPIPE were raised; it is not ignored here. */
START_TEST(writing_to_a_closed_peer_is_an_error_and_no_signal)
{
	open_local();
	peer_closes();
	ck_assert_int_eq(conn_write(c, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(conn_errno(c), EPIPE);
	ck_assert_int_eq(conn_write(c, "x", 1), -1);
}
END_TEST

START_TEST(a_reset_is_an_error_of_reading)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	char text[8];

	address_tcp();
	listen_at();
	start_and_open();
	conn_want(c, true, false);
	ck_assert_int_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	peer_closes();
	ck_assert_int_eq(next(), 'r');
	ck_assert_int_eq(conn_read(c, text, sizeof(text)), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_int_eq(conn_errno(c), ECONNRESET);
}
END_TEST

static int interruptions;

static ssize_t
interrupted_recv(int fd, void *buf, size_t n, int flags)
{
	errno = EINTR;
	return interruptions-- > 0 ? -1 : sys_libc.recv(fd, buf, n, flags);
}

static ssize_t
interrupted_send(int fd, const void *buf, size_t n, int flags)
{
	errno = EINTR;
	return interruptions-- > 0 ? -1 : sys_libc.send(fd, buf, n, flags);
}

START_TEST(an_interruption_is_nobodys_business)
{
	char text[8];

	open_local();
	sys.recv = interrupted_recv;
	sys.send = interrupted_send;
	peer_says("ok");
	interruptions = 3;
	ck_assert_int_eq(conn_read(c, text, sizeof(text)), 2);
	interruptions = 3;
	ck_assert_int_eq(conn_write(c, "ok", 2), 2);
	ck_assert_int_eq(conn_errno(c), 0);
}
END_TEST

static int
interrupted_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	ck_assert_int_eq(sys_libc.connect(fd, to, len), 0);
	errno = EINTR;
	return -1;
}

START_TEST(an_interrupted_connect_goes_on_by_itself)
{
	sys.connect = interrupted_connect;
	open_local();
	ck_assert(conn_is_open(c));
}
END_TEST

/* --- nobody spins --- */

START_TEST(a_hang_up_while_nothing_is_wanted_is_told_once)
{
	char text[8];

	open_local();
	peer_says("x");
	peer_closes();
	ck_assert_uint_lt(turns_in_a_second(), 10);
	ck_assert_str_eq(trail, "r");
	conn_want(c, false, false);
	ck_assert_uint_lt(turns_in_a_second(), 10);
	ck_assert_str_eq(trail, "r");
	conn_want(c, true, false); /* and again to whoever asks */
	trail[0] = '\0';
	ck_assert_int_eq(next(), 'r');
	ck_assert_int_eq(conn_read(c, text, sizeof(text)), 1);
}
END_TEST

static void
read_some(enum conn_event event)
{
	char text[8];

	if (event == CONN_READY)
		conn_read(c, text, sizeof(text));
}

START_TEST(an_end_of_file_that_nobody_acts_on_does_not_spin)
{
	open_local();
	act = read_some;
	conn_want(c, true, false);
	peer_closes();
	ck_assert_uint_lt(turns_in_a_second(), 10);
	ck_assert_uint_ge(strlen(trail), 1);
}
END_TEST

START_TEST(a_half_close_leaves_the_other_direction)
{
	open_local();
	act = read_some;
	conn_want(c, true, false);
	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	ck_assert_uint_lt(turns_in_a_second(), 10);
	trail[0] = '\0';
	conn_want(c, true, true);
	ck_assert_int_eq(next(), 'r');
	ck_assert_int_eq(conn_write(c, "x", 1), 1);
	conn_want(c, false, false);
}
END_TEST

static void
write_some(enum conn_event event)
{
	if (event == CONN_READY)
		conn_write(c, "x", 1);
}

START_TEST(a_write_error_that_nobody_acts_on_does_not_spin)
{
	open_local();
	act = write_some;
	peer_closes();
	conn_want(c, false, true);
	ck_assert_uint_lt(turns_in_a_second(), 10);
	ck_assert_int_eq(conn_errno(c), EPIPE);
}
END_TEST

/* --- owners --- */

static void
close_it(enum conn_event event)
{
	(void)event;
	conn_close(&c);
	ck_assert_ptr_null(c);
}

/* Whatever is reported first, closing in it is the end: nothing more is reported. */
START_TEST(closing_in_the_callback_ends_it)
{
	act = close_it;
	address_unix();
	if (_i != 0)
		listen_at();
	start();
	if (_i == 2)
		act = NULL;
	conn_want(c, true, true);
	ck_assert_int_eq(next(), _i == 0 ? 'f' : 'o');
	if (_i == 2) {
		act = close_it;
		conn_deadline(c, reactor_now(r));
		ck_assert_int_eq(next(), 'r');
	}
	ck_assert_uint_lt(turns_in_a_second(), 10);
	ck_assert_str_eq(trail, "");
	ck_assert_ptr_null(c);
}
END_TEST

START_TEST(closing_before_the_outcome_silences_it)
{
	address_unix();
	listen_at();
	start();
	conn_deadline(c, reactor_now(r) + 10);
	conn_close(&c);
	ck_assert_uint_lt(turns_in_a_second(), 10);
	ck_assert_str_eq(trail, "");
	start(); /* the number of the descriptor is free again at once */
	ck_assert_int_eq(next(), 'o');
}
END_TEST

static void
hand_over(enum conn_event event)
{
	(void)event;
	conn_handler(c, on_event_second, dir);
	conn_want(c, true, false);
}

START_TEST(a_connection_changes_hands_in_a_callback)
{
	address_unix();
	listen_at();
	act = hand_over;
	start_and_open();
	peer_says("220 x\r\n");
	ck_assert_int_eq(next(), 'R');
	conn_deadline(c, reactor_now(r) + 10);
	conn_want(c, false, false);
	ck_assert_int_eq(next(), 'D');
}
END_TEST

START_TEST(a_connection_changes_hands_before_it_has_opened)
{
	address_unix();
	listen_at();
	start();
	conn_handler(c, on_event_second, dir);
	ck_assert_int_eq(next(), 'O');
}
END_TEST

START_TEST(an_end_of_file_is_seen_by_the_next_owner_too)
{
	char text[8];

	open_local();
	conn_want(c, true, false);
	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	ck_assert_int_eq(next(), 'r');
	ck_assert_int_eq(conn_read(c, text, sizeof(text)), 0);
	conn_handler(c, on_event_second, dir);
	conn_want(c, true, false);
	ck_assert_int_eq(next(), 'R');
	ck_assert_int_eq(conn_read(c, text, sizeof(text)), 0);
}
END_TEST

static TCase *
tcase_real(void)
{
	TCase *tc = tcase_create("loopback");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, tcp_opens_talks_and_ends);
	tcase_add_test(tc, tcp_does_not_delay_small_writes);
	tcase_add_test(tc, refused_by_a_host);
	tcase_add_test(tc, a_local_address_that_is_not_ours);
	tcase_add_test(tc, binds_to_the_address_it_is_given);
	tcase_add_test(tc, writable_is_not_connected);
	tcase_add_test(tc, a_reset_is_an_error_of_reading);
	return tc;
}

static TCase *
tcase_virtual(void)
{
	TCase *tc = tcase_create("virtual time");

	tcase_add_checked_fixture(tc, setup_virtual, teardown);
	tcase_add_test(tc, a_local_socket_opens_at_once_and_says_so_later);
	tcase_add_test(tc, no_such_local_socket);
	tcase_add_test(tc, no_descriptor_is_told_at_once);
	tcase_add_test(tc, a_silent_host_meets_the_deadline);
	tcase_add_test(tc, unreachable_at_once_is_reported_later);
	tcase_add_test(tc, a_peer_that_does_not_read_holds_writing_up);
	tcase_add_test(tc, writing_to_a_closed_peer_is_an_error_and_no_signal);
	tcase_add_test(tc, an_interruption_is_nobodys_business);
	tcase_add_test(tc, an_interrupted_connect_goes_on_by_itself);
	tcase_add_test(tc, a_hang_up_while_nothing_is_wanted_is_told_once);
	tcase_add_test(tc, an_end_of_file_that_nobody_acts_on_does_not_spin);
	tcase_add_test(tc, a_half_close_leaves_the_other_direction);
	tcase_add_test(tc, a_write_error_that_nobody_acts_on_does_not_spin);
	tcase_add_loop_test(tc, closing_in_the_callback_ends_it, 0, 3);
	tcase_add_test(tc, closing_before_the_outcome_silences_it);
	tcase_add_test(tc, a_connection_changes_hands_in_a_callback);
	tcase_add_test(tc, a_connection_changes_hands_before_it_has_opened);
	tcase_add_test(tc, an_end_of_file_is_seen_by_the_next_owner_too);
	return tc;
}

Suite *
suite_conn(void)
{
	Suite *s = suite_create("conn");

	suite_add_tcase(s, tcase_real());
	suite_add_tcase(s, tcase_virtual());
	return s;
}
