#include "afterwards.h"

#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "judge.h"
#include "receiver.h"
#include "whole.h"

enum {
	PATIENCE_MS = 30000,
	RUNS_MAX = 5, /* until the queue must be empty */
	LEFTOVER_S =
	    50 * 3600, /* 36 h after its mtime it is cleaned away; a report's may be 12 h ahead */
};

static const char everybody[] = "-qR@"; /* a filter makes it ignore what is due when */

void
afterwards_make_dir(char dir[TREE_PATH_MAX])
{
	const char *tmp = getenv("TMPDIR");

	/* Nothing here depends on the disk. */
	if (tmp == NULL || tmp[0] == '\0')
		tmp = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(dir, TREE_PATH_MAX, "%s/sortie-fault.XXXXXX", tmp);
	if (mkdtemp(dir) == NULL)
		die(EX_CANTCREAT, "%s: %s", dir, strerror(errno));
}

void
afterwards_command(const struct scene *s, const char *dir, const char *argv[AFTERWARDS_ARGS])
{
	size_t n = 0, i;

	argv[n++] = tree_path(dir, s->args[0]);
	argv[n++] = "-C";
	argv[n++] = tree_path(dir, "conf");
	for (i = 1; i < SCENE_ARGS && s->args[i] != NULL; i++)
		argv[n++] = s->args[i];
	if (s->rcpts[0] != NULL) {
		argv[n++] = "-f";
		argv[n++] = scene_sender;
	}
	for (i = 0; i < SCENE_RCPTS && s->rcpts[i] != NULL; i++)
		argv[n++] = s->rcpts[i];
	argv[n] = NULL;
}

void
afterwards_sortie(const char *dir, const char *how, const char *argv[AFTERWARDS_ARGS])
{
	size_t n = 0;

	argv[n++] = tree_path(dir, "sortie");
	argv[n++] = "-C";
	argv[n++] = tree_path(dir, "conf");
	argv[n++] = how;
	argv[n] = NULL;
}

static int
pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, (long)pid, 0L);
#else
	(void)pid;
	return -1;
#endif
}

void
afterwards_run(const char *dir, const char *how)
{
	const char *argv[AFTERWARDS_ARGS];
	int fd, status;
	pid_t pid;

	afterwards_sortie(dir, how, argv);
	pid = whole_start(argv, tree_path(dir, "output"));
	fd = pidfd(pid);
	while (waitpid(pid, &status, WNOHANG) == 0)
		receiver_turn(fd, fd >= 0 ? PATIENCE_MS : 1);
	if (fd >= 0)
		close(fd);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		judge_note(
		    JUDGE_BROKEN, "a later %s ended with status 0x%x", how, (unsigned)status);
}

static void
none_left(void *ctx, const char *name)
{
	(void)name;
	*(bool *)ctx = false;
}

static const char *
part(const char *dir, const char *folder)
{
	return tree_path(tree_path(dir, "spool"), folder);
}

static bool
is_empty(const char *dir, const char *folder)
{
	bool empty = true;

	tree_each(part(dir, folder), none_left, &empty);
	return empty;
}

void
afterwards_days_later(const char *dir)
{
	tree_age(part(dir, "tmp"), LEFTOVER_S);
	tree_age(part(dir, "msg"), LEFTOVER_S);
	tree_age(part(dir, "run"), LEFTOVER_S);
}

void
afterwards_finish(const char *dir)
{
	int i;

	afterwards_run(dir, "-q");
	if (!is_empty(dir, "ctl"))
		afterwards_run(dir, everybody);
	judge_put_off();
	receiver_relent();
	for (i = 0; i < RUNS_MAX && !is_empty(dir, "ctl"); i++)
		afterwards_run(dir, everybody);
	if (!is_empty(dir, "tmp") || !is_empty(dir, "msg")) {
		afterwards_days_later(dir);
		afterwards_run(dir, "-q");
	}
	judge_end();
}
