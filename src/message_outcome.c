/*
 * message_outcome.c: what becomes of a recipient: decided from the verdict, logged, and noted for
 * the commit.
 */
#include "message_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

struct outcome {
	enum rcpt_status status;
	const char *word, *enhanced;
	char reason[VERDICT_TEXT_MAX + 160];
};

/*
 * What nobody tries at all is not tried for ever, either: mail for a mailbox, where no run is ever root's. But
 * root's next run may be about to come, after days in which the machine was off: so not before the sender has
 * been warned, in an earlier pass, where he is; and not in a run that a submission has started, as there may be
 * many of them before it comes.
 */
static bool
has_expired(const struct message *m, const struct verdict *v)
{
	const struct messages_options *o = &m->all->options;
	int64_t now = clock_wall_s();

	if (v->not_ours ? !o->full || (o->warn_s > 0 && !m->envelope.warned) : v->no_attempt)
		return false;
	return backoff_expired(envelope_submitted(&m->envelope, now), now, o->expire_s);
}

static void
decide(const struct message *m, const struct verdict *v, struct outcome *o)
{
	o->enhanced = v->enhanced;
	verdict_line(v, o->reason, sizeof(o->reason));
	switch (verdict_action(v, false)) {
	case ACTION_DONE:
	case ACTION_DONE_ALL:
		o->status = RCPT_DELIVERED;
		o->word = "sent";
		return;
	case ACTION_BOUNCE:
	case ACTION_BOUNCE_ALL:
		o->status = RCPT_FAILED;
		o->word = "bounced";
		return;
	case ACTION_DEFER:
	case ACTION_DEFER_ALL:
	case ACTION_NEXT_HOP:
		break;
	}
	o->status =
	    v->scope == SCOPE_HOST || v->scope == SCOPE_ROUTE ? RCPT_UNREACHED : RCPT_DEFERRED;
	o->word = "deferred";
	if (has_expired(m, v)) {
		char last[VERDICT_TEXT_MAX + 64], age[32];

		str_copy(last, sizeof(last), o->reason);
		snprintf(o->reason, sizeof(o->reason), "4.4.7 not delivered within %s; last: %s",
		    str_duration_text(m->all->options.expire_s, age, sizeof(age)), last);
		o->status = RCPT_FAILED;
		o->word = "expired";
		o->enhanced = "4.4.7";
	}
}

/* Milliseconds as seconds with two decimals, for "%lld.%02d": a double costs printf several times that. */
#define SECONDS(ms) (long long)(((ms) + 5) / 1000), (int)(((ms) + 5) % 1000 / 10)

/* The delays as Postfix logs them: before the queue run, waiting, connecting, transmitting. */
static void
log_outcome(const struct message *m, const struct job *j, const char *to, const struct outcome *o)
{
	int64_t now_ms = reactor_now(m->all->reactor), now = clock_wall_s();
	int64_t begun_ms = j->begun_ms != 0 ? j->begun_ms : now_ms;
	int64_t total = (now - envelope_submitted(&m->envelope, now)) * 1000;
	int64_t wait = begun_ms - m->admitted_ms - j->setup_ms, transmit = now_ms - begun_ms;
	int64_t before = total - wait - j->setup_ms - transmit;

	if (wait < 0)
		wait = 0;
	if (before < 0)
		before = 0;
	if (total < wait + j->setup_ms + transmit)
		total = wait + j->setup_ms + transmit;
	log_info("%s: to=<%s>, relay=%s, delay=%lld.%02d, "
		 "delays=%lld.%02d/%lld.%02d/%lld.%02d/%lld.%02d, dsn=%s, status=%s (%s)",
	    m->envelope.id, to, j->relay != NULL ? j->relay : "none", SECONDS(total),
	    SECONDS(before), SECONDS(wait), SECONDS(j->setup_ms), SECONDS(transmit), o->enhanced,
	    o->word, o->reason);
}

static void
count(struct messages_counts *c, enum rcpt_status status)
{
	if (status == RCPT_DELIVERED)
		c->sent++;
	else if (status == RCPT_FAILED)
		c->failed++;
	else
		c->deferred++;
}

/* Who said so, for the report: the host's name out of "mx.example.net[192.0.2.1]:25". */
static void
remember_mta(struct recipient *r, const char *relay, const struct verdict *v)
{
	free(r->mta);
	r->mta = NULL;
	if (relay != NULL && v->code != 0)
		r->mta = xstrndup(relay, strcspn(relay, "["));
}

void
message_settle(struct job *j, size_t rcpt, const struct verdict *v)
{
	struct message *m = j->ctx;
	size_t index = j->rcpts[rcpt].index;
	struct recipient *r = &m->envelope.rcpts[index];
	struct outcome o;

	decide(m, v, &o);
	if (v->not_ours && o.status != RCPT_FAILED) {
		m->not_ours = true;
		if (r->reason != NULL)
			return; /* that says more, or the same, in every run of this kind */
	}
	log_outcome(m, j, r->address, &o);
	envelope_write_remote(&m->lines, r, o.status, o.reason);
	envelope_settle(&m->envelope, index, o.status, o.reason);
	remember_mta(r, j->relay, v);
	m->durable |= o.status == RCPT_DELIVERED || o.status == RCPT_FAILED;
	if (!v->not_ours && o.status != RCPT_DELIVERED && o.status != RCPT_FAILED) {
		m->deferred = true;
		m->attempted |= !v->no_attempt;
	}
	m->changed = true;
	count(&m->all->counts, o.status);
	m->all->counts.expired += strcmp(o.word, "expired") == 0;
	message_touch(m);
}
