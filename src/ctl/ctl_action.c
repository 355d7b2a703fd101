/* ctl_action.c: what is done to messages. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "ctl/ctl_act.h"
#include "origin.h"
#include "privilege.h"
#include "view.h"

/* A line a recipient, in the form of message_outcome.c's. */
static void
log_recipient(const struct act *a, const struct envelope *e, const char *to, const char *status)
{
	int64_t delay = a->c->now - envelope_submitted(e, a->c->now);

	log_info("%s: to=<%s>, relay=none, delay=%" PRId64 ", delays=%" PRId64
		 "/0/0/0, dsn=5.0.0, status=%s (by sortiectl, uid %ld)",
	    e->id, to, delay, delay, status, (long)privilege_caller());
}

/* --- its time ----------------------------------------------------------------------------- */

/* From now on it is due, and the next interval is the first again. */
static void
make_due(const struct act *a, struct item *it)
{
	if (it->e.attempted > a->c->now) /* by a clock that was ahead then */
		envelope_write_number(&it->lines, "attempted", a->c->now);
	if (it->e.attempted != 0 && it->e.retry != 0)
		envelope_write_number(&it->lines, "retry", 0);
	it->due_at = a->c->now;
}

static bool
is_held(const struct act *a, const struct envelope *e)
{
	(void)a;
	return e->hold;
}

static bool
is_not_held(const struct act *a, const struct envelope *e)
{
	return !is_held(a, e);
}

static void
retry(struct act *a, struct item *it)
{
	make_due(a, it);
}

static void
hold(struct act *a, struct item *it)
{
	envelope_write_number(&it->lines, "hold", 1);
	it->due_at = a->c->now + a->c->program.config.retry_max_s; /* as message_commit.c's hint */
}

static void
release(struct act *a, struct item *it)
{
	envelope_write_number(&it->lines, "hold", 0);
	make_due(a, it);
}

/* --- its end ------------------------------------------------------------------------------ */

/* Open recipients, and how many of them are meant. */
static size_t
count_open(const struct act *a, const struct envelope *e, size_t *meant)
{
	size_t open = 0;

	*meant = 0;
	for (size_t i = 0; i < e->nrcpts; i++) {
		open += view_is_open(e, &e->rcpts[i]);
		*meant += selection_recipient(&a->selection, e, i);
	}
	return open;
}

/*
 * Those who are not meant keep the message. For the others it is over as if they had got it: nobody tries
 * them again, and nobody is told.
 */
static void
remove_some(struct act *a, struct item *it, size_t meant)
{
	for (size_t i = 0; i < it->e.nrcpts; i++) {
		const struct recipient *r = &it->e.rcpts[i];

		if (selection_recipient(&a->selection, &it->e, i))
			envelope_write_remote(
			    &it->lines, r, RCPT_DELIVERED, "removed by the administrator");
	}
	it->recipients = meant;
}

/* A report that its original has not noted yet would be made again: the run that has noted it removes it. */
static void
leave_to_a_run(struct act *a, struct item *it)
{
	remove_some(a, it, 0);
	if (it->e.hold)
		envelope_write_number(&it->lines, "hold", 0);
	make_due(a, it);
}

static void
remove_message(struct act *a, struct item *it)
{
	size_t meant, open = count_open(a, &it->e, &meant);

	if (meant < open)
		remove_some(a, it, meant);
	else if (origin_knows(a->c->program.spool, it->id))
		it->remove = true;
	else
		leave_to_a_run(a, it);
}

static void
log_removed(const struct act *a, const struct item *it)
{
	for (size_t i = 0; i < it->e.nrcpts; i++)
		if (selection_recipient(&a->selection, &it->e, i))
			log_recipient(a, &it->e, it->e.rcpts[i].address, "removed");
}

/* Meant, and its sender does not know of a failure yet. */
static bool
may_bounce(const struct act *a, const struct envelope *e, size_t rcpt)
{
	return e->rcpts[rcpt].status != RCPT_FAILED && selection_recipient(&a->selection, e, rcpt);
}

static bool
has_bounceable(const struct act *a, const struct envelope *e)
{
	for (size_t i = 0; i < e->nrcpts; i++)
		if (may_bounce(a, e, i))
			return true;
	return false;
}

static void
bounce_recipient(struct item *it, const struct recipient *r)
{
	char reason[ENVELOPE_REASON_MAX + 64];

	snprintf(reason, sizeof(reason), "5.0.0 returned by the administrator%s%s",
	    r->reason != NULL ? "; last: " : "", r->reason != NULL ? r->reason : "");
	envelope_write_remote(&it->lines, r, RCPT_FAILED, reason);
}

/*
 * The next run makes the report, as after any failure (close_message() in message_commit.c): so it is due
 * now, and no longer held.
 */
static void
bounce(struct act *a, struct item *it)
{
	size_t meant, open = count_open(a, &it->e, &meant);

	for (size_t i = 0; i < it->e.nrcpts; i++)
		if (may_bounce(a, &it->e, i))
			bounce_recipient(it, &it->e.rcpts[i]);
	if (it->e.hold)
		envelope_write_number(&it->lines, "hold", 0);
	make_due(a, it);
	it->recipients = meant < open ? meant : 0;
}

static void
log_bounced(const struct act *a, const struct item *it)
{
	for (size_t i = 0; i < it->e.nrcpts; i++)
		if (may_bounce(a, &it->e, i))
			log_recipient(a, &it->e, it->e.rcpts[i].address, "bounced");
}

/* --- the commands ------------------------------------------------------------------------- */

int
ctl_retry(struct ctl *c, int argc, char **argv)
{
	static const struct ctl_action action = {.verb = "retry",
	    .done = "retrying",
	    .logged = "due now",
	    .left = "still held",
	    .concerns = is_not_held,
	    .apply = retry,
	    .wakes = true};

	return act_run(c, &action, argc, argv);
}

int
ctl_hold(struct ctl *c, int argc, char **argv)
{
	static const struct ctl_action action = {.verb = "hold",
	    .done = "held",
	    .left = "already held",
	    .concerns = is_not_held,
	    .apply = hold,
	    .durable = true,
	    .waits = true};

	return act_run(c, &action, argc, argv);
}

int
ctl_release(struct ctl *c, int argc, char **argv)
{
	static const struct ctl_action action = {.verb = "release",
	    .done = "released",
	    .concerns = is_held,
	    .apply = release,
	    .durable = true,
	    .wakes = true,
	    .waits = true};

	return act_run(c, &action, argc, argv);
}

int
ctl_remove(struct ctl *c, int argc, char **argv)
{
	static const struct ctl_action action = {.verb = "remove",
	    .done = "removed",
	    .apply = remove_message,
	    .log = log_removed,
	    .durable = true,
	    .waits = true};

	return act_run(c, &action, argc, argv);
}

int
ctl_bounce(struct ctl *c, int argc, char **argv)
{
	static const struct ctl_action action = {.verb = "bounce",
	    .done = "returned",
	    .concerns = has_bounceable,
	    .apply = bounce,
	    .log = log_bounced,
	    .durable = true,
	    .wakes = true,
	    .waits = true};

	return act_run(c, &action, argc, argv);
}
