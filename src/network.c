/*
 * network.c: what every conversation with the outside needs.
 */
#include "network.h"

#include <sys/resource.h>

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "privilege.h"
#include "queue.h"

enum {
	FILES_RESERVED = 40, /* descriptors: the spool, the log, standard ones, some air */
	FILES_A_SESSION = 4, /* its socket, and the control file and body of what is on it */
	FILES_A_MESSAGE = 4, /* in flight, and as many until it is committed while others are */
	LOOKUPS = 200,
};

/* In the spool: TLS sessions of earlier runs, to be resumed. */
static const char sessions_file[] = "tls-sessions";

/* The hard limit on open files, which is the soft one now. */
static rlim_t
files_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return RLIM_INFINITY;
	if (rl.rlim_cur != rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
		getrlimit(RLIMIT_NOFILE, &rl);
	}
	return rl.rlim_cur;
}

/*
 * How many sessions the limit on open files allows, lookups, and messages in flight on a session. With
 * room for all messages that are ever in work at once, a session takes no more than its socket.
 */
static void
fit_files(const struct config *c, unsigned *sessions, size_t *lookups, unsigned *ahead)
{
	const rlim_t all = (rlim_t)QUEUE_MESSAGES_MAX * FILES_A_MESSAGE;
	rlim_t limit = files_limit(), files, fit;

	*sessions = c->sessions;
	*lookups = LOOKUPS;
	*ahead = SMTP_AHEAD;
	if (limit == RLIM_INFINITY)
		return;
	files = limit > FILES_RESERVED ? limit - FILES_RESERVED : 1;
	if (*lookups > files / 5)
		*lookups = files / 5 + 1;
	files -= *lookups < files ? *lookups : 0;
	if (files >= *sessions + all)
		return;
	fit = files / *sessions / FILES_A_MESSAGE;
	if (fit < SMTP_AHEAD)
		*ahead = fit < 2 ? 2 : (unsigned)fit;
	fit = files / FILES_A_SESSION;
	if (fit >= *sessions)
		return;
	*sessions = fit > 0 ? (unsigned)fit : 1;
	log_warn("only %lu files may be open at once: %u sessions instead of %u",
	    (unsigned long)limit, *sessions, c->sessions);
}

static int
open_dns(struct network *n)
{
	struct config *c = n->config;
	struct dns_options d = {
	    .resolv_conf = c->nnameservers > 0 ? NULL : c->resolv_conf,
	    .servers = (const char *const *)c->nameservers,
	    .nservers = c->nnameservers,
	};
	char why[256];

	fit_files(c, &n->sessions, &d.max_in_flight, &n->session.ahead);
	n->dns = dns_new(n->reactor, &d, why, sizeof(why));
	if (n->dns != NULL)
		return EX_OK;
	log_tell("%s: nameserver: %s", c->path, why);
	return EX_CONFIG;
}

static bool
gets_login(const void *ctx, const struct target *t)
{
	const struct network *n = ctx;

	return (t->kind == TARGET_HOST || t->kind == TARGET_ADDRESS) &&
	       auth_has(n->auth, t->host, t->port != 0 ? t->port : n->config->port, t->user);
}

/* A policy that asks for verification and nothing to verify with is an error now, not silence later. */
static int
open_tls(struct network *n)
{
	const struct config *c = n->config;
	struct tls_options o = {.ca = c->ca, .cert = c->client_cert, .key = c->client_key};
	char why[512];

	n->tls = tls_new(&o, why, sizeof(why));
	if (n->tls == NULL ||
	    (config_wants_ca(c, gets_login, n) && !tls_has_ca(n->tls, why, sizeof(why)))) {
		log_tell("%s: TLS: %s", c->path, why);
		return EX_CONFIG;
	}
	return EX_OK;
}

/* What a password manager says is for root and the spool's owner, whoever else may watch. */
static bool
caller_is_trusted(void)
{
	return privilege_caller() == 0 || privilege_caller() == geteuid();
}

static int
open_auth(struct network *n)
{
	const struct config *c = n->config;
	struct auth_options o = {
	    .path = c->auth,
	    .missing_ok = c->auth_missing_ok,
	    .home = c->home,
	    .spool = c->spool,
	    .user = c->user,
	    .show_errors = log_is_verbose() && caller_is_trusted(),
	};
	char why[512];

	n->auth = auth_new(n->reactor, &o);
	if (auth_check(n->auth, why, sizeof(why)) == 0)
		return EX_OK;
	log_tell("%s", why);
	return EX_CONFIG;
}

int
network_open(struct network *n, struct config *c)
{
	int rc;

	memset(n, 0, sizeof(*n));
	n->config = c;
	n->reactor = reactor_new();
	if ((rc = open_dns(n)) == EX_OK && (rc = open_auth(n)) == EX_OK)
		rc = open_tls(n); /* credentials decide whether somebody has to be verified */
	if (rc != EX_OK) {
		network_close(n, NULL);
		return rc;
	}
	n->router = router_new(n->reactor, n->dns, c, config_hostname(c));
	n->session.config = c;
	n->session.tls = n->tls;
	n->session.auth = n->auth;
	return EX_OK;
}

void
network_load_sessions(struct network *n, struct spool *sp)
{
	int fd = spool_state_open(sp, sessions_file);

	if (fd < 0)
		return;
	tls_sessions_load(n->tls, fd);
	sys.close(fd);
}

static void
save_sessions(struct network *n, struct spool *sp)
{
	int fd;

	if (!tls_sessions_changed(n->tls))
		return;
	fd = spool_state_create(sp, sessions_file);
	if (fd >= 0 && tls_sessions_save(n->tls, fd) == -1) {
		spool_state_forget(sp, sessions_file);
		sys.close(fd);
		fd = -1;
	}
	if (fd < 0 || spool_state_replace(sp, sessions_file, fd) == -1)
		log_warn("cannot keep the TLS sessions: %s", strerror(errno));
}

void
network_close(struct network *n, struct spool *sp)
{
	if (sp != NULL && n->tls != NULL)
		save_sessions(n, sp);
	router_free(&n->router);
	auth_free(&n->auth);
	dns_free(&n->dns);
	while (reactor_turn(n->reactor)) /* what frees itself from a task */
		;
	tls_free(&n->tls);
	reactor_free(&n->reactor);
}
