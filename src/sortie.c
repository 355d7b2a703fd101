/*
 * sortie.c: persona and mode -> what to run. Wiring only.
 */
#include "sortie.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "aliases.h"
#include "base/clock.h"
#include "base/log.h"
#include "deliver.h"
#include "mailq.h"
#include "privilege.h"
#include "program.h"
#include "smtpd.h"
#include "submit.h"

#ifndef VERSION
#define VERSION "0"
#endif

extern char **environ;

/* --- submission --------------------------------------------------------------------------- */

static void
on_stop(int sig)
{
	(void)sig;
	submit_stop = 1;
}

/*
 * Before the commit a signal means: nothing is queued. The read must be interrupted, so no SA_RESTART.
 * Behind it a signal means nothing, until somebody delivers who catches it himself: whoever sees us
 * killed would send the message again.
 */
static void
catch_stops(void)
{
	static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa;

	submit_stop = 0;
	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_stop;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		sigaction(stops[i], &sa, NULL);
}

static int
run_submit(struct program *p, const char *called)
{
	const struct options *o = &p->options;
	/* passwd is dear, by NSS, and a sender that is given needs no name */
	bool named = o->sender != NULL && o->sender[0] != '\0';
	const struct passwd *pw = named ? NULL : getpwuid(privilege_caller());
	char login[32], id[ENVELOPE_ID_MAX + 1];
	struct submit_options so = {
	    .hostname = config_hostname(&p->config),
	    .domain = p->config.domain,
	    .config = &p->config,
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
	catch_stops();
	rc = submit(p->spool, &so, id, p->why, sizeof(p->why));
	if (rc != EX_OK)
		return program_complain(rc, p->why);
	die_as(EX_OK); /* it is queued, whatever happens now: the caller must not send it again */
	if (o->verbose || o->delivery == DELIVER_NOW)
		deliver_one(p, id);
	else if (o->delivery == DELIVER_BACKGROUND)
		deliver_in_background(p, so.uid);
	return EX_OK;
}

/* --- modes -------------------------------------------------------------------------------- */

static int
run_mailq(struct program *p)
{
	long long uid = program_may_see_all(p) ? -1 : (long long)privilege_caller();

	return mailq_print(p->spool, stdout, uid, clock_wall_s());
}

static int
run_smtp(struct program *p, const char *called)
{
	catch_stops();
	return smtpd_session(p, called);
}

/* Whoever delivers in the background has nobody who reads what he says. A client of SMTP reads replies, and
 * it is none of his business. */
static int
give_up(struct program *p, int rc)
{
	if (p->options.mode == MODE_DELIVER)
		log_warn("%s", p->why);
	if (p->options.mode == MODE_SMTP)
		printf("421 4.3.0 the mail system is not ready\r\n");
	return program_complain(rc, p->why);
}

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
		return give_up(p, rc);
	}
	if (p->options.mode == MODE_SUBMIT)
		rc = run_submit(p, called);
	else if (p->options.mode == MODE_SMTP)
		rc = run_smtp(p, called);
	else if (p->options.mode == MODE_MAILQ)
		rc = run_mailq(p);
	else
		rc = deliver_run(p);
	spool_close(&p->spool);
	return rc;
}

/* What is known of hosts is for operators to see, and their program shows it, with the rights of whoever asks. */
static int
run_hoststat(struct program *p)
{
	char ctl[] = "sortiectl", conf[] = "-C", sites[] = "sites", path[PATH_MAX];
	char shown[] = "--hoststat", forgotten[] = "--forget";
	char *argv[6] = {ctl}, *config = (char *)(uintptr_t)p->options.config;
	size_t n = 1;

	if (privilege_as_caller(p->why, sizeof(p->why)) == -1)
		return program_complain(EX_OSERR, p->why);
	if (config != NULL) {
		argv[n++] = conf;
		argv[n++] = config;
	}
	argv[n++] = sites;
	argv[n] = p->options.mode == MODE_HOSTSTAT ? shown : forgotten;
	program_beside(ctl, path);
	execve(path, argv, environ);
	snprintf(p->why, sizeof(p->why), "%.400s, which looks after what is known of hosts: %s",
	    path, strerror(errno));
	return program_complain(EX_OSFILE, p->why);
}

static int
run(struct program *p, char **argv, const char *called)
{
	int rc;

	switch (p->options.mode) {
	case MODE_VERSION:
		printf("sortie %s\n", VERSION);
		return EX_OK;
	case MODE_HOSTSTAT:
	case MODE_PURGESTAT:
		return run_hoststat(p);
	case MODE_QUEUE:
	case MODE_VERIFY:
	case MODE_DELIVER:
		if ((rc = deliver_exec(argv)) != EX_OK)
			return rc;
		break;
	case MODE_SMTP:
		smtpd_shield_stderr();
		break;
	case MODE_SUBMIT:
	case MODE_MAILQ:
	case MODE_ALIASES:
		break;
	}
	if (p->options.mode == MODE_DELIVER)
		program_open_log("syslog");
	p->while_root = deliver_with_rights;
	if ((rc = program_take_rights(p)) == EX_OK && p->options.mode == MODE_ALIASES)
		rc = aliases_check(&p->config, config_hostname(&p->config), stdout);
	else if (rc == EX_OK)
		rc = run_mode(p, called);
	else
		give_up(p, rc);
	config_free(&p->config);
	return rc;
}

/* Who has asked is not told that all is well when the answer is lost; mail that was taken stays taken. */
static int
show(const struct program *p, int rc)
{
	bool asked = p->options.mode == MODE_VERSION || p->options.mode == MODE_VERIFY ||
		     p->options.mode == MODE_ALIASES;

	if (asked && rc == EX_OK && (fflush(stdout) != 0 || ferror(stdout)))
		rc = EX_IOERR;
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
		program_complain(rc, p.why);
	} else {
		log_verbose(p.options.verbose);
		rc = show(&p, run(&p, argv, called));
	}
	options_free(&p.options);
	return rc;
}
