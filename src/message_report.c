/*
 * message_report.c: what follows a commit in a later turn: bodies go, reports and warnings are made.
 */
#include "message_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

struct body_name { /* a body to remove in a later turn */
	struct list link;
	char msgid[ENVELOPE_ID_MAX + 1];
};

void
messages_remove_body(struct messages *ms, const char *msgid)
{
	struct body_name *b = xcalloc(1, sizeof(*b));

	str_copy(b->msgid, sizeof(b->msgid), msgid);
	list_add_tail(&ms->bodies, &b->link);
	task_queue(ms->reactor, &ms->stages);
}

static void
hold(struct message *m)
{
	m->envelope.hold = true;
	envelope_write_number(&m->lines, "hold", 1);
	m->durable = true;
	m->all->counts.held++;
	log_warn("%s: status=held (a report about it could not be delivered, and there is nobody "
		 "left to tell)",
	    m->envelope.id);
}

/*
 * The report's name: the message's with a suffix, so that it is the same again after a crash. A list
 * that somebody else put into the spool may have a name too long for that: its beginning and a hash
 * of it (FNV-1a, 64 bits) stand for it then.
 */
static void
name_report(char name[ENVELOPE_ID_MAX + 1], const char *id, const char *suffix)
{
	enum { KEPT = 32 };
	uint64_t h = 0xcbf29ce484222325;
	size_t n = strlen(id);

	str_copy(name, ENVELOPE_ID_MAX + 1, id);
	if (n + strlen(suffix) > ENVELOPE_ID_MAX) {
		for (const char *p = id; *p != '\0'; p++)
			h = (h ^ (unsigned char)*p) * 0x100000001b3;
		n = KEPT + (size_t)snprintf(name + KEPT, ENVELOPE_ID_MAX + 1 - KEPT, "-%016llx",
			       (unsigned long long)h);
	}
	str_copy(name + n, ENVELOPE_ID_MAX + 1 - n, suffix);
}

static void
make_report(struct message *m)
{
	struct messages *ms = m->all;
	struct envelope *e = &m->envelope;
	unsigned n = e->reported + 1; /* in order: one may be owed since a crash or a full disk */
	char id[ENVELOPE_ID_MAX + 1], suffix[16];

	snprintf(suffix, sizeof(suffix), ".r%u", n);
	name_report(id, e->id, suffix);
	switch (
	    bounce_make(ms->spool, &ms->options.bounce, e, BOUNCE_FAILED, n, id, clock_wall_s())) {
	case BOUNCE_MADE:
		e->reported = n;
		envelope_write_number(&m->lines, "reported", e->reported);
		m->durable = true;
		m->stage = STAGE_CLOSING; /* finished now, or waiting for its time */
		ms->options.arrived(ms->options.ctx);
		m->deferred = false;
		break;
	case BOUNCE_NOBODY:
		m->stage = STAGE_LEAVING;
		if (e->waiting == 0) /* else the others have their turn first */
			hold(m);
		break;
	case BOUNCE_ERROR:
		log_warn(
		    "%s: cannot make its report: %s; trying again later", e->id, strerror(errno));
		m->stage = STAGE_LEAVING;
		break;
	}
	message_touch(m);
}

static void
make_warning(struct message *m)
{
	struct messages *ms = m->all;
	struct envelope *e = &m->envelope;
	char id[ENVELOPE_ID_MAX + 1];

	name_report(id, e->id, ".w");
	if (bounce_make(ms->spool, &ms->options.bounce, e, BOUNCE_DELAYED, 0, id, clock_wall_s()) ==
	    BOUNCE_MADE) {
		ms->options.arrived(ms->options.ctx);
	} else { /* the next attempt brings another chance */
		e->warned = false;
		envelope_write_number(&m->lines, "warned", 0);
	}
	m->stage = STAGE_LEAVING;
	message_touch(m);
}

void
messages_next_stages(void *ctx)
{
	struct messages *ms = ctx;

	while (!list_empty(&ms->bodies)) {
		struct body_name *b = list_item(ms->bodies.next, struct body_name, link);

		list_remove(&b->link);
		spool_remove_body(ms->spool, b->msgid);
		free(b);
	}
	while (!list_empty(&ms->staged)) {
		struct message *m = list_item(ms->staged.next, struct message, next_stage);

		list_remove(&m->next_stage);
		if (ms->broken) {
			m->stage = STAGE_LEAVING;
			message_touch(m);
		} else if (m->stage == STAGE_REPORT) {
			make_report(m);
		} else {
			make_warning(m);
		}
	}
}
