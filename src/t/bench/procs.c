#include "procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

/* The beginning of /proc/PID/NAME as a string; false: the process has gone, or is not ours to read. */
static bool
read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/* proc(5), stat: pid (comm) state ppid, then eight numbers, minflt to cmajflt and what is before
 * them, then utime stime cutime cstime. The name may have spaces and parentheses in it. */
static bool
parse_stat(const char *text, struct proc *p)
{
	const char *rest = strrchr(text, ')');
	uint64_t user, system, children_user, children_system;
	long parent;

	if (rest == NULL ||
	    sscanf(rest,
		") %c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64
		" %" SCNu64,
		&p->state, &parent, &user, &system, &children_user, &children_system) != 6)
		return false;
	p->parent = (pid_t)parent;
	p->ticks = user + system + children_user + children_system;
	return true;
}

static void
read_all(struct procs *ps)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char text[1024];

	if (dir == NULL)
		die(EX_OSFILE, "/proc: %s", strerror(errno));
	ps->n = 0;
	while ((entry = readdir(dir)) != NULL) {
		struct proc p = {.pid = (pid_t)strtol(entry->d_name, NULL, 10)};

		if (p.pid <= 0 || !read_proc(p.pid, "stat", text, sizeof(text)) ||
		    !parse_stat(text, &p))
			continue;
		ps->all = xgrow(ps->all, ps->n, &ps->cap, sizeof(p));
		ps->all[ps->n++] = p;
	}
	closedir(dir);
}

static int
by_pid(const void *a, const void *b)
{
	const struct proc *left = a, *right = b;

	return (left->pid > right->pid) - (left->pid < right->pid);
}

static bool
is_below(const struct procs *ps, pid_t pid)
{
	const struct proc key = {.pid = pid};
	const struct proc *p = bsearch(&key, ps->all, ps->n, sizeof(key), by_pid);

	return p != NULL && p->below;
}

/* A parent has nearly always the smaller number: one pass, and few more where they have started
 * again from the lowest. */
static void
mark(struct procs *ps, pid_t root)
{
	bool again = true;

	qsort(ps->all, ps->n, sizeof(*ps->all), by_pid);
	while (again) {
		again = false;
		for (size_t i = 0; i < ps->n; i++) {
			struct proc *p = &ps->all[i];

			if (!p->below && (p->parent == root || is_below(ps, p->parent)))
				p->below = again = true;
		}
	}
}

void
procs_look(struct procs *ps, pid_t root)
{
	read_all(ps);
	mark(ps, root);
	ps->below = 0;
	ps->ticks = 0;
	ps->busy = false;
	for (size_t i = 0; i < ps->n; i++) {
		const struct proc *p = &ps->all[i];

		if (!p->below)
			continue;
		ps->ticks += p->ticks;
		ps->below += p->state != 'Z';
		if (p->state == 'R' || p->state == 'D')
			ps->busy = true;
	}
}

uint64_t
procs_pss_kib(const struct procs *ps)
{
	char text[1024];
	uint64_t sum = 0, kib;

	for (size_t i = 0; i < ps->n; i++) {
		const char *line;

		if (!ps->all[i].below || ps->all[i].state == 'Z' ||
		    !read_proc(ps->all[i].pid, "smaps_rollup", text, sizeof(text)))
			continue;
		line = strstr(text, "\nPss:");
		if (line != NULL && sscanf(line, "\nPss: %" SCNu64, &kib) == 1)
			sum += kib;
	}
	return sum;
}

void
procs_kill(const struct procs *ps, int sig)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->all[i].below && ps->all[i].state != 'Z')
			kill(ps->all[i].pid, sig);
}
