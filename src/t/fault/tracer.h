/*
 * tracer.h: runs an unmodified program under ptrace(2) and asks before and after each of its system
 * calls. Linux, x86_64 and aarch64; elsewhere tracer_allowed() says no.
 *
 * The whole family is followed: children, their children, and those that left the session. Calls are
 * counted from the program's own first one (the dynamic loader's are among them); no two members of the
 * family are asked about at the same time. A run has ended when the last of the family has.
 *
 * One run at a time. The caller's other children may live through it, but one that ends meanwhile is
 * reaped here. While a run lasts, SIGALRM and ITIMER_REAL belong to the tracer.
 */
#ifndef T_FAULT_TRACER_H
#define T_FAULT_TRACER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

enum { TRACER_ARGS = 6, TRACER_TICK_MS = 20 };

struct tracer_call {
	pid_t pid;
	bool first; /* by the process that was started, not by one of its descendants */
	bool entering;
	long nr; /* SYS_write and so on, at the exit too */
	unsigned long args[TRACER_ARGS]; /* at the exit they are those of the entry */
	long result; /* at the exit: -errno when it failed */
};

/*
 * What the function answers. At the exit of a call TRACER_FAIL means TRACER_GO. After TRACER_KILL, which
 * reaches the whole family before the call is made, nothing more is asked.
 */
enum { TRACER_GO = 0, TRACER_KILL = -1 };
#define TRACER_FAIL(error) (error) /* the call is not made and returns -error; error > 0 */

typedef int tracer_fn(void *ctx, const struct tracer_call *call);

struct tracer_options {
	const char *const *argv; /* argv[0] is a path */
	const char *input; /* file on its standard input; NULL: /dev/null */
	const char
	    *output; /* file to which its standard output and error are appended; NULL: /dev/null */
	int patience_s; /* a family that lasts longer is killed; 0: as long as it likes */
	/* Called every TRACER_TICK_MS while no member makes a call; NULL: not needed. */
	void (*tick)(void *ctx);
};

/* Whether this process may trace its children here. */
bool tracer_allowed(void);

/*
 * Runs it. Returns 0 and in *status what wait(2) says of the process started; or -1 and errno: it could
 * not be started or traced (ETIMEDOUT: its time was over, and *status is set as well).
 */
int tracer_run(const struct tracer_options *o, tracer_fn *fn, void *ctx, int *status);

/* --- in the function: looking into the process that makes the call --- */

/* Copies n bytes from it; how many, or -1 and errno. Less than n: the rest is not its memory. */
ssize_t tracer_read(pid_t pid, unsigned long addr, void *buf, size_t n);
/* A string with its NUL; cut when it does not fit. 0, or -1 and errno. */
int tracer_read_string(pid_t pid, unsigned long addr, char *buf, size_t size);
/* What a descriptor of it leads to: "/var/spool/x", "socket:[1234]", "/a/b (deleted)". 0, or -1. */
int tracer_fd_path(pid_t pid, int fd, char *buf, size_t size);

#endif
