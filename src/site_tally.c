/*
 * site_tally.c: what is seen of a site while it is at work, counted for the ledger.
 */
#include "site_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "session.h"

struct tally {
	struct ledger_record
	    seen; /* since it was told last; its times are the reactor's milliseconds */
	char *relay, *reason;
	char tls[40];
};

/* NULL: nobody wants to know. */
static struct tally *
tally_of(struct site *s)
{
	if (s->tally == NULL && s->sites->options.ledger != NULL)
		s->tally = xcalloc(1, sizeof(*s->tally));
	return s->tally;
}

static void
note_trouble(struct site *s, struct tally *t, const struct verdict *v)
{
	t->seen.bad_at = reactor_now(s->sites->reactor);
	if (t->reason == NULL)
		t->reason = xmalloc(LEDGER_TEXT_MAX);
	verdict_line(v, t->reason, LEDGER_TEXT_MAX);
}

void
site_tally_settled(struct site *s, struct job *j, const struct verdict *v)
{
	struct tally *t = tally_of(s);
	enum action action = verdict_action(v, false);

	if (t == NULL || v->not_ours)
		return;
	t->seen.counts[LEDGER_DUPLICATES] += v->duplicate;
	if (action != ACTION_DONE && action != ACTION_DONE_ALL) {
		bool final = action == ACTION_BOUNCE || action == ACTION_BOUNCE_ALL;

		t->seen.counts[final ? LEDGER_BOUNCED : LEDGER_DEFERRED]++;
		note_trouble(s, t, v);
		return;
	}
	t->seen.counts[LEDGER_SENT]++;
	t->seen.ok_at = reactor_now(s->sites->reactor);
	if (j->taken)
		return;
	j->taken = true;
	t->seen.counts[LEDGER_MESSAGES]++;
	t->seen.counts[LEDGER_BYTES] += j->size;
}

void
site_tally_session(struct site *s, const struct session *session)
{
	const struct tls_facts *f = session_tls(session);
	struct tally *t = tally_of(s);

	if (t == NULL)
		return;
	t->seen.counts[LEDGER_SESSIONS]++;
	t->seen.counts[LEDGER_TLS] += f != NULL;
	free(t->relay);
	t->relay = xstrdup(session_relay(session));
	t->tls[0] = '\0';
	if (f != NULL)
		snprintf(t->tls, sizeof(t->tls), "%s, %s", f->protocol,
		    f->verified  ? "verified"
		    : f->trusted ? "trusted"
				 : "not verified");
}

void
site_tally_trouble(struct site *s, const struct verdict *v)
{
	struct tally *t = tally_of(s);

	if (t == NULL)
		return;
	t->seen.counts[LEDGER_FAILED]++;
	note_trouble(s, t, v);
}

static int64_t
wall_s(const struct site *s, int64_t at_ms)
{
	return at_ms == 0 ? 0 : clock_wall_s() - (reactor_now(s->sites->reactor) - at_ms) / 1000;
}

void
site_tally_tell(struct site *s)
{
	struct tally *t = s->tally;

	if (t == NULL)
		return;
	t->seen.ok_at = wall_s(s, t->seen.ok_at);
	t->seen.bad_at = wall_s(s, t->seen.bad_at);
	t->seen.since = clock_wall_s();
	t->seen.relay = t->relay;
	t->seen.tls = t->tls;
	t->seen.reason = t->reason;
	ledger_tell(s->sites->options.ledger, s->key[0] != '\0' ? s->key : "(none)", &t->seen);
	free(t->relay);
	free(t->reason);
	free(t);
	s->tally = NULL;
}

void
sites_tell(struct sites *ss)
{
	list_each (pos, &ss->all)
		site_tally_tell(list_item(pos, struct site, link));
}
