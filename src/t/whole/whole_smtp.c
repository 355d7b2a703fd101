/*
 * Submission over SMTP by the real program: 250 means queued, and whatever else happens means that nothing
 * is.
 */
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "base/str.h"
#include "kit.h"
#include "suites.h"
#include "whole.h"

#define ENVELOPE "MAIL FROM:<alice@whole.example>\r\nRCPT TO:<bob@example.net>\r\n"
#define LETTER "Subject: hello\r\n\r\nHello.\r\n..dot\r\n..\r\nBye.\r\n"

static void
say(struct child *c, const char *text, const char *answer)
{
	child_feed(c, text);
	server_hear(c->out, answer);
}

static void
greet(struct child *c)
{
	server_hear(c->out, "220 ");
	say(c, "EHLO client.example\r\n", "250-");
	while (server_hear(c->out, "250")[3] == '-')
		;
}

static void
start(struct child *c)
{
	child_start(c, NULL, "-bs", "-odq", NULL);
	greet(c);
}

static void
begin_message(struct child *c)
{
	say(c, ENVELOPE, "250 2.1.0");
	server_hear(c->out, "250 2.1.5");
	say(c, "DATA\r\n", "354 ");
}

static void
send_message(struct child *c)
{
	begin_message(c);
	say(c, LETTER ".\r\n", "250 2.0.0 Ok: queued as ");
}

static void
queued(size_t n)
{
	ck_assert_uint_eq(files_in("ctl"), n);
	ck_assert_uint_eq(files_in("msg"), n);
	ck_assert_uint_eq(files_in("tmp"), 0);
}

/* A file of that message; freed by the caller. */
static char *
message_file(const char *part, const char *id)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s/%s", kit.spool, part, id);
	return file_text(path);
}

static const char *
only_id(void)
{
	static char id[ENVELOPE_ID_MAX + 1];
	char path[128];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/ctl", kit.spool);
	ck_assert_ptr_nonnull(d = opendir(path));
	while ((e = readdir(d)) != NULL && e->d_name[0] == '.')
		;
	ck_assert_ptr_nonnull(e);
	(void)str_copy(id, sizeof(id), e->d_name);
	closedir(d);
	return id;
}

static void
contains(const char *part, const char *want)
{
	char *text = message_file(part, only_id());

	ck_assert_msg(strstr(text, want) != NULL, "no %s in: %s", want, text);
	free(text);
}

START_TEST(answer_250_means_queued)
{
	struct child c;

	start(&c);
	begin_message(&c);
	ck_assert_uint_eq(files_in("ctl"), 0);
	say(&c, LETTER ".\r\n", "250 2.0.0 Ok: queued as ");
	queued(1);
	say(&c, "QUIT\r\n", "221 ");
	ck_assert_int_eq(child_end(&c), 0);
	contains("ctl", "envelope_from|alice@whole.example\n");
	contains("ctl", "remote|bob@example.net|0|\nrecipients|1\n");
	contains("msg", "Received: from client.example (userid ");
	contains("msg", " with ESMTP\r\n\tid ");
	contains("msg", "From: alice@whole.example\r\n");
	contains("msg", "\r\n\r\nHello.\r\n.dot\r\n.\r\nBye.\r\n");
}
END_TEST

/* Many messages in one write, as somebody does who reads nothing before the end. */
START_TEST(all_of_it_at_once)
{
	static struct child c;

	child_start(&c, NULL, "-bs", "-odq", NULL);
	child_feed(&c, "EHLO client.example\r\n");
	for (int i = 0; i < 3; i++)
		child_feed(&c, ENVELOPE "DATA\r\n" LETTER ".\r\n");
	child_feed(&c, "QUIT\r\n");
	ck_assert_int_eq(child_end(&c), 0);
	queued(3);
	ck_assert_ptr_nonnull(strstr(c.said, "\r\n221 2.0.0 "));
}
END_TEST

START_TEST(null_sender_without_a_header)
{
	struct child c;

	start(&c);
	say(&c, "MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n", "250 2.1.0");
	server_hear(c.out, "250 2.1.5");
	say(&c, "DATA\r\n", "354 ");
	say(&c, ".\r\n", "250 2.0.0 ");
	ck_assert_int_eq(child_end(&c), 0);
	contains("ctl", "envelope_from|\n");
	contains("msg", "\r\nFrom: ");
}
END_TEST

/* --- clients that go ---------------------------------------------------------------------- */

START_TEST(client_that_goes_in_mid_message)
{
	static const char *const texts[] = {
	    "", "Subject: hello\r\n", LETTER, LETTER ".", LETTER ".\r"};
	struct child c;

	start(&c);
	begin_message(&c);
	child_feed(&c, texts[_i]);
	ck_assert_int_eq(child_end(&c), EX_TEMPFAIL);
	queued(0);
}
END_TEST

START_TEST(client_that_goes_between_messages)
{
	struct child c;

	start(&c);
	send_message(&c);
	ck_assert_int_eq(child_end(&c), 0);
	start(&c);
	say(&c, ENVELOPE, "250 2.1.0");
	ck_assert_int_eq(child_end(&c), EX_TEMPFAIL);
	queued(1);
}
END_TEST

/* Nobody reads: neither does it wait for ever nor is a message queued without an answer's being tried. */
START_TEST(client_that_reads_nothing)
{
	struct child c;

	child_start(&c, NULL, "-bs", "-odq", NULL);
	close(c.out);
	child_feed(&c, "EHLO client.example\r\n" ENVELOPE "DATA\r\n" LETTER);
	child_end_of_input(&c);
	c.out = -1;
	WAIT_FOR(waitpid(c.pid, NULL, WNOHANG) == c.pid);
	queued(0);
}
END_TEST

static const int stops[] = {SIGTERM, SIGINT, SIGHUP};

START_TEST(stop_in_mid_message)
{
	struct child c;

	start(&c);
	begin_message(&c);
	child_feed(&c, LETTER);
	kill(c.pid, stops[_i]);
	server_hear(c.out, "421 4.3.2");
	ck_assert_int_eq(child_wait(&c), EX_TEMPFAIL);
	queued(0);
}
END_TEST

START_TEST(stop_between_messages)
{
	struct child c;

	start(&c);
	send_message(&c);
	kill(c.pid, SIGTERM);
	server_hear(c.out, "421 4.3.2");
	ck_assert_int_eq(child_wait(&c), 0);
	queued(1);
}
END_TEST

/* --- messages that are refused ------------------------------------------------------------ */

/* What others take for the end, and another message behind it (CVE-2023-51764 and its kin). */
START_TEST(smuggled_message)
{
	static const char *const ends[] = {
	    "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n"};
	struct child c;

	start(&c);
	begin_message(&c);
	child_feed(&c, "Subject: hello\r\n\r\nHello.");
	child_feed(&c, ends[_i]);
	child_feed(&c,
	    "MAIL FROM:<mallory@whole.example>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n" LETTER);
	say(&c, ".\r\n", "550 5.5.2");
	queued(0);
	send_message(&c);
	say(&c, "QUIT\r\n", "221 ");
	ck_assert_int_eq(child_end(&c), 0);
	queued(1);
}
END_TEST

START_TEST(lines_that_end_with_LF_alone)
{
	static struct child c;

	child_start(&c, NULL, "-bs", "-odq", NULL);
	child_feed(&c, "EHLO x\nMAIL FROM:<a@whole.example>\nRCPT TO:<bob@example.net>\nDATA\n"
		       "a\nb\nc\nd\ne\nf\ng\nh\n.\nQUIT\n");
	ck_assert_int_eq(child_end(&c), EX_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(c.said, "\r\n500 5.5.2 a line ends with CR LF"));
	ck_assert_ptr_nonnull(strstr(c.said, "\r\n421 4.7.0 "));
	queued(0);
}
END_TEST

START_TEST(message_larger_than_max_size)
{
	struct child c;

	kit_configure("max-size 1000");
	start(&c);
	say(&c, "MAIL FROM:<alice@whole.example> SIZE=1001\r\n", "552 5.3.4");
	begin_message(&c);
	for (int i = 0; i < 5000; i++)
		child_feed(&c, "a line of a message\r\n");
	say(&c, ".\r\n", "552 5.3.4");
	queued(0);
	send_message(&c);
	ck_assert_int_eq(child_end(&c), 0);
	queued(1);
}
END_TEST

/* Limits of the process itself; the hard one stands. */
static void
without_large_files(void)
{
	struct rlimit rl = {4096, 4096};

	setrlimit(RLIMIT_FSIZE, &rl);
}

START_TEST(message_that_cannot_be_written)
{
	struct child c;

	start(&c); /* makes the spool, with its ballast */
	child_end(&c);
	child_start(&c, without_large_files, "-bs", "-odq", NULL);
	greet(&c);
	begin_message(&c);
	for (int i = 0; i < 5000; i++)
		child_feed(&c, "a line of a message\r\n");
	say(&c, ".\r\n", "451 4.3.0");
	send_message(&c);
	ck_assert_int_eq(child_end(&c), 0);
	queued(1);
}
END_TEST

/* Nothing can be made in the spool: that is said before the message comes. */
START_TEST(DATA_that_cannot_be_obeyed)
{
	struct child c;
	char tmp[128];

	snprintf(tmp, sizeof(tmp), "%s/tmp", kit.spool);
	start(&c);
	ck_assert_int_eq(rmdir(tmp), 0);
	say(&c, ENVELOPE, "250 2.1.0");
	server_hear(c.out, "250 2.1.5");
	say(&c, "DATA\r\n", "451 4.3.0");
	ck_assert_int_eq(mkdir(tmp, 0700), 0);
	say(&c, "RSET\r\n", "250 2.0.0");
	ck_assert_int_eq(child_end(&c), EX_TEMPFAIL);
	queued(0);
}
END_TEST

START_TEST(configuration_with_an_error)
{
	static struct child c;

	kit_configure("nonsense");
	child_start(&c, NULL, "-bs", NULL);
	ck_assert_int_eq(child_end(&c), EX_CONFIG);
	ck_assert_ptr_nonnull(strstr(c.said, "421 4.3.0 "));
}
END_TEST

/* --- sockets ------------------------------------------------------------------------------ */

/* Both ends of a connection over loopback. */
static void
connect_both(int ends[2])
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int port, listener = server_listen(&port);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)port);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&sin, sizeof(sin)), 0);
	ends[1] = server_accept(listener);
	close(listener);
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
}

/* As inetd and socket units start it: the connection is its standard input, output and, with some, error. */
static int served;

static void
serve(void)
{
	if (dup2(served, 0) != 0 || dup2(served, 1) != 1 || dup2(served, 2) != 2)
		_exit(125);
}

static void
start_on(struct child *c, int ends[2])
{
	served = ends[1];
	child_start(c, serve, "-bs", "-odq", NULL);
	close(ends[1]);
	close(c->in);
	close(c->out);
	c->in = c->out = ends[0];
}

START_TEST(client_on_loopback)
{
	struct child c;
	int ends[2];

	connect_both(ends);
	start_on(&c, ends);
	greet(&c);
	send_message(&c);
	say(&c, "QUIT\r\n", "221 ");
	c.in = -1;
	ck_assert_int_eq(child_wait(&c), 0);
	contains("msg", "Received: from client.example ([127.0.0.1], userid ");
}
END_TEST

START_TEST(client_on_a_local_socket)
{
	struct child c;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	start_on(&c, ends);
	greet(&c);
	send_message(&c);
	c.out = dup(ends[0]);
	ck_assert_int_eq(shutdown(c.in, SHUT_WR), 0);
	ck_assert_int_eq(child_wait(&c), 0);
	contains("msg", "Received: from client.example (userid ");
}
END_TEST

/* What is for the administrator is not for a client. */
START_TEST(errors_are_not_for_the_client)
{
	static struct child c;
	int ends[2];

	kit_configure("nonsense");
	connect_both(ends);
	start_on(&c, ends);
	ck_assert_str_eq(server_hear(c.out, "421"), "421 4.3.0 the mail system is not ready");
	c.in = -1;
	child_output(&c);
	ck_assert_str_eq(c.said, "");
	ck_assert_int_eq(child_wait(&c), EX_CONFIG);
}
END_TEST

/* Whose connection it was is not to be known any more, but what he has sent can still be read. */
START_TEST(client_that_resets_its_connection)
{
	static const char text[] = "EHLO x\r\n" ENVELOPE "DATA\r\n" LETTER ".\r\nQUIT\r\n";
	struct linger at_once = {.l_onoff = 1};
	struct child c;
	int ends[2];

	connect_both(ends);
	ck_assert_int_eq(write(ends[0], text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(ends[0]);
	ends[0] = -1;
	start_on(&c, ends);
	ck_assert_int_eq(child_wait(&c), EX_NOPERM);
	queued(0);
}
END_TEST

/* --- terminals ---------------------------------------------------------------------------- */

#ifdef TIOCGPTPEER /* elsewhere it takes other calls to make one */
static int
make_terminal(int *keyboard)
{
	struct termios t;
	int unlocked = 0, fd;

	*keyboard = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*keyboard < 0)
		return -1; /* there are none in here */
	ck_assert_int_eq(ioctl(*keyboard, TIOCSPTLCK, &unlocked), 0);
	fd = ioctl(*keyboard, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	t.c_lflag &= (tcflag_t)~ECHO;
	t.c_oflag &= (tcflag_t)~ONLCR;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
	return fd;
}

/* Whoever types has no key for CR LF. */
START_TEST(somebody_who_types)
{
	struct child c;
	int ends[2];

	if ((ends[1] = make_terminal(&ends[0])) == -1)
		return;
	start_on(&c, ends);
	server_hear(c.out, "220 ");
	say(&c, "HELO client.example\n", "250 ");
	say(&c, "MAIL FROM:<alice@whole.example>\n", "250 2.1.0");
	say(&c, "RCPT TO:<bob@example.net>\n", "250 2.1.5");
	say(&c, "DATA\n", "354 ");
	say(&c, "Subject: hello\n\nHello.\n..dot\n.\n", "250 2.0.0");
	say(&c, "QUIT\n", "221 ");
	contains("msg", " with SMTP\r\n");
	contains("msg", "\r\n\r\nHello.\r\n.dot\r\n");
	WAIT_FOR(waitpid(c.pid, NULL, WNOHANG) == c.pid);
}
END_TEST
#endif

/* --- and then ----------------------------------------------------------------------------- */

/* Mail is on its way while the conversation lasts: some last for days. */
START_TEST(delivery_while_the_conversation_lasts)
{
	int port, listener = server_listen(&port), fd;
	struct child c;

	kit_configure("relay smtp://[127.0.0.1]:%d", port);
	child_start(&c, NULL, "-bs", NULL);
	greet(&c);
	for (int i = 0; i < 2; i++) {
		send_message(&c);
		fd = server_accept(listener);
		server_greet(fd);
		server_take(fd);
		WAIT_FOR(files_in("ctl") == 0);
		close(fd);
	}
	say(&c, "NOOP\r\n", "250 2.0.0");
	say(&c, "QUIT\r\n", "221 ");
	ck_assert_int_eq(child_end(&c), 0);
}
END_TEST

Suite *
suite_whole_smtp(void)
{
	const TTest *const tests[] = {answer_250_means_queued, all_of_it_at_once,
	    null_sender_without_a_header, client_that_goes_between_messages,
	    client_that_reads_nothing, stop_between_messages, lines_that_end_with_LF_alone,
	    message_larger_than_max_size, message_that_cannot_be_written,
	    DATA_that_cannot_be_obeyed, configuration_with_an_error, client_on_loopback,
	    client_on_a_local_socket, errors_are_not_for_the_client,
	    client_that_resets_its_connection, delivery_while_the_conversation_lasts};
	Suite *s = whole_suite("whole_smtp", tests, sizeof(tests) / sizeof(tests[0]));

#ifdef TIOCGPTPEER
	whole_loop(s, somebody_who_types, 1);
#endif
	whole_loop(s, client_that_goes_in_mid_message, 5);
	whole_loop(s, stop_in_mid_message, 3);
	whole_loop(s, smuggled_message, 6);
	return s;
}
