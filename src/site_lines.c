/*
 * site_lines.c: who has to wait when connections are short, in all or to one address, and who is
 * next when one ends.
 *
 * Looking up where a site is takes time and memory: it is done while it waits for a connection, for
 * some of those that wait, and the others (unrouted) come after them.
 * Sites without any connection (starving) come before those that want more (hungry), each line in
 * order. Whoever waits makes the sessions without work close, and those with work give way after
 * their share.
 */
#include "site_impl.h"

#include "session.h"

enum {
	TURN_MESSAGES = 100, /* a connection that others wait for is given up after so many */
	AHEAD_MIN =
	    100, /* routes known or looked for ahead of connections, if there are fewer sessions */
};

/* --- looking where a site is -------------------------------------------------------------- */

static unsigned
ahead_max(const struct sites *ss)
{
	return ss->options.sessions > AHEAD_MIN ? ss->options.sessions : AHEAD_MIN;
}

bool
site_may_look(struct site *s)
{
	struct sites *ss = s->sites;

	if (ss->ahead >= ahead_max(ss)) {
		s->line = &ss->unrouted;
		if (!list_linked(&s->in_line))
			list_add_tail(s->line, &s->in_line);
		return false;
	}
	list_remove(&s->in_line);
	s->ahead = true;
	ss->ahead++;
	return true;
}

void
site_not_ahead(struct site *s)
{
	struct sites *ss = s->sites;

	if (!s->ahead)
		return;
	s->ahead = false;
	ss->ahead--;
	if (!list_empty(&ss->unrouted))
		task_queue(ss->reactor, &ss->feed);
}

/* --- connections at all ------------------------------------------------------------------- */

/* Whether a site has to leave the next connection to others. */
bool
site_must_wait(const struct site *s)
{
	const struct sites *ss = s->sites;

	return ss->open >= ss->options.sessions ||
	       (s->nsessions + s->nopenings > 0 && !list_empty(&ss->starving));
}

/* Connections are short: those that nobody uses are given up. */
void
site_stand_in_line(struct site *s)
{
	struct sites *ss = s->sites;
	struct list *line = s->nsessions + s->nopenings > 0 ? &ss->hungry : &ss->starving;

	if (s->line != line)
		list_remove(&s->in_line);
	s->line = line;
	if (!list_linked(&s->in_line))
		list_add_tail(line, &s->in_line);
	sites_quit_idle(ss);
}

/* Others wait for a connection, and this one has had its share. */
bool
site_should_yield(struct site *s, const struct session *session)
{
	unsigned delivered = session_delivered(session);

	if (!list_empty(&s->sites->starving))
		return delivered >= (s->nsessions > 1 ? 1 : TURN_MESSAGES);
	return delivered >= TURN_MESSAGES &&
	       !list_empty(&site_peer(s, session_hop(session))->waiting);
}

void
sites_leave(struct sites *ss)
{
	ss->open--;
	if (!list_empty(&ss->starving) || !list_empty(&ss->hungry))
		task_queue(ss->reactor, &ss->feed);
}

static void
go_on(struct list *line)
{
	struct site *s = list_item(line->next, struct site, in_line);

	list_remove(&s->in_line);
	task_cancel(&s->task);
	site_run(s);
}

/* Connections have ended: those sites that had to wait for one go on, in order. */
void
sites_feed(void *ctx)
{
	struct sites *ss = ctx;

	while (ss->open < ss->options.sessions) {
		struct list *line = list_empty(&ss->starving) ? &ss->hungry : &ss->starving;

		if (list_empty(line))
			break;
		go_on(line);
	}
	while (ss->ahead < ahead_max(ss) && !list_empty(&ss->unrouted))
		go_on(&ss->unrouted);
}

/* --- connections to one address ----------------------------------------------------------- */

/* Until a connection to the address ends. */
void
site_wait_for_peer(struct site *s, struct peer *p)
{
	list_add_tail(&p->waiting, &s->at_peer);
	sites_quit_idle(s->sites);
}

/*
 * A connection to the address ended: the first that waits for that may go on. It may have no use for
 * the place any more, so when nobody is left whose end would wake the others, all of them go on.
 */
void
site_leave_peer(struct peer *p)
{
	bool all = --p->open == 0;

	while (!list_empty(&p->waiting)) {
		struct site *s = list_item(p->waiting.next, struct site, at_peer);

		list_remove(&s->at_peer);
		site_wake(s);
		if (!all)
			break;
	}
}
