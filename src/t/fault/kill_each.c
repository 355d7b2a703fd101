/*
 * kill_each: the unmodified program, killed at each of its system calls, or with each of them failing.
 *
 *	kill_each SORTIE FRONT [--faults] [--every N] [--only SCENE] [--at N] [--jobs N]
 *
 * SORTIE and FRONT: the paths of build/sortie and build/sendmail; both the former: it is sendmail, too.
 * For every scene of scene.c and n = 1, 2, ...: the scene's spool is laid out, its command runs under
 * tracer.h, and the whole family is killed with SIGKILL before its n-th call. Then the program runs
 * again, untouched, until the queue is empty, and judge.h says whether anything was lost, came
 * twice, or stayed behind. This ends when a run came to its end before its n-th call.
 *
 * What may come twice is exactly what a server had taken and the spool did not know of when the
 * program died: at most PER_SESSION messages for each session open then; in
 * chunks, SMTP_AHEAD.
 *
 *	--faults	nobody is killed: the n-th call fails, with each of the errors of errors.c
 *	--every N	every N-th call only: the short version, without the scenes that take seconds
 *	--only SCENE	scenes whose name begins so
 *	--at N		one call only; its spool stays, and its name is printed
 *	--jobs N	so many scenes at a time (1)
 *
 * For each scene a line on standard output, in the short version only where anything was found; fields
 * separated by tabs: ROW, the scene, points tried, and at how many of them something was lost,
 * duplicated beyond that window, leaked.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/smtp.h"
#include "afterwards.h"
#include "errors.h"
#include "judge.h"
#include "receiver.h"
#include "scene.h"
#include "tracer.h"
#include "tree.h"
#include "whole.h"

enum {
	/*
	 * Messages of one session that may be taken and not recorded: one whose end of data the server
	 * has read and whose 250 has not arrived; and one whose 250 has been read in this turn of the
	 * loop, whose commit is still to come, while the next one's data left already.
	 */
	PER_SESSION = 2,
	SITES = 3, /* when a call failed, each may have a session that ended in the wrong moment */
	PATIENCE_S = 60,
	LOADER = 3, /* the dynamic loader's first calls: without them it crashes, by itself */
	IDLE_TICKS = 25, /* for so long it made no call: it has nothing to do */
	ENDLESS = 20, /* times as many calls as without a fault: it will not end */
};

static struct {
	struct scene_programs programs;
	const char *only;
	bool faults;
	unsigned long every, at, jobs;
} opt = {.every = 1, .jobs = 1};

/* One run under the tracer. */
struct point {
	const struct scene *scene;
	unsigned long n; /* the call that goes wrong; 0: none */
	unsigned k; /* with its k-th error */
	unsigned long calls, limit; /* so far; at most */
	long nr; /* the call that went wrong, -1: it did not come to that */
	int error;
	bool stopped; /* it was sent its SIGTERM */
	pid_t first, last; /* the process started; the one that made the last call */
	unsigned ticks; /* since that call */
};

static char dir[TREE_PATH_MAX];
static long *plan; /* the calls of a run in which nothing goes wrong */
static size_t nplan, plan_cap;
static struct {
	unsigned long points, found[JUDGE_KINDS];
} count;

/* --- a run under the tracer --- */

static void
none_left(void *ctx, const char *name)
{
	(void)name;
	*(bool *)ctx = false;
}

static bool
queue_empty(void)
{
	bool empty = true;

	tree_each(tree_path(tree_path(dir, "spool"), "ctl"), none_left, &empty);
	return empty;
}

static bool
is_poll(long nr)
{
#ifdef SYS_poll
	if (nr == SYS_poll)
		return true;
#endif
#ifdef SYS_ppoll
	if (nr == SYS_ppoll)
		return true;
#endif
	return false;
}

static void
send_stop(struct point *p, pid_t waiting)
{
	if (p->stopped || p->scene->stop == STOP_NOBODY)
		return;
	p->stopped = true;
	kill(p->scene->stop == STOP_CHILD ? waiting : p->first, SIGTERM);
}

/* A SIGTERM when it waits, and all there was to do is done. */
static void
stop_in_time(struct point *p, const struct tracer_call *call)
{
	size_t got;

	if (call->first)
		p->first = call->pid;
	p->ticks = 0;
	p->last = call->pid;
	if (!is_poll(call->nr) || (p->scene->stop == STOP_CHILD && call->first))
		return;
	(void)receiver_receipts(&got);
	if (got > 0 && queue_empty())
		send_stop(p, call->pid);
}

static int
go_wrong(struct point *p, const struct tracer_call *call)
{
	p->nr = call->nr;
	if (!opt.faults)
		return TRACER_KILL;
	p->error = errors_of(call->nr, p->k);
	return p->error != 0 ? TRACER_FAIL(p->error) : TRACER_KILL;
}

static int
on_call(void *ctx, const struct tracer_call *call)
{
	struct point *p = ctx;

	if (!call->entering)
		return TRACER_GO;
	receiver_turn(-1, 0);
	p->calls++;
	if (p->n == 0) {
		plan = xgrow(plan, nplan, &plan_cap, sizeof(*plan));
		plan[nplan++] = call->nr;
	}
	if (p->calls == p->n)
		return go_wrong(p, call);
	if (p->calls > p->limit)
		return TRACER_KILL;
	stop_in_time(p, call);
	return TRACER_GO;
}

static void
on_tick(void *ctx)
{
	struct point *p = ctx;

	receiver_turn(-1, 0);
	if (++p->ticks == IDLE_TICKS) /* what failed is not tried again so soon */
		send_stop(p, p->last);
}

/* The scene's command; the wait status of the process started. */
static int
act(struct point *p)
{
	const char *argv[AFTERWARDS_ARGS];
	struct tracer_options o = {.argv = argv,
	    .input = tree_path(dir, "input"),
	    .output = tree_path(dir, "output"),
	    .patience_s = PATIENCE_S,
	    .tick = on_tick};
	int status = 0;

	afterwards_command(p->scene, dir, argv);
	p->nr = -1;
	if (tracer_run(&o, on_call, p, &status) == 0)
		return status;
	if (errno != ETIMEDOUT)
		die(EX_UNAVAILABLE, "cannot trace %s: %s", argv[0], strerror(errno));
	judge_note(JUDGE_BROKEN, "it does not end");
	return status;
}

/* --- points --- */

static const char *
describe(const struct point *p)
{
	static char text[160];
	long nr = p->n > 0 && p->n <= nplan ? plan[p->n - 1] : -1;

	if (p->n == 0)
		snprintf(text, sizeof(text), "unharmed");
	else if (opt.faults)
		snprintf(text, sizeof(text), "call %lu (number %ld) fails with \"%s\"", p->n, nr,
		    strerror(errors_of(nr, p->k)));
	else
		snprintf(text, sizeof(text), "killed at call %lu (number %ld)", p->n, nr);
	return text;
}

static void
lay_out(const struct scene *s)
{
	receiver_reset();
	if (s->no_spool)
		whole_remove(tree_path(dir, "spool"));
	else
		tree_copy(tree_path(dir, "before"), tree_path(dir, "spool"));
}

/* What is durable of this world; the runs afterwards depend on nothing else. */
static uint64_t
world_hash(int status)
{
	uint64_t h = tree_hash(tree_path(dir, "spool")) + (uint64_t)(unsigned)status;
	size_t n, i;
	const struct receipt *all = receiver_receipts(&n);

	for (i = 0; i < n; i++)
		h = h * 31 + all[i].times + (all[i].unrecorded ? 7 : 0);
	return h;
}

static void
judge_ending(const struct point *p, int status, unsigned sessions)
{
	bool killed = p->nr != -1 && !opt.faults;
	bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (p->calls > p->limit)
		judge_note(JUDGE_BROKEN, "%lu calls, and no end", p->calls);
	else if (!WIFEXITED(status) && !(killed && WTERMSIG(status) == SIGKILL))
		judge_note(JUDGE_BROKEN, "it ended with status 0x%x", (unsigned)status);
	else if (p->nr == -1 && !ok)
		judge_note(JUDGE_BROKEN, "unharmed it ended with status 0x%x", (unsigned)status);
	judge_cut(ok, WIFEXITED(status) && !ok,
	    (p->scene->chunking ? SMTP_AHEAD : PER_SESSION) * sessions);
}

static bool
count_found(void)
{
	enum judge_kind kind;
	bool any = false;

	for (kind = JUDGE_LOST; kind < JUDGE_KINDS; kind++) {
		any = any || judge_found(kind);
		count.found[kind] += judge_found(kind);
	}
	return any;
}

static void
try_point(struct point *p)
{
	static uint64_t recovered; /* a world that need not be tried again */
	unsigned sessions;
	uint64_t hash;
	int status;

	lay_out(p->scene);
	judge_begin(p->scene, dir, describe(p));
	status = act(p);
	if (p->n != 0 && (p->nr == -1 || (opt.faults && p->error == 0)))
		return; /* it did not come to that */
	sessions = opt.faults ? SITES : receiver_sessions();
	receiver_drain();
	judge_ending(p, status, sessions);
	hash = world_hash(status);
	if (hash != recovered || opt.at != 0)
		afterwards_finish(dir);
	recovered = count_found() ? 0 : hash;
	count.points += p->n != 0;
}

static void
progress(const struct scene *s, unsigned long n)
{
	if (isatty(STDERR_FILENO) && n % 16 == 0)
		fprintf(stderr, "\r%s: %lu\033[K\r", s->name, n);
}

/* One call with all that it may fail with, or one kill; false: it did not come to that. */
static bool
try_call(const struct scene *s, unsigned long n)
{
	struct point p;
	unsigned k = 0;

	if (opt.faults && (n <= LOADER || (n <= nplan && errors_of(plan[n - 1], 0) == 0)))
		return true;
	do {
		p = (struct point){.scene = s, .n = n, .k = k, .limit = nplan * ENDLESS};
		try_point(&p);
	} while (opt.faults && p.nr != -1 && errors_of(p.nr, ++k) != 0);
	return p.nr != -1;
}

static void
try_unharmed(const struct scene *s)
{
	struct point p = {.scene = s, .limit = ULONG_MAX};

	try_point(&p);
}

static bool
any_found(void)
{
	enum judge_kind kind;

	for (kind = JUDGE_LOST; kind < JUDGE_KINDS; kind++)
		if (count.found[kind] > 0)
			return true;
	return false;
}

static int
sweep(const struct scene *s)
{
	unsigned long n;

	receiver_open();
	scene_make(s, dir, &opt.programs);
	try_unharmed(s);
	if (opt.at != 0)
		try_call(s, opt.at);
	else
		for (n = opt.every; try_call(s, n); n += opt.every)
			progress(s, n);
	if (opt.every == 1 || any_found())
		printf("ROW\t%s: %s\t%lu\t%lu\t%lu\t%lu\n",
		    opt.faults ? "fault at each call" : "kill at each call", s->name, count.points,
		    count.found[JUDGE_LOST], count.found[JUDGE_DUPLICATED],
		    count.found[JUDGE_LEAKED]);
	if (opt.at != 0)
		printf("see %s\n", dir);
	else
		whole_remove(dir);
	fflush(stdout);
	return any_found();
}

/* --- the whole --- */

static bool
wanted(const struct scene *s)
{
	if (s->slow && (opt.every > 1 || opt.faults))
		return false;
	return opt.only == NULL || str_starts(s->name, opt.only);
}

/* Waits for one of them; whether it ended well. */
static bool
one_ends(void)
{
	int status;

	return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int
sweep_all(void)
{
	unsigned long running = 0;
	bool ok = true;
	size_t i;

	for (i = 0; i < nscenes; i++) {
		pid_t pid;

		if (!wanted(&scenes[i]))
			continue;
		if (running == opt.jobs) {
			ok = one_ends() && ok;
			running--;
		}
		if ((pid = fork()) < 0)
			die(EX_OSERR, "cannot fork: %s", strerror(errno));
		if (pid == 0) {
			afterwards_make_dir(dir);
			exit(sweep(&scenes[i]));
		}
		running++;
	}
	for (; running > 0; running--)
		ok = one_ends() && ok;
	if (ok && opt.every > 1)
		printf("kill_each: every %luth call of each scene: nothing lost, twice or left\n",
		    opt.every);
	return ok ? 0 : 1;
}

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE,
	    "usage: kill_each SORTIE FRONT [--faults] [--every N] [--only SCENE] [--at N] "
	    "[--jobs N]");
}

static unsigned long
number(const char *s)
{
	uint64_t n;

	if (s == NULL || !str_u64(s, 1000000, &n) || n == 0)
		usage();
	return (unsigned long)n;
}

static void
options(int argc, char **argv)
{
	int i;

	if (argc < 3)
		usage();
	opt.programs = (struct scene_programs){argv[1], argv[2]};
	for (i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--faults") == 0)
			opt.faults = true;
		else if (strcmp(argv[i], "--every") == 0)
			opt.every = number(argv[++i]);
		else if (strcmp(argv[i], "--at") == 0)
			opt.at = number(argv[++i]);
		else if (strcmp(argv[i], "--jobs") == 0)
			opt.jobs = number(argv[++i]);
		else if (strcmp(argv[i], "--only") == 0 && argv[i + 1] != NULL)
			opt.only = argv[++i];
		else
			usage();
	}
}

int
main(int argc, char **argv)
{
	options(argc, argv);
	/* A sanitizer's search for leaks traces the program itself: two cannot. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	if (!tracer_allowed()) {
		printf("kill_each: skipped: ptrace(2) is not permitted, or not there\n");
		return 0;
	}
	return sweep_all();
}
