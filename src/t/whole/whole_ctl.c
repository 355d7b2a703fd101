/*
 * sortiectl beside runners that work: what it has changed is seen at once, and what is being delivered
 * is either delivered or removed.
 */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#if defined(__linux__)
#include <pty.h>
#endif

#include "kit.h"
#include "suites.h"
#include "whole.h"

static void
ctl_start(struct child *c, void (*prepare)(void), const char *command, const char *a, const char *b)
{
	const char *const argv[] = {"sortiectl", "-C", kit.conf, command, a, b, NULL};

	child_start_file(c, prepare, kit.ctl, argv);
}

/* The relay is the test; what fails is not tried again in this test by itself. */
static int
listen_as_relay(void)
{
	int port, listener = server_listen(&port);

	whole_write_file(kit.conf,
	    "hostname here.example\nspool %s\nlog %s\nrefuse none\nretry 1h 1h\n"
	    "relay smtp://[127.0.0.1]:%d\n",
	    kit.spool, kit.log, port);
	return listener;
}

/* Runs it; it must end with that, and say that. */
static void
ctl(const char *command, const char *a, const char *b, int status, const char *says)
{
	static struct child c;

	ctl_start(&c, NULL, command, a, b);
	ck_assert_int_eq(child_end(&c), status);
	ck_assert_msg(strstr(c.said, says) != NULL, "not \"%s\" but: %s", says, c.said);
}

/*
 * A resident runner that looks once in an hour has had no luck with the one message there is: its server, which
 * is the test, was not ready, and will not be tried again by itself.
 */
struct scene {
	struct child runner;
	int listener, fd;
};

static void
set_scene(struct scene *sc)
{
	sc->listener = listen_as_relay();
	ck_assert_int_eq(submit(NULL, "Subject: x\n\nx\n", "-odq", "-f", "root@here.example",
			     "x@a.example", NULL),
	    0);
	child_start(&sc->runner, NULL, "-q1h", NULL);
	sc->fd = server_accept(sc->listener);
	server_say(sc->fd, "421 4.3.2 not now");
	WAIT_FOR(count_text(kit.log, "status=deferred") == 1);
	close(sc->fd);
}

static void
end_scene(struct scene *sc)
{
	kill(sc->runner.pid, SIGTERM);
	server_hear_end(sc->fd);
	ck_assert_int_eq(child_end(&sc->runner), 0);
	ck_assert_uint_eq(files_in("ctl") + files_in("msg"), 0);
}

static void
comes(struct scene *sc)
{
	server_greet(sc->fd = server_accept(sc->listener));
	server_take(sc->fd);
	WAIT_FOR(files_in("msg") == 0);
}

/* Another one comes and goes: now the runner has looked at all there is, and knows that the first sleeps. */
static void
let_it_look(struct scene *sc)
{
	ck_assert_int_eq(submit(NULL, "Subject: y\n\ny\n", "-odq", "-f", "root@here.example",
			     "y@a.example", NULL),
	    0);
	wake_runners();
	server_greet(sc->fd = server_accept(sc->listener));
	server_take(sc->fd);
	WAIT_FOR(count_text(kit.log, "status=sent") == 1);
	server_hear_end(sc->fd);
}

START_TEST(retry_is_seen_by_a_runner_that_sleeps)
{
	static struct scene sc;

	set_scene(&sc);
	let_it_look(&sc);
	ctl("retry", "--all", NULL, EX_OK, "retrying 1 message\n");
	comes(&sc);
	end_scene(&sc);
}
END_TEST

START_TEST(what_is_held_is_not_tried_until_it_is_released)
{
	static struct scene sc;
	static struct child c;

	set_scene(&sc);
	ctl("hold", "--all", NULL, EX_OK, "held 1 message\n");
	ctl("retry", "--all", NULL, EX_OK, "retrying 0 messages; 1 still held\n");
	child_start(&c, NULL, "-qRa.example", NULL); /* whatever its time */
	ck_assert_int_eq(child_end(&c), 0);
	ck_assert(!server_called(sc.listener));
	let_it_look(&sc);
	ctl("release", "--all", NULL, EX_OK, "released 1 message\n");
	comes(&sc);
	end_scene(&sc);
}
END_TEST

/* The report comes at once, and its original goes. */
START_TEST(bounce_makes_the_runner_report)
{
	static struct scene sc;

	set_scene(&sc);
	ctl("bounce", "--site", "a.example", EX_OK, "returned 1 message\n");
	server_greet(sc.fd = server_accept(sc.listener));
	server_hear(sc.fd, "MAIL FROM:<>");
	server_say(sc.fd, "250 ok");
	server_hear(sc.fd, "RCPT TO:<root@here.example>");
	server_say(sc.fd, "250 ok");
	server_hear(sc.fd, "DATA");
	server_say(sc.fd, "354 go on");
	while (strstr(server_hear(sc.fd, ""), "5.0.0 returned by the administrator; last: 421") ==
	       NULL)
		;
	while (strcmp(server_hear(sc.fd, ""), ".") != 0)
		;
	server_say(sc.fd, "250 ok");
	WAIT_FOR(files_in("msg") == 0);
	end_scene(&sc);
}
END_TEST

/* The message is with the server, which has not answered: it is not ours to remove until then. */
static void
remove_while_it_answers(const char *reply, const char *what_is_said)
{
	static struct child runner, remove;
	int listener = listen_as_relay(), fd;

	fill_spool(1);
	child_start(&runner, NULL, "-q", NULL);
	server_greet(fd = server_accept(listener));
	server_envelope(fd);
	ctl_start(&remove, NULL, "remove", "--all", NULL);
	for (int i = 0; i < 20; i++)
		kit_moment();
	server_say(fd, reply);
	ck_assert_int_eq(child_end(&remove), EX_OK);
	ck_assert_str_eq(remove.said, what_is_said);
	server_hear_end(fd);
	ck_assert_int_eq(child_end(&runner), 0);
	ck_assert_uint_eq(files_in("ctl") + files_in("msg"), 0);
}

START_TEST(what_the_server_takes_while_it_is_removed_is_delivered)
{
	remove_while_it_answers("250 2.0.0 taken", "removed 0 messages\n");
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 1);
	ck_assert_uint_eq(count_text(kit.log, "removed"), 0);
}
END_TEST

START_TEST(what_the_server_refuses_while_it_is_removed_is_removed)
{
	remove_while_it_answers("451 4.3.0 no", "removed 1 message\n");
}
END_TEST

/* Each message is either delivered or removed, never both, never neither. */
START_TEST(all_is_removed_from_under_a_runner)
{
	enum { N = 1000 };
	static struct child runner, remove;
	struct sink s;
	unsigned long removed;

	sink_start(&s, "1");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	fill_spool(N);
	child_start(&runner, NULL, "-q", NULL);
	WAIT_FOR(sink_messages(&s) > 20);
	ctl_start(&remove, NULL, "remove", "--all", NULL);
	ck_assert_int_eq(child_end(&remove), EX_OK);
	ck_assert_int_eq(child_end(&runner), 0);
	sink_stop(&s);
	ck_assert(strncmp(remove.said, "removed ", 8) == 0);
	removed = strtoul(remove.said + 8, NULL, 10);
	ck_assert_uint_eq(sink_messages(&s) + removed, N);
	ck_assert_uint_eq(count_text(kit.log, "status=removed"), removed);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), N - removed);
	ck_assert_uint_eq(files_in("ctl") + files_in("msg") + files_in("corrupt"), 0);
}
END_TEST

/* The ids that are listed, oldest first. */
static void
list_ids(char ids[][ENVELOPE_ID_MAX + 1], size_t n)
{
	static struct child list;
	char *line = list.said;

	ctl_start(&list, NULL, "list", NULL, NULL);
	ck_assert_int_eq(child_end(&list), EX_OK);
	for (size_t i = 0; i < n; i++) {
		line = strchr(line, '\n') + 1;
		snprintf(ids[i], sizeof(ids[i]), "%.*s", (int)strcspn(line, " "), line);
	}
}

/*
 * One connection for all of them: the others are in the runner's memory, and their turn would come when the
 * first is answered; the second may have begun with the first one's end.
 */
START_TEST(what_waits_in_a_runners_memory_can_be_held_and_removed)
{
	static struct child runner;
	char ids[4][ENVELOPE_ID_MAX + 1];
	int port, listener = server_listen(&port), fd;

	kit_configure("sessions 1\nrelay smtp://[127.0.0.1]:%d", port);
	fill_spool(4);
	list_ids(ids, 4);
	child_start(&runner, NULL, "-q", NULL);
	server_greet(fd = server_accept(listener));
	server_envelope(fd);
	ctl("hold", ids[2], NULL, EX_OK, "held 1 message\n");
	ctl("remove", ids[3], NULL, EX_OK, "removed 1 message\n");
	server_say(fd, "250 2.0.0 taken");
	server_take(fd);
	server_hear_end(fd);
	ck_assert_int_eq(child_end(&runner), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	ctl("list", "--held", NULL, EX_OK, ids[2]);
}
END_TEST

START_TEST(ids_come_on_standard_input)
{
	static struct child list, remove;
	char *line;

	fill_spool(3);
	ctl_start(&list, NULL, "list", NULL, NULL);
	ck_assert_int_eq(child_end(&list), EX_OK);
	ctl_start(&remove, NULL, "remove", "-", NULL);
	line = strchr(list.said, '\n') + 1;
	*strchr(strchr(line, '\n') + 1, '\n') = '\0'; /* two of them, as they are */
	child_feed(&remove, line);
	ck_assert_int_eq(child_end(&remove), EX_OK);
	ck_assert_str_eq(remove.said, "removed 2 messages\n");
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

/* --- whose it is -------------------------------------------------------------------------- */

enum { NOBODY = 65534 };

static void
become_nobody(void)
{
	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		_exit(125);
}

static bool
is_root(const char *test)
{
	if (geteuid() == 0)
		return true;
	printf("whole_ctl: %s: not root, not run\n", test);
	return false;
}

/* Where anybody may read the configuration and start the program. */
static const char *
open_to_all(void)
{
	static char copy[sizeof(kit.dir) + 16];

	snprintf(copy, sizeof(copy), "%s/sortiectl", kit.dir);
	kit_copy_file(kit.ctl, copy);
	ck_assert_int_eq(chmod(kit.dir, 0755), 0);
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);
	return copy;
}

/* Of nothing: all commands, one a line. */
static void
help_fits(const char *command, struct child *c)
{
	const char *const argv[] = {"sortiectl", "help", command, NULL};
	size_t n;

	child_start_file(c, NULL, kit.ctl, argv);
	ck_assert_int_eq(child_end(c), EX_OK);
	for (const char *line = c->said; *line != '\0'; line += n + 1) {
		n = strcspn(line, "\n");
		ck_assert_msg(n <= 80 && line[n] == '\n', "%.*s", (int)n, line);
	}
}

START_TEST(help_fits_80_columns)
{
	static struct child all, one;
	char name[32];
	int n = 0;

	help_fits(NULL, &all);
	for (const char *line = strstr(all.said, "\n  "); line != NULL; n++) {
		ck_assert_int_eq(sscanf(line, "%31s", name), 1);
		help_fits(name, &one);
		line = strstr(line + 1, "\n  ");
	}
	ck_assert_int_ge(n, 14);
}
END_TEST

START_TEST(others_are_told_that_mailq_is_theirs)
{
	static struct child c;
	const char *const argv[] = {"sortiectl", "-C", kit.conf, "list", NULL};

	if (!is_root("others_are_told_that_mailq_is_theirs"))
		return;
	fill_spool(1);
	child_start_file(&c, become_nobody, open_to_all(), argv);
	ck_assert_int_eq(child_end(&c), EX_NOPERM);
	ck_assert_msg(strstr(c.said, "mailq shows you your own mail\n") != NULL, "%s", c.said);
	ck_assert_ptr_eq(strchr(c.said, '\n'), c.said + strlen(c.said) - 1);
}
END_TEST

/* What it makes is his. */
START_TEST(root_becomes_the_owner)
{
	const char *const argv[] = {"sortiectl", "-C", kit.conf, "list", NULL};
	static struct child c;
	char path[128];
	struct stat st;

	if (!is_root("root_becomes_the_owner"))
		return;
	ck_assert_int_eq(mkdir(kit.spool, 0700), 0);
	ck_assert_int_eq(chown(kit.spool, NOBODY, NOBODY), 0);
	child_start_file(&c, NULL, open_to_all(), argv);
	ck_assert_int_eq(child_end(&c), EX_OK);
	snprintf(path, sizeof(path), "%s/ctl", kit.spool);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_uid, NOBODY);
}
END_TEST

/* --- a terminal --------------------------------------------------------------------------- */

#if defined(__linux__)
static int terminal = -1;

static void
on_terminal(void)
{
	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("COLUMNS");
	if (dup2(terminal, 1) != 1)
		_exit(125);
}

static void
on_plain_terminal(void)
{
	on_terminal();
	setenv("NO_COLOR", "1", 1);
}

/* no-color.org: "when present and not an empty string". */
static void
on_terminal_with_empty_no_color(void)
{
	on_terminal();
	setenv("NO_COLOR", "", 1);
}

/* What it shows on a terminal of 60 columns; lines end in CRLF there. */
static void
show_list(void (*prepare)(void), char *said, size_t size)
{
	struct winsize sixty = {.ws_row = 24, .ws_col = 60};
	static struct child c;
	size_t n = 0;
	ssize_t got;
	int master;

	ck_assert_int_eq(openpty(&master, &terminal, NULL, NULL, &sixty), 0);
	fcntl(master, F_SETFD, FD_CLOEXEC);
	fcntl(terminal, F_SETFD, FD_CLOEXEC);
	ctl_start(&c, prepare, "list", NULL, NULL);
	close(terminal);
	while (n < size - 1 && (got = read(master, said + n, size - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	ck_assert_int_eq(child_end(&c), EX_OK);
	close(master);
}

/* Columns of a line: every byte but continuations, and what is between ESC and m. */
static size_t
columns_of(const char *line, size_t n)
{
	size_t columns = 0;

	for (size_t i = 0; i < n; i++) {
		if (line[i] == '\033')
			i += strcspn(line + i, "m");
		else if (((unsigned char)line[i] & 0xc0) != 0x80)
			columns++;
	}
	return columns;
}

START_TEST(a_terminal_gets_no_line_that_it_would_wrap)
{
	static char said[SAID_MAX];
	char *line = said, *end;
	size_t n = 0;

	fill_spool(5);
	ck_assert_int_eq(submit(NULL, "Subject: x\n\nx\n", "-odq", "-f", "",
			     "somebody.with.a.long.name@and.a.long.domain.example", NULL),
	    0);
	show_list(on_terminal, said, sizeof(said));
	ck_assert_ptr_nonnull(strstr(said, "\xe2\x80\xa6"));
	ck_assert_ptr_nonnull(strchr(said, '\033'));
	for (; (end = strstr(line, "\r\n")) != NULL; line = end + 2, n++)
		ck_assert_uint_le(columns_of(line, (size_t)(end - line)), 60);
	ck_assert_uint_eq(n, 7);
	show_list(on_plain_terminal, said, sizeof(said));
	ck_assert_ptr_null(strchr(said, '\033'));
	show_list(on_terminal_with_empty_no_color, said, sizeof(said));
	ck_assert_ptr_nonnull(strchr(said, '\033'));
}
END_TEST
#endif

Suite *
suite_whole_ctl(void)
{
	const TTest *const tests[] = {
		retry_is_seen_by_a_runner_that_sleeps,
		what_is_held_is_not_tried_until_it_is_released,
		bounce_makes_the_runner_report,
		what_the_server_takes_while_it_is_removed_is_delivered,
		what_the_server_refuses_while_it_is_removed_is_removed,
		all_is_removed_from_under_a_runner,
		what_waits_in_a_runners_memory_can_be_held_and_removed,
		ids_come_on_standard_input,
		help_fits_80_columns,
		others_are_told_that_mailq_is_theirs,
		root_becomes_the_owner,
#if defined(__linux__)
		a_terminal_gets_no_line_that_it_would_wrap,
#endif
	};

	return whole_suite("whole_ctl", tests, sizeof(tests) / sizeof(tests[0]));
}
