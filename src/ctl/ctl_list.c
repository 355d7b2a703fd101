/* ctl_list.c: what is queued, as a table or as JSON. */
#include "ctl/ctl_list.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "base/str.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_select.h"
#include "proto/address.h"
#include "view.h"

/* --- a line of the table ------------------------------------------------------------------ */

static const struct table_column columns[] = {
    {.head = "ID", .width = 20, .whole = true},
    {.head = "SIZE", .width = 5, .right = true, .wide = 90},
    {.head = "AGE", .width = 4, .right = true},
    {.head = "NEXT", .width = 7},
    {.head = "SENDER", .width = 8, .share = 2, .wide = 70},
    {.head = "RECIPIENT", .width = 10, .share = 3},
    {.head = "REASON", .width = 10, .share = 5, .wide = 160},
};

enum {
	NCOLUMNS = sizeof(columns) / sizeof(columns[0]),
	REASON = NCOLUMNS - 1,
	REASON_INDENT = 4,
	REASON_LINES = 3 /* show has all of it */
};

void
list_begin(struct list *l, struct ctl *c)
{
	l->c = c;
	table_init(&l->table, c, columns, NCOLUMNS);
}

void
list_end(struct list *l)
{
	table_free(&l->table);
}

static const char *
next_try(const struct ctl *c, const struct envelope *e, enum view_state state, char dst[24])
{
	int64_t due = envelope_due_at(e);

	if (state == VIEW_ACTIVE || state == VIEW_HELD)
		return view_state_word(state);
	return due <= c->now ? "now" : term_span(due - c->now, dst);
}

/* The first open recipient, and how many there are. NULL: everybody has it. */
static const struct recipient *
first_open(const struct envelope *e, size_t *n)
{
	const struct recipient *first = NULL;

	*n = 0;
	for (size_t i = 0; i < e->nrcpts; i++) {
		if (!view_is_open(e, &e->rcpts[i]))
			continue;
		if ((*n)++ == 0)
			first = &e->rcpts[i];
	}
	return first;
}

const char *
list_sender(const struct envelope *e)
{
	if (e->sender == NULL)
		return "(its From)";
	return e->sender[0] == '\0' ? "<>" : e->sender;
}

/*
 * Why a message waits is what most look for, and its end says most: where a column had room for half of it,
 * it stands below the message.
 */
static void
add_row(struct list *l, enum term_colour colour, const char *const cells[NCOLUMNS])
{
	table_row(&l->table, colour, cells);
	if (l->table.width[REASON] == 0 && cells[REASON] != NULL)
		term_wrap(l->c, colour, cells[REASON], REASON_INDENT, REASON_LINES);
}

static void
list_row(struct list *l, const struct envelope *e, enum view_state state)
{
	const struct ctl *c = l->c;
	static const enum term_colour colours[] = {
	    [VIEW_QUEUED] = TERM_PLAIN,
	    [VIEW_DEFERRED] = TERM_PLAIN,
	    [VIEW_HELD] = TERM_YELLOW,
	    [VIEW_ACTIVE] = TERM_GREEN,
	};
	char size[16], age[24], next[24], to[ADDRESS_MAX + 32] = "";
	const char *cells[NCOLUMNS] = {e->id, term_size(e->size, size)};
	const struct recipient *first;
	size_t n;

	first = first_open(e, &n);
	if (n == 1)
		str_copy(to, sizeof(to), first->address);
	else if (n > 1) /* their number first: it is not to be cut off */
		snprintf(to, sizeof(to), "%zu: %s", n, first->address);
	cells[2] = term_span(c->now - envelope_submitted(e, c->now), age);
	cells[3] = next_try(c, e, state, next);
	cells[4] = list_sender(e);
	cells[5] = to;
	cells[REASON] = first == NULL ? NULL : first->reason;
	add_row(l, colours[state], cells);
}

/* --- JSON --------------------------------------------------------------------------------- */

static bool
is_waiting(const struct recipient *rc)
{
	return rc->status != RCPT_DELIVERED && rc->status != RCPT_FAILED;
}

const char *
list_status_word(enum rcpt_status status)
{
	switch (status) {
	case RCPT_NEW:
		break;
	case RCPT_DELIVERED:
		return "delivered";
	case RCPT_UNREACHED:
		return "unreached";
	case RCPT_DEFERRED:
		return "deferred";
	case RCPT_FAILED:
		return "failed";
	}
	return "new";
}

/* What was never tried is due since it came. */
static int64_t
next_at(const struct ctl *c, const struct envelope *e)
{
	int64_t due = envelope_due_at(e);

	return due == 0 ? envelope_submitted(e, c->now) : due;
}

static void
json_recipients(struct json *j, const struct envelope *e, int64_t next)
{
	json_open(j, "recipients", '[');
	for (size_t i = 0; i < e->nrcpts; i++) {
		const struct recipient *rc = &e->rcpts[i];

		json_open(j, NULL, '{');
		json_string(j, "address", rc->address);
		json_string(j, "status", list_status_word(rc->status));
		json_string(j, "reason", rc->reason);
		json_time(j, "next", is_waiting(rc) ? next : 0);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void
list_json(const struct ctl *c, const struct envelope *e, enum view_state state)
{
	struct json j = {.out = c->out};
	int64_t next = next_at(c, e);

	json_open(&j, NULL, '{');
	json_string(&j, "id", e->id);
	json_string(&j, "state", view_state_word(state));
	json_string(&j, "sender", e->sender);
	if (e->uid >= 0)
		json_number(&j, "uid", e->uid);
	else
		json_null(&j, "uid");
	json_string(&j, "source", e->source_room);
	json_number(&j, "size", e->size > INT64_MAX ? INT64_MAX : (int64_t)e->size);
	json_number(&j, "submitted", envelope_submitted(e, c->now));
	json_time(&j, "attempted", e->attempted);
	json_time(&j, "next", e->waiting > 0 ? next : 0);
	json_recipients(&j, e, next);
	json_close(&j, '}');
	putc('\n', c->out);
}

/* --- either ------------------------------------------------------------------------------- */

void
list_message(struct list *l, const struct envelope *e)
{
	enum view_state state = view_state(e, spool_is_locked(l->c->program.spool, e->id));

	if (l->c->json)
		list_json(l->c, e, state);
	else
		list_row(l, e, state);
}

void
list_damaged(struct list *l, const char *id, const char *why)
{
	struct json j = {.out = l->c->out};
	const char *cells[NCOLUMNS] = {[0] = id, [3] = "damaged", [REASON] = why};

	if (!l->c->json) {
		add_row(l, TERM_RED, cells);
		return;
	}
	json_open(&j, NULL, '{');
	json_string(&j, "id", id);
	json_string(&j, "state", "damaged");
	json_string(&j, "reason", why);
	json_close(&j, '}');
	putc('\n', l->c->out);
}

/* --- the command -------------------------------------------------------------------------- */

struct listing {
	struct ctl *c;
	struct selection selection;
	struct list list;
	int rc;
};

/* In a queue that is being worked on messages vanish; one that was asked for by name is missed. */
static bool
consider(void *ctx, const char *id)
{
	struct listing *l = ctx;
	struct envelope e;
	char why[256];
	off_t size;

	envelope_init(&e);
	switch (spool_load(l->c->program.spool, id, -1, &e, &size, why, sizeof(why))) {
	case SPOOL_LOADED:
		if (selection_matches(&l->selection, &e))
			list_message(&l->list, &e);
		break;
	case SPOOL_MISSING:
		if (l->selection.nids > 0)
			l->rc = ctl_fail(EX_NOINPUT, "%s is not in the queue", id);
		break;
	case SPOOL_CORRUPT:
		list_damaged(&l->list, id, why);
		break;
	case SPOOL_UNREADABLE:
		l->rc = ctl_fail(EX_TEMPFAIL, "%s cannot be read: %s", id, strerror(errno));
		break;
	}
	envelope_free(&e);
	return !ferror(l->c->out);
}

/* Those that were put aside are in no list; whoever looks at a terminal hears of them. */
static void
mention_damaged(struct ctl *c)
{
	struct spool *sp = c->program.spool;
	size_t n;

	if (c->tty && spool_count_corrupt(sp, &n) == 0 && n > 0)
		fprintf(stderr, "%zu damaged, kept in %s/corrupt for a person to look at\n", n,
		    spool_path(sp));
}

int
ctl_list(struct ctl *c, int argc, char **argv)
{
	const struct ctl_option more[] = {{"--json", &c->json, NULL}, {NULL, NULL, NULL}};
	struct listing l = {.c = c, .rc = EX_OK};
	int rc;

	if (selection_parse(c, &l.selection, more, argc, argv) != EX_OK)
		return EX_USAGE;
	list_begin(&l.list, c);
	rc = selection_walk(c, &l.selection, consider, &l);
	if (!l.list.table.begun && c->tty && !c->json)
		fputs(selection_given(&l.selection) ? "no such message\n" : "the queue is empty\n",
		    stderr);
	list_end(&l.list);
	mention_damaged(c);
	return rc != EX_OK ? rc : l.rc;
}
