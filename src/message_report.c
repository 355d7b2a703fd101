/*
 * message_report.c: what follows a commit in a later turn: bodies go, reports and warnings are made.
 *
 * Nobody waits for a body to go, and on some disks unlink(2) takes longer than all else about a
 * message. So bodies go when there is nothing to do for those who do wait, unless too many are left. A
 * crash leaves them to the cleaning (S3).
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
	uint64_t size;
	char msgid[];
};

void
messages_remove_body(struct messages *ms, const char *msgid, uint64_t size)
{
	size_t n = strlen(msgid) + 1;
	struct body_name *b = xcalloc(1, sizeof(*b) + n);

	memcpy(b->msgid, msgid, n);
	b->size = size;
	list_add_tail(&ms->bodies, &b->link);
	ms->nbodies++;
	ms->body_bytes += size;
	if (ms->nbodies > ms->options.bodies_max || ms->body_bytes > BODIES_MAX_BYTES || ms->full)
		task_queue(ms->reactor, &ms->stages);
	else
		task_queue_idle(ms->reactor, &ms->sweep);
}

static void
remove_oldest_body(struct messages *ms)
{
	struct body_name *b = list_item(ms->bodies.next, struct body_name, link);

	list_remove(&b->link);
	ms->nbodies--;
	ms->body_bytes -= b->size;
	spool_remove_body(ms->spool, b->msgid);
	free(b);
}

void
messages_sweep(void *ctx)
{
	struct messages *ms = ctx;

	if (list_empty(&ms->bodies))
		return;
	remove_oldest_body(ms);
	task_queue_idle(ms->reactor, &ms->sweep);
}

void
messages_remove_bodies(struct messages *ms, size_t left, uint64_t bytes_left)
{
	while (ms->nbodies > left || ms->body_bytes > bytes_left)
		remove_oldest_body(ms);
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

	if (ms->full)
		messages_remove_bodies(ms, 0, 0);
	else
		messages_remove_bodies(ms, ms->options.bodies_max, BODIES_MAX_BYTES);
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
