/*
 * runner.c: who runs. The reactor's turns, passes, signals, the wake-up, the line of progress.
 *
 * SIGTERM or SIGINT: no new work; sessions that have not sent their final dot close, answers to
 * those that have are waited for, at most ten seconds; a second signal does not wait. SIGHUP: a
 * resident runner does the same, but waits for as long as the server has, and begins anew with its
 * configuration read again; one pass takes it as SIGTERM; a submitter's child, which has no terminal
 * to lose, ignores it.
 */
#include "runner.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "confine.h"
#include "helper.h"
#include "ledger.h"
#include "net/reactor.h"
#include "network.h"
#include "queue.h"
#include "site.h"
#include "trace.h"

enum {
	IDLE_MS = 2000, /* a session without work is kept so long */
	LINGER_MS = 2000, /* a user's runner waits so long for more of his mail */
	GRACE_MS = 10000,
	PROGRESS_MS = 250,
	TELL_MS = 60 * 1000,
	FILE_ROOM = 1 << 20, /* for thousands of lines in a control file */
};

static const char FULL[] = "full"; /* the lock of those who deliver everybody's mail */

struct runner {
	const struct runner_options *options;
	struct network network;
	struct reactor *reactor; /* the network's */
	struct sites *sites;
	struct queue *queue;
	struct ledger *ledger;
	struct traces *traces;
	struct messages_counts told; /* to the ledger */
	struct watch signals, wake;
	struct timer interval, linger, grace, progress, tell;
	int wake_fd, full_lock, user_lock;
	int signalled; /* SIGTERM and SIGINT so far */
	bool reload, over;
	struct stat config; /* the file, as it was in the beginning; st_ino 0: there was none */
	int64_t started_ms, pass_ms; /* the runner; its last pass */
	unsigned passes; /* that the ledger has not been told of */
	int64_t pass_at; /* the last of them, seconds since 1970 */
};

/* --- signals ------------------------------------------------------------------------------ */

static int signal_pipe[2] = {-1, -1};
static const int caught[] = {SIGTERM, SIGINT, SIGHUP};
enum { NCAUGHT = sizeof(caught) / sizeof(caught[0]) };
static struct sigaction before[NCAUGHT];

static void
on_signal(int sig)
{
	int saved = errno;
	char c = (char)sig;

	if (write(signal_pipe[1], &c, 1) < 0)
		errno = saved; /* the pipe is full of signals not yet seen: enough */
	errno = saved;
}

/* With a keeper they come by his pipe, and the signals themselves are his. */
static int
signals_begin(int orders)
{
	struct sigaction sa;

	signal_pipe[0] = orders;
	if (orders > 0)
		return 0;
	if (pipe(signal_pipe) != 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		fcntl(signal_pipe[i], F_SETFD, FD_CLOEXEC);
		fcntl(signal_pipe[i], F_SETFL, O_NONBLOCK);
	}
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < NCAUGHT; i++)
		sigaction(caught[i], &sa, &before[i]);
	return 0;
}

static void
signals_end(void)
{
	if (signal_pipe[1] < 0)
		return;
	for (size_t i = 0; i < NCAUGHT; i++)
		sigaction(caught[i], &before[i], NULL);
	close(signal_pipe[0]);
	close(signal_pipe[1]);
	signal_pipe[0] = signal_pipe[1] = -1;
}

static void
stop(struct runner *r)
{
	r->signalled++;
	queue_stop(r->queue);
	sites_stop(r->sites, r->signalled > 1);
	if (r->signalled == 1)
		timer_arm(r->reactor, &r->grace, reactor_now(r->reactor) + GRACE_MS);
}

static void
on_grace(void *ctx)
{
	struct runner *r = ctx;

	sites_stop(r->sites, true);
}

static void
begin_anew(struct runner *r)
{
	r->reload = true;
	queue_stop(r->queue); /* so that the pass comes to its end, */
	sites_stop(r->sites, false); /* and not with its last message */
}

static void
on_signals(void *ctx, short events)
{
	struct runner *r = ctx;
	ssize_t n;
	char c;

	(void)events;
	while ((n = read(signal_pipe[0], &c, 1)) == 1) {
		if (c == SIGHUP && r->options->kind == RUNNER_RESIDENT)
			begin_anew(r);
		else if (c != SIGHUP || r->options->kind != RUNNER_USER)
			stop(r);
	}
	if (n == 0) { /* the keeper is no more */
		watch_remove(r->reactor, &r->signals);
		stop(r);
	}
}

/* --- waking and waiting ------------------------------------------------------------------- */

static bool
idle(const struct runner *r)
{
	return queue_pass_done(r->queue);
}

/* What was seen of sites, and the counts since the last time. */
static void
tell(struct runner *r)
{
	const struct messages_counts *c = messages_counts(queue_messages(r->queue));
	struct messages_counts *told = &r->told;
	struct ledger_record all = {
	    .ok_at = r->pass_at,
	    .counts =
		{
		    [LEDGER_SENT] = c->sent - told->sent,
		    [LEDGER_DEFERRED] = c->deferred - told->deferred,
		    [LEDGER_BOUNCED] = c->failed - c->expired - (told->failed - told->expired),
		    [LEDGER_EXPIRED] = c->expired - told->expired,
		    [LEDGER_MESSAGES] = c->finished - told->finished,
		    [LEDGER_PASSES] = r->passes,
		},
	};

	sites_tell(r->sites);
	if (memcmp(c, told, sizeof(*c)) != 0 || r->passes > 0)
		ledger_tell(r->ledger, "", &all);
	*told = *c;
	r->passes = 0;
}

/* While there is work, so that a runner that sleeps does not wake up for it. */
static void
arm_tell(struct runner *r)
{
	if (!timer_armed(&r->tell))
		timer_arm(r->reactor, &r->tell, reactor_now(r->reactor) + TELL_MS);
}

static void
on_tell(void *ctx)
{
	struct runner *r = ctx;

	tell(r);
	ledger_save(r->ledger);
	if (!idle(r))
		arm_tell(r);
}

static void
start_pass(struct runner *r)
{
	r->pass_ms = reactor_now(r->reactor);
	if (r->options->kind != RUNNER_USER && r->options->kind != RUNNER_ONE &&
	    r->options->nfilters == 0) {
		r->passes++;
		r->pass_at = clock_wall_s();
	}
	arm_tell(r);
	auth_new_run(r->network.auth);
	traces_look(r->traces);
	queue_start_pass(r->queue);
}

static void
ignore_calls(struct runner *r)
{
	watch_remove(r->reactor, &r->wake);
	if (r->wake_fd >= 0)
		sys.close(r->wake_fd);
	r->wake_fd = -1;
}

/* A full runner has come since: he is the one who is called, and a call is heard by one alone. */
static void
leave_calls_to_full(struct runner *r, bool anew)
{
	struct spool *sp = r->options->spool;

	if (r->options->kind != RUNNER_USER || !spool_runner_present(sp, FULL))
		return;
	ignore_calls(r);
	if (anew)
		spool_wake_anew(sp);
	else
		spool_wake(sp);
}

/* What was replaced may not be opened: that is for the next runner, which will find the mail that is due. */
static bool
must_begin_anew(struct runner *r)
{
	if (r->options->kind != RUNNER_RESIDENT)
		return false;
	if (confine_outdated())
		log_info("a file that is read by this run has been replaced: a new one begins");
	else if (helpers_lost() || auth_wants_helper(r->network.auth))
		log_info("a process that does things for this run is missing: a new one begins");
	else
		return false;
	begin_anew(r);
	return true;
}

static void
look_at_config(const struct runner *r, struct stat *st)
{
	if (r->options->config->path == NULL || stat(r->options->config->path, st) == -1)
		st->st_ino = 0;
}

/*
 * A user's mail goes as the configuration says when it is submitted: where that is another one by now, the
 * rest of it is left to the next runner, which whoever has called starts when the lock is free.
 */
static bool
leave_to_new_config(struct runner *r)
{
	struct stat now, *was = &r->config;

	if (r->options->kind != RUNNER_USER)
		return false;
	look_at_config(r, &now);
	if (now.st_ino == was->st_ino &&
	    (now.st_ino == 0 ||
		(now.st_dev == was->st_dev && now.st_ctim.tv_sec == was->st_ctim.tv_sec &&
		    now.st_ctim.tv_nsec == was->st_ctim.tv_nsec)))
		return false;
	ignore_calls(r);
	queue_stop(r->queue);
	r->over = true;
	spool_unlock(&r->user_lock);
	return true;
}

static void
on_wake(void *ctx, short events)
{
	struct runner *r = ctx;
	int64_t now = reactor_now(r->reactor);
	bool anew = spool_wake_drain(r->wake_fd);

	(void)events;
	leave_calls_to_full(r, anew);
	if (r->signalled > 0 || r->over || r->reload || (idle(r) && must_begin_anew(r)) ||
	    leave_to_new_config(r))
		return;
	timer_disarm(r->reactor, &r->linger);
	arm_tell(r);
	if (anew) {
		start_pass(r);
		return;
	}
	/* what was learned about hosts is old, or nobody needs it */
	if (idle(r) || now - r->pass_ms >= r->options->config->retry_min_s * 1000) {
		r->pass_ms = now;
		sites_new_pass(r->sites);
	}
	queue_rescan(r->queue);
}

/* From the start on: what comes due while one server takes hours must not wait for that. */
static void
arm_interval(struct runner *r)
{
	timer_arm(
	    r->reactor, &r->interval, reactor_now(r->reactor) + r->options->interval_s * 1000);
}

static void
on_interval(void *ctx)
{
	struct runner *r = ctx;

	if (r->signalled > 0 || r->reload || must_begin_anew(r))
		return;
	arm_interval(r);
	if (r->full_lock < 0 && r->options->nfilters == 0) /* one that was killed had it still */
		r->full_lock = spool_runner_lock(r->options->spool, FULL);
	start_pass(r);
}

/*
 * Nothing is left to do. The lock is given back before the last look, so that whoever submits
 * from now on finds either this runner still looking or nobody in the way.
 */
static void
last_look(struct runner *r, int *lock, const char *name)
{
	bool had = *lock >= 0;

	spool_unlock(lock);
	if (!queue_look_again(r->queue)) {
		r->over = true;
		return;
	}
	if (had)
		*lock = spool_runner_lock(r->options->spool, name);
	if (had && *lock < 0) { /* another has taken over */
		queue_stop(r->queue);
		r->over = true;
	}
}

static void
on_linger(void *ctx)
{
	struct runner *r = ctx;
	char name[32];

	if (leave_to_new_config(r))
		return;
	snprintf(name, sizeof(name), "%lld", r->options->uid);
	last_look(r, &r->user_lock, name);
}

/* The pass is done: what now. */
static void
pass_done(struct runner *r)
{
	switch (r->options->kind) {
	case RUNNER_ONE:
		r->over = true;
		break;
	case RUNNER_PASS:
		last_look(r, &r->full_lock, FULL);
		break;
	case RUNNER_RESIDENT:
		r->over = r->reload;
		break;
	case RUNNER_USER:
		if (!timer_armed(&r->linger))
			timer_arm(r->reactor, &r->linger, reactor_now(r->reactor) + LINGER_MS);
		break;
	}
}

/* --- progress ----------------------------------------------------------------------------- */

static void
show_progress(struct runner *r, bool last)
{
	const struct messages_counts *c = messages_counts(queue_messages(r->queue));
	double seconds = (double)(clock_mono_ms() - r->started_ms) / 1000.0;

	fprintf(stderr, "\r%lu sent, %lu deferred, %lu failed, %zu in flight, %.0f/s\033[K%s",
	    c->sent, c->deferred, c->failed, sites_in_flight(r->sites),
	    seconds > 0 ? (double)(c->sent + c->deferred + c->failed) / seconds : 0.0,
	    last ? "\n" : "");
	fflush(stderr);
}

static void
on_progress(void *ctx)
{
	struct runner *r = ctx;

	show_progress(r, false);
	timer_arm(r->reactor, &r->progress, reactor_now(r->reactor) + PROGRESS_MS);
}

/* --- building and running ----------------------------------------------------------------- */

static void
build_sites(struct runner *r)
{
	struct config *c = r->options->config;
	struct sites_options s = {
	    .network = &r->network.session,
	    .sessions = r->network.sessions,
	    .sessions_per_site = c->sessions_per_site,
	    .connect_s = c->connect_s,
	    .helo = config_hostname(c),
	    .bind4 = &c->bind4,
	    .bind6 = &c->bind6,
	    .idle_ms = IDLE_MS,
	    .local = {.how = c->local, .hostname = config_hostname(c)},
	    .ledger = r->ledger,
	    .traces = r->traces,
	};

	s.local.helper = helper_local(&s.local.why);
	if (!helper_local_is_root())
		s.local.only = c->user != NULL ? c->user : "";
	memcpy(s.patience_s, c->patience_s, sizeof(s.patience_s));
	r->sites = sites_new(r->reactor, r->network.router, &s);
}

static void
build_queue(struct runner *r)
{
	const struct runner_options *o = r->options;
	struct config *c = o->config;
	struct queue_options q = {
	    .uid = o->kind == RUNNER_USER ? o->uid : -1,
	    .only = o->kind == RUNNER_ONE ? o->id : NULL,
	    .filters = o->filters,
	    .nfilters = o->nfilters,
	    .messages =
		{
		    .recipients = c->recipients,
		    .retry_min_s = c->retry_min_s,
		    .retry_max_s = c->retry_max_s,
		    .expire_s = c->expire_s,
		    .warn_s = c->warn_s,
		    .full = o->kind == RUNNER_PASS || o->kind == RUNNER_RESIDENT,
		    .bounce =
			{
			    .hostname = config_hostname(c),
			    .postmaster = c->postmaster,
			    .whole_max = 50000,
			    .expire_s = c->expire_s,
			},
		    .config = c,
		},
	};

	r->queue = queue_new(r->reactor, o->spool, r->sites, &q);
}

static void
watch_all(struct runner *r)
{
	const struct runner_options *o = r->options;

	watch_add(r->reactor, &r->signals, signal_pipe[0], POLLIN);
	if (o->kind == RUNNER_RESIDENT || o->kind == RUNNER_PASS) {
		/* somebody else may have it: then there is a full runner all the same */
		r->full_lock = o->nfilters == 0 ? spool_runner_lock(o->spool, FULL) : -1;
	}
	if (o->kind == RUNNER_RESIDENT || o->kind == RUNNER_USER || r->full_lock >= 0) {
		r->wake_fd = spool_wake_open(o->spool);
		if (r->wake_fd >= 0)
			watch_add(r->reactor, &r->wake, r->wake_fd, POLLIN);
		else
			log_warn("cannot open the wake-up: %s; new mail waits for the next pass",
			    strerror(errno));
	}
	if (o->progress)
		timer_arm(r->reactor, &r->progress, reactor_now(r->reactor) + PROGRESS_MS);
}

static bool
finished(struct runner *r)
{
	if (r->signalled > 0)
		return idle(r) && !sites_busy(r->sites);
	if (idle(r) && !r->over)
		pass_done(r);
	return r->over && idle(r);
}

static void
loop(struct runner *r)
{
	start_pass(r);
	if (r->options->kind == RUNNER_RESIDENT)
		arm_interval(r);
	while (!finished(r)) {
		reactor_turn(r->reactor);
		if (messages_broken(queue_messages(r->queue)) && r->signalled == 0)
			stop(r);
	}
	queue_stop(r->queue);
	sites_wind_down(r->sites);
	while (sites_busy(r->sites) || messages_count(queue_messages(r->queue)) > 0)
		reactor_turn(r->reactor);
}

static void
tear_down(struct runner *r)
{
	timer_disarm(r->reactor, &r->interval);
	timer_disarm(r->reactor, &r->linger);
	timer_disarm(r->reactor, &r->grace);
	timer_disarm(r->reactor, &r->progress);
	timer_disarm(r->reactor, &r->tell);
	tell(r);
	watch_remove(r->reactor, &r->signals);
	ignore_calls(r);
	spool_unlock(&r->user_lock);
	spool_unlock(&r->full_lock);
	queue_free(&r->queue);
	sites_free(&r->sites);
	ledger_free(&r->ledger);
	traces_free(&r->traces);
}

static int
outcome(const struct runner *r)
{
	if (messages_broken(queue_messages(r->queue)))
		return EX_TEMPFAIL;
	if (r->reload && r->signalled == 0)
		return RUNNER_RELOAD;
	return queue_failed(r->queue) ? EX_TEMPFAIL : EX_OK;
}

static void
init(struct runner *r)
{
	watch_init(&r->signals, on_signals, r);
	watch_init(&r->wake, on_wake, r);
	timer_init(&r->interval, on_interval, r);
	timer_init(&r->linger, on_linger, r);
	timer_init(&r->grace, on_grace, r);
	timer_init(&r->progress, on_progress, r);
	timer_init(&r->tell, on_tell, r);
	r->started_ms = clock_mono_ms();
	look_at_config(r, &r->config);
}

/*
 * What becomes of a recipient is appended to a control file. Where a hard limit on the size of files may be
 * in the way of that, somebody who was served would be served again by the next runner; so nothing is begun.
 */
static bool
can_record(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_FSIZE, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY ||
	    rl.rlim_cur >= FILE_ROOM)
		return true;
	log_warn("files may have %llu bytes at most: too few to record deliveries; none is begun",
	    (unsigned long long)rl.rlim_cur);
	return false;
}

/* All that is needed, and then no more than that. */
static int
prepare(struct runner *r)
{
	const struct runner_options *o = r->options;
	int rc = can_record() ? network_open(&r->network, o->config) : EX_TEMPFAIL;

	if (rc != EX_OK)
		return rc;
	if (confine_enter(o->config) != -1) {
		network_load_sessions(&r->network, o->spool);
		return EX_OK;
	}
	network_close(&r->network, NULL);
	return EX_TEMPFAIL;
}

int
runner_run(const struct runner_options *o)
{
	struct runner r = {.options = o, .wake_fd = -1, .full_lock = -1, .user_lock = o->lock};
	int rc;

	if (o->kind != RUNNER_USER)
		r.user_lock = -1;
	if (signals_begin(o->orders) != 0) {
		log_warn("cannot make a pipe: %s", strerror(errno));
		return EX_TEMPFAIL;
	}
	if (confine_allowed())
		helpers_begin(o->config);
	if ((rc = prepare(&r)) == EX_OK) {
		r.reactor = r.network.reactor;
		init(&r);
		r.ledger = ledger_new(o->spool);
		r.traces = traces_new(o->spool, r.reactor);
		build_sites(&r);
		build_queue(&r);
		watch_all(&r);
		loop(&r);
		rc = outcome(&r);
		if (o->progress)
			show_progress(&r, true);
		tear_down(&r);
		network_close(&r.network, o->spool);
	}
	helpers_end();
	signals_end();
	return rc;
}
