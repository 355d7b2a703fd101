/*
 * deliver.c: delivery by this process itself: queue runs, -bv, and what has just been submitted.
 */
#include "deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "background.h"
#include "base/alloc.h"
#include "base/log.h"
#include "confine.h"
#include "helper.h"
#include "keeper.h"
#include "network.h"
#include "privilege.h"
#include "runner.h"
#include "spool/envelope.h"
#include "verify.h"

int
deliver_exec(char **argv)
{
	(void)argv;
	return EX_OK;
}

/* Nobody waits for the mailboxes but a run of its own: what has just been submitted goes on without rights. */
void
deliver_with_rights(struct program *p)
{
	if (confine_allowed() && (p->options.mode == MODE_QUEUE || p->options.mode == MODE_DELIVER))
		helper_local_begin(&p->config);
}

/* Of the user that we have become, for commands that print secrets. */
static void
find_home(struct config *c)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw == NULL)
		return;
	c->home = xstrdup(pw->pw_dir);
	c->user = xstrdup(pw->pw_name);
}

/* --- what has just been submitted --------------------------------------------------------- */

static int
run_one(struct program *p, const char *id, int orders)
{
	struct runner_options o = {
	    .kind = RUNNER_ONE,
	    .spool = p->spool,
	    .config = &p->config,
	    .id = id,
	    .lock = -1,
	    .orders = orders,
	};

	find_home(&p->config);
	return runner_run(&o);
}

void
deliver_one(struct program *p, const char *id)
{
	(void)run_one(p, id, 0);
}

static void
run_user(void *ctx, long long uid, int lock)
{
	struct program *p = ctx;
	struct runner_options o = {
	    .kind = RUNNER_USER,
	    .spool = p->spool,
	    .config = &p->config,
	    .uid = uid,
	    .lock = lock,
	};

	if (chdir("/") != 0)
		log_warn("cannot change to /: %s", strerror(errno));
	find_home(&p->config);
	(void)runner_run(&o);
}

void
deliver_in_background(struct program *p, long long uid)
{
	background_deliver(p->spool, uid, p->config.path, run_user, p);
}

/* A signal for all processes of ours is one order, and comes by the submitter. */
static int
obey(struct program *p)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	(void)fcntl(p->options.fd, F_SETFD, FD_CLOEXEC);
	return run_one(p, p->options.id, p->options.fd);
}

/*
 * For a submitter that is another process (front.c): what deliver_one() and deliver_in_background() do.
 * With his mail comes run/UID, locked before we were started, so that nobody else begins meanwhile.
 */
static int
run_submitted(struct program *p)
{
	const struct options *o = &p->options;
	char name[32];
	int lock;

	if (!program_may_see_all(p))
		return program_complain(
		    EX_NOPERM, "--deliver is for root and the spool's owner; try -qI");
	privilege_called_by((uid_t)o->uid);
	if (o->id != NULL)
		return envelope_id_ok(o->id)
			   ? obey(p)
			   : program_complain(EX_USAGE, "--deliver: no such message");
	snprintf(name, sizeof(name), "%lld", o->uid);
	if ((lock = spool_runner_adopt(p->spool, name, o->fd)) >= 0)
		run_user(p, o->uid, lock);
	else
		spool_wake(p->spool); /* whoever has it delivers for us */
	return EX_OK;
}

/* --- queue runs --------------------------------------------------------------------------- */

/* Whether a run can begin, in a process of its own: this one loads nothing that it does not need. */
static int
try_network(void *ctx, int orders)
{
	struct program *p = ctx;
	struct network n;
	int rc = network_open(&n, &p->config);

	(void)orders;
	if (rc == EX_OK)
		network_close(&n, NULL);
	return rc;
}

/* The process that writes to mailboxes was told once, by root, where they are. */
static bool
has_same_mailboxes(const struct config *a, const struct config *b)
{
	bool needed = a->local == CONFIG_LOCAL_MAILDIR || a->local == CONFIG_LOCAL_MBOX;

	if (a->local != b->local)
		return !needed && b->local != CONFIG_LOCAL_MAILDIR && b->local != CONFIG_LOCAL_MBOX;
	return !needed || strcmp(a->local_path, b->local_path) == 0;
}

/* Why it cannot be used instead of the old one; NULL: it can. */
static const char *
check_new_config(struct program *p, const struct config *old)
{
	if (program_read_config(p) != EX_OK)
		return p->why;
	find_home(&p->config);
	program_open_log(p->config.log);
	if (strcmp(p->config.spool, old->spool) != 0)
		return "the spool cannot be changed while running";
	if (!has_same_mailboxes(&p->config, old))
		return "mailboxes cannot be changed while running";
	if (keeper_try(try_network, p) != EX_OK)
		return "nobody can run with the new one"; /* the log says why */
	return NULL;
}

/* SIGHUP: a bad configuration is logged, and the old one kept. */
static void
reload_config(struct program *p)
{
	struct config old = p->config;
	const char *why = check_new_config(p, &old);

	if (why == NULL) {
		config_free(&old);
		log_info("configuration read again");
		return;
	}
	log_warn("the old configuration is kept: %s", why);
	config_free(&p->config);
	p->config = old;
	program_open_log(p->config.log);
}

static int
run_once(void *ctx, int orders)
{
	struct runner_options *ro = ctx;

	ro->orders = orders;
	return runner_run(ro);
}

/*
 * What a first runner could not begin with is for whoever starts us; later it may be mended any time,
 * or pass by itself.
 */
static int
run_resident(struct program *p, struct runner_options *ro)
{
	bool began = false;
	int rc;

	signal(SIGHUP, SIG_IGN); /* between two runners: it comes again, or was just heeded */
	if (keeper_begin() == -1)
		return program_complain(EX_OSERR, "cannot make a pipe");
	for (;;) {
		rc = keeper_run(run_once, ro);
		if (rc == RUNNER_RELOAD)
			began = true;
		else if ((rc != EX_CONFIG && rc != EX_TEMPFAIL) || !began || !keeper_pause())
			break;
		reload_config(p);
	}
	keeper_end();
	return rc;
}

static int
run_queue(struct program *p)
{
	const struct options *o = &p->options;
	struct runner_options ro = {
	    .kind = o->interval_s > 0 ? RUNNER_RESIDENT : RUNNER_PASS,
	    .spool = p->spool,
	    .config = &p->config,
	    .interval_s = o->interval_s,
	    .filters = o->filters,
	    .nfilters = o->nfilters,
	    .lock = -1,
	    .progress = !o->verbose && isatty(STDERR_FILENO),
	};

	if (!program_may_see_all(p)) {
		if (o->verbose || o->nfilters > 0 || o->interval_s > 0)
			return program_complain(EX_NOPERM,
			    "-q with -v, a time or a filter is for root and the spool's owner");
		/* his own mail alone: whoever starts a process can stop it, and what it has locked */
		ro.kind = RUNNER_USER;
		ro.uid = (long long)privilege_caller();
	}
	find_home(&p->config);
	if (o->daemon)
		log_info("this program does not listen: -bd means a queue run now and then");
	return ro.kind == RUNNER_RESIDENT ? run_resident(p, &ro) : runner_run(&ro);
}

/* --- -bv ---------------------------------------------------------------------------------- */

static int
run_verify(struct program *p)
{
	const struct options *o = &p->options;
	struct verify_list list = {0};
	struct verify_options vo = {
	    .config = &p->config,
	    .spool = p->spool,
	    .sender = o->sender != NULL ? o->sender : "",
	    .addresses = o->recipients,
	    .naddresses = o->nrecipients,
	    .connect = o->verbose,
	};
	int rc, verified;

	if (o->nrecipients == 0)
		return program_complain(EX_USAGE, "-bv: name the addresses to look at");
	if (o->verbose && !program_may_see_all(p)) /* it logs in with the machine's credentials */
		return program_complain(EX_NOPERM, "-bv -v is for root and the spool's owner");
	find_home(&p->config);
	rc = verify_expand(&vo, &list, stdout);
	vo.addresses = list.v;
	vo.naddresses = (int)list.n;
	verified = verify_run(&vo, stdout);
	verify_list_free(&list);
	return rc != EX_OK ? rc : verified;
}

int
deliver_run(struct program *p)
{
	int rc;

	if (p->options.mode == MODE_VERIFY)
		return run_verify(p);
	rc = p->options.mode == MODE_DELIVER ? run_submitted(p) : run_queue(p);
	helper_local_end();
	return rc;
}
