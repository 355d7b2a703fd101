#include "tracer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

enum {
	OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		  PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL,
	SYSCALL_STOP = SIGTRAP | 0x80, /* TRACESYSGOOD */
	CANNOT_EXEC = 127,
};

struct tracee {
	pid_t pid;
	bool asked; /* the entry of its call has been asked about, the exit is to come */
	int fail; /* 0, or what the call shall have failed with */
	unsigned long first_arg; /* overwritten in the registers, while it fails */
	struct tracer_call call;
};

struct run {
	tracer_fn *fn;
	void *ctx;
	pid_t first;
	bool started; /* the program itself runs: its exec is behind it */
	bool killing;
	int status;
	struct tracee *tracees;
	size_t n, cap;
};

/* --- the registers of a process in a stop --- */

#if defined(__x86_64__)

/*
 * A call that shall fail becomes read(-1), which fails and does nothing. Not call number -1, which
 * a filter of the program's own (seccomp) may answer with death.
 */
static void
spoil_call(struct tracee *t)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &regs) != 0)
		return;
	t->first_arg = regs.rdi;
	regs.orig_rax = SYS_read;
	regs.rdi = (unsigned long)-1;
	ptrace(PTRACE_SETREGS, t->pid, NULL, &regs);
}

static void
finish_spoiled(struct tracee *t)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &regs) != 0)
		return;
	regs.rdi = t->first_arg;
	regs.rax = (unsigned long)-(long)t->fail;
	ptrace(PTRACE_SETREGS, t->pid, NULL, &regs);
}

#else /* aarch64: the first argument's register is the result's */

static void
set_first(pid_t pid, unsigned long value)
{
	struct user_regs_struct regs;
	struct iovec iov = {.iov_base = &regs, .iov_len = sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) != 0)
		return;
	regs.regs[0] = value;
	ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov);
}

static void
spoil_call(struct tracee *t)
{
	int nr = SYS_read;
	struct iovec iov = {.iov_base = &nr, .iov_len = sizeof(nr)};

	set_first(t->pid, (unsigned long)-1);
	ptrace(PTRACE_SETREGSET, t->pid, (void *)NT_ARM_SYSTEM_CALL, &iov);
}

static void
finish_spoiled(struct tracee *t)
{
	set_first(t->pid, (unsigned long)-(long)t->fail);
}

#endif

/* --- the family --- */

static struct tracee *
find(struct run *r, pid_t pid)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->tracees[i].pid == pid)
			return &r->tracees[i];
	return NULL;
}

static struct tracee *
adopt(struct run *r, pid_t pid)
{
	struct tracee *t = find(r, pid);

	if (t != NULL)
		return t;
	r->tracees = xgrow(r->tracees, r->n, &r->cap, sizeof(*r->tracees));
	t = &r->tracees[r->n++];
	*t = (struct tracee){.pid = pid};
	return t;
}

static void
forget(struct run *r, pid_t pid)
{
	struct tracee *t = find(r, pid);

	if (t != NULL)
		*t = r->tracees[--r->n];
}

static void
kill_family(struct run *r)
{
	size_t i;

	r->killing = true;
	for (i = 0; i < r->n; i++)
		kill(r->tracees[i].pid, SIGKILL);
}

/* --- stops --- */

static void
go_on(pid_t pid, int sig)
{
	/* A failure means that it has been killed: its end is what comes next. */
	ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)sig);
}

static void
on_entry(struct run *r, struct tracee *t, const struct __ptrace_syscall_info *info)
{
	pid_t pid = t->pid;
	int answer;
	size_t i;

	t->call = (struct tracer_call){
	    .pid = pid, .first = pid == r->first, .entering = true, .nr = (long)info->entry.nr};
	for (i = 0; i < TRACER_ARGS; i++)
		t->call.args[i] = (unsigned long)info->entry.args[i];
	t->asked = true;
	answer = r->fn(r->ctx, &t->call);
	if (answer == TRACER_KILL)
		kill_family(r);
	t->fail = answer > 0 ? answer : 0;
	if (t->fail != 0)
		spoil_call(t);
}

static void
on_exit_of_call(struct run *r, struct tracee *t, const struct __ptrace_syscall_info *info)
{
	if (!t->asked)
		return;
	t->asked = false;
	t->call.entering = false;
	t->call.result = (long)info->exit.rval;
	if (t->fail != 0) {
		finish_spoiled(t);
		t->call.result = -(long)t->fail;
		t->fail = 0;
	}
	if (r->fn(r->ctx, &t->call) == TRACER_KILL)
		kill_family(r);
}

static void
on_syscall_stop(struct run *r, struct tracee *t)
{
	struct __ptrace_syscall_info info;

	if (!r->started)
		return;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, (void *)sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		on_entry(r, t, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		on_exit_of_call(r, t, &info);
}

static void
on_event(struct run *r, pid_t pid, int event)
{
	unsigned long child;

	if (event == PTRACE_EVENT_EXEC)
		r->started = true;
	else if (event != PTRACE_EVENT_STOP && ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child) == 0)
		adopt(r, (pid_t)child);
}

static void
on_stop(struct run *r, pid_t pid, int status)
{
	struct tracee *t =
	    adopt(r, pid); /* a child's first stop may come before its birth is told */
	int sig = WSTOPSIG(status), event = (int)((unsigned)status >> 16);

	if (r->killing) { /* born after the others were killed */
		kill(pid, SIGKILL);
		return;
	}
	if (sig == SYSCALL_STOP) {
		on_syscall_stop(r, t);
		sig = 0;
	} else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		ptrace(PTRACE_LISTEN, pid, NULL, NULL); /* stopped by a signal, and stays so */
		return;
	} else if (event != 0) {
		on_event(r, pid, event);
		sig = 0;
	}
	if (!r->killing)
		go_on(pid, sig);
}

/* --- a run --- */

static void
on_alarm(int sig)
{
	(void)sig; /* it only interrupts waitpid() */
}

static void
ticks(struct sigaction *old, bool on)
{
	struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
	struct itimerval every = {
	    {0, on ? TRACER_TICK_MS * 1000 : 0}, {0, on ? TRACER_TICK_MS * 1000 : 0}};

	if (on)
		sigaction(SIGALRM, &action, old);
	setitimer(ITIMER_REAL, &every, NULL);
	if (!on)
		sigaction(SIGALRM, old, NULL);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* In the child: waits until it is traced, and becomes the program. */
static void
become(const struct tracer_options *o, int gate)
{
	int in = open(o->input != NULL ? o->input : "/dev/null", O_RDONLY);
	int out =
	    open(o->output != NULL ? o->output : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
	char go;

	if (read(gate, &go, 1) == 1 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2) {
		if (in > 2)
			close(in);
		if (out > 2)
			close(out);
		close(gate);
		execv(o->argv[0], (char *const *)(void *)o->argv);
	}
	_exit(CANNOT_EXEC);
}

/* The child, seized before it is let through its gate; or -1 and errno. */
static pid_t
start(const struct tracer_options *o)
{
	int gate[2], error;
	pid_t child;
	bool seized;

	if (pipe(gate) != 0)
		return -1;
	fcntl(gate[1], F_SETFD, FD_CLOEXEC);
	if ((child = fork()) == 0) {
		close(gate[1]);
		become(o, gate[0]);
	}
	error = errno;
	seized = child > 0 && ptrace(PTRACE_SEIZE, child, NULL, (void *)(intptr_t)OPTIONS) == 0;
	if (child > 0)
		error = errno;
	if (seized && write(gate[1], "", 1) != 1)
		kill(child, SIGKILL);
	close(gate[0]);
	close(gate[1]);
	if (child > 0 && !seized) {
		waitpid(child, NULL, 0);
		child = -1;
	}
	errno = error;
	return child;
}

/* Until all have ended. Whether it was in time. */
static bool
follow(struct run *r, const struct tracer_options *o)
{
	int64_t end_ms = now_ms() + (int64_t)o->patience_s * 1000;
	bool in_time = true;
	int status;
	pid_t pid;

	while (r->n > 0) {
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno != EINTR)
			break;
		if (pid > 0 && WIFSTOPPED(status))
			on_stop(r, pid, status);
		else if (pid > 0) {
			if (pid == r->first)
				r->status = status;
			forget(r, pid);
		} else if (o->tick != NULL && !r->killing)
			o->tick(r->ctx);
		if (pid < 0 && o->patience_s > 0 && now_ms() > end_ms && !r->killing) {
			in_time = false;
			kill_family(r);
		}
	}
	return in_time;
}

int
tracer_run(const struct tracer_options *o, tracer_fn *fn, void *ctx, int *status)
{
	struct run r = {.fn = fn, .ctx = ctx};
	struct sigaction old;
	bool in_time;

	if ((r.first = start(o)) < 0)
		return -1;
	adopt(&r, r.first);
	ticks(&old, true);
	in_time = follow(&r, o);
	ticks(&old, false);
	free(r.tracees);
	*status = r.status;
	if (!r.started) {
		errno = ENOEXEC;
		return -1;
	}
	errno = ETIMEDOUT;
	return in_time ? 0 : -1;
}

bool
tracer_allowed(void)
{
	struct __ptrace_syscall_info info;
	pid_t child = fork();
	bool yes;

	if (child == 0)
		for (;;)
			pause();
	yes = child > 0 && ptrace(PTRACE_SEIZE, child, NULL, (void *)(intptr_t)OPTIONS) == 0 &&
	      ptrace(PTRACE_INTERRUPT, child, NULL, NULL) == 0 &&
	      waitpid(child, NULL, __WALL) == child &&
	      ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) >= 0;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, __WALL);
	}
	return yes;
}

/* --- looking into a process --- */

/* Word by word: slow, and never refused to the one who traces. */
static ssize_t
peek(pid_t pid, unsigned long addr, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		unsigned long at = addr + done, skip = at % sizeof(long);
		size_t part = sizeof(long) - skip;
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, pid, (void *)(at - skip), NULL);
		if (word == -1 && errno != 0)
			break;
		if (part > n - done)
			part = n - done;
		memcpy((char *)buf + done, (char *)&word + skip, part);
		done += part;
	}
	return done > 0 || n == 0 ? (ssize_t)done : -1;
}

ssize_t
tracer_read(pid_t pid, unsigned long addr, void *buf, size_t n)
{
	struct iovec here = {.iov_base = buf, .iov_len = n};
	struct iovec there = {.iov_base = (void *)addr, .iov_len = n};
	long got = syscall(SYS_process_vm_readv, (long)pid, &here, 1L, &there, 1L, 0L);

	/* A process that may not be dumped lets only its tracer read, and only so. */
	if (got < 0 && (errno == EPERM || errno == ENOSYS))
		return peek(pid, addr, buf, n);
	return (ssize_t)got;
}

int
tracer_read_string(pid_t pid, unsigned long addr, char *buf, size_t size)
{
	enum { PAGE = 4096 }; /* one read goes no further than what is surely there */
	size_t done = 0;

	while (done + 1 < size) {
		size_t part = PAGE - (addr + done) % PAGE;
		ssize_t got;

		if (part > size - 1 - done)
			part = size - 1 - done;
		if ((got = tracer_read(pid, addr + done, buf + done, part)) <= 0)
			return -1;
		if (memchr(buf + done, '\0', (size_t)got) != NULL)
			return 0;
		done += (size_t)got;
	}
	buf[done] = '\0';
	return 0;
}

int
tracer_fd_path(pid_t pid, int fd, char *buf, size_t size)
{
	char name[64];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%ld/fd/%d", (long)pid, fd);
	if ((n = readlink(name, buf, size - 1)) < 0)
		return -1;
	buf[n] = '\0';
	return 0;
}

#else /* another system or machine: the same promises, and nobody is traced */

bool
tracer_allowed(void)
{
	return false;
}

int
tracer_run(const struct tracer_options *o, tracer_fn *fn, void *ctx, int *status)
{
	(void)o, (void)fn, (void)ctx, (void)status;
	errno = ENOSYS;
	return -1;
}

ssize_t
tracer_read(pid_t pid, unsigned long addr, void *buf, size_t n)
{
	(void)pid, (void)addr, (void)buf, (void)n;
	errno = ENOSYS;
	return -1;
}

int
tracer_read_string(pid_t pid, unsigned long addr, char *buf, size_t size)
{
	(void)pid, (void)addr, (void)buf, (void)size;
	errno = ENOSYS;
	return -1;
}

int
tracer_fd_path(pid_t pid, int fd, char *buf, size_t size)
{
	(void)pid, (void)fd, (void)buf, (void)size;
	errno = ENOSYS;
	return -1;
}

#endif
