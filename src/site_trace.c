/*
 * site_trace.c: a conversation with a site that somebody wants to see: one opening, then the session
 * that comes of it, or why none does.
 */
#include "site_impl.h"

void
site_trace_begin(struct site *s)
{
	if (s->trace == NULL)
		s->trace = trace_begin(s->sites->options.traces, s->key);
}

bool
site_trace_opening(struct site *s)
{
	site_trace_begin(s);
	if (s->trace == NULL || s->traced != NULL)
		return false;
	list_each (pos, &s->openings)
		if (list_item(pos, struct opening, link)->traced)
			return false;
	return true;
}

/* Asked for may be a host, whatever site's it is; its connections are looked at when it is known what they are. */
static void
begin_with_host(struct site *s, const struct hop *h)
{
	if (s->trace == NULL)
		s->trace = trace_begin(s->sites->options.traces, h->host);
}

void
site_trace_failed(struct site *s, const struct hop *h, const struct verdict *v)
{
	if (s->trace != NULL)
		return;
	begin_with_host(s, h);
	site_trace_end(s, v);
}

struct trace *const *
site_trace_session(struct site *s, const struct hop *h, bool traced)
{
	if (!traced && s->trace != NULL)
		return NULL;
	begin_with_host(s, h);
	trace_note(&s->trace, "-- connected to %s%s", h->host, h->peer);
	return s->trace != NULL ? &s->trace : NULL;
}

void
site_trace_end(struct site *s, const struct verdict *why)
{
	char line[VERDICT_TEXT_MAX + 20];

	if (why != NULL && why->fate != FATE_SENT)
		trace_note(&s->trace, "-- %s", verdict_line(why, line, sizeof(line)));
	trace_end(&s->trace);
	s->traced = NULL;
}
