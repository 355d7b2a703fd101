#include "t/privilege/users.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "whole.h"

enum { ARGS = 16, PROCESSES = 64 };

const char *output = "";

/* --- fixtures ----------------------------------------------------------------------------- */

void
users_teardown(void)
{
	const uid_t users[] = {OWNER, ANN, BOB};
	pid_t pids[PROCESSES];

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		for (size_t n = processes_of(users[i], pids, PROCESSES); n > 0; n--)
			kill(pids[n - 1], SIGKILL);
}

void
users_setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	users_teardown(); /* a test that failed has not come to it */
	if (access(kit.spool, F_OK) == 0)
		whole_remove(kit.spool);
	unlink(kit.log);
	ck_assert_int_eq(mkdir(kit.spool, 0700), 0);
	ck_assert_int_eq(chown(kit.spool, OWNER, OWNER), 0);
	kit_configure("%s", "");
}

int
relay(const char *more)
{
	int port, listener = server_listen(&port);

	kit_configure("relay smtp://[127.0.0.1]:%d\n%s", port, more);
	return listener;
}

/* --- users -------------------------------------------------------------------------------- */

void
become_user(uid_t uid)
{
	if (setgroups(0, NULL) != 0 || setgid(uid) != 0 || setuid(uid) != 0)
		_exit(125);
}

void
as_ann(void)
{
	become_user(ANN);
}

void
as_bob(void)
{
	become_user(BOB);
}

static void
start_va(struct child *c, void (*prepare)(void), const char *name, va_list ap)
{
	const char *argv[ARGS] = {name};

	for (size_t n = 1; (argv[n] = va_arg(ap, const char *)) != NULL; n++)
		ck_assert_uint_lt(n, ARGS - 1);
	child_start_argv(c, prepare, argv);
}

void
start(struct child *c, void (*prepare)(void), const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	start_va(c, prepare, name, ap);
	va_end(ap);
}

int
command(void (*prepare)(void), const char *text, const char *name, ...)
{
	static struct child c;
	va_list ap;
	int rc;

	va_start(ap, name);
	start_va(&c, prepare, name, ap);
	va_end(ap);
	child_feed(&c, text);
	rc = child_end(&c);
	output = c.said;
	return rc;
}

const char *
could(uid_t uid, attack_fn *fn, void *ctx)
{
	static char name[64];
	size_t n = 0;
	ssize_t got;
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	if ((pid = fork()) == 0) {
		become_user(uid);
		const char *done = fn(ctx);

		if (done != NULL && write(fds[1], done, strlen(done)) < 0)
			_exit(1);
		_exit(0);
	}
	close(fds[1]);
	while ((got = read(fds[0], name + n, sizeof(name) - 1 - n)) > 0)
		n += (size_t)got;
	name[n] = '\0';
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return n > 0 ? name : NULL;
}

/* --- processes ---------------------------------------------------------------------------- */

const char *
status_of(pid_t pid, const char *word)
{
	static char line[512];
	size_t n = strlen(word);
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	if ((f = fopen(path, "r")) == NULL)
		return "";
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, word, n) == 0 && line[n] == ':') {
			fclose(f);
			line[strcspn(line, "\n")] = '\0';
			return line + n + 1 + strspn(line + n + 1, "\t ");
		}
	fclose(f);
	return "";
}

void
ids_are(pid_t pid, uid_t uid, gid_t gid)
{
	char uids[64], gids[64], group[32];
	const char *groups;

	snprintf(uids, sizeof(uids), "%u\t%u\t%u\t%u", uid, uid, uid, uid);
	snprintf(gids, sizeof(gids), "%u\t%u\t%u\t%u", gid, gid, gid, gid);
	ck_assert_str_eq(status_of(pid, "Uid"), uids);
	ck_assert_str_eq(status_of(pid, "Gid"), gids);
	snprintf(group, sizeof(group), "%u ", gid);
	groups = status_of(pid, "Groups");
	ck_assert_msg(groups[0] == '\0' || strcmp(groups, group) == 0, "groups: %s", groups);
}

size_t
processes_of(uid_t uid, pid_t pids[], size_t max)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL && n < max) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		unsigned long ids[3] = {0, 0, 0};
		char *end;

		if (pid <= 0 || status_of(pid, "State")[0] == 'Z')
			continue;
		ids[0] = strtoul(status_of(pid, "Uid"), &end, 10);
		ids[1] = strtoul(end, &end, 10);
		ids[2] = strtoul(end, &end, 10);
		if (ids[0] == uid || ids[1] == uid || ids[2] == uid)
			pids[n++] = pid;
	}
	closedir(d);
	return n;
}

/* --- the spool ---------------------------------------------------------------------------- */

static void
is_the_owners(const char *path)
{
	struct dirent *e;
	struct stat st;
	DIR *d;

	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_msg(st.st_uid == OWNER && st.st_gid == OWNER, "%s is %u's, group %u", path,
	    st.st_uid, st.st_gid);
	ck_assert_msg((st.st_mode & 07777) == (S_ISDIR(st.st_mode) ? 0700 : 0600), "%s: mode %o",
	    path, st.st_mode & 07777);
	if (!S_ISDIR(st.st_mode))
		return;
	ck_assert_ptr_nonnull(d = opendir(path));
	while ((e = readdir(d)) != NULL) {
		char below[512];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%.200s/%s", path, e->d_name);
		is_the_owners(below);
	}
	closedir(d);
}

void
spool_is_the_owners(void)
{
	is_the_owners(kit.spool);
}

/* --- suites ------------------------------------------------------------------------------- */

static TCase *
new_case(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, users_setup, users_teardown);
	tcase_set_timeout(t, 3 * PATIENCE_MS / 1000);
	suite_add_tcase(s, t);
	return t;
}

Suite *
users_suite(const char *name, const TTest *const tests[], size_t n)
{
	Suite *s = suite_create(name);
	TCase *t = new_case(s, name);

	for (size_t i = 0; i < n; i++)
		tcase_add_test(t, tests[i]);
	return s;
}

void
users_loop(Suite *s, const TTest *test, int n)
{
	tcase_add_loop_test(new_case(s, test->name), test, 0, n);
}
