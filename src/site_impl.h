/*
 * site_impl.h: what the files of the site share; nobody else includes it.
 *
 *	site.c		the site at work; the outside
 *	site_sessions.c	its jobs, and the sessions that carry them
 *	site_hops.c	how its hops are doing
 *	site_open.c	new connections
 *	site_lines.c	waiting for one, when they are short
 *	site_tally.c	what is seen of it
 *	site_trace.c	a conversation with it that somebody wants to see
 *	site_local.c	the site that needs none: mailboxes of this machine
 *
 * A site opens sessions while jobs wait and its limit allows: two at first (one where it logs in),
 * five more with each that was greeted while many jobs wait, one more with each message that was
 * answered, half as many after trouble. What goes wrong with a
 * connection is put down to its hop: one that failed without having served anything is out for the
 * rest of the pass, one that was lost later is tried last. When every hop is out the site is parked:
 * all its jobs are deferred at once, and so is what comes later in the pass.
 */
#ifndef SITE_IMPL_H
#define SITE_IMPL_H

#include "site.h"

#include "base/buf.h"
#include "base/map.h"
#include "net/conn.h"
#include "peer.h"

struct dial;
struct local_site;
struct session;
struct tally;

enum hop_health { HOP_GOOD, HOP_LATE, HOP_FAILED };

struct opening { /* a dial, and the hops it has tried */
	struct list link;
	struct site *site;
	struct dial *dial;
	bool *tried, *held; /* by hop; held: counted in its peer */
	size_t n;
	bool traced; /* is to be the conversation that is kept */
};

struct site {
	struct map_node node;
	struct list link; /* all of sites */
	struct sites *sites;
	const char *key, *sender, *domain; /* in `names` */
	struct list waiting;
	size_t nwaiting;
	struct list sessions, openings;
	unsigned nsessions, nopenings, njobs; /* njobs: added and not done */
	struct local_site *local; /* it is this machine, and has no route; NULL: it has */
	struct route *route;
	enum hop_health *hops;
	size_t nhops;
	bool has_winner;
	size_t winner; /* the hop that the first race chose */
	unsigned limit, ceiling, successes; /* limit 0: not known before the route is */
	bool troubled; /* it hung up on us: grows more slowly since */
	bool learned; /* something worth keeping for the pass */
	bool parked, no_dot_ahead;
	size_t rcpts_max; /* the host takes no more in one transaction; 0: not known */
	struct verdict *why; /* the last trouble, NULL: none; parked: the reason */
	char *why_relay; /* the host it was with, as job.relay; NULL: none was reached */
	struct task task;
	struct timer idle;
	struct list at_peer; /* on a peer's: wants a connection to it, and there are too many */
	struct list in_line; /* on *line: wants a connection, and there are too many in all */
	struct list *line;
	struct tally *tally; /* NULL: there is nothing to tell */
	struct trace *trace; /* a conversation that is kept, from before it begins; NULL: none */
	const struct session *traced; /* that conversation; NULL: there is no connection yet */
	struct list idling; /* on sites->idling: may have sessions without work */
	bool ahead; /* has a route, or looks for one, and no connection yet */
	char names[];
};

struct sites {
	struct reactor *reactor;
	struct router *router;
	struct sites_options options;
	struct map by_key;
	struct buf key; /* that is looked for */
	struct list all, idling;
	struct list starving, hungry; /* have to wait: without any connection; for more of them */
	struct list unrouted; /* ... before anybody looks where they are */
	unsigned ahead; /* sites that are `ahead` */
	struct task feed; /* connections for those */
	struct peers peers;
	unsigned open; /* sessions and openings */
	size_t njobs;
	unsigned long numbers;
	bool stopping;
};

/* site.c */
void site_wake(struct site *s); /* it runs from a task */
void site_run(void *site); /* a task */

/* site_sessions.c: jobs */
struct job *site_take_job(struct site *s); /* NULL: none waits */
void site_job_done(struct site *s, struct job *j);
void site_put_back(struct site *s, struct job *j);
void site_settle(struct site *s, struct job *j, size_t rcpt, const struct verdict *v);
void site_settle_rest(struct site *s, struct job *j, const struct verdict *v);
/* s->why for all that waits: deferred or failed without having been tried any further. */
void site_settle_waiting(struct site *s);
/* site_sessions.c: sessions */
void site_start_session(
    struct site *s, struct conn *conn, size_t hop, int64_t connect_ms, bool traced);
void site_quit_idle(void *site); /* a timer: sessions without work close */

/* site_hops.c */
enum hop_health *site_health(struct site *s, size_t hop);
struct peer *site_peer(struct site *s, size_t hop);
unsigned site_sessions_on(const struct site *s, size_t hop);
bool site_hop_left(struct site *s, size_t except);
void site_park(struct site *s); /* s->why says why */
void site_set_why(struct site *s, const struct verdict *v, const char *relay);
void site_note_why(
    struct site *s, const struct verdict *v, const char *relay); /* if it says more */
/* relay: NULL when it could not be reached. */
void site_hop_trouble(
    struct site *s, size_t hop, const struct verdict *v, const char *relay, bool served);
void site_welcomed(struct site *s); /* a connection was greeted */
void site_went_well(struct site *s); /* a message was answered */

/* site_open.c */
void site_open_session(struct site *s);
void site_opening_free(struct opening *o); /* cancels it, too */

/* site_tally.c */
void site_tally_settled(struct site *s, struct job *j, const struct verdict *v);
void site_tally_session(struct site *s, const struct session *session); /* it is ready */
/* A connection could not be had, or broke. */
void site_tally_trouble(struct site *s, const struct verdict *v);
void site_tally_tell(struct site *s);

/* site_trace.c */
void site_trace_begin(struct site *s); /* if somebody wants to see what comes */
bool site_trace_opening(struct site *s); /* whether the next connection is it */
void site_trace_failed(struct site *s, const struct hop *h, const struct verdict *v);
/* A connection is there, its own or another: where its conversation is kept; NULL: nowhere. */
struct trace *const *site_trace_session(struct site *s, const struct hop *h, bool traced);
void site_trace_end(struct site *s, const struct verdict *why);

/* site_local.c */
void site_local_begin(struct site *s);
void site_local_end(struct site *s);
void site_local_run(struct site *s);
void site_local_stop(struct site *s, bool hard);
size_t site_local_in_flight(const struct site *s);

/* site_lines.c: looking where it is */
bool site_may_look(struct site *s); /* false: it stands in line for that */
void site_not_ahead(struct site *s); /* it has a connection, or needs none any more */
/* site_lines.c: connections at all */
bool site_must_wait(const struct site *s);
void site_stand_in_line(struct site *s);
bool site_should_yield(struct site *s, const struct session *session);
void sites_leave(struct sites *ss); /* one has ended */
void sites_feed(void *sites); /* a task */
/* site_lines.c: connections to one address */
void site_wait_for_peer(struct site *s, struct peer *p);
void site_leave_peer(struct peer *p); /* one has ended */

#endif
