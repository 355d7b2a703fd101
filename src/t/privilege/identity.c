/*
 * Whose rights the program works with: its own user's, or those of whoever named a file.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "t/privilege/users.h"
#include "whole.h"

/* The text of the only file in a part of the spool; freed by the caller. */
static char *
only_text(const char *part)
{
	char path[400];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", kit.spool, part);
	ck_assert_ptr_nonnull(d = opendir(path));
	while ((e = readdir(d)) != NULL && e->d_name[0] == '.')
		;
	ck_assert_ptr_nonnull(e);
	snprintf(path, sizeof(path), "%.90s/%.10s/%.256s", kit.spool, part, e->d_name);
	closedir(d);
	return file_text(path);
}

static bool
only_has(const char *part, const char *what)
{
	char *text = only_text(part);
	bool has = strstr(text, what) != NULL;

	free(text);
	return has;
}

/* It is not where the caller was, and would leave no core there. */
static void
leaves_nothing_behind(pid_t pid)
{
	char path[64], to[64], *limits;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/cwd", (long)pid);
	ck_assert_int_eq(n = readlink(path, to, sizeof(to)), 1);
	ck_assert_int_eq(to[0], '/');
	snprintf(path, sizeof(path), "/proc/%ld/limits", (long)pid);
	limits = file_text(path);
	ck_assert_ptr_nonnull(strstr(limits, "Max core file size        0                    0 "));
	free(limits);
}

START_TEST(submission_works_as_the_owner_alone)
{
	static struct child c;

	start(&c, as_ann, "sendmail", "-odq", "x@example.net", NULL);
	child_feed(&c, "Subject: 1\n\n");
	WAIT_FOR(files_in("tmp") == 1);
	ids_are(c.pid, OWNER, OWNER);
	leaves_nothing_behind(c.pid);
	ck_assert_int_eq(child_end(&c), 0);
	spool_is_the_owners();
}
END_TEST

/* Whom it is from, and whose it is, is the caller's business all the same. */
START_TEST(submitter_is_the_caller)
{
	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "-odq", "x@example.net", NULL), 0);
	ck_assert(only_has("ctl", "\nuid|64002\n"));
	ck_assert(only_has("ctl", "\nenvelope_from|uid64002@here.example\n"));
	ck_assert(only_has("msg", "from userid 64002)"));
	ck_assert(!only_has("msg", "64001"));
}
END_TEST

static int service; /* listens on a UNIX socket */

/* In the child: as inetd starts it, for the next client. */
static void
serve(void)
{
	int fd = accept(service, NULL, NULL);

	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
}

static void
serve_as_bob(void)
{
	serve();
	as_bob();
}

/* Ann has the service's other end. */
static pid_t
ann_connects(const struct sockaddr_un *sun)
{
	static const char said[] =
	    "EHLO here\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n"
	    "Subject: hello\r\n\r\n.\r\nQUIT\r\n";
	char heard[1000];
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	as_ann();
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)(const void *)sun, sizeof(*sun)) != 0 ||
	    write(fd, said, sizeof(said) - 1) != (ssize_t)sizeof(said) - 1)
		_exit(1);
	while (read(fd, heard, sizeof(heard)) > 0)
		;
	_exit(0);
}

/* Of a service that root or the owner runs the submitter is who connects; of anybody's else he is himself. */
START_TEST(client_of_a_service_is_the_submitter)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	pid_t pid;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.80s/smtp", kit.dir);
	service = socket(AF_UNIX, SOCK_STREAM, 0);
	unlink(sun.sun_path);
	ck_assert_int_eq(
	    bind(service, (const struct sockaddr *)(const void *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(chmod(sun.sun_path, 0777), 0);
	ck_assert_int_eq(listen(service, 1), 0);
	pid = ann_connects(&sun);
	ck_assert_int_eq(
	    command(_i == 0 ? serve : serve_as_bob, "", "sendmail", "-odq", "-bs", NULL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(only_has("ctl", _i == 0 ? "uid|64002\n" : "uid|64003\n"));
	ck_assert(only_has("msg", _i == 0 ? "userid 64002)" : "userid 64003)"));
	ck_assert(only_has("msg", _i == 0 ? "From: uid64002@" : "From: uid64003@"));
	unlink(sun.sun_path);
	close(service);
}
END_TEST

START_TEST(roots_mail_is_the_owners_to_send)
{
	ck_assert_int_eq(command(NULL, HELLO, "sendmail", "-odq", "x@example.net", NULL), 0);
	ck_assert(only_has("ctl", "\nuid|0\n"));
	spool_is_the_owners();
}
END_TEST

/* Then /proc/PID is root's: not even who has taken over another process of the owner's may trace it. */
static void
leaves_no_core(pid_t pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/mem", (long)pid);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
}

/* Every process that there is of us. */
static void
all_are_the_owners(void)
{
	enum { MAX = 16 };
	pid_t pids[MAX];
	size_t n = processes_of(OWNER, pids, MAX);

	ck_assert_uint_gt(n, 0);
	while (n-- > 0) {
		ids_are(pids[n], OWNER, OWNER);
		leaves_no_core(pids[n]);
	}
}

START_TEST(background_child_works_as_the_owner_alone)
{
	int listener = relay("route lmtp.example lmtp:/nonexistent"), fd; /* with a helper */

	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "x@example.net", NULL), 0);
	fd = server_accept(listener);
	server_greet(fd);
	all_are_the_owners();
	server_take(fd);
	close(fd);
	WAIT_FOR(files_in("msg") == 0);
	spool_is_the_owners();
}
END_TEST

/* A password manager may say more than why it has none, so that nobody but root hears it. */
START_TEST(what_commands_say_is_for_root)
{
	char auth[100], manager[100];
	int port;

	server_listen(&port);
	kit_configure("relay smtp://me@[127.0.0.1]:%d", port);
	snprintf(auth, sizeof(auth), "%.60s/etc/auth", kit.dir);
	snprintf(manager, sizeof(manager), "%.60s/etc/manager", kit.dir);
	whole_write_file(manager, "#!/bin/sh\necho geheim >&2\nexit 1\n");
	whole_write_file(auth, "default login me command %s\n", manager);
	ck_assert_int_eq(chmod(manager, 0755), 0);
	ck_assert_int_eq(chmod(auth, 0600), 0);
	ck_assert_int_eq(chown(auth, OWNER, OWNER), 0);
	ck_assert_int_eq(
	    command(_i == 0 ? as_ann : NULL, HELLO, "sendmail", "-v", "x@example.net", NULL), 0);
	ck_assert_ptr_nonnull(strstr(output, "ended with status 1"));
	ck_assert_int_eq(strstr(output, "geheim") != NULL, _i == 1);
	unlink(auth);
	unlink(manager);
}
END_TEST

enum { LEFT_OPEN = 9 };

static void
leave_file_open(void)
{
	if (dup2(open("/etc/shadow", O_RDONLY), LEFT_OPEN) != LEFT_OPEN)
		_exit(125);
}

START_TEST(roots_run_keeps_nothing_that_root_had_open)
{
	int listener = relay(""), fd;
	static struct child c;
	pid_t pids[8];
	size_t n;

	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "-odq", "x@example.net", NULL), 0);
	start(&c, leave_file_open, "sortie", "-q5m", NULL);
	fd = server_accept(listener);
	n = processes_of(OWNER, pids, 8);
	ck_assert_uint_ge(n, 2);
	for (size_t i = 0; i < n; i++) {
		char path[64], to[256];

		snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)pids[i], LEFT_OPEN);
		memset(to, 0, sizeof(to));
		if (readlink(path, to, sizeof(to) - 1) > 0)
			ck_assert_ptr_null(strstr(to, "shadow"));
	}
	server_greet(fd);
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	kill(c.pid, SIGTERM);
	ck_assert_int_eq(child_end(&c), 0);
	server_hear_end(fd);
}
END_TEST

START_TEST(roots_run_becomes_the_owner)
{
	static const char *const modes[] = {"-q", "-q5m"};
	int listener = relay(""), fd;
	static struct child c;

	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "-odq", "x@example.net", NULL), 0);
	start(&c, NULL, "sortie", modes[_i], NULL);
	fd = server_accept(listener);
	server_greet(fd);
	ids_are(c.pid, OWNER, OWNER);
	all_are_the_owners();
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	if (_i > 0)
		kill(c.pid, SIGTERM);
	ck_assert_int_eq(child_end(&c), 0);
	server_hear_end(fd);
	spool_is_the_owners();
}
END_TEST

/* As a distribution might install it: then only root, whose cron it is, can use it. */
START_TEST(root_becomes_the_owner_without_setuid)
{
	int listener = relay(""), fd;
	static struct child c;

	kit_copy_program();
	ck_assert_int_eq(command(NULL, HELLO, "sendmail", "-odq", "x@example.net", NULL), 0);
	spool_is_the_owners();
	start(&c, NULL, "sortie", "-q", NULL);
	fd = server_accept(listener);
	server_greet(fd);
	ids_are(c.pid, OWNER, OWNER);
	all_are_the_owners();
	server_take(fd);
	ck_assert_int_eq(child_end(&c), 0);
	spool_is_the_owners();
	ck_assert_int_eq(
	    command(as_ann, HELLO, "sendmail", "-odq", "x@example.net", NULL), EX_TEMPFAIL);
	kit_remove_program();
}
END_TEST

START_TEST(missing_spool_is_made_for_the_owner)
{
	ck_assert_int_eq(rmdir(kit.spool), 0);
	ck_assert_int_eq(
	    command(NULL, HELLO, "sendmail", _i == 0 ? "-i" : "-d", "-odq", "x@example.net", NULL),
	    0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	spool_is_the_owners();
}
END_TEST

START_TEST(setuid_to_root_is_refused)
{
	kit_copy_program();
	ck_assert_int_eq(chmod(kit_program(), 04755), 0);
	ck_assert_int_eq(
	    command(as_ann, HELLO, "sendmail", "-odq", "x@example.net", NULL), EX_OSERR);
	ck_assert_ptr_nonnull(strstr(output, "setuid to root"));
	ck_assert_uint_eq(files_in("ctl"), 0);
	kit_remove_program();
}
END_TEST

/* --- files of the caller's choice --------------------------------------------------------- */

static void
own_configuration(char *conf, size_t size, const char *spool)
{
	char folder[80];

	snprintf(folder, sizeof(folder), "%.60s/bob", kit.dir);
	if (mkdir(folder, 0755) == 0)
		ck_assert_int_eq(chown(folder, BOB, BOB), 0);
	snprintf(conf, size, "%s/conf", folder);
	whole_write_file(
	    conf, "hostname here.example\nspool %s\nlog stderr\n", spool != NULL ? spool : folder);
}

START_TEST(own_configuration_is_read_with_own_rights)
{
	char conf[100], spool[100];
	static struct child c;

	snprintf(spool, sizeof(spool), "%.60s/bob/spool", kit.dir);
	own_configuration(conf, sizeof(conf), spool);
	start(&c, as_bob, "sendmail", "-C", conf, "-odq", "x@example.net", NULL);
	child_feed(&c, "Subject: 1\n\n");
	snprintf(kit.spool, sizeof(kit.spool), "%.70s", spool);
	WAIT_FOR(files_in("tmp") == 1);
	ids_are(c.pid, BOB, BOB);
	ck_assert_int_eq(child_end(&c), 0);
	whole_remove(spool);
}
END_TEST

START_TEST(own_configuration_does_not_reach_the_spool)
{
	char conf[100];

	own_configuration(conf, sizeof(conf), kit.spool);
	ck_assert_int_eq(
	    command(as_bob, HELLO, "sendmail", "-C", conf, "-odq", "x@example.net", NULL),
	    EX_TEMPFAIL);
	ck_assert_int_ne(command(as_bob, "", "sortie", "-C", conf, "-q", NULL), 0);
	ck_assert_int_ne(command(as_bob, "", "mailq", "-C", conf, NULL), 0);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* A complaint about its first line would show it. */
START_TEST(named_file_is_not_read_with_the_owners_rights)
{
	char secret[100];

	snprintf(secret, sizeof(secret), "%.60s/etc/auth", kit.dir);
	whole_write_file(secret, "default login me password geheim\n");
	ck_assert_int_eq(chmod(secret, 0600), 0);
	ck_assert_int_eq(chown(secret, OWNER, OWNER), 0);
	ck_assert_int_eq(
	    command(as_bob, HELLO, "sendmail", "-C", secret, "x@example.net", NULL), EX_CONFIG);
	ck_assert_ptr_nonnull(strstr(output, "Permission denied"));
	ck_assert_ptr_null(strstr(output, "login"));
	unlink(secret);
}
END_TEST

START_TEST(debugging_gives_the_rights_up)
{
	static const char *const options[] = {"-d0.1", "-d", "-oA/etc/aliases", "-OAliasFile=/x"};

	ck_assert_int_eq(
	    command(as_bob, HELLO, "sendmail", options[_i], "-odq", "x@example.net", NULL),
	    EX_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(output, "caller's own rights"));
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* What cron, mail(1) and scripts give, and sendmail takes from everybody. */
START_TEST(usual_settings_keep_the_rights)
{
	ck_assert_int_eq(command(as_bob, HELLO, "sendmail", "-oi", "-oem", "-oee", "-om", "-odq",
			     "-OErrorMode=m", "-ODeliveryMode=q", "x@example.net", NULL),
	    0);
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

/* --- where the caller is ------------------------------------------------------------------ */

static void
in_a_private_folder(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%.60s/private", kit.dir);
	if (mkdir(path, 0700) != 0 || chown(path, ANN, ANN) != 0 || chdir(path) != 0)
		_exit(125);
	as_ann();
}

static void
in_a_folder_that_is_gone(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%.60s/private", kit.dir);
	if (mkdir(path, 0755) != 0 || chdir(path) != 0 || rmdir(path) != 0)
		_exit(125);
	as_ann();
}

START_TEST(works_wherever_the_caller_is)
{
	static void (*const places[])(void) = {in_a_private_folder, in_a_folder_that_is_gone};
	char path[100];

	ck_assert_int_eq(command(places[_i], HELLO, "sendmail", "-odq", "x@example.net", NULL), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	snprintf(path, sizeof(path), "%.60s/private", kit.dir);
	rmdir(path);
}
END_TEST

/* A new terminal; its other side is ANN's alone, as after login(1). */
static int terminal = -1;

static int
open_terminal(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlock = 0, number = -1;
	char path[32];

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(ioctl(master, TIOCSPTLCK, &unlock), 0);
	ck_assert_int_eq(ioctl(master, TIOCGPTN, &number), 0);
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	terminal = open(path, O_RDWR | O_NOCTTY);
	ck_assert_int_ge(terminal, 0);
	ck_assert_int_eq(fchown(terminal, ANN, ANN), 0);
	ck_assert_int_eq(fchmod(terminal, 0600), 0);
	return master;
}

static void
ann_at_the_terminal(void)
{
	if (dup2(terminal, 0) != 0 || dup2(terminal, 2) != 2)
		_exit(125);
	as_ann();
}

/* The switch comes after the caller's shell has opened them. */
START_TEST(message_comes_from_a_terminal_and_v_goes_to_it)
{
	static const char text[] = "Subject: typed\n\nHello.\n.\n";
	int listener = relay(""), master = open_terminal(), fd;
	static struct child c;
	char said[4096];
	ssize_t n;

	start(&c, ann_at_the_terminal, "sendmail", "-v", "x@example.net", NULL);
	ck_assert_int_eq(write(master, text, sizeof(text) - 1), sizeof(text) - 1);
	fd = server_accept(listener);
	server_greet(fd);
	server_take(fd);
	ck_assert_int_eq(child_end(&c), 0);
	ck_assert_int_gt(n = read(master, said, sizeof(said) - 1), 0);
	for (said[n] = '\0'; strstr(said, "EHLO here.example") == NULL; said[n] = '\0')
		ck_assert_int_gt(n = read(master, said, sizeof(said) - 1), 0);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* --- the suite ---------------------------------------------------------------------------- */

Suite *
suite_identity(void)
{
	const TTest *const tests[] = {submission_works_as_the_owner_alone, submitter_is_the_caller,
	    roots_mail_is_the_owners_to_send, background_child_works_as_the_owner_alone,
	    root_becomes_the_owner_without_setuid, setuid_to_root_is_refused,
	    own_configuration_is_read_with_own_rights, own_configuration_does_not_reach_the_spool,
	    named_file_is_not_read_with_the_owners_rights, usual_settings_keep_the_rights,
	    message_comes_from_a_terminal_and_v_goes_to_it};
	Suite *s = users_suite("identity", tests, sizeof(tests) / sizeof(tests[0]));

	users_loop(s, client_of_a_service_is_the_submitter, 2);
	users_loop(s, roots_run_becomes_the_owner, 2);
	users_loop(s, roots_run_keeps_nothing_that_root_had_open, 1);
	users_loop(s, what_commands_say_is_for_root, 2);
	users_loop(s, missing_spool_is_made_for_the_owner, 2);
	users_loop(s, debugging_gives_the_rights_up, 4);
	users_loop(s, works_wherever_the_caller_is, 2);
	return s;
}
