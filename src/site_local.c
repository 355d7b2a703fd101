/*
 * site_local.c: the site that is this machine: its jobs go to the local helper, a recipient at a time.
 *
 * The helper has up to LOCAL_AT_ONCE recipients, of each user one: two would wait for each other's lock,
 * and a home that does not answer holds up nobody else. A job whose other recipients are busy waits again.
 *
 * The helper is asked for the user's .forward first and then, unless that leads elsewhere alone, to write
 * his mailbox. The copy for others is queued last: a mailbox without room has all of it tried again, and
 * they must not get one each time; nor must he, where the aliases that tell who they are cannot be read, so
 * these are asked before. What the helper has been told to write and has not answered for, when it ends or
 * when we have to, may have been written: it is tried again.
 */
#include "site_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "forward.h"
#include "local/local.h"
#include "proto/address.h"

struct delivery { /* a recipient that the helper has, or is about to get */
	uint64_t number;
	struct job *job;
	size_t rcpt;
	enum local_kind kind; /* what it is asked for: FORWARD first */
	bool asked;
	int64_t begun_ms;
	struct forward forward;
	char user[LOCAL_NAME_MAX + 1];
};

struct local_site {
	struct site *site;
	const struct sites_local *options;
	struct watch watch;
	bool watched, gone;
	struct delivery *out[LOCAL_AT_ONCE];
	size_t nout;
	struct list working; /* jobs that have begun */
	uint64_t number; /* of the last; an answer to an earlier runner's has another's */
};

/* --- who it is ---------------------------------------------------------------------------- */

bool
site_local_user(const char *address, char user[LOCAL_NAME_MAX + 1])
{
	const char *domain = address_domain(address);
	const char *end = domain != NULL ? domain - 1 : address + strlen(address);
	size_t n = 0;

	for (const char *p = address; p < end && *p != '+'; p++) {
		if (*p == '"' || (*p == '\\' && ++p == end))
			continue;
		if (n == LOCAL_NAME_MAX)
			return false;
		user[n++] = (char)str_lower((unsigned char)*p);
	}
	user[n] = '\0';
	return local_name_ok(user);
}

static bool
is_busy(const struct local_site *l, const char *user)
{
	for (size_t i = 0; i < l->nout; i++)
		if (strcmp(l->out[i]->user, user) == 0)
			return true;
	return false;
}

/* Whether it has one of the job's recipients, this one; SIZE_MAX: any. */
static bool
has(const struct local_site *l, const struct job *j, size_t rcpt)
{
	for (size_t i = 0; i < l->nout; i++)
		if (l->out[i]->job == j && (rcpt == SIZE_MAX || l->out[i]->rcpt == rcpt))
			return true;
	return false;
}

/* --- what became of it -------------------------------------------------------------------- */

static void
settle(struct site *s, struct job *j, size_t rcpt, int64_t begun_ms, const struct verdict *v)
{
	j->relay = "local";
	j->begun_ms = begun_ms;
	j->setup_ms = 0;
	site_settle(s, j, rcpt, v);
}

static void
drop(struct local_site *l, struct delivery *d)
{
	size_t i = 0;

	while (l->out[i] != d)
		i++;
	l->out[i] = l->out[--l->nout];
	forward_free(&d->forward);
	free(d);
}

static void
end_with(struct local_site *l, struct delivery *d, const struct verdict *v)
{
	settle(l->site, d->job, d->rcpt, d->begun_ms, v);
	drop(l, d);
}

static void
end_later(struct local_site *l, struct delivery *d, const char *enhanced, const char *why)
{
	struct verdict v =
	    verdict_make(FATE_RETRY, SCOPE_RCPT, enhanced, "writing to the mailbox", "%s", why);

	end_with(l, d, &v);
}

static void
describe(const struct local_site *l, const struct delivery *d, struct buf *text)
{
	const struct forward *f = &d->forward;

	if (f->n == 0 || f->keep)
		buf_adds(text, l->options->how == CONFIG_LOCAL_MBOX ? "delivered to mbox"
								    : "delivered to Maildir");
	for (size_t i = 0; i < f->n; i++)
		buf_addf(text, "%s%s",
		    i > 0     ? " "
		    : f->keep ? ", forwarded to "
			      : "forwarded to ",
		    f->to[i]);
}

static void
end_well(struct local_site *l, struct delivery *d)
{
	struct buf text;
	struct verdict v;

	buf_init(&text, VERDICT_TEXT_MAX - 1);
	describe(l, d, &text);
	v = verdict_make(FATE_SENT, SCOPE_RCPT, "2.0.0", NULL, "%s", buf_str(&text));
	buf_free(&text);
	end_with(l, d, &v);
}

static void
end_without_copy(struct local_site *l, struct delivery *d)
{
	char why[100];

	snprintf(why, sizeof(why), "the forwarded copy cannot be queued: %s", strerror(errno));
	end_later(l, d, "4.3.0", why);
}

/* What .forward says, when all that was to be written here is. */
static void
forward(struct local_site *l, struct delivery *d)
{
	const struct forward *f = &d->forward;

	if (f->n == 0 || d->job->ops->forward(d->job, d->rcpt, f->to, f->n) == 0)
		end_well(l, d);
	else
		end_without_copy(l, d);
}

/* --- asking ------------------------------------------------------------------------------- */

static void
ask(struct local_site *l, struct delivery *d)
{
	const struct job *j = d->job;
	struct local_request r = {
	    .number = d->number = ++l->number,
	    .kind = d->kind,
	    .user = d->user,
	    .sender = j->sender,
	    .recipient = j->rcpts[d->rcpt].address,
	    .message = d->kind == LOCAL_FORWARD ? -1 : j->body,
	};

	d->asked = local_ask(l->options->helper, &r) == 0;
	if (d->asked || errno == EAGAIN || errno == EWOULDBLOCK)
		return;
	if (errno == EPIPE || errno == ECONNRESET)
		l->gone = true;
	else /* no address of ours is so long, nor has it such characters */
		end_later(l, d, "4.3.0", strerror(errno));
}

static void
ask_to_write(struct local_site *l, struct delivery *d)
{
	d->kind = l->options->how == CONFIG_LOCAL_MBOX ? LOCAL_MBOX : LOCAL_MAILDIR;
	ask(l, d);
}

static void
obey_forward(struct local_site *l, struct delivery *d, const struct local_answer *a)
{
	const struct forward_user u = {
	    .name = d->user,
	    .address = d->job->rcpts[d->rcpt].address,
	    .hostname = l->options->hostname != NULL ? l->options->hostname : "localhost",
	};

	forward_parse(&d->forward, a->text, a->n, &u);
	if (d->forward.why[0] != '\0')
		log_warn("%s: .forward of %s: %s; the mail goes into the mailbox as well",
		    d->job->id, d->user, d->forward.why);
	if (!d->forward.keep)
		forward(l, d);
	else if (d->job->ops->may_forward(d->job, d->forward.to, d->forward.n) == 0)
		ask_to_write(l, d);
	else
		end_without_copy(l, d);
}

static void
on_answer(struct local_site *l, const struct local_answer *a)
{
	struct verdict v;
	size_t i = 0;

	while (i < l->nout && (!l->out[i]->asked || l->out[i]->number != a->number))
		i++;
	if (i == l->nout)
		return;
	if (a->outcome == LOCAL_FAIL) {
		v = verdict_make(
		    FATE_FAIL, SCOPE_RCPT, "5.1.1", "looking up the user", "%s", a->text);
		end_with(l, l->out[i], &v);
	} else if (a->outcome == LOCAL_RETRY) {
		end_later(l, l->out[i], "4.2.0", a->text);
	} else if (l->out[i]->kind != LOCAL_FORWARD) {
		forward(l, l->out[i]);
	} else if (l->site->sites->stopping) {
		drop(l, l->out[i]); /* nothing has been done */
	} else {
		obey_forward(l, l->out[i], a);
	}
}

/* --- jobs --------------------------------------------------------------------------------- */

/* Why it is settled without being tried; NULL: it is to be tried. */
static const struct verdict *
judge(const struct local_site *l, const struct job *j, const char *address, const char *user)
{
	static struct verdict v;

	if (l->options->only != NULL && strcmp(l->options->only, user) != 0) {
		v = verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.3.5", NULL, "%s", l->options->why);
		v.no_attempt = v.not_ours = true;
		return &v;
	}
	if (forward_has_looped(j->body, address)) {
		v = verdict_make(FATE_FAIL, SCOPE_RCPT, "5.4.6", NULL,
		    "mail for %s loops: it has been delivered there before", address);
		return &v;
	}
	return NULL;
}

static void
start(struct local_site *l, struct job *j, size_t rcpt)
{
	const char *address = j->rcpts[rcpt].address;
	int64_t now = reactor_now(l->site->sites->reactor);
	char user[LOCAL_NAME_MAX + 1];
	const struct verdict *v;
	struct delivery *d;

	if (!site_local_user(address, user)) {
		struct verdict none =
		    verdict_make(FATE_FAIL, SCOPE_RCPT, "5.1.1", NULL, "no such user");

		settle(l->site, j, rcpt, now, &none);
		return;
	}
	if (l->nout == LOCAL_AT_ONCE || is_busy(l, user))
		return;
	if ((v = judge(l, j, address, user)) != NULL) {
		settle(l->site, j, rcpt, now, v);
		return;
	}
	d = xcalloc(1, sizeof(*d));
	d->job = j;
	d->rcpt = rcpt;
	d->kind = LOCAL_FORWARD;
	d->begun_ms = now;
	str_copy(d->user, sizeof(d->user), user);
	l->out[l->nout++] = d;
	ask(l, d);
}

static void
start_all(struct local_site *l, struct job *j)
{
	for (size_t i = 0; i < j->nrcpts && !l->gone; i++)
		if (!j->rcpts[i].settled && !has(l, j, i))
			start(l, j, i);
}

static bool
can_start(const struct local_site *l, const struct job *j)
{
	char user[LOCAL_NAME_MAX + 1];

	for (size_t i = 0; i < j->nrcpts; i++)
		if (!j->rcpts[i].settled &&
		    (!site_local_user(j->rcpts[i].address, user) || !is_busy(l, user)))
			return true;
	return false;
}

/* Those of which the helper has nothing: done, or waiting again. */
static void
finish_jobs(struct local_site *l)
{
	struct list *pos = l->working.next;

	while (pos != &l->working) {
		struct job *j = list_item(pos, struct job, link);

		pos = pos->next;
		if (has(l, j, SIZE_MAX))
			continue;
		list_remove(&j->link);
		if (j->unsettled == 0 || l->site->sites->stopping)
			site_job_done(l->site, j);
		else
			site_put_back(l->site, j);
	}
}

static void
begin(struct local_site *l, struct job *j)
{
	struct site *s = l->site;

	list_remove(&j->link);
	s->nwaiting--;
	j->body_wanted = true;
	if (j->ops->begin(j) != JOB_GO) {
		site_job_done(s, j);
		return;
	}
	list_add_tail(&l->working, &j->link);
	start_all(l, j);
}

/* --- the helper --------------------------------------------------------------------------- */

/* Whoever runs next has one of his own. */
static void
give_up(struct local_site *l)
{
	static const char why[] = "the process that writes to mailboxes has ended";
	struct sites_local *o = &l->site->sites->options.local;
	struct verdict v = verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.3.0", NULL, "%s", why);

	log_warn("%s; local mail waits for another queue run by root", why);
	o->helper = -1;
	o->why = why;
	while (l->nout > 0)
		end_with(l, l->out[0], &v);
}

static void
watch(struct local_site *l)
{
	struct reactor *r = l->site->sites->reactor;
	short events = POLLIN;

	for (size_t i = 0; i < l->nout; i++)
		if (!l->out[i]->asked)
			events |= POLLOUT;
	if (l->nout == 0)
		watch_remove(r, &l->watch);
	else if (l->watched)
		watch_change(r, &l->watch, events);
	else
		watch_add(r, &l->watch, l->options->helper, events);
	l->watched = l->nout > 0;
}

/* Behind whatever has been done. */
static void
settle_down(struct local_site *l)
{
	if (l->gone) {
		watch_remove(l->site->sites->reactor, &l->watch);
		l->watched = l->gone = false;
		give_up(l);
	}
	finish_jobs(l);
	watch(l);
}

static void
ask_again(struct local_site *l)
{
	for (size_t i = l->nout; i-- > 0 && !l->gone;)
		if (!l->out[i]->asked)
			ask(l, l->out[i]);
}

static void
on_events(void *ctx, short events)
{
	static struct local_answer a;
	struct local_site *l = ctx;
	int got = 0;

	if ((events & ~POLLOUT) != 0)
		while ((got = local_hear(l->options->helper, &a)) == 1)
			on_answer(l, &a);
	if (got == -1)
		l->gone = true;
	ask_again(l);
	settle_down(l);
	site_wake(l->site);
}

/* --- the site ----------------------------------------------------------------------------- */

void
site_local_begin(struct site *s)
{
	struct local_site *l = xcalloc(1, sizeof(*l));

	l->site = s;
	l->options = &s->sites->options.local;
	l->number = (uint64_t)str_random(UINT32_MAX) << 32;
	list_init(&l->working);
	watch_init(&l->watch, on_events, l);
	s->local = l;
}

void
site_local_end(struct site *s)
{
	free(s->local);
	s->local = NULL;
}

static void
discard_waiting(struct site *s)
{
	struct verdict v = verdict_make(FATE_SENT, SCOPE_RCPT, "2.0.0", NULL, "discarded");
	struct job *j;

	while ((j = site_take_job(s)) != NULL) {
		j->body_wanted = false;
		if (j->ops->begin(j) == JOB_GO)
			for (size_t i = 0; i < j->nrcpts; i++)
				if (!j->rcpts[i].settled)
					settle(s, j, i, reactor_now(s->sites->reactor), &v);
		site_job_done(s, j);
	}
}

static void
leave_to_root(struct site *s)
{
	struct verdict v =
	    verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.3.5", NULL, "%s", s->sites->options.local.why);

	v.no_attempt = v.not_ours = true;
	site_set_why(s, &v, "local");
	site_settle_waiting(s);
}

static void
fill(struct local_site *l)
{
	struct list *pos = l->site->waiting.next;

	list_each (at, &l->working)
		start_all(l, list_item(at, struct job, link));
	while (pos != &l->site->waiting && l->nout < LOCAL_AT_ONCE && !l->gone) {
		struct job *j = list_item(pos, struct job, link);

		pos = pos->next;
		if (can_start(l, j))
			begin(l, j);
	}
}

void
site_local_run(struct site *s)
{
	if (s->local->options->how == CONFIG_LOCAL_DISCARD) {
		discard_waiting(s);
		return;
	}
	if (s->local->options->helper >= 0) {
		fill(s->local);
		settle_down(s->local);
	}
	if (s->local->options->helper < 0)
		leave_to_root(s);
}

/* What it has been given is waited for. */
void
site_local_stop(struct site *s, bool hard)
{
	static const char why[] =
	    "stopped while it was written to the mailbox; a duplicate is possible";
	struct local_site *l = s->local;

	if (l == NULL)
		return;
	for (size_t i = l->nout; i-- > 0;) {
		struct delivery *d = l->out[i];

		if (!d->asked || d->kind == LOCAL_FORWARD)
			drop(l, d);
		else if (hard)
			end_later(l, d, "4.3.0", why);
	}
	settle_down(l);
}

size_t
site_local_in_flight(const struct site *s)
{
	return s->local != NULL ? s->local->nout : 0;
}
