/*
 * site_sessions.c: the jobs of a site and the sessions that carry them: which job is next, what
 * becomes of one that comes back, how a session ends.
 */
#include "site_impl.h"

#include <string.h>

#include "base/log.h"
#include "session.h"

/* --- jobs --------------------------------------------------------------------------------- */

void
site_job_done(struct site *s, struct job *j)
{
	list_remove(&j->link);
	s->njobs--;
	s->sites->njobs--;
	j->ops->done(j);
}

void
site_settle(struct site *s, struct job *j, size_t rcpt, const struct verdict *v)
{
	if (j->rcpts[rcpt].settled)
		bug("a recipient settled twice");
	j->rcpts[rcpt].settled = true;
	j->unsettled--;
	site_tally_settled(s, j, v);
	j->ops->settle(j, rcpt, v);
}

void
site_settle_rest(struct site *s, struct job *j, const struct verdict *v)
{
	for (size_t i = 0; i < j->nrcpts; i++)
		if (!j->rcpts[i].settled)
			site_settle(s, j, i, v);
}

struct job *
site_take_job(struct site *s)
{
	struct job *j;

	if (list_empty(&s->waiting))
		return NULL;
	j = list_item(s->waiting.next, struct job, link);
	list_remove(&j->link);
	s->nwaiting--;
	return j;
}

void
site_put_back(struct site *s, struct job *j)
{
	j->ops->pause(j);
	list_add_head(&s->waiting, &j->link);
	s->nwaiting++;
	site_wake(s);
}

void
site_settle_waiting(struct site *s)
{
	struct job *j;

	while ((j = site_take_job(s)) != NULL) {
		j->body_wanted = false;
		j->relay = s->why_relay;
		j->begun_ms = j->setup_ms = 0;
		if (j->ops->begin(j) == JOB_GO)
			site_settle_rest(s, j, s->why);
		site_job_done(s, j);
	}
}

/* --- what sessions ask and tell ----------------------------------------------------------- */

static struct job *
on_next_job(void *ctx, struct session *session, bool *last_hop)
{
	struct site *s = ctx;
	struct job *j;

	if (s->sites->stopping || s->parked || site_should_yield(s, session))
		return NULL;
	while ((j = site_take_job(s)) != NULL) {
		j->body_wanted = true;
		j->rcpts_max = s->rcpts_max;
		if (j->ops->begin(j) == JOB_GO) {
			*last_hop = j->returned > 0 || !j->eightbit ||
				    !site_hop_left(s, session_hop(session));
			return j;
		}
		site_job_done(s, j);
	}
	return NULL;
}

static void
on_settled(void *ctx, struct session *session, struct job *j, size_t rcpt, const struct verdict *v)
{
	(void)session;
	site_settle(ctx, j, rcpt, v);
}

/*
 * A job that hosts keep giving back is deferred on its own: it may be what makes them hang up, and
 * must not take the others with it.
 */
static bool
given_back_too_often(const struct site *s, const struct job *j)
{
	size_t hops = route_nhops(s->route);

	return j->returned >= (hops > 2 ? hops : 2);
}

/*
 * The host cannot take this mail as it is (no 8BITMIME), but is well otherwise: another one is tried
 * first, from now on for all of the site's mail. RFC 3463 3.7: X.6.3, conversion not supported.
 */
static void
prefer_others(struct site *s, size_t hop)
{
	*site_health(s, hop) = HOP_LATE;
	s->learned = true;
	if (s->has_winner && s->winner == hop)
		s->has_winner = false;
	list_each (pos, &s->sessions)
		if (session_hop(session_of_link(pos)) == hop)
			session_quit(session_of_link(pos));
}

static void
came_back(struct site *s, struct session *session, struct job *j, const struct verdict *host)
{
	j->returned++;
	if (given_back_too_often(s, j)) {
		site_settle_rest(s, j, host);
		site_job_done(s, j);
		return;
	}
	if (strcmp(host->enhanced, "4.6.3") == 0)
		prefer_others(s, session_hop(session));
	site_put_back(s, j);
}

/* A host has hung up on a job because of its recipients: no other job shall have to learn that. */
static void
note_rcpts_max(struct site *s, const struct job *j)
{
	if (j->rcpts_max == 0 || (s->rcpts_max != 0 && s->rcpts_max <= j->rcpts_max))
		return;
	s->rcpts_max = j->rcpts_max;
	s->learned = true;
	log_info(
	    "%s: at most %zu recipients at once for the rest of this pass", s->key, s->rcpts_max);
}

static void
on_finished(
    void *ctx, struct session *session, struct job *j, const struct verdict *host, bool again)
{
	struct site *s = ctx;

	if (host == NULL && j->unsettled > 0 && !again)
		bug("a job was served and has recipients left");
	note_rcpts_max(s, j);
	if (host == NULL)
		site_went_well(s);
	if (j->unsettled == 0 || s->sites->stopping)
		site_job_done(s, j);
	else if (host != NULL)
		came_back(s, session, j, host);
	else
		site_put_back(s, j);
}

void
site_quit_idle(void *ctx)
{
	struct site *s = ctx;

	list_remove(&s->idling);
	timer_disarm(s->sites->reactor, &s->idle);
	list_each (pos, &s->sessions) {
		if (session_is_idle(session_of_link(pos)))
			session_quit(session_of_link(pos));
	}
}

void
sites_quit_idle(struct sites *ss)
{
	while (!list_empty(&ss->idling))
		site_quit_idle(list_item(ss->idling.next, struct site, idling));
}

static void
on_idle(void *ctx, struct session *session)
{
	struct site *s = ctx;
	struct sites *ss = s->sites;

	if (ss->options.idle_ms == 0 || !list_empty(&ss->starving) || !list_empty(&ss->hungry) ||
	    !list_empty(&site_peer(s, session_hop(session))->waiting)) {
		session_quit(session);
	} else if (!list_linked(&s->idling)) {
		list_add_tail(&ss->idling, &s->idling);
		timer_arm(ss->reactor, &s->idle, reactor_now(ss->reactor) + ss->options.idle_ms);
	}
}

/*
 * What we have to say of a host names it, for there may be several, and of a connection that broke
 * (RFC 3463: X.4.2) when it did; a reply is the host's own word, and the log tells whose.
 */
static struct verdict
trouble_with(const struct session *session, const struct verdict *v)
{
	struct verdict named;
	bool broke;

	if (v->code != 0 || v->scope != SCOPE_HOST)
		return *v;
	broke = v->doing != NULL && strcmp(v->enhanced, "4.4.2") == 0;
	named = verdict_make(v->fate, v->scope, v->enhanced, v->doing, "%s: %s%s%s",
	    session_relay(session), v->text, broke ? ", while " : "", broke ? v->doing : "");
	named.no_attempt = v->no_attempt;
	return named;
}

/* It could not be used: said even if another host takes its place, for somebody has to put it right. */
static void
log_trouble(const struct site *s, const struct session *session, const struct verdict *v)
{
	char line[VERDICT_TEXT_MAX + 20];

	if (v->code != 0)
		log_info("%s: %s: %s", s->key, session_relay(session),
		    verdict_line(v, line, sizeof(line)));
	else
		log_info("%s: %s", s->key, v->text);
}

/* What the end of a session says about its host. */
static void
learn(struct site *s, const struct session *session, const struct session_end *end)
{
	const struct verdict *v = end->verdict;
	struct peer *p = site_peer(s, session_hop(session));
	bool served = session_delivered(session) > 0;
	char line[VERDICT_TEXT_MAX + 20];
	struct verdict named;

	if (end->tls_failed) {
		/* perhaps not the first to find that out: others were shaking hands as well */
		if (!p->in_clear)
			log_info("%s: without TLS there for the rest of this pass: %s",
			    session_relay(session), verdict_line(v, line, sizeof(line)));
		p->in_clear = true;
	} else if (end->chunking_failed) {
		if (!p->no_chunking)
			log_info("%s: without CHUNKING there for the rest of this pass: %s",
			    session_relay(session), verdict_line(v, line, sizeof(line)));
		p->no_chunking = true;
	} else if (v->fate != FATE_SENT && !(end->benign && served)) {
		/* who hangs up politely before he has served anything does not do so again and again */
		named = trouble_with(session, v);
		site_hop_trouble(s, session_hop(session), &named, session_relay(session), served);
		if (*site_health(s, session_hop(session)) == HOP_FAILED && !s->parked)
			log_trouble(s, session, &named);
	}
}

static void
on_closed(void *ctx, struct session *session, const struct session_end *end)
{
	struct site *s = ctx;

	list_remove(session_link(session));
	s->nsessions--;
	sites_leave(s->sites);
	site_leave_peer(site_peer(s, session_hop(session)));
	s->no_dot_ahead |= end->behind_dot;
	if (s->traced == session)
		site_trace_end(s, end->verdict);
	if (!end->stopped && !s->sites->stopping)
		learn(s, session, end);
	site_wake(s);
}

static void
on_welcome(void *ctx, struct session *session)
{
	(void)session;
	site_welcomed(ctx);
}

static void
on_ready(void *ctx, struct session *session)
{
	site_tally_session(ctx, session);
}

static const struct session_ops session_ops = {
    on_welcome, on_next_job, on_settled, on_finished, on_idle, on_closed, on_ready};

void
site_start_session(struct site *s, struct conn *conn, size_t index, int64_t connect_ms, bool traced)
{
	const struct hop *h = NULL;
	struct session_options so = {
	    .helo = s->sites->options.helo,
	    .one_behind_dot = !s->no_dot_ahead,
	    .hop_index = index,
	    .connect_ms = connect_ms,
	    .number = ++s->sites->numbers,
	};
	struct session *session;

	route_hop(s->route, index, &h);
	so.hop = h;
	so.network = s->sites->options.network;
	so.domain = h->tls_domain;
	so.in_clear = peers_get(&s->sites->peers, h->peer)->in_clear;
	so.no_chunking = peers_get(&s->sites->peers, h->peer)->no_chunking;
	memcpy(so.patience_s, s->sites->options.patience_s, sizeof(so.patience_s));
	so.trace = site_trace_session(s, h, traced);
	session = session_new(s->sites->reactor, conn, &so, &session_ops, s);
	if (so.trace != NULL)
		s->traced = session;
	list_add_tail(&s->sessions, session_link(session));
	s->nsessions++;
	s->sites->open++;
}
