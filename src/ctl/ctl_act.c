/* ctl_act.c: doing something to messages while runners work on them. */
#include "ctl/ctl_act.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/sys.h"
#include "privilege.h"

enum {
	FDS_MAX = 100, /* control files that wait for one commit */
	BODIES_MAX = 1000,
	LINES_MAX = 64 * 1024 * 1024,
	BUSY_MS = 10000, /* for all that are being delivered */
	LOOK_MS = 100,
	SAID_MAX = 20, /* of them by name */
};

/* --- making it durable -------------------------------------------------------------------- */

/*
 * What could not be synced is not believed, nor is the next sync: nothing more is done, and bodies stay.
 * Those whose control files are gone all the same are cleaned away by a run one day (S3 in spool.c).
 */
static void
commit(struct act *a)
{
	struct spool *sp = a->c->program.spool;

	if (durable_commit(spool_batch(sp)) != 0) {
		a->rc = ctl_fail(EX_IOERR,
		    "the spool %s cannot be synced: %s; what was done now may not last",
		    spool_path(sp), strerror(errno));
		a->nbodies = 0;
		a->broken = true;
	}
	while (a->nfds > 0)
		spool_unlock(&a->fds[--a->nfds]);
	while (a->nbodies > 0)
		spool_remove_body(sp, a->bodies[--a->nbodies]);
}

static void
keep_lock(struct act *a, struct item *it)
{
	a->fds[a->nfds++] = it->fd;
	it->fd = -1;
}

/* --- one message -------------------------------------------------------------------------- */

static void
cannot(struct act *a, const char *id)
{
	a->rc = ctl_fail(EX_TEMPFAIL, "%s: cannot %s it: %s", id, a->action->verb, strerror(errno));
}

static void
done(struct act *a, const struct item *it)
{
	if (it->recipients > 0)
		a->recipients += it->recipients;
	else
		a->messages++;
	if (a->action->log != NULL)
		a->action->log(a, it);
	if (it->recipients == 0)
		log_info("%s: %s by sortiectl (uid %ld)", it->id,
		    a->action->logged != NULL ? a->action->logged : a->action->done,
		    (long)privilege_caller());
}

/* The lock may go at once: whoever comes now finds that the name is gone. */
static void
finish(struct act *a, struct item *it)
{
	if (spool_finish(a->c->program.spool, it->id) != 0) {
		cannot(a, it->id);
		return;
	}
	str_copy(a->bodies[a->nbodies++], sizeof(a->bodies[0]), it->id);
	done(a, it);
}

static void
append(struct act *a, struct item *it)
{
	bool durable = a->action->durable;

	if (buf_len(&it->lines) > 0 &&
	    spool_append(a->c->program.spool, it->fd, &it->size, &it->lines, durable) != 0) {
		cannot(a, it->id);
		return;
	}
	if (it->due_at >= 0)
		spool_set_due(it->fd, it->due_at);
	if (buf_len(&it->lines) > 0 && durable)
		keep_lock(a, it);
	done(a, it);
}

static bool
is_meant(struct act *a, const struct envelope *e)
{
	if (!selection_matches(&a->selection, e))
		return false;
	if (a->action->concerns == NULL || a->action->concerns(a, e))
		return true;
	a->held += e->hold;
	return false;
}

static void
carry_out(struct act *a, struct item *it)
{
	buf_init(&it->lines, LINES_MAX);
	a->action->apply(a, it);
	if (it->remove)
		finish(a, it);
	else
		append(a, it);
	buf_free(&it->lines);
	if (a->nfds == FDS_MAX || a->nbodies == BODIES_MAX)
		commit(a);
}

/* Reads it anew under the lock; whether it is still there and meant. */
static bool
reload(struct act *a, struct item *it)
{
	char why[256];

	envelope_free(&it->e);
	return spool_load(a->c->program.spool, it->id, it->fd, &it->e, &it->size, why,
		   sizeof(why)) == SPOOL_LOADED &&
	       is_meant(a, &it->e);
}

static void
remember_busy(struct act *a, const char *id)
{
	a->busy = xgrow(a->busy, a->nbusy, &a->busy_cap, sizeof(*a->busy));
	str_copy(a->busy[a->nbusy++], sizeof(*a->busy), id);
}

/* It has been read and is meant. What was read is believed if the file is still as long. */
static void
take(struct act *a, struct item *it)
{
	off_t read = it->size;

	switch (spool_lock_sized(a->c->program.spool, it->id, &it->fd, &it->size)) {
	case SPOOL_LOCKED:
		if ((it->size == read && it->e.ended) || reload(a, it))
			carry_out(a, it);
		break;
	case SPOOL_BUSY:
		remember_busy(a, it->id);
		break;
	case SPOOL_GONE: /* delivered */
		break;
	case SPOOL_FAILED:
		cannot(a, it->id);
		break;
	}
	spool_unlock(&it->fd);
}

static void
meant(struct act *a, struct item *it)
{
	if (!is_meant(a, &it->e))
		return;
	if (a->dry_run) {
		list_message(&a->list, &it->e);
		a->messages++;
	} else {
		take(a, it);
	}
}

static bool
consider(void *ctx, const char *id)
{
	struct act *a = ctx;
	struct item it = {.id = id, .fd = -1, .due_at = -1};
	char why[256];

	envelope_init(&it.e);
	switch (spool_load(a->c->program.spool, id, -1, &it.e, &it.size, why, sizeof(why))) {
	case SPOOL_LOADED:
		meant(a, &it);
		break;
	case SPOOL_MISSING:
		if (a->selection.nids > 0 && !a->again)
			a->rc = ctl_fail(EX_NOINPUT, "%s is not in the queue", id);
		break;
	case SPOOL_CORRUPT:
		a->rc = ctl_fail(
		    EX_DATAERR, "%s is damaged (%s): a run will put it into corrupt/", id, why);
		break;
	case SPOOL_UNREADABLE:
		a->rc = ctl_fail(EX_TEMPFAIL, "%s cannot be read: %s", id, strerror(errno));
		break;
	}
	envelope_free(&it.e);
	if (!a->again && !a->dry_run) /* which shows them */
		ctl_progress(a->c, "%zu looked at, %s %zu", ++a->seen, a->action->done,
		    a->messages + a->recipients);
	return !a->broken && !ferror(a->c->out);
}

/* --- those that somebody else has --------------------------------------------------------- */

/* One look at each; those that are still busy stay. */
static void
look_again(struct act *a)
{
	char(*ids)[ENVELOPE_ID_MAX + 1] = a->busy;
	size_t n = a->nbusy;

	a->busy = NULL;
	a->nbusy = a->busy_cap = 0;
	a->again = true;
	for (size_t i = 0; i < n && !a->broken; i++)
		consider(a, ids[i]);
	free(ids);
}

/* A delivery takes what it takes, a submission's last moment or somebody's question almost nothing. */
static void
wait_for_busy(struct act *a)
{
	int64_t end_ms = clock_mono_ms() + (a->action->waits ? BUSY_MS : LOOK_MS);

	while (a->nbusy > 0 && !a->broken && clock_mono_ms() < end_ms) {
		commit(a); /* nothing that is done waits for this */
		sys.poll(NULL, 0, LOOK_MS);
		look_again(a);
		if (a->action->waits)
			ctl_progress(a->c, "waiting for what is being delivered: %zu", a->nbusy);
	}
}

static void
say_busy(struct act *a)
{
	if (a->nbusy == 0 || !a->action->waits)
		return;
	for (size_t i = 0; i < a->nbusy && i < SAID_MAX; i++)
		ctl_fail(0, "%s is being delivered right now", a->busy[i]);
	if (a->nbusy > SAID_MAX)
		ctl_fail(0, "and so are %zu more", a->nbusy - SAID_MAX);
	a->rc = EX_TEMPFAIL;
}

/* --- the command -------------------------------------------------------------------------- */

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static bool
wants_runner(const struct act *a)
{
	return a->action->wakes && !a->dry_run && a->messages + a->recipients > 0;
}

/* Cron's will come; a person may not want to wait for it. */
static bool
no_runner(const struct act *a)
{
	return wants_runner(a) && !spool_runner_present(a->c->program.spool, "full");
}

static void
say_count(struct act *a)
{
	FILE *out = a->c->out;

	if (a->dry_run)
		fprintf(out, "would %s", a->action->verb);
	else
		fputs(a->action->done, out);
	if (a->messages > 0 || a->recipients == 0)
		fprintf(out, " %zu message%s", a->messages, plural(a->messages));
	if (a->recipients > 0)
		fprintf(out, "%s %zu recipient%s%s", a->messages > 0 ? " and" : "", a->recipients,
		    plural(a->recipients), a->messages > 0 ? " of others" : "");
	if (a->held > 0 && a->action->left != NULL)
		fprintf(out, "; %zu %s", a->held, a->action->left);
	if (a->nbusy > 0 && !a->action->waits)
		fprintf(out, "; %zu being delivered right now", a->nbusy);
	if (no_runner(a))
		fputs("; no runner is there, sortie -q delivers now", out);
	putc('\n', out);
}

static void
act(struct act *a)
{
	int rc = selection_walk(a->c, &a->selection, consider, a);

	if (rc != EX_OK)
		a->rc = rc;
	wait_for_busy(a);
	commit(a);
	ctl_progress_end();
	say_busy(a);
	if (wants_runner(a))
		spool_wake_anew(a->c->program.spool);
	say_count(a);
}

int
act_run(struct ctl *c, const struct ctl_action *action, int argc, char **argv)
{
	struct act a = {.c = c, .action = action, .rc = EX_OK};
	const struct ctl_option more[] = {
	    {"-n", &a.dry_run, NULL}, {"--dry-run", &a.dry_run, NULL}, {NULL, NULL, NULL}};

	if (selection_parse(c, &a.selection, more, argc, argv) != EX_OK)
		return EX_USAGE;
	if (!selection_given(&a.selection))
		return ctl_usage(c, "which messages? ids, --all, --held, --sender, --recipient, "
				    "--site, --older or --newer");
	a.fds = xcalloc(FDS_MAX, sizeof(*a.fds));
	a.bodies = xcalloc(BODIES_MAX, sizeof(*a.bodies));
	list_begin(&a.list, c);
	act(&a);
	list_end(&a.list);
	free(a.fds);
	free(a.bodies);
	free(a.busy);
	return a.rc;
}
