/*
 * cut: the unmodified program, and the power fails, at every moment.
 *
 *	cut SORTIE FRONT [--states N] [--sample N] [--behind N] [--seed N] [--only SCENE] [--jobs N]
 *	    [--keep]
 *
 * SORTIE and FRONT are as for kill_each. For every scene of scene.c that ends by itself the command runs once under record.h. Then, for
 * every change and sync that it made, every state of the disk (disk.h) that a power cut behind it
 * may leave is made anew, and the program runs on it, untouched, until the queue is empty. judge.h
 * says whether anything was lost, came twice, or stayed behind. A point is such a state together with what
 * had been promised by then:
 *
 *	- A submission that ended with exit 0 is there.
 *	- A delivery is recorded: never made again, once the log has said "status=sent" and the
 *	  turn of the loop in which that happened is over (or the run). Until then it is in flight, and
 *	  may be repeated once.
 *
 * The same with a run that was killed at one of its changes, and another one after it, before the cut;
 * and with one of the syncs failing.
 *
 *	--states N	at most about so many states for each cut (200)
 *	--sample N	only about so many points of each scene, chosen by chance
 *	--behind N	... behind kills, and as many behind failed syncs (300)
 *	--keep		stop at the first point where something is wrong, and leave it to be seen
 *
 * For each scene a line on standard output, fields separated by tabs: ROW, the scene, points tried, and at
 * how many of them something was lost, duplicated, leaked.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "afterwards.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "disk.h"
#include "judge.h"
#include "receiver.h"
#include "record.h"
#include "scene.h"
#include "tracer.h"
#include "tree.h"
#include "whole.h"

enum {
	PROMISES = 64, /* receipts of a recording, at most */
	SHOWN = 5, /* points of a scene where something is wrong, before it is enough */
	BEHIND_STATES = 24, /* for each cut, where there are many recordings, ... */
	BEHIND_POINTS = 5, /* ... and points for each of these, at least */
};

static struct {
	struct scene_programs programs;
	const char *only;
	size_t states, sample, behind;
	uint64_t seed;
	unsigned long jobs;
	bool keep;
} opt = {.states = 200, .behind = 300, .jobs = 1};

/* What had been promised at the moment of the cut. */
struct promises {
	bool accepted; /* the submission has ended with exit 0 */
	size_t receipts; /* the first so many of those of the recording had come ... */
	bool said[PROMISES]; /* ... and the program has told of them ... */
	bool kept[PROMISES]; /* ... and its turn is over */
};

static struct sweep {
	const struct scene *scene;
	const char *how; /* in words: what went wrong before the cut; "" */
	struct record record;
	struct receipt *receipts; /* of the recording, in the order in which they came first */
	size_t nreceipts;
	size_t event, from; /* the cut is behind the event; the first that counts */
	bool after_kill; /* the first run of the recording was killed */
	bool resubmits; /* the last run of the recording is a submission */
	struct promises promises;
	struct disk *disk;
	uint64_t *seen; /* points: a table of open addresses */
	size_t nseen, seen_cap;
	bool counting; /* nothing is tried */
	uint64_t share; /* of 2^64, of the points that are tried */
} sweep;

static char dir[TREE_PATH_MAX];
static struct {
	unsigned long points, wrong, found[JUDGE_KINDS];
} count;

/* --- recording --- */

/* Runs the scene's command, or another one; kill_at and fail_sync as in record.h. */
static void
record_command(const char *other, struct record_run *run)
{
	const char *argv[AFTERWARDS_ARGS];

	if (other == NULL)
		afterwards_command(sweep.scene, dir, argv);
	else
		afterwards_sortie(dir, other, argv);
	run->argv = argv;
	run->input = tree_path(dir, "input");
	run->output = tree_path(dir, "output");
	record_run(&sweep.record, run);
}

/* The receiver forgets; the recording must not. */
static void
keep_receipts(void)
{
	const struct receipt *all = receiver_receipts(&sweep.nreceipts);

	if (sweep.nreceipts > PROMISES)
		die(EX_SOFTWARE, "more than %d receipts", PROMISES);
	sweep.receipts = xcalloc(sweep.nreceipts + 1, sizeof(*sweep.receipts));
	for (size_t i = 0; i < sweep.nreceipts; i++) {
		struct receipt *r = &sweep.receipts[i];

		*r = all[i];
		r->text = (struct buf){.overflow = false};
		buf_init(&r->text, buf_len(&all[i].text));
		buf_add(&r->text, buf_data(&all[i].text), buf_len(&all[i].text));
	}
}

static void
lay_out(void)
{
	receiver_reset();
	whole_remove(tree_path(dir, "log"));
	if (sweep.scene->no_spool)
		whole_remove(tree_path(dir, "spool"));
	else
		tree_copy(tree_path(dir, "before"), tree_path(dir, "spool"));
	record_begin(&sweep.record, dir);
	sweep.from = sweep.record.first;
	sweep.after_kill = false;
	sweep.resubmits = sweep.scene->rcpts[0] != NULL;
}

/* --- promises --- */

static bool
tells_of(const char *line, const struct receipt *r)
{
	char told[3 * RECEIVER_NAME_MAX];

	snprintf(told, sizeof(told), " %s: to=<%s>,", r->id, r->rcpt);
	return strstr(line, told) != NULL && strstr(line, "status=sent") != NULL;
}

static void
note_promises(const struct record_event *e)
{
	struct promises *p = &sweep.promises;
	bool over = e->kind == RECORD_REST || (e->kind == RECORD_END && !WIFSIGNALED((int)e->at));

	p->receipts = e->receipts;
	for (size_t i = 0; i < p->receipts; i++) {
		if (e->kind == RECORD_SAID && tells_of(e->data, &sweep.receipts[i]))
			p->said[i] = true;
		p->kept[i] |= over && p->said[i];
	}
	/* What dies in mid-turn has promised nothing of it. */
	if (e->kind == RECORD_END && WIFSIGNALED((int)e->at))
		memset(p->said, 0, sizeof(p->said));
	if (e->kind == RECORD_END && e == &sweep.record.events[sweep.record.n - 1])
		p->accepted =
		    sweep.resubmits && WIFEXITED((int)e->at) && WEXITSTATUS((int)e->at) == 0;
}

/* --- a point --- */

static void
see_one(void *ctx, const char *name)
{
	(void)name;
	*(bool *)ctx = true;
}

static bool
is_queued(void)
{
	bool any = false;

	tree_each(tree_path(tree_path(dir, "spool"), "ctl"), see_one, &any);
	return any;
}

static void
put_receipts(void)
{
	for (size_t i = 0; i < sweep.promises.receipts; i++)
		receiver_put(sweep.receipts[i].rcpt, &sweep.receipts[i].text);
}

/*
 * What is promised must be on the disk, before anybody does anything about it. One thing goes beyond
 * that: a report whose maker was killed before he had noted it durably. Once another run has
 * delivered it, only that note in memory kept it from being made again.
 */
static void
judge_promises(void)
{
	size_t n;
	struct receipt *all = receiver_receipts(&n);

	for (size_t i = 0; i < n; i++)
		if (sweep.after_kill && strchr(all[i].id, '.') != NULL)
			all[i].unrecorded = true;
		else if (sweep.promises.kept[i] && all[i].unrecorded)
			judge_note(JUDGE_DUPLICATED, "%s to %s was done with, and is forgotten",
			    all[i].id, all[i].rcpt);
}

static const char *
moment(void)
{
	static char text[300];

	snprintf(text, sizeof(text), "%scut %zu, behind %s", sweep.how, sweep.event,
	    sweep.record.events[sweep.event].what);
	return text;
}

static void
count_found(const disk_state *state)
{
	bool any = false;

	for (enum judge_kind kind = JUDGE_LOST; kind < JUDGE_KINDS; kind++) {
		count.found[kind] += judge_found(kind);
		any |= judge_found(kind);
	}
	count.points++;
	count.wrong += any;
	if (any) {
		fprintf(stderr, "%s: on a disk of which everything is there, but:\n",
		    sweep.scene->name);
		disk_describe(sweep.disk, state, stderr);
	}
}

static void
try_point(const disk_state *state)
{
	receiver_reset();
	put_receipts();
	whole_remove(tree_path(dir, "spool"));
	disk_make(sweep.disk, state, dir);
	/* Its submitter was killed and had promised nothing; part of it was delivered, the rest is gone. */
	if (sweep.after_kill && sweep.scene->rcpts[0] != NULL && !sweep.promises.accepted &&
	    !is_queued())
		receiver_reset();
	judge_begin(sweep.scene, dir, moment());
	judge_cut(sweep.promises.accepted, false, PROMISES);
	judge_promises();
	if (opt.keep)
		tree_copy(tree_path(dir, "spool"), tree_path(dir, "cut"));
	afterwards_finish(dir);
	count_found(state);
}

/* Whether it is new; then it is not any more. */
static bool
is_new(uint64_t point)
{
	size_t i;

	if (2 * (sweep.nseen + 1) > sweep.seen_cap) {
		uint64_t *old = sweep.seen;
		size_t cap = sweep.seen_cap;

		sweep.seen_cap = cap != 0 ? 2 * cap : 1024;
		sweep.seen = xcalloc(sweep.seen_cap, sizeof(*sweep.seen));
		sweep.nseen = 0;
		for (i = 0; i < cap; i++)
			if (old[i] != 0)
				is_new(old[i]);
		free(old);
	}
	for (i = (size_t)point & (sweep.seen_cap - 1); sweep.seen[i] != 0;
	     i = (i + 1) & (sweep.seen_cap - 1))
		if (sweep.seen[i] == point)
			return false;
	sweep.seen[i] = point;
	sweep.nseen++;
	return true;
}

static void
on_state(void *ctx, const disk_state *state)
{
	uint64_t point =
	    whole_digest(disk_digest(sweep.disk, state), &sweep.promises, sizeof(sweep.promises));

	(void)ctx;
	if (count.wrong >= (opt.keep ? 1 : SHOWN) || !is_new(point | 1) || sweep.counting ||
	    whole_digest(opt.seed, &point, sizeof(point)) > sweep.share)
		return;
	try_point(state);
}

/* --- a recording --- */

static void
replay(size_t states, bool counting)
{
	const struct record *r = &sweep.record;

	sweep.counting = counting;
	memset(&sweep.promises, 0, sizeof(sweep.promises));
	sweep.nseen = sweep.seen_cap = 0;
	free(sweep.seen);
	sweep.seen = NULL;
	sweep.disk = disk_new();
	for (size_t i = 0; i < r->n; i++) {
		record_replay(r, i, sweep.disk);
		note_promises(&r->events[i]);
		sweep.event = i;
		if (i + 1 >= sweep.from)
			disk_each_state(sweep.disk, states, opt.seed + i, on_state, NULL);
	}
	disk_free(&sweep.disk);
}

static void
cut_everywhere(size_t states, size_t sample)
{
	keep_receipts();
	sweep.share = UINT64_MAX;
	if (sample != 0) {
		replay(states, true);
		if (sweep.nseen > sample)
			sweep.share = UINT64_MAX / sweep.nseen * sample;
	}
	replay(states, false);
	while (sweep.nreceipts > 0)
		buf_free(&sweep.receipts[--sweep.nreceipts].text);
	free(sweep.receipts);
	record_free(&sweep.record);
}

static unsigned
cut_plainly(unsigned *syncs)
{
	struct record_run run = {.kill_at = 0};

	sweep.how = "";
	lay_out();
	record_command(NULL, &run);
	*syncs = run.syncs;
	cut_everywhere(opt.states, opt.sample);
	return run.changes;
}

/* One is killed before its n-th change; the next does what is to be done, and cleans. */
static void
cut_behind_a_kill(unsigned n, size_t points)
{
	struct record_run run = {.kill_at = n}, next = {.kill_at = 0};
	char how[60];

	snprintf(how, sizeof(how), "killed before change %u, another run days later, ", n);
	sweep.how = how;
	lay_out();
	record_command(NULL, &run);
	afterwards_days_later(dir);
	sweep.after_kill = true;
	sweep.from = sweep.record.n;
	sweep.resubmits = sweep.scene->rcpts[0] != NULL && !is_queued();
	record_command(sweep.resubmits ? NULL : "-q", &next);
	cut_everywhere(BEHIND_STATES, points);
}

static void
cut_behind_a_failure(unsigned n, size_t points)
{
	struct record_run run = {.fail_sync = n};
	char how[60];

	snprintf(how, sizeof(how), "sync %u has failed, ", n);
	sweep.how = how;
	lay_out();
	record_command(NULL, &run);
	cut_everywhere(BEHIND_STATES, points);
}

/* --- scenes --- */

/* Says what was found since the last row; whether all was well. */
static bool
say_row(const char *what)
{
	bool well = count.wrong == 0;

	printf("ROW\tpower cut%s: %s\t%lu\t%lu\t%lu\t%lu\n", what, sweep.scene->name, count.points,
	    count.found[JUDGE_LOST], count.found[JUDGE_DUPLICATED], count.found[JUDGE_LEAKED]);
	fflush(stdout);
	memset(&count, 0, sizeof(count));
	return well;
}

/* Some n of 1 to `most`, evenly, so that there are points enough; where it begins is chance. */
static bool
for_some(unsigned most, void (*cut)(unsigned n, size_t points), const char *what)
{
	size_t points = opt.sample != 0 ? opt.sample : opt.behind;
	unsigned step = (unsigned)(most * BEHIND_POINTS / points + 1), n;

	if (step > most)
		step = most;
	for (n = most == 0 ? 1 : 1 + (unsigned)(opt.seed % step); n <= most; n += step)
		cut(n, points * step / most + 1);
	return say_row(what);
}

static bool
sweep_scene(const struct scene *s)
{
	unsigned changes, syncs;
	bool well;

	sweep.scene = s;
	changes = cut_plainly(&syncs);
	well = say_row("");
	well = for_some(changes, cut_behind_a_kill, " behind a kill") && well;
	return for_some(syncs, cut_behind_a_failure, " behind a failed sync") && well;
}

static bool
wanted(const struct scene *s)
{
	if (s->stop != STOP_NOBODY || s->slow || s->changes_nothing || s->dns)
		return false;
	return opt.only == NULL || str_starts(s->name, opt.only);
}

static int
one_scene(const struct scene *s)
{
	bool ok;

	afterwards_make_dir(dir);
	receiver_open();
	scene_make(s, dir, &opt.programs);
	ok = sweep_scene(s);
	if (opt.keep && !ok)
		printf("see %s/cut\n", dir);
	else
		whole_remove(dir);
	fflush(stdout);
	return ok ? 0 : 1;
}

static bool
one_ends(void)
{
	int status;

	return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int
all_scenes(void)
{
	unsigned long running = 0;
	bool ok = true;

	for (size_t i = 0; i < nscenes; i++) {
		pid_t pid;

		if (!wanted(&scenes[i]))
			continue;
		if (running == opt.jobs) {
			ok = one_ends() && ok;
			running--;
		}
		if ((pid = fork()) < 0)
			die(EX_OSERR, "cannot fork: %s", strerror(errno));
		if (pid == 0)
			exit(one_scene(&scenes[i]));
		running++;
	}
	for (; running > 0; running--)
		ok = one_ends() && ok;
	return ok ? 0 : 1;
}

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE, "usage: cut SORTIE FRONT [--states N] [--sample N] [--behind N] [--seed N] "
		      "[--only SCENE] [--jobs N] [--keep]");
}

static uint64_t
number(const char *s)
{
	uint64_t n;

	if (s == NULL || !str_u64(s, UINT64_MAX / 2, &n) || n == 0)
		usage();
	return n;
}

static void
options(int argc, char **argv)
{
	if (argc < 3)
		usage();
	opt.programs = (struct scene_programs){argv[1], argv[2]};
	opt.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--keep") == 0)
			opt.keep = true;
		else if (strcmp(argv[i], "--states") == 0)
			opt.states = (size_t)number(argv[++i]);
		else if (strcmp(argv[i], "--sample") == 0)
			opt.sample = (size_t)number(argv[++i]);
		else if (strcmp(argv[i], "--behind") == 0)
			opt.behind = (size_t)number(argv[++i]);
		else if (strcmp(argv[i], "--seed") == 0)
			opt.seed = number(argv[++i]);
		else if (strcmp(argv[i], "--jobs") == 0)
			opt.jobs = (unsigned long)number(argv[++i]);
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
		printf("cut: skipped: ptrace(2) is not permitted, or not there\n");
		return 0;
	}
	printf("cut: seed %llu\n", (unsigned long long)opt.seed);
	fflush(stdout);
	return all_scenes();
}
