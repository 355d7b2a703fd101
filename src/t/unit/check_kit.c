/* check_kit.c: the test kit itself; a kit that sees nothing would make every story true. */
#include <sys/socket.h>

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/sys.h"
#include "net_fake.h"
#include "smtp_fake.h"
#include "t/unit/suites.h"
#include "vclock.h"

static struct smtp_fake *server;

static void
setup(void)
{
	vclock_install(1800000000);
	net_fake_install();
	server = smtp_fake_new("mx");
	smtp_fake_serve(server, "192.0.2.1:25");
}

static int
start_connect(const char *ip, int *fd)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(25)};

	inet_pton(AF_INET, ip, &in.sin_addr);
	*fd = sys_socket(AF_INET, SOCK_STREAM);
	ck_assert_int_ge(*fd, 0);
	return sys.connect(*fd, (struct sockaddr *)&in, sizeof(in));
}

static short
wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	return sys.poll(&p, 1, timeout_ms) > 0 ? p.revents : 0;
}

static int
greeted(void)
{
	char text[512];
	int fd;

	start_connect("192.0.2.1", &fd);
	ck_assert(wait_for(fd, POLLIN, 1000) & POLLIN);
	ck_assert_int_gt(sys.recv(fd, text, sizeof(text), 0), 0);
	return fd;
}

/* Says something; what the server answers to it within a minute. */
static const char *
says(int fd, const char *text)
{
	static char answer[4096];
	size_t n = 0;

	ck_assert_int_eq(sys.send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	while (wait_for(fd, POLLIN, 60000) & POLLIN) {
		ssize_t got = sys.recv(fd, answer + n, sizeof(answer) - 1 - n, 0);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	answer[n] = '\0';
	return answer;
}

static void
script(const char *line)
{
	ck_assert_msg(smtp_script_line(&server->script, line), "%s", line);
}

START_TEST(time_jumps_to_the_deadline)
{
	int fd;

	start_connect("192.0.2.1", &fd);
	ck_assert(wait_for(fd, POLLIN, -1) & POLLIN);
	ck_assert_int_eq(vclock_ms(), 1000000);
	(void)greeted();
	ck_assert_int_eq(sys.poll(NULL, 0, 86400000), 0);
	ck_assert_int_eq(vclock_ms(), 1000000 + 86400000);
	ck_assert_int_eq(vclock_wall_s(), 1800000000 + 86400);
}
END_TEST

START_TEST(time_stops_at_the_server_first)
{
	int fd;

	script("on CONNECT delay 10s");
	start_connect("192.0.2.1", &fd);
	ck_assert(wait_for(fd, POLLIN, 60000) & POLLIN);
	ck_assert_int_eq(vclock_ms(), 1010000);
}
END_TEST

START_TEST(an_address_nobody_scripted)
{
	int fd;

	ck_assert_int_eq(start_connect("192.0.2.77", &fd), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_str_eq(net_fake_unknown(), "192.0.2.77:25");
}
END_TEST

START_TEST(silence_neither_opens_nor_fails)
{
	int fd;

	net_fake_down("192.0.2.2:25", 0);
	ck_assert_int_eq(start_connect("192.0.2.2", &fd), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	ck_assert_int_eq(wait_for(fd, POLLOUT | POLLIN, 30000), 0);
	ck_assert_int_eq(vclock_ms(), 1030000);
	ck_assert_uint_eq(net_fake_connects("192.0.2.2:25"), 1);
}
END_TEST

START_TEST(latency_opens_later)
{
	int fd;

	net_fake_latency("192.0.2.1:25", 700);
	start_connect("192.0.2.1", &fd);
	ck_assert_int_eq(wait_for(fd, POLLOUT, 699), 0);
	ck_assert_int_eq(wait_for(fd, POLLOUT, 1000), POLLOUT);
	ck_assert_int_eq(sys_socket_error(fd), 0);
	ck_assert_int_eq(vclock_ms(), 1000700);
	ck_assert(wait_for(fd, POLLIN, 0) & POLLIN);
}
END_TEST

START_TEST(latency_before_a_failure)
{
	int fd;

	net_fake_down("192.0.2.2:25", ECONNREFUSED);
	net_fake_latency("192.0.2.2:25", 700);
	ck_assert_int_eq(start_connect("192.0.2.2", &fd), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	ck_assert_int_ne(wait_for(fd, POLLOUT, 1000), 0);
	ck_assert_int_ne(sys_socket_error(fd), 0);
}
END_TEST

START_TEST(a_reset_is_no_end_of_file)
{
	int fd;
	char byte;

	script("on EHLO reset");
	fd = greeted();
	ck_assert_str_eq(says(fd, "EHLO x\r\n"), "");
	ck_assert_int_eq(sys.recv(fd, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(takes_a_message)
{
	int fd = greeted();
	const struct fake_message *m;

	says(fd, "EHLO x\r\n");
	ck_assert_str_eq(says(fd, "MAIL FROM:<a@x> SIZE=3\r\nRCPT TO:<b@y>\r\nDATA\r\n"),
	    "250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n354 go ahead\r\n");
	ck_assert_str_eq(says(fd, "..a\r\n..\r\n.\r\n"), "250 2.0.0 taken\r\n");
	ck_assert_uint_eq(server->nmessages, 1);
	m = list_item(server->messages.next, struct fake_message, link);
	ck_assert_str_eq(m->from, "a@x");
	ck_assert_str_eq(m->rcpts[0], "b@y");
	ck_assert_uint_eq(buf_len(&m->body), 7);
	ck_assert_mem_eq(buf_data(&m->body), ".a\r\n.\r\n", 7);
	ck_assert_str_eq(buf_str(&server->complaints), "");
}
END_TEST

/* What a client may not do, and the complaint of it. */
static const struct {
	const char *offer, *text, *complaint;
} rude[] = {
    {"nothing", "MAIL FROM:<a@x>\r\n", "MAIL before EHLO"},
    {"nothing", "EHLO x\r\nNOOP\r\n", "PIPELINING was not offered"},
    {"PIPELINING", "EHLO x\r\nNOOP\r\n", "more behind EHLO"},
    {"PIPELINING", "NOOP\n", "bare CR, LF or NUL"},
    {"PIPELINING", "NO\rOP\r\n", "bare CR, LF or NUL"},
    {"PIPELINING", "HELLO x\r\n", "not a command"},
    {"PIPELINING", "LHLO x\r\n", "the wrong hello"},
    {"PIPELINING", "MAIL FROM: <a@x>\r\n", "not a reverse-path"},
    {"PIPELINING", "RCPT TO:a@x\r\n", "not a forward-path"},
    {"PIPELINING", "MAIL FROM:<a@x>\r\nMAIL FROM:<a@x>\r\n", "within a transaction"},
    {"PIPELINING", "MAIL FROM:<a@x> BODY=8BITMIME\r\n", "parameter that was not offered"},
    {"8BITMIME", "MAIL FROM:<a@x> SIZE=1\r\n", "parameter that was not offered"},
    {"PIPELINING", "BDAT 1 LAST\r\nx", "BDAT was not offered"},
};

START_TEST(complains_of)
{
	char offer[64];
	int fd;

	snprintf(offer, sizeof(offer), "offer %s", rude[_i].offer);
	script(offer);
	fd = greeted();
	if (_i > 2)
		says(fd, "EHLO x\r\n");
	ck_assert_str_eq(buf_str(&server->complaints), "");
	says(fd, rude[_i].text);
	ck_assert_msg(strstr(buf_str(&server->complaints), rude[_i].complaint) != NULL, "%s",
	    buf_str(&server->complaints));
}
END_TEST

START_TEST(complains_of_a_body)
{
	int fd = greeted();

	says(fd, "EHLO x\r\n");
	says(fd, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	says(fd, "a\nb\rc\r\n.\r\n");
	ck_assert_ptr_nonnull(strstr(buf_str(&server->complaints), "bare LF in the body"));
	ck_assert_ptr_nonnull(strstr(buf_str(&server->complaints), "bare CR in the body"));
}
END_TEST

START_TEST(spoke_before_the_greeting)
{
	int fd;

	script("on CONNECT delay 5s");
	start_connect("192.0.2.1", &fd);
	says(fd, "EHLO x\r\n");
	ck_assert_ptr_nonnull(strstr(buf_str(&server->complaints), "before the greeting"));
}
END_TEST

START_TEST(a_rule_says_when)
{
	int fd;

	script("on RCPT b@* session 1 skip 1 times 1 delay 2s; reply 450 no; close");
	fd = greeted();
	says(fd, "EHLO x\r\n");
	says(fd, "MAIL FROM:<a@x>\r\n");
	ck_assert_str_eq(says(fd, "RCPT TO:<c@y>\r\n"), "250 2.1.5 recipient ok\r\n");
	ck_assert_str_eq(says(fd, "RCPT TO:<b@y>\r\n"), "250 2.1.5 recipient ok\r\n");
	ck_assert_str_eq(says(fd, "RCPT TO:<b@z>\r\nRCPT TO:<b@z>\r\n"), "450 no\r\n");
	ck_assert_int_eq(wait_for(fd, POLLIN, 0) & POLLHUP, POLLHUP);
}
END_TEST

START_TEST(a_script_with_mistakes)
{
	static const char *const wrong[] = {"", "nonsense", "on", "on RCPT", "on RCPT explode",
	    "on RCPT delay", "on RCPT delay 1s; ", "latency never", "on RCPT times x close"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!smtp_script_line(&server->script, wrong[i]), "%s", wrong[i]);
}
END_TEST

START_TEST(waiting_for_nothing)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	sys.poll(NULL, 0, -1);
}
END_TEST

Suite *
suite_kit(void)
{
	Suite *s = suite_create("kit");
	TCase *tc = tcase_create("kit");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, time_jumps_to_the_deadline);
	tcase_add_test(tc, time_stops_at_the_server_first);
	tcase_add_test(tc, an_address_nobody_scripted);
	tcase_add_test(tc, silence_neither_opens_nor_fails);
	tcase_add_test(tc, latency_opens_later);
	tcase_add_test(tc, latency_before_a_failure);
	tcase_add_test(tc, a_reset_is_no_end_of_file);
	tcase_add_test(tc, takes_a_message);
	tcase_add_loop_test(tc, complains_of, 0, sizeof(rude) / sizeof(rude[0]));
	tcase_add_test(tc, complains_of_a_body);
	tcase_add_test(tc, spoke_before_the_greeting);
	tcase_add_test(tc, a_rule_says_when);
	tcase_add_test(tc, a_script_with_mistakes);
	tcase_add_test_raise_signal(tc, waiting_for_nothing, 6); /* SIGABRT */
	suite_add_tcase(s, tc);
	return s;
}
