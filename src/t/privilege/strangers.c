/*
 * What one user can do to another's mail, and to the run that carries it: nothing.
 */
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "t/privilege/users.h"
#include "whole.h"

static void
ann_queues(const char *to)
{
	ck_assert_int_eq(
	    command(as_ann, HELLO, "sendmail", "-odq", "-f", "ann@here.example", to, NULL), 0);
}

/* --- the spool ---------------------------------------------------------------------------- */

struct place {
	char top[100], file[400], wake[120], other[120];
};

static struct place
look(const char *part)
{
	struct place p;
	struct dirent *e;
	char dir[120];
	DIR *d;

	snprintf(p.top, sizeof(p.top), "%s", kit.spool);
	snprintf(p.wake, sizeof(p.wake), "%.90s/wake", kit.spool);
	snprintf(p.other, sizeof(p.other), "%.60s/log/taken", kit.dir);
	snprintf(dir, sizeof(dir), "%.90s/%s", kit.spool, part);
	ck_assert_ptr_nonnull(d = opendir(dir));
	while ((e = readdir(d)) != NULL && e->d_name[0] == '.')
		;
	ck_assert_ptr_nonnull(e);
	snprintf(p.file, sizeof(p.file), "%.110s/%.256s", dir, e->d_name);
	closedir(d);
	return p;
}

static const char *
use_files(void *ctx)
{
	const struct place *p = ctx;
	struct stat st;

	if (opendir(p->top) != NULL)
		return "list the spool";
	if (open(p->file, O_RDONLY) != -1 || open(p->file, O_WRONLY) != -1)
		return "open a file in it";
	if (stat(p->file, &st) == 0 || stat(p->wake, &st) == 0)
		return "look at a file in it";
	if (unlink(p->file) == 0)
		return "remove a file";
	if (rename(p->file, p->other) == 0 || link(p->file, p->other) == 0)
		return "take a file out";
	if (chmod(p->file, 0666) == 0 || chmod(p->top, 0777) == 0)
		return "change modes";
	if (chown(p->top, getuid(), (gid_t)-1) == 0)
		return "own the spool";
	if (open(p->wake, O_WRONLY | O_NONBLOCK) != -1)
		return "wake runners";
	if (rmdir(p->top) == 0 || rename(p->top, p->other) == 0)
		return "move the spool";
	return NULL;
}

START_TEST(nobody_reads_or_changes_the_spool)
{
	static const char *const parts[] = {"ctl", "msg"};
	const uid_t users[] = {ANN, BOB};
	struct place p;

	ann_queues("x@secret.example");
	p = look(parts[_i]);
	for (size_t i = 0; i < 2; i++) {
		const char *done = could(users[i], use_files, &p);

		ck_assert_msg(done == NULL, "user %u could %s", users[i], done);
	}
}
END_TEST

/* --- what the program tells and does for him ---------------------------------------------- */

START_TEST(mailq_shows_own_mail_alone)
{
	ann_queues("x@secret.example");
	ck_assert_int_eq(command(as_bob, "", "mailq", NULL), 0);
	ck_assert_str_eq(output, "Mail queue is empty\n");
	ck_assert_int_eq(command(as_bob, HELLO, "sendmail", "-odq", "y@bobs.example", NULL), 0);
	ck_assert_int_eq(command(as_bob, "", "sendmail", "-bp", NULL), 0);
	ck_assert_ptr_nonnull(strstr(output, "y@bobs.example"));
	ck_assert_ptr_nonnull(strstr(output, "in 1 Request."));
	ck_assert_ptr_null(strstr(output, "secret.example"));
	ck_assert_ptr_null(strstr(output, "ann@"));
	ck_assert_int_eq(command(as_ann, "", "mailq", NULL), 0);
	ck_assert_ptr_nonnull(strstr(output, "x@secret.example"));
	ck_assert_ptr_null(strstr(output, "bobs.example"));
	ck_assert_int_eq(command(NULL, "", "mailq", NULL), 0);
	ck_assert_ptr_nonnull(strstr(output, "x@secret.example"));
	ck_assert_ptr_nonnull(strstr(output, "y@bobs.example"));
}
END_TEST

/* Where others' mail goes. sortiectl is started with the caller's rights, who must be somebody. */
START_TEST(hoststat_is_for_root_and_the_owner)
{
	static const char *const names[][2] = {
	    {"hoststat"}, {"purgestat"}, {"sendmail", "-bh"}, {"sortie", "-bH"}};
	char path[128];

	snprintf(path, sizeof(path), "%s/ledger", kit.spool);
	whole_write_file(path, "sortie-ledger\t1\t0\nsecret.example\t1\t2%s\tr\tt\tx\n",
	    "\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0");
	ck_assert_int_eq(chown(path, OWNER, OWNER), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_int_eq(command(as_bob, "", names[i][0], names[i][1], NULL), EX_NOPERM);
		ck_assert_ptr_null(strstr(output, "secret"));
		ck_assert_ptr_nonnull(strstr(output, "is for root and its owner"));
	}
	ck_assert_int_eq(command(NULL, "", "hoststat", NULL), 0);
	ck_assert_ptr_nonnull(strstr(output, " secret.example "));
	ck_assert_int_eq(command(NULL, "", "purgestat", NULL), 0);
	ck_assert_str_eq(output, "forgot 1 site\n");
	ck_assert_int_eq(command(NULL, "", "hoststat", NULL), 0);
	ck_assert_str_eq(output, "");
	spool_is_the_owners();
}
END_TEST

START_TEST(queue_run_sends_own_mail_alone)
{
	static struct child c;
	int listener = relay(""), fd;

	ann_queues("x@secret.example");
	ck_assert_int_eq(command(as_bob, HELLO, "sendmail", "-odq", "y@bobs.example", NULL), 0);
	start(&c, as_bob, "sortie", "-q", NULL);
	fd = server_accept(listener);
	server_greet(fd);
	server_take(fd);
	server_hear_end(fd);
	ck_assert_int_eq(child_end(&c), 0);
	ck_assert_ptr_null(strstr(c.said, "secret"));
	ck_assert(!server_called(listener));
	ck_assert_uint_eq(count_text(kit.log, "to=<y@bobs.example>"), 1);
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

START_TEST(other_queue_runs_are_refused)
{
	static const char *const runs[][3] = {{"-qRsecret"}, {"-qSann"}, {"-qI1"}, {"-q!Inone"},
	    {"-q5m"}, {"-qp"}, {"-bd"}, {"-v", "-q"}, {"-bv", "-v", "x@secret.example"},
	    {"--deliver=0:9:1"}, {"--deliver-for=64002:9"}, {"--deliver-for=64003:9"}};
	const char *const *run = runs[_i];
	int listener = relay("");

	ann_queues("x@secret.example");
	ck_assert_int_eq(command(as_bob, "", "sortie", run[0], run[1], run[2], NULL), EX_NOPERM);
	ck_assert(!server_called(listener));
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

/*
 * The front beside a program of ANN's, as by a link that she makes where the kernel lets her: it is set-id
 * there, too, and must start no other program than what was installed.
 */
START_TEST(front_linked_elsewhere)
{
	static const char *const runs[][3] = {{"-q"}, {"-bv", "x@example.net"},
	    {"-odi", "x@example.net"}, {"-v", "x@example.net"}, {"-bh"}};
	const char *const *run = runs[_i];
	char folder[80], hers[100], ctl[100], front[100];

	snprintf(folder, sizeof(folder), "%.60s/hers", kit.dir);
	snprintf(hers, sizeof(hers), "%s/sortie", folder);
	snprintf(ctl, sizeof(ctl), "%s/sortiectl", folder);
	snprintf(front, sizeof(front), "%s/sendmail", folder);
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	whole_write_file(hers, "#!/bin/sh\necho hers\n");
	ck_assert_int_eq(chmod(hers, 0755), 0);
	kit_copy_file(hers, ctl);
	kit_copy_file(kit_program(), front);
	ck_assert_int_eq(chown(front, OWNER, OWNER), 0);
	ck_assert_int_eq(chmod(front, 06755), 0);
	kit.front = front;
	(void)command(as_ann, HELLO, "sendmail", run[0], run[1], run[2], NULL);
	ck_assert_ptr_null(strstr(output, "hers"));
	whole_remove(folder);
}
END_TEST

/* --- the run itself ----------------------------------------------------------------------- */

/* Each is 0 or more when it was done. */
static int
open_proc(pid_t pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	return open(path, flags);
}

static int
read_proc_link(pid_t pid, const char *name)
{
	char path[64], to[256];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	return (int)readlink(path, to, sizeof(to));
}

static int
trace(pid_t pid)
{
	return (int)ptrace(PTRACE_ATTACH, pid, NULL, NULL);
}

static int
limit(pid_t pid)
{
	const struct rlimit rl = {0, 0};

	return (int)syscall(SYS_prlimit64, pid, RLIMIT_FSIZE, &rl, NULL);
}

static int
pin(pid_t pid)
{
	unsigned long cpus = 1;

	return (int)syscall(SYS_sched_setaffinity, pid, sizeof(cpus), &cpus);
}

static int
peek(pid_t pid)
{
	char byte;
	const struct iovec to = {&byte, 1}, from = {(void *)&byte, 1};

	return (int)syscall(SYS_process_vm_readv, pid, &to, 1UL, &from, 1UL, 0UL);
}

static int
grab(pid_t pid)
{
	int fd = (int)syscall(434 /* pidfd_open */, pid, 0U);

	return fd == -1 ? -1 : (int)syscall(438 /* pidfd_getfd */, fd, 0, 0U);
}

static const char *
touch(void *ctx)
{
	static const char *const files[] = {"mem", "environ", "maps", "fd", "fdinfo", "auxv",
	    "syscall", "stack", "io", "task/../mem"};
	static const int signals[] = {0, SIGTERM, SIGHUP, SIGKILL, SIGSTOP, SIGUSR1, SIGCHLD};
	pid_t pid = *(const pid_t *)ctx;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (open_proc(pid, files[i], O_RDONLY) >= 0)
			return files[i];
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (kill(pid, signals[i]) == 0)
			return "signal it";
	if (open_proc(pid, "oom_score_adj", O_WRONLY) >= 0)
		return "offer it to the out-of-memory killer";
	if (read_proc_link(pid, "exe") >= 0 || read_proc_link(pid, "cwd") >= 0 ||
	    read_proc_link(pid, "fd/0") >= 0)
		return "see what it has open";
	if (setpriority(PRIO_PROCESS, (id_t)pid, 19) == 0)
		return "renice it";
	if (limit(pid) >= 0)
		return "set its limits";
	if (pin(pid) >= 0)
		return "pin it to a processor";
	if (peek(pid) >= 0 || grab(pid) >= 0)
		return "read its memory or descriptors";
	return trace(pid) >= 0 ? "trace it" : NULL;
}

/* All processes of the owner's: he is nobody else. */
static void
nobody_can_touch_them(void)
{
	enum { MAX = 16 };
	const uid_t users[] = {ANN, BOB};
	pid_t pids[MAX];
	size_t n = processes_of(OWNER, pids, MAX);

	ck_assert_uint_gt(n, 0);
	while (n-- > 0)
		for (size_t i = 0; i < 2; i++) {
			const char *done = could(users[i], touch, &pids[n]);

			ck_assert_msg(done == NULL, "user %u: %s", users[i], done);
		}
}

START_TEST(submission_cannot_be_touched)
{
	static struct child c;

	start(&c, as_ann, "sendmail", "-odq", "x@example.net", NULL);
	child_feed(&c, "Subject: 1\n\n");
	WAIT_FOR(files_in("tmp") == 1);
	nobody_can_touch_them();
	ck_assert_int_eq(child_end(&c), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

START_TEST(background_child_cannot_be_touched)
{
	int listener = relay(""), fd;

	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "x@example.net", NULL), 0);
	fd = server_accept(listener);
	server_greet(fd);
	server_envelope(fd);
	nobody_can_touch_them();
	server_say(fd, "250 2.0.0 taken");
	WAIT_FOR(files_in("msg") == 0);
	close(fd);
}
END_TEST

START_TEST(roots_run_cannot_be_touched)
{
	static const char *const modes[] = {"-q", "-q5m"};
	int listener = relay(""), fd;
	static struct child c;

	ann_queues("x@example.net");
	start(&c, NULL, "sortie", modes[_i], NULL);
	fd = server_accept(listener);
	server_greet(fd);
	server_envelope(fd);
	nobody_can_touch_them();
	server_say(fd, "250 2.0.0 taken");
	WAIT_FOR(files_in("msg") == 0);
	if (_i > 0)
		kill(c.pid, SIGTERM);
	ck_assert_int_eq(child_end(&c), 0);
	server_hear_end(fd);
}
END_TEST

/* A terminal can still stop what runs in front of it: only his own mail waits then. */
START_TEST(stopped_run_of_one_delays_nobody_else)
{
	static struct child run, half;
	int listener = relay(""), bobs, anns, status;

	ck_assert_int_eq(command(as_bob, HELLO, "sendmail", "-odq", "y@bobs.example", NULL), 0);
	ann_queues("x@secret.example");
	start(&run, as_bob, "sortie", "-q", NULL);
	bobs = server_accept(listener);
	server_greet(bobs);
	server_envelope(bobs);
	start(&half, as_bob, "sendmail", "-odq", "z@bobs.example", NULL);
	child_feed(&half, "Subject: half\n\n");
	WAIT_FOR(files_in("tmp") == 1);
	kill(run.pid, SIGSTOP);
	kill(half.pid, SIGSTOP);
	ck_assert_int_eq(waitpid(run.pid, &status, WUNTRACED), run.pid);
	ck_assert_int_eq(waitpid(half.pid, &status, WUNTRACED), half.pid);
	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "w@secret.example", NULL), 0);
	anns = server_accept(listener);
	server_greet(anns);
	server_take(anns);
	server_take(anns);
	WAIT_FOR(count_text(kit.log, "status=sent") == 2);
	ck_assert_uint_eq(count_text(kit.log, "secret.example>"), 2);
	kill(run.pid, SIGCONT);
	kill(half.pid, SIGCONT);
	server_say(bobs, "250 2.0.0 taken");
	ck_assert_int_eq(child_end(&run), 0);
	ck_assert_int_eq(child_end(&half), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

/* Or has ended. */
static bool
waits_again(pid_t pid)
{
	return strtoul(status_of(pid, "ShdPnd"), NULL, 16) == 0 &&
	       strchr("SZ", status_of(pid, "State")[0]) != NULL;
}

/* As a service manager stops a service: not a second signal, after which the letter would come twice. */
START_TEST(one_stop_for_all_processes)
{
	int a, b, la = server_listen(&a), lb = server_listen(&b), past_dot, other;
	static struct child c;
	pid_t pids[8];
	size_t n;

	kit_configure(
	    "route a.example smtp://[127.0.0.1]:%d\nroute b.example smtp://[127.0.0.1]:%d", a, b);
	start(&c, as_ann, "sendmail", "-odi", "x@a.example", "x@b.example", NULL);
	child_feed(&c, HELLO);
	child_end_of_input(&c);
	past_dot = server_accept(la);
	server_greet(past_dot);
	server_envelope(past_dot);
	other = server_accept(lb);
	n = processes_of(OWNER, pids, 8); /* the front comes first, and passes it on */
	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGTERM);
	for (size_t i = 0; i < n; i++)
		WAIT_FOR(waits_again(pids[i]));
	server_hear_end(other);
	server_say(past_dot, "250 2.0.0 taken");
	ck_assert_int_eq(child_end(&c), 0);
	server_hear_end(past_dot);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 1);
	ck_assert_uint_eq(count_text(kit.log, "duplicate"), 0);
}
END_TEST

/* --- lists -------------------------------------------------------------------------------- */

/* What ann may not read she cannot have taken for addresses either, of which reports would tell her. */
START_TEST(list_that_is_somebody_elses)
{
	char secret[100], list[100], aliases[100];

	snprintf(secret, sizeof(secret), "%.60s/secret", kit.dir);
	snprintf(list, sizeof(list), "%.60s/list", kit.dir);
	snprintf(aliases, sizeof(aliases), "%.60s/aliases", kit.dir);
	whole_write_file(secret, "geheim\n");
	ck_assert_int_eq(chown(secret, OWNER, OWNER), 0);
	ck_assert_int_eq(chmod(secret, 0600), 0);
	unlink(list);
	ck_assert_int_eq(symlink(secret, list), 0);
	whole_write_file(aliases, "people: :include:%s\n", list);
	ck_assert_int_eq(chmod(aliases, 0644), 0);
	kit_configure("aliases %s", aliases);
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);
	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "-odq", "people", NULL), EX_CONFIG);
	ck_assert_msg(strstr(output, "not readable for everybody") != NULL, "%s", output);
	ck_assert(strstr(output, "geheim") == NULL);
	ck_assert_uint_eq(count_text(kit.log, "geheim"), 0);
	ck_assert_uint_eq(files_in("ctl"), 0);
	ck_assert_int_eq(chmod(secret, 0644), 0);
	ck_assert_int_eq(command(as_ann, HELLO, "sendmail", "-odq", "people", NULL), 0);
}
END_TEST

/* --- the suite ---------------------------------------------------------------------------- */

Suite *
suite_strangers(void)
{
	const TTest *const tests[] = {mailq_shows_own_mail_alone,
	    hoststat_is_for_root_and_the_owner, queue_run_sends_own_mail_alone,
	    submission_cannot_be_touched, background_child_cannot_be_touched,
	    stopped_run_of_one_delays_nobody_else, one_stop_for_all_processes,
	    list_that_is_somebody_elses};
	Suite *s = users_suite("strangers", tests, sizeof(tests) / sizeof(tests[0]));

	users_loop(s, nobody_reads_or_changes_the_spool, 2);
	users_loop(s, front_linked_elsewhere, 5);
	users_loop(s, other_queue_runs_are_refused, 12);
	users_loop(s, roots_run_cannot_be_touched, 2);
	return s;
}
