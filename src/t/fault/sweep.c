/* sweep.c: points, and the two lives that are lived at each. */
#include "t/fault/sweep.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "smtp_script.h"
#include "t/fault/sweep_spool.h"
#include "vclock.h"

enum {
	CALLS_MAX = 20000, /* of a scenario */
	LIMIT = 20 * CALLS_MAX, /* with things going wrong */
	JOBS_MAX = 16,
	LIFE_MAX_S = 60, /* real time */
	RECOVERIES_MAX = 8,
	COMPLAINTS_MAX = 5, /* that are told in full */
};

struct point {
	unsigned n;
	enum fault_kind kind;
	int err;
};

struct life { /* what the children leave behind */
	struct books books;
	unsigned leaked;
	bool accepted[SWEEP_COMMANDS_MAX];
	unsigned command; /* the last that was begun */
	bool over; /* the first child came to its end */
	int64_t clock_ms;
	struct fault_call calls[CALLS_MAX];
	unsigned ncalls, nmoves, nrandom;
};

struct totals {
	unsigned points, bad, lost, duplicated, leaked;
};

static struct {
	const struct scenario *scenario;
	const struct sweep_options *options;
	struct story story;
	struct life *life; /* shared with the children */
	struct point *points;
	size_t npoints, cap;
	const struct point *point; /* the one that is being tried; n 0: nothing goes wrong */
	int (*poll)(struct pollfd *, nfds_t, int); /* the world's, which never fails */
	unsigned told;
} sw;

static void *
shared(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die(EX_OSERR, "mmap: %s", strerror(errno));
	return p;
}

/* --- the lives --- */

/* The servers read what has been sent to them, and see who has hung up. */
static void
settle(void)
{
	sw.poll(NULL, 0, 1000);
}

/* Whether there was a reason for the spool not to know what has been delivered. */
static bool
excused(void)
{
	return strstr("send recv poll", fault_where()) != NULL ||
	       logcap_has("what became of it cannot be recorded");
}

static void
look(bool is_excused)
{
	struct books *b = &sw.life->books;

	settle();
	books_look(b, &sw.story, is_excused);
	for (size_t i = 0; i < sw.story.nservers; i++) {
		struct smtp_fake *f = sw.story.servers[i].fake;

		if (buf_len(&f->complaints) > 0)
			books_complain(b, &b->other, "%.300s", buf_str(&f->complaints));
	}
}

/* Only what a caller may see when the system fails, and never without a word. */
static void
check_exit(const struct sweep_command *c, int code)
{
	/* EX_CONFIG: a file that the configuration names could not be read */
	static const int fitting[] = {
	    EX_OK, EX_TEMPFAIL, EX_IOERR, EX_OSERR, EX_CANTCREAT, EX_CONFIG};
	struct books *b = &sw.life->books;
	char *out = story_read(&sw.story, "out"), *err = story_read(&sw.story, "err");
	/* mailq's output is for people, all of it; a queue run may have nobody but the log */
	bool mute = (out == NULL || *out == '\0') && (err == NULL || *err == '\0') &&
		    (strcmp(c->program, "sortie") != 0 || !logcap_has("warning: "));
	bool fits = false;

	for (size_t i = 0; i < sizeof(fitting) / sizeof(fitting[0]); i++)
		fits = fits || code == fitting[i];
	if (!fits)
		books_complain(b, &b->other, "%s %s ended with %d", c->program, c->args, code);
	if (code != EX_OK && mute)
		books_complain(b, &b->other, "%s %s ended with %d and said nothing", c->program,
		    c->args, code);
	free(out);
	free(err);
}

static void
run_command(const struct sweep_command *c)
{
	struct buf input;
	int64_t ms;

	buf_init(&input, 16 << 20);
	for (const struct letter *l = sw.scenario->letters; c->subject != NULL; l++)
		if (strcmp(l->subject, c->subject) == 0) {
			letter_text(&input, l);
			break;
		}
	if (c->time != NULL && smtp_script_time(c->time, &ms))
		vclock_advance(ms);
	else
		story_program(&sw.story, c->program, c->args, buf_str(&input));
	sw.story.ran = false; /* its exit is ours to look at */
	buf_free(&input);
}

static bool
is_command(const struct sweep_command *c)
{
	return c->program != NULL || c->time != NULL;
}

static void
note_calls(void)
{
	sw.life->ncalls = fault_calls(NULL);
	sw.life->nmoves = fault_moves();
	sw.life->nrandom = fault_calls("getentropy");
}

/* The program ended itself in the middle of something. */
static void
cut_short(void)
{
	if (sw.life->over)
		return;
	fault_disarm();
	look(true);
	sw.life->clock_ms = vclock_ms();
	if (sw.options->only != 0)
		fprintf(stderr, "%s--- ended itself\n", logcap_text());
}

static void
first_life(void)
{
	const struct point *p = sw.point;
	unsigned fds = fault_open_fds(), left;

	atexit(cut_short);
	alarm(LIFE_MAX_S);
	fault_trace(p->n == 0 ? sw.life->calls : NULL, CALLS_MAX);
	fault_limit(p->n == 0 ? CALLS_MAX : LIMIT);
	fault_arm(p->n, p->kind, p->err);
	for (unsigned i = 0; is_command(&sw.scenario->commands[i]); i++) {
		const struct sweep_command *c = &sw.scenario->commands[i];

		sw.life->command = i;
		run_command(c);
		sw.life->accepted[i] = sw.story.exit == 0;
		if (c->time != NULL)
			continue;
		check_exit(c, sw.story.exit);
		look(excused());
		left = fault_open_fds();
		if (left != fds)
			books_complain(&sw.life->books, &sw.life->leaked,
			    "%s %s: %u descriptors, %u before", c->program, c->args, left, fds);
	}
	note_calls();
	fault_disarm();
	sw.life->clock_ms = vclock_ms();
	sw.life->over = true;
	if (sw.options->only != 0)
		fprintf(stderr, "%s--- recovery\n", logcap_text());
	exit(0); /* not _exit(2): LeakSanitizer has a look */
}

/* Nothing goes wrong any more. */
static void
second_life(void)
{
	static const struct sweep_command queue_run = {"sortie", "-q", NULL, NULL};
	struct books *b = &sw.life->books;

	alarm(LIFE_MAX_S);
	vclock_advance(sw.life->clock_ms - vclock_ms());
	books_new_life(b);
	for (unsigned i = 0; i <= RECOVERIES_MAX; i++) {
		run_command(&queue_run);
		if (sw.story.exit != 0)
			books_complain(
			    b, &b->other, "the queue run behind it ended with %d", sw.story.exit);
		look(false);
		if (sweep_spool_count(&sw.story, "ctl") == 0)
			break;
		vclock_advance((int64_t)13 * 3600 * 1000);
	}
	/* what was never queued is cleaned away in the end */
	vclock_advance((int64_t)45 * 3600 * 1000);
	run_command(&queue_run);
	look(false);
	if (sweep_spool_count(&sw.story, "ctl") > 0)
		books_complain(b, &b->lost, "the queue does not become empty");
	if (sweep_spool_count(&sw.story, "corrupt") > 0)
		books_complain(b, &b->other, "something is in corrupt/");
	if (sweep_spool_count(&sw.story, "msg") + sweep_spool_count(&sw.story, "tmp") > 0)
		books_complain(b, &sw.life->leaked, "files are left in msg/ or tmp/");
	if (sw.options->only != 0)
		fprintf(stderr, "%s--- end\n", logcap_text());
	exit(0);
}

/* Lives a life in a child; how it ended, as wait(2) says. */
static int
live(void (*life)(void))
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	fflush(stderr);
	child = fork();
	if (child == -1)
		die(EX_OSERR, "fork: %s", strerror(errno));
	if (child == 0)
		life();
	if (waitpid(child, &status, 0) != child)
		die(EX_OSERR, "waitpid: %s", strerror(errno));
	return status;
}

/* --- one point --- */

/* What was queued is accepted, even if its submitter dies of what comes after. */
static bool
died_accepting(int status)
{
	const char *program = sw.scenario->commands[sw.life->command].program;

	return WEXITSTATUS(status) == EX_OK && strcmp(program, "sendmail") == 0;
}

static void
judge_status(int status, bool over)
{
	struct books *b = &sw.life->books;

	if (!over && !WIFSIGNALED(status) && died_accepting(status))
		sw.life->accepted[sw.life->command] = true;
	else if (WIFSIGNALED(status))
		books_complain(b, &b->other, "died of signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else if (over && WEXITSTATUS(status) != 0)
		books_complain(
		    b, &sw.life->leaked, "leaked, says the exit status %d", WEXITSTATUS(status));
	else if (!over && WEXITSTATUS(status) != EX_TEMPFAIL && WEXITSTATUS(status) != EX_OSERR)
		books_complain(
		    b, &b->other, "ended itself with exit status %d", WEXITSTATUS(status));
}

/* Being interrupted is no reason to give up. */
static void
judge_interruption(void)
{
	struct books *b = &sw.life->books;
	const struct point *p = sw.point;
	const struct sweep_command *c = sw.scenario->commands;

	if (p->n == 0 || p->kind != FAULT_ONCE || (p->err != EINTR && p->err != EAGAIN) ||
	    strstr("openat flock", sw.life->calls[p->n - 1].name) != NULL)
		return;
	for (unsigned i = 0; is_command(&c[i]); i++)
		if (!sw.life->over || !sw.life->accepted[i])
			books_complain(b, &b->other, "%s %s gave up when it was interrupted",
			    c[i].program, c[i].args);
}

/* What a submission that failed has queued all the same is mail that its caller hands in again. */
static void
judge_refusals(void)
{
	struct books *b = &sw.life->books;
	const struct letter *l = sw.scenario->letters;
	enum fault_kind kind = sw.point->kind;

	if (kind != FAULT_ONCE && kind != FAULT_SHORT)
		return;
	for (size_t i = 0; l[i].kind != LETTER_END; i++)
		if (l[i].command >= 0 && sw.life->over && !sw.life->accepted[l[i].command] &&
		    (b->fate[i].arrived > 0 || b->fate[i].queued))
			books_complain(b, &b->other, "%s was refused and sent", l[i].subject);
}

static void
describe(size_t number)
{
	static const char *const kinds[] = {
	    "once", "though done", "all dead", "disk full", "short", "for ever", "random"};
	const struct point *p = sw.point;
	const char *name = p->kind == FAULT_SHORT    ? "read or write"
			   : p->kind == FAULT_RANDOM ? "getentropy"
			   : p->n > 0                ? sw.life->calls[p->n - 1].name
						     : "nothing";

	if (sw.told++ < COMPLAINTS_MAX)
		fprintf(stderr, "%s: point %zu, call %u (%s) %s, %s: %s\n", sw.scenario->name,
		    number, p->n, name, kinds[p->kind], strerror(p->err), sw.life->books.why);
}

static void
try_point(const struct point *p, size_t number, struct totals *t)
{
	struct life *l = sw.life;
	int status;

	sw.point = p;
	books_open(&l->books, sw.scenario->letters);
	l->leaked = 0;
	l->over = false;
	memset(l->accepted, 0, sizeof(l->accepted));
	sweep_spool_restore(&sw.story);
	status = live(first_life);
	judge_status(status, l->over);
	status = live(second_life);
	if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
		books_complain(&l->books, &l->books.other, "recovery: status 0x%x", status);
	books_close(&l->books, l->accepted);
	judge_refusals();
	judge_interruption();
	t->points++;
	t->lost += l->books.lost > 0;
	t->duplicated += l->books.duplicated > 0;
	t->leaked += l->leaked > 0;
	if (l->leaked == 0 && !books_violated(&l->books))
		return;
	t->bad++;
	describe(number);
}

/* --- all points --- */

static void
add_point(unsigned n, enum fault_kind kind, int err)
{
	sw.points = xgrow(sw.points, sw.npoints, &sw.cap, sizeof(*sw.points));
	sw.points[sw.npoints++] = (struct point){n, kind, err};
}

/* What stays as it is until somebody does something about it. */
static bool
lasts(int err)
{
	return err != EINTR && err != EAGAIN && err != EWOULDBLOCK && err != ECONNRESET &&
	       err != EPIPE && err != ESTALE && err != EMLINK;
}

/* What NFS may have done although it says that it failed. */
static bool
may_be_done(const char *name)
{
	return strstr("linkat renameat unlinkat mkdirat mkfifoat ftruncate", name) != NULL;
}

static void
add_points_of(unsigned n, const struct fault_call *call)
{
	static const int none[] = {0};
	const int *e = fault_errors(call);

	for (e = e != NULL ? e : none; *e != 0; e++) {
		add_point(n, FAULT_ONCE, *e);
		if (*e == ENOSPC || *e == EDQUOT)
			add_point(n, FAULT_FULL, *e);
		else if (lasts(*e))
			add_point(n, FAULT_EVER, *e);
	}
	if (may_be_done(call->name))
		add_point(n, FAULT_LOST, EIO);
	add_point(n, FAULT_DEAD, EIO);
}

static void
make_points(void)
{
	const struct life *l = sw.life;

	for (unsigned n = 1; n <= l->ncalls; n++)
		add_points_of(n, &l->calls[n - 1]);
	for (unsigned n = 1; n <= l->nmoves; n++)
		add_point(n, FAULT_SHORT, 0);
	for (unsigned n = 1; n <= l->nrandom; n++)
		add_point(n, FAULT_RANDOM, ENOSYS);
}

/* Nothing is synced, so memory is as good as a disk, and faster. */
static void
choose_disk(void)
{
	const char *tmp = getenv("TMPDIR");

	if ((tmp == NULL || *tmp == '\0') && access("/dev/shm", W_OK | X_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
}

static void
make_world(void)
{
	choose_disk();
	sw.life = shared(sizeof(*sw.life));
	sw.story.path = sw.scenario->name;
	story_begin(&sw.story);
	story_tell(&sw.story, sw.scenario->world);
	buf_clear(&sw.story.secrets); /* looking for them is for stories, and takes long */
	sw.poll = sys.poll;
	for (unsigned i = 0; is_command(&sw.scenario->before[i]); i++) {
		run_command(&sw.scenario->before[i]);
		if (sw.story.exit != 0)
			story_fail(&sw.story, "the beginning ended with %d", sw.story.exit);
	}
	sweep_spool_keep(&sw.story);
}

static void
work(unsigned job, struct totals *t)
{
	static const struct point nothing = {0, FAULT_ONCE, 0};
	const struct sweep_options *o = sw.options;

	make_world();
	try_point(&nothing, 0, t);
	if (t->bad == 0)
		make_points();
	for (size_t i = 0; i < sw.npoints; i++)
		if (o->only != 0 ? i + 1 == o->only && job == 0
				 : i % o->step == 0 && i / o->step % o->jobs == job)
			try_point(&sw.points[i], i + 1, t);
	sweep_spool_remove(&sw.story);
	story_free(&sw.story);
	free(sw.points);
	exit(0);
}

unsigned
sweep(const struct scenario *sc, const struct sweep_options *o)
{
	struct totals *t = shared(JOBS_MAX * sizeof(*t)), all = {0};
	int status;

	memset(&sw, 0, sizeof(sw));
	sw.scenario = sc;
	sw.options = o;
	fflush(stdout);
	fflush(stderr);
	for (unsigned i = 0; i < o->jobs; i++)
		if (fork() == 0)
			work(i, &t[i]);
	while (wait(&status) > 0)
		all.bad += status != 0;
	for (unsigned i = 0; i < o->jobs; i++) {
		all.points += t[i].points - 1; /* the first of each was without a fault */
		all.bad += t[i].bad;
		all.lost += t[i].lost;
		all.duplicated += t[i].duplicated;
		all.leaked += t[i].leaked;
	}
	munmap(t, JOBS_MAX * sizeof(*t));
	if (o->row)
		printf("ROW\tin process: %s\t%u\t%u\t%u\t%u\n", sc->name, all.points, all.lost,
		    all.duplicated, all.leaked);
	return all.bad;
}
