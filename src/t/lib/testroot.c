/* testroot.c: a system in a folder, and checks of it. */
#include "testroot.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "whole.h"

const char *
testroot_path(const struct testroot *t, const char *path)
{
	static char paths[8][512];
	static size_t n;
	char *dst = paths[n++ % 8];

	snprintf(dst, sizeof(paths[0]), "%s%s", t->dir, path);
	return dst;
}

/* The folders above it. */
static void
make_way(const struct testroot *t, const char *path)
{
	char folder[512];

	for (size_t i = 1; path[i] != '\0'; i++) {
		if (path[i] != '/')
			continue;
		snprintf(folder, sizeof(folder), "%s%.*s", t->dir, (int)i, path);
		ck_assert(mkdir(folder, 0755) == 0 || errno == EEXIST);
	}
}

void
testroot_file(const struct testroot *t, const char *path, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_way(t, path);
	whole_write_file(testroot_path(t, path), "%s", text);
	ck_assert_int_eq(chmod(testroot_path(t, path), 0644), 0);
}

void
testroot_program(const struct testroot *t, const char *path, const char *script)
{
	testroot_file(t, path, "#!/bin/sh\n%s", script);
	ck_assert_int_eq(chmod(testroot_path(t, path), 0755), 0);
}

void
testroot_folder(const struct testroot *t, const char *path)
{
	make_way(t, path);
	ck_assert(mkdir(testroot_path(t, path), 0755) == 0 || errno == EEXIST);
}

void
testroot_link(const struct testroot *t, const char *to, const char *path)
{
	make_way(t, path);
	unlink(testroot_path(t, path));
	ck_assert_int_eq(symlink(testroot_path(t, to), testroot_path(t, path)), 0);
}

void
testroot_remove(const struct testroot *t, const char *path)
{
	whole_remove(testroot_path(t, path));
}

void
testroot_configure(struct testroot *t, const char *fmt, ...)
{
	char more[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	testroot_file(t, "/etc/sortie/sortie.conf", "hostname here.example\nspool %s/spool\n%s",
	    t->dir, more);
	(void)testroot_check(t, check_config);
}

void
testroot_begin(struct testroot *t)
{
	static const char *const names[] = {
	    "/usr/sbin/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases"};
	const char *in = getenv("TMPDIR");

	*t = (struct testroot){.k = {.root = t->dir, .c = &t->c}};
	snprintf(t->dir, sizeof(t->dir), "%.40s/sortie-root.XXXXXX", in != NULL ? in : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(t->dir));
	ck_assert_int_eq(chmod(t->dir, 0755), 0);
	snprintf(t->conf, sizeof(t->conf), "%s/etc/sortie/sortie.conf", t->dir);
	snprintf(t->program, sizeof(t->program), "%s/usr/sbin/sortie", t->dir);
	testroot_program(t, "/usr/sbin/sortie", "exit 0\n");
	testroot_program(t, "/usr/sbin/sortie-sendmail", "exit 0\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		testroot_link(t, "/usr/sbin/sortie-sendmail", names[i]);
	ck_assert_int_eq(mkdir(testroot_path(t, "/spool"), 0700), 0);
	config_init(&t->c.program.config);
	t->c.program.options.config = t->conf;
	ck_assert(check_begin(&t->k, t->program));
	t->k.root = t->dir;
	t->k.own = false;
	t->k.user = "nobody";
	testroot_configure(t, "%s", "");
}

void
testroot_end(struct testroot *t)
{
	free(t->said);
	config_free(&t->c.program.config);
	whole_remove(t->dir);
}

/* --- checks ------------------------------------------------------------------------------- */

enum check_result
testroot_check(struct testroot *t, check_fn *fn)
{
	size_t n;

	free(t->said);
	t->c.out = open_memstream(&t->said, &n);
	t->k.name = "x";
	t->k.worst_of_this = CHECK_OK;
	fn(&t->k);
	fclose(t->c.out);
	ck_assert_msg(t->said[0] != '\0', "a check that says nothing");
	return t->k.worst_of_this;
}

void
testroot_says(struct testroot *t, check_fn *fn, const char *line)
{
	(void)testroot_check(t, fn);
	ck_assert_msg(strstr(t->said, line) != NULL, "no \"%s\" in:\n%s", line, t->said);
}

void
testroot_says_not(struct testroot *t, check_fn *fn, const char *part)
{
	(void)testroot_check(t, fn);
	ck_assert_msg(strstr(t->said, part) == NULL, "\"%s\" in:\n%s", part, t->said);
}

/* The command below that line; until the next check. */
static char *
command_below(struct testroot *t, const char *line, const char *command)
{
	char *at = strstr(t->said, line), *next;

	ck_assert_msg(at != NULL, "no \"%s\" in:\n%s", line, t->said);
	next = strchr(at, '\n');
	ck_assert_msg(next[1] == '\t', "nothing to type:\n%s", t->said);
	next += 2;
	next[strcspn(next, "\n")] = '\0';
	ck_assert_msg(
	    command == NULL || strstr(next, command) != NULL, "not \"%s\" but: %s", command, next);
	return next;
}

void
testroot_finds(struct testroot *t, check_fn *fn, const char *line, const char *command)
{
	(void)testroot_check(t, fn);
	(void)command_below(t, line, command);
}

/* DATADIR, which need not be there, is src/system. */
static void
fill_in(const char *command, char *dst, size_t size)
{
	const char *at = strstr(command, DATADIR);

	if (at == NULL)
		snprintf(dst, size, "%s", command);
	else
		snprintf(dst, size, "%.*ssrc/system%s", (int)(at - command), command,
		    at + strlen(DATADIR));
}

void
testroot_mends(struct testroot *t, check_fn *fn, const char *line, const char *command)
{
	char typed[4096], path[1024];
	int status = -1;
	pid_t pid;

	(void)testroot_check(t, fn);
	fill_in(command_below(t, line, command), typed, sizeof(typed));
	snprintf(path, sizeof(path), "%s/fake:%s", t->dir, getenv("PATH"));
	fflush(NULL);
	if ((pid = fork()) == 0) {
		setenv("PATH", path, 1);
		execl("/bin/sh", "sh", "-c", typed, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "%d: %s", status, typed);
	(void)testroot_check(t, check_config); /* which it may be about */
	(void)testroot_check(t, fn);
	ck_assert_msg(strstr(t->said, line) == NULL, "%s\nhas not mended:\n%s", typed, t->said);
}
