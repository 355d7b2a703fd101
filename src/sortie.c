/*
 * sortie.c: persona and mode -> what to run. Wiring only.
 */
#include "sortie.h"

#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "config.h"
#include "keeper.h"
#include "mailq.h"
#include "network.h"
#include "options.h"
#include "privilege.h"
#include "runner.h"
#include "sortie_background.h"
#include "spool/spool.h"
#include "submit.h"
#include "verify.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc/sortie"
#endif
#ifndef VERSION
#define VERSION "0"
#endif

struct program {
	struct options options;
	struct config config;
	struct spool *spool;
	char why[512]; /* one line: what went wrong */
};

/* Every error is one line: what, where, what to do. */
static int
complain(int rc, const char *why)
{
	fprintf(stderr, "sortie: %s\n", why);
	return rc;
}

/* --- submission --------------------------------------------------------------------------- */

static void
on_stop(int sig)
{
	(void)sig;
	submit_stop = 1;
}

/* Before the commit a signal means: nothing is queued. The read must be interrupted, so no SA_RESTART. */
static void
catch_stops(void (*handler)(int))
{
	static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = handler;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		sigaction(stops[i], &sa, NULL);
}

static int
deliver_now(struct program *p, const char *id)
{
	struct runner_options o = {
	    .kind = RUNNER_ONE,
	    .spool = p->spool,
	    .config = &p->config,
	    .id = id,
	    .lock = -1,
	};

	runner_run(&o); /* whatever became of it: it is queued, and that is what the caller asked */
	return EX_OK;
}

static int
run_submit(struct program *p, const char *called)
{
	const struct options *o = &p->options;
	const struct passwd *pw = getpwuid(privilege_caller());
	char login[32], id[ENVELOPE_ID_MAX + 1];
	struct submit_options so = {
	    .hostname = config_hostname(&p->config),
	    .domain = p->config.domain,
	    .login = pw != NULL ? pw->pw_name : login,
	    .gecos = pw != NULL ? pw->pw_gecos : NULL,
	    .uid = (long long)privilege_caller(),
	    .sender = o->sender,
	    .full_name = o->full_name,
	    .from_headers = o->from_headers,
	    .ignore_dots = o->ignore_dots,
	    .recipients = o->recipients,
	    .nrecipients = o->nrecipients,
	    .source = called,
	    .max_size = p->config.max_size,
	    .input = STDIN_FILENO,
	};
	int rc;

	snprintf(login, sizeof(login), "uid%lld", so.uid);
	submit_stop = 0;
	catch_stops(on_stop);
	rc = submit(p->spool, &so, id, p->why, sizeof(p->why));
	catch_stops(SIG_DFL);
	if (rc != EX_OK)
		return complain(rc, p->why);
	die_as(EX_OK); /* it is queued, whatever happens now: the caller must not send it again */
	if (o->verbose || o->delivery == DELIVER_NOW)
		return deliver_now(p, id);
	if (o->delivery == DELIVER_BACKGROUND)
		sortie_deliver_in_background(p->spool, &p->config, so.uid);
	return EX_OK;
}

/* --- queue runs --------------------------------------------------------------------------- */

static bool
may_see_all(const struct program *p)
{
	struct stat st;

	uid_t uid = privilege_caller();

	return uid == 0 || (stat(p->config.spool, &st) == 0 && st.st_uid == uid);
}

/* A log that cannot be opened (a full disk, a folder missing) is nothing to stop the mail for. */
static void
open_log(const char *where)
{
	int error;

	if (log_open(where, "sortie") == 0)
		return;
	error = errno;
	log_open("syslog", "sortie");
	log_warn("log %s: %s; syslog is used instead", where, strerror(error));
}

static int
read_config(struct program *p)
{
	const char *path = p->options.config;
	bool missing_ok = path == NULL;
	int rc;

	if (path == NULL)
		path = SYSCONFDIR "/sortie.conf";
	config_init(&p->config);
	rc = config_read(&p->config, path, missing_ok, p->why, sizeof(p->why));
	if (rc != EX_OK)
		return rc;
	if (missing_ok &&
	    p->config.auth == NULL) { /* a file of the machine's: not with somebody's own -C */
		p->config.auth = xstrdup(SYSCONFDIR "/auth");
		p->config.auth_missing_ok = true;
	}
	return EX_OK;
}

/* What depends on whom we have become: the log is to be his, and credentials. */
static void
use_config(struct program *p)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw != NULL) {
		p->config.home = xstrdup(pw->pw_dir);
		p->config.user = xstrdup(pw->pw_name);
	}
	open_log(p->config.log);
}

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

/* Why it cannot be used instead of the old one; NULL: it can. */
static const char *
check_new_config(struct program *p, const struct config *old)
{
	if (read_config(p) != EX_OK)
		return p->why;
	use_config(p);
	if (strcmp(p->config.spool, old->spool) != 0)
		return "the spool cannot be changed while running";
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
	open_log(p->config.log);
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
		return complain(EX_OSERR, "cannot make a pipe");
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

	if (!may_see_all(p)) {
		if (o->verbose || o->nfilters > 0 || o->interval_s > 0)
			return complain(EX_NOPERM,
			    "-q with -v, a time or a filter is for root and the spool's owner");
		/* his own mail alone: whoever starts a process can stop it, and what it has locked */
		ro.kind = RUNNER_USER;
		ro.uid = (long long)privilege_caller();
	}
	if (o->daemon)
		log_info("this program does not listen: -bd means a queue run now and then");
	return ro.kind == RUNNER_RESIDENT ? run_resident(p, &ro) : runner_run(&ro);
}

static int
run_mailq(struct program *p)
{
	long long uid = may_see_all(p) ? -1 : (long long)privilege_caller();

	return mailq_print(p->spool, stdout, uid, clock_wall_s());
}

static int
run_verify(struct program *p)
{
	const struct options *o = &p->options;
	struct verify_options vo = {
	    .config = &p->config,
	    .spool = p->spool,
	    .sender = o->sender != NULL ? o->sender : "",
	    .addresses = o->recipients,
	    .naddresses = o->nrecipients,
	    .connect = o->verbose,
	};

	if (o->nrecipients == 0)
		return complain(EX_USAGE, "-bv: name the addresses to look at");
	if (o->verbose && !may_see_all(p)) /* it logs in with the machine's credentials */
		return complain(EX_NOPERM, "-bv -v is for root and the spool's owner");
	return verify_run(&vo, stdout);
}

/* --- modes -------------------------------------------------------------------------------- */

static int
run_mode(struct program *p, const char *called)
{
	int rc = spool_open(&p->spool, p->config.spool, p->why, sizeof(p->why));
	size_t n;

	if (rc != EX_OK) {
		n = strlen(p->why);
		if (p->options.as_caller && p->options.config == NULL)
			snprintf(p->why + n, sizeof(p->why) - n,
			    "; -d, and -o settings that are not for everybody, mean the caller's "
			    "own "
			    "rights");
		return complain(rc, p->why);
	}
	if (p->options.mode == MODE_SUBMIT)
		rc = run_submit(p, called);
	else if (p->options.mode == MODE_QUEUE)
		rc = run_queue(p);
	else if (p->options.mode == MODE_VERIFY)
		rc = run_verify(p);
	else
		rc = run_mailq(p);
	spool_close(&p->spool);
	return rc;
}

/* With the right rights: those of the program's own user or, for what the caller has chosen, his. */
static int
take_rights(struct program *p)
{
	int rc;

	if (p->options.as_caller)
		rc = privilege_as_caller(p->why, sizeof(p->why));
	else
		rc = privilege_as_program(p->why, sizeof(p->why));
	if (rc == -1)
		return EX_OSERR;
	/* The caller's working directory is none of ours, nor may we have the right to be there. */
	if (p->options.config == NULL && chdir("/") == -1)
		log_warn("cannot change to /: %s", strerror(errno));
	if ((rc = read_config(p)) != EX_OK)
		return rc;
	if (privilege_as_owner(
		p->config.spool, p->options.config == NULL, p->why, sizeof(p->why)) == -1)
		return EX_OSERR;
	/* What root had open is not for whoever takes over a run that is not root's any more. */
	if (privilege_caller() == 0 && geteuid() != 0)
		descriptors_close(-1, true);
	use_config(p);
	return EX_OK;
}

static int
run(struct program *p, const char *called)
{
	int rc;

	switch (p->options.mode) {
	case MODE_VERSION:
		printf("sortie %s\n", VERSION);
		return EX_OK;
	case MODE_ALIASES: /* there is no database of aliases to rebuild */
	case MODE_HOSTSTAT: /* nothing about hosts is kept between runs */
	case MODE_PURGESTAT:
		return EX_OK;
	case MODE_SMTP:
		return complain(
		    EX_UNAVAILABLE, "-bs is not built in: pipe the message to this command");
	case MODE_SUBMIT:
	case MODE_MAILQ:
	case MODE_QUEUE:
	case MODE_VERIFY:
		break;
	}
	if ((rc = take_rights(p)) == EX_OK)
		rc = run_mode(p, called);
	else
		complain(rc, p->why);
	config_free(&p->config);
	return rc;
}

int
sortie_run(int argc, char **argv)
{
	struct program p;
	const char *called = argc > 0 && argv[0] != NULL ? argv[0] : "sortie";
	int rc;

	memset(&p, 0, sizeof(p));
	die_as(-1);
	if (strrchr(called, '/') != NULL)
		called = strrchr(called, '/') + 1;
	rc = options_parse(&p.options, argc, argv, p.why, sizeof(p.why));
	if (rc != EX_OK) {
		complain(rc, p.why);
	} else {
		log_verbose(p.options.verbose);
		rc = run(&p, called);
	}
	options_free(&p.options);
	return rc;
}
