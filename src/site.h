/*
 * site.h: one destination (a domain, or a relay): its route, its waiting jobs, its sessions, how
 * well it is doing. It works on the queue's jobs (job.h).
 */
#ifndef SITE_H
#define SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/verdict.h"
#include "job.h"
#include "ledger.h"
#include "local/local.h"
#include "net/reactor.h"
#include "route.h"
#include "trace.h"

struct site;
struct sites;
struct session_network;

struct sites_local { /* mail for users of this machine that no route leads away (router_keeps()) */
	enum config_local how;
	int helper; /* MAILDIR and MBOX: the local helper's socket, which stays the caller's; -1: */
	const char *only; /* it serves this user alone; NULL: everybody */
	const char *why; /* it does not serve the others, or anybody */
	const char *hostname; /* completes what a .forward says */
};

/*
 * The user that an address here means: its local part up to a +, without quotes (RFC 5321 4.1.2: the quoted form
 * means the same), in lower case, as users' names are. False: there can be no such user.
 */
bool site_local_user(const char *address, char user[LOCAL_NAME_MAX + 1]);

struct sites_options {
	const struct session_network *network; /* NULL: clear text, no credentials */
	unsigned sessions, sessions_per_site; /* at once: in all; for a site, and for an address */
	int connect_s;
	int patience_s[SMTP_NWAITS];
	const char *helo; /* NULL: the address literal of the connection's own end */
	const struct sockaddr_storage *bind4, *bind6;
	int64_t idle_ms; /* how long a session without work is kept */
	struct sites_local local;
	struct ledger *ledger; /* is told what was seen of sites; NULL: nobody is */
	struct traces *traces; /* conversations that are asked for; NULL: none ever is */
};

struct sites *sites_new(struct reactor *r, struct router *router, const struct sites_options *o);
void sites_free(struct sites **ss); /* after sites_stop() and when sites_busy() is false */

/* A new pass: what was learned about hosts is forgotten; a site still busy keeps its state. */
void sites_new_pass(struct sites *ss);

struct site *sites_find(struct sites *ss, const char *sender, const char *domain);
void site_add(struct site *s, struct job *j); /* first come, first served */
size_t site_waiting(const struct site *s); /* jobs that no session has */
const char *site_name(const struct site *s);

/* Tells the ledger of sites that are at work; of the others it has been told. */
void sites_tell(struct sites *ss);

bool sites_busy(const struct sites *ss); /* jobs or sessions are left */
size_t sites_in_flight(const struct sites *ss); /* transactions under way */
size_t sites_sessions(const struct sites *ss); /* open or opening */
void sites_quit_idle(struct sites *ss); /* sessions without work close now */
void sites_wind_down(
    struct sites *ss); /* the same, and those not greeted yet, where no job is left */
/* Stop: waiting jobs are done at once, sessions that have not sent a final dot close, the others are
 * waited for. hard: all close now. */
void sites_stop(struct sites *ss, bool hard);

#endif
