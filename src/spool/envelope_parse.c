/*
 * envelope_parse.c: a control file's text -> an envelope.
 *
 *	file        = first-part *progress
 *	first-part  = "Content-type: application/x-citadel-delivery-list" *header LF LF
 *	              "format|1" LF *instruction "recipients|" N LF
 *	progress    = instruction LF
 *	instruction = name *( "|" field )
 *	field       = *( character / "\|" / "\\" / "\n" )
 *
 * The first part was written and synced whole before the message was accepted: anything wrong with
 * it is damage. Progress was appended later and may have been cut by a crash: what does not parse
 * is skipped, and so is an unfinished last line.
 *
 * A list without format|1 is one of Citadel's. It has no end mark (until we append recipients|N to
 * it, behind which our rules hold), nothing in it is escaped, the reason is the rest of the line,
 * and `attempted` is when the next attempt is due.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "spool/envelope.h"

struct parser {
	struct envelope *e;
	const char *p, *line_end; /* what is left of the line; p is NULL behind its last field */
	bool raw; /* Citadel's: no escapes */
	bool bad; /* an escape that is none: sticky until the next line */
	bool any; /* an instruction has been seen */
	size_t remotes; /* remote lines in the first part, duplicates included */
	struct buf field;
	char *why;
	size_t whysize;
};

/* --- fields --- */

/* The next field into ps->field, NULL when the line has no more. */
static const char *
next_field(struct parser *ps)
{
	const char *from = ps->p;

	buf_clear(&ps->field);
	if (from == NULL)
		return NULL;
	for (; ps->p < ps->line_end && *ps->p != '|'; ps->p++) {
		if (*ps->p != '\\' || ps->raw)
			continue;
		buf_add(&ps->field, from, (size_t)(ps->p++ - from));
		from = ps->p + 1;
		if (ps->p == ps->line_end || strchr("|\\n", *ps->p) == NULL) {
			ps->bad = true;
			return NULL;
		}
		buf_addc(&ps->field, *ps->p == 'n' ? '\n' : *ps->p);
	}
	buf_add(&ps->field, from, (size_t)(ps->p - from));
	ps->p = ps->p < ps->line_end ? ps->p + 1 : NULL;
	return buf_str(&ps->field);
}

static bool
next_number(struct parser *ps, uint64_t max, uint64_t *n)
{
	return next_field(ps) != NULL &&
	       str_u64n(buf_data(&ps->field), buf_len(&ps->field), max, n);
}

static bool
next_time(struct parser *ps, int64_t *at)
{
	uint64_t n;

	if (!next_number(ps, INT64_MAX, &n))
		return false;
	*at = (int64_t)n;
	return true;
}

/* Replaces *s by the next field. */
static bool
next_text(struct parser *ps, char **s)
{
	const char *field = next_field(ps);

	if (field == NULL)
		return false;
	free(*s);
	*s = xstrdup(field);
	return true;
}

/* What is left of the line, as it is. */
static const char *
rest(struct parser *ps, size_t *n)
{
	*n = ps->p == NULL ? 0 : (size_t)(ps->line_end - ps->p);
	return ps->p;
}

/* --- instructions; false: it does not parse --- */

static bool
on_format(struct parser *ps)
{
	uint64_t n;

	if (ps->any || !next_number(ps, 1, &n) || n != 1)
		return false;
	ps->e->citadel = ps->raw = false;
	return true;
}

static bool
on_msgid(struct parser *ps)
{
	const char *id = next_field(ps);

	return id != NULL && envelope_id_ok(id) && str_copy(ps->e->msgid, sizeof(ps->e->msgid), id);
}

static bool
on_submitted(struct parser *ps)
{
	return next_time(ps, &ps->e->submitted);
}

static bool
on_envelope_from(struct parser *ps)
{
	return next_text(ps, &ps->e->sender) &&
	       (!ps->raw || str_is_clean(ps->e->sender, strlen(ps->e->sender)));
}

static bool
on_bounceto(struct parser *ps)
{
	return next_text(ps, &ps->e->bounceto) &&
	       (!ps->raw || str_is_clean(ps->e->bounceto, strlen(ps->e->bounceto)));
}

static bool
on_source_room(struct parser *ps)
{
	char *room;

	if (!next_text(ps, &ps->e->source_room))
		return false;
	room = ps->e->source_room;
	str_clean(room, strlen(room) + 1, buf_data(&ps->field), buf_len(&ps->field));
	return true;
}

static bool
on_uid(struct parser *ps)
{
	uint64_t n;

	if (!next_number(ps, INT64_MAX, &n))
		return false;
	ps->e->uid = (long long)n;
	return true;
}

static bool
on_size(struct parser *ps)
{
	return next_number(ps, UINT64_MAX, &ps->e->size);
}

/* body|8bit,dots,longest=998: words that are not known say nothing to us. */
static bool
on_body(struct parser *ps)
{
	struct envelope *e = ps->e;
	const char *s = next_field(ps);

	if (s == NULL)
		return false;
	for (size_t n; *s != '\0'; s += n + (s[n] == ',')) {
		uint64_t longest;

		n = strcspn(s, ",");
		if (n == 4 && memcmp(s, "8bit", n) == 0)
			e->eightbit = true;
		else if (n == 4 && memcmp(s, "utf8", n) == 0)
			e->utf8 = true;
		else if (n == 4 && memcmp(s, "dots", n) == 0)
			e->dots = true;
		else if (n > 8 && memcmp(s, "longest=", 8) == 0 &&
			 str_u64n(s + 8, n - 8, UINT32_MAX, &longest))
			e->longest = (unsigned)longest;
	}
	return true;
}

static bool
on_recipients(struct parser *ps)
{
	uint64_t n;

	if (!next_number(ps, SIZE_MAX, &n) || n > ps->remotes || ps->remotes == 0)
		return false;
	ps->e->ended = true;
	ps->raw = false;
	return true;
}

static bool
on_attempted(struct parser *ps)
{
	int64_t at;

	if (!next_time(ps, &at))
		return false;
	if (at != 0) /* Citadel's way to say never */
		envelope_attempted(ps->e, at, ps->e->retry);
	return true;
}

static bool
on_retry(struct parser *ps)
{
	return next_time(ps, &ps->e->retry);
}

static bool
on_report(struct parser *ps)
{
	uint64_t n;

	if (!next_number(ps, UINT32_MAX, &n))
		return false;
	envelope_report(ps->e, (unsigned)n);
	return true;
}

static bool
on_reported(struct parser *ps)
{
	uint64_t n;

	if (!next_number(ps, UINT32_MAX, &n))
		return false;
	if (n > ps->e->reported)
		ps->e->reported = (unsigned)n;
	return true;
}

static bool
on_switch(struct parser *ps, bool *is_on)
{
	uint64_t n;

	if (!next_number(ps, 1, &n))
		return false;
	*is_on = n == 1;
	return true;
}

static bool
on_hold(struct parser *ps)
{
	return on_switch(ps, &ps->e->hold);
}

static bool
on_warned(struct parser *ps)
{
	return on_switch(ps, &ps->e->warned);
}

/* --- remote|address|status|reason|name=value... --- */

/* The recipient named by the field just read. In the first part it is added; behind it nobody
 * can be. NULL: no such recipient, or not an address. */
static struct recipient *
named_recipient(struct parser *ps)
{
	const char *address = buf_str(&ps->field);

	if (ps->e->ended)
		return envelope_find(ps->e, address);
	if (address[0] == '\0' || (ps->raw && !str_is_clean(address, strlen(address))))
		return NULL;
	ps->remotes++;
	if (envelope_add(ps->e, address))
		return &ps->e->rcpts[ps->e->nrcpts - 1];
	return envelope_find(ps->e, address);
}

/* Citadel's 1 was a try that did not end. */
static bool
next_status(struct parser *ps, enum rcpt_status *status)
{
	uint64_t n;

	if (!next_number(ps, RCPT_FAILED, &n) || (n == 1 && !ps->raw))
		return false;
	*status = n == 1 ? RCPT_NEW : (enum rcpt_status)n;
	return true;
}

/*
 * Ours is a field that may be empty but must be there: a line that a crash has cut before it is no
 * outcome. Citadel's is the rest of the line, if any, with a bar or two at its end.
 */
static const char *
next_reason(struct parser *ps)
{
	const char *s;
	size_t n;

	if (!ps->raw)
		return next_field(ps);
	s = rest(ps, &n);
	while (n > 0 && s[n - 1] == '|')
		n--;
	buf_clear(&ps->field);
	if (n > 0)
		buf_add(&ps->field, s, n);
	ps->p = NULL;
	return buf_str(&ps->field);
}

static bool
on_remote(struct parser *ps)
{
	struct recipient *r;
	enum rcpt_status status;
	const char *reason, *extra;
	size_t n;

	if (next_field(ps) == NULL || (r = named_recipient(ps)) == NULL ||
	    !next_status(ps, &status) || (reason = next_reason(ps)) == NULL)
		return false;
	envelope_settle(ps->e, (size_t)(r - ps->e->rcpts), status, reason);
	extra = rest(ps, &n);
	if (n > 0 && r->extra == NULL && !ps->e->ended)
		r->extra = xstrndup(extra, n);
	return true;
}

/* --- lines --- */

enum where { FIRST = 1, LATER = 2, ANYWHERE = FIRST | LATER };

static const struct instruction {
	const char *name;
	bool (*parse)(struct parser *ps);
	enum where where;
} instructions[] = {
    {"remote", on_remote, ANYWHERE},
    {"attempted", on_attempted, ANYWHERE},
    {"retry", on_retry, ANYWHERE},
    {"report", on_report, ANYWHERE},
    {"reported", on_reported, ANYWHERE},
    {"hold", on_hold, ANYWHERE},
    {"warned", on_warned, ANYWHERE},
    {"format", on_format, FIRST},
    {"msgid", on_msgid, FIRST},
    {"submitted", on_submitted, FIRST},
    {"envelope_from", on_envelope_from, FIRST},
    {"bounceto", on_bounceto, FIRST},
    {"source_room", on_source_room, FIRST},
    {"uid", on_uid, FIRST},
    {"size", on_size, FIRST},
    {"body", on_body, FIRST},
    {"recipients", on_recipients, FIRST},
};

static const struct instruction *
find_instruction(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++)
		if (n > 0 && instructions[i].name[0] == name[0] &&
		    strncmp(instructions[i].name, name, n) == 0 && instructions[i].name[n] == '\0')
			return &instructions[i];
	return NULL;
}

/* A name that a later version may have added: kept when it stands in the first part. */
static bool
keep_unknown(struct parser *ps, const char *line, size_t namelen)
{
	size_t n = (size_t)(ps->line_end - line);

	if (namelen == 0)
		return false;
	for (size_t i = 0; i < namelen; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", line[i]) == NULL)
			return false;
	if (!ps->e->ended && str_is_clean(line, n)) {
		buf_add(&ps->e->unknown, line, n);
		buf_addc(&ps->e->unknown, '\n');
	}
	return true;
}

/* One line without its newline; false: it does not parse. */
static bool
parse_line(struct parser *ps, const char *line, size_t n)
{
	const char *bar = memchr(line, '|', n);
	size_t namelen = bar == NULL ? n : (size_t)(bar - line);
	const struct instruction *in;
	bool ok;

	if (memchr(line, '\0', n) != NULL)
		return false;
	if (!ps->e->ended && !ps->e->citadel && !str_is_clean(line, n))
		return false;
	ps->line_end = line + n;
	ps->p = bar == NULL ? NULL : bar + 1;
	ps->bad = false;
	in = find_instruction(line, namelen);
	if (in == NULL)
		ok = keep_unknown(ps, line, namelen);
	else
		ok = (in->where & (ps->e->ended ? LATER : FIRST)) != 0 && in->parse(ps) && !ps->bad;
	ps->any = true;
	return ok;
}

static size_t
line_length(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return (size_t)((nl == NULL ? end : nl) - p);
}

static enum envelope_error
damaged(struct parser *ps, const char *what)
{
	snprintf(ps->why, ps->whysize, "%s", what);
	return ENVELOPE_DAMAGED;
}

/* The header: its first line names the type, an empty line ends it. NULL: it is not one. */
static const char *
skip_header(const char *p, const char *end)
{
	static const char type[] = "Content-type: application/x-citadel-delivery-list";
	size_t n = line_length(p, end);

	if (n < sizeof(type) - 1 || memchr(p, '\0', n) != NULL ||
	    !str_neqi(p, type, sizeof(type) - 1))
		return NULL;
	while (p + n < end) {
		p += n + 1;
		n = line_length(p, end);
		if (p < end && (n == 0 || (n == 1 && *p == '\r')))
			return p + n < end ? p + n + 1 : NULL;
	}
	return NULL;
}

/* Room for all recipients at once: growing would hash them again. */
static void
reserve_rcpts(struct envelope *e, const char *p, const char *end)
{
	size_t remotes = 0, n;

	for (; p < end; p += n + 1) {
		n = line_length(p, end);
		if (n > 7 && memcmp(p, "remote|", 7) == 0)
			remotes++;
		else if (n > 11 && memcmp(p, "recipients|", 11) == 0)
			break;
	}
	if (e->nrcpts > 0 || remotes <= e->rcpts_cap)
		return;
	e->rcpts = xreallocarray(e->rcpts, remotes, sizeof(*e->rcpts));
	e->rcpts_cap = remotes;
}

/* From `attempted` as the time that is due to the time of the attempt. */
static void
from_citadel_times(struct envelope *e)
{
	if (e->attempted > e->retry)
		e->attempted -= e->retry;
	e->first_attempted = e->attempted;
}

/*
 * Lines of the first part, from p on. Returns where it ends, NULL when the file is damaged.
 * Citadel's last line may lack its newline; an end mark may not.
 */
static const char *
parse_first(struct parser *ps, const char *p, const char *end)
{
	struct envelope *e = ps->e;
	unsigned number = 1;
	size_t n;

	for (; p < end && !e->ended; p += n + (p + n < end), number++) {
		size_t len = n = line_length(p, end);

		if (p + n == end && (!e->citadel || (n > 10 && memcmp(p, "recipients", 10) == 0)))
			break;
		if (e->citadel && len > 0 && p[len - 1] == '\r')
			len--;
		if (len > 0 && !parse_line(ps, p, len)) {
			snprintf(
			    ps->why, ps->whysize, "instruction %u cannot be understood", number);
			return NULL;
		}
	}
	if (e->citadel)
		from_citadel_times(e);
	return p;
}

static enum envelope_error
parse_parts(struct parser *ps, const char *text, const char *end)
{
	struct envelope *e = ps->e;
	const char *p = skip_header(text, end);
	size_t n;

	if (p == NULL)
		return damaged(ps, "not a delivery list");
	reserve_rcpts(e, p, end);
	p = parse_first(ps, p, end);
	if (p == NULL)
		return ENVELOPE_DAMAGED;
	if (!e->ended && !e->citadel)
		return damaged(ps, "cut before the end of the recipients");
	if (e->msgid[0] == '\0')
		return damaged(ps, "no msgid");
	if (e->nrcpts == 0)
		return damaged(ps, "no recipients");
	for (; p < end && p + (n = line_length(p, end)) < end; p += n + 1)
		if (n > 0 && !parse_line(ps, p, n))
			e->bad_lines++;
	e->torn = p < end;
	e->whole_size = (uint64_t)(p - text);
	return ENVELOPE_OK;
}

enum envelope_error
envelope_parse(struct envelope *e, const char *text, size_t n, char *why, size_t whysize)
{
	struct parser ps = {.e = e, .raw = true, .why = why, .whysize = whysize};
	enum envelope_error error;

	e->citadel = true;
	buf_init(&ps.field, n + 1);
	error = parse_parts(&ps, text, text + n);
	buf_free(&ps.field);
	return error;
}
