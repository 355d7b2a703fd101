/* letters.c: compares what arrived with what the spool knows. */
#include "t/fault/letters.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "spool/envelope.h"

enum { TEXT_MAX = 16 << 20 };

void
books_open(struct books *b, const struct letter *letters)
{
	memset(b, 0, sizeof(*b));
	b->letters = letters;
}

void
books_new_life(struct books *b)
{
	memset(b->taken, 0, sizeof(b->taken));
}

void
books_complain(struct books *b, unsigned *count, const char *fmt, ...)
{
	va_list ap;

	++*count;
	if (b->why[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(b->why, sizeof(b->why), fmt, ap);
	va_end(ap);
}

bool
books_violated(const struct books *b)
{
	return b->lost + b->duplicated + b->other > 0;
}

/* --- texts --- */

static void
add_lines(struct buf *out, const struct letter *l, const char *eol)
{
	for (unsigned i = 0; i < l->lines; i++)
		buf_addf(out, "line %u of %s, and so on until the line is of some length%s", i,
		    l->subject, eol);
}

void
letter_text(struct buf *out, const struct letter *l)
{
	buf_addf(out, "Subject: %s\n\n", l->subject);
	add_lines(out, l, "\n");
}

static bool
is_whole(const struct letter *l, const char *text)
{
	struct buf want;
	bool whole;

	buf_init(&want, TEXT_MAX);
	if (l->kind == LETTER_REPORT) {
		buf_adds(&want, "\r\nAction: failed\r\n");
	} else {
		buf_adds(&want, "\r\n\r\n");
		add_lines(&want, l, "\r\n");
	}
	whole = strstr(text, buf_str(&want)) != NULL;
	buf_free(&want);
	return whole;
}

/* The letter that this text is, for that recipient; NULL: none that we know. */
static struct letter_fate *
find(struct books *b, const char *text, const char *rcpt, bool report)
{
	for (size_t i = 0; b->letters[i].kind != LETTER_END; i++) {
		const struct letter *l = &b->letters[i];
		char subject[64];

		snprintf(subject, sizeof(subject), "Subject: %s\r\n", l->subject);
		if ((l->kind == LETTER_REPORT) == report && strcmp(l->rcpt, rcpt) == 0 &&
		    strstr(text, subject) != NULL)
			return &b->fate[i];
	}
	return NULL;
}

/* --- what arrived --- */

static void
take_message(struct books *b, struct fake_message *m)
{
	const char *text = buf_str(&m->body);

	for (size_t i = 0; i < m->nrcpts; i++) {
		struct letter_fate *f = find(b, text, m->rcpts[i], m->from[0] == '\0');
		const struct letter *l = f != NULL ? &b->letters[f - b->fate] : NULL;

		if (l == NULL || l->kind == LETTER_REFUSED)
			books_complain(b, &b->other, "an unknown letter came to %s", m->rcpts[i]);
		else if (!is_whole(l, text))
			books_complain(b, &b->lost, "%s came to %s, and was not whole", l->subject,
			    m->rcpts[i]);
		else
			f->now++;
	}
}

static void
take_all(struct books *b, const struct story *s)
{
	for (size_t i = 0; i < s->nservers; i++) {
		size_t n = 0;

		list_each (pos, &s->servers[i].fake->messages)
			if (n++ >= b->taken[i])
				take_message(b, list_item(pos, struct fake_message, link));
		b->taken[i] = n;
	}
}

/* --- what the spool knows --- */

struct known { /* by letter */
	bool queued, served;
};

static void
read_item(struct books *b, const struct story *s, const char *id, struct known *known)
{
	char name[300], why[200], *ctl, *body;
	struct envelope e;

	snprintf(name, sizeof(name), "spool/ctl/%.200s", id);
	ctl = story_read(s, name);
	snprintf(name, sizeof(name), "spool/msg/%.200s", id);
	body = story_read(s, name);
	envelope_init(&e);
	if (ctl == NULL || body == NULL) {
		books_complain(b, &b->lost, "%s is queued without a body", id);
	} else if (envelope_parse(&e, ctl, strlen(ctl), why, sizeof(why)) != ENVELOPE_OK) {
		books_complain(b, &b->lost, "%s: %s", id, why);
	} else {
		for (size_t i = 0; i < e.nrcpts; i++) {
			struct letter_fate *f =
			    find(b, body, e.rcpts[i].address, e.sender[0] == '\0');

			if (f == NULL)
				continue;
			known[f - b->fate].queued = true;
			known[f - b->fate].served = e.rcpts[i].status == RCPT_DELIVERED;
		}
	}
	envelope_free(&e);
	free(ctl);
	free(body);
}

static void
read_spool(struct books *b, const struct story *s, struct known *known)
{
	char path[STORY_PATH_MAX + 32];
	DIR *d;

	snprintf(path, sizeof(path), "%s/spool/ctl", s->dir);
	d = opendir(path);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		if (envelope_id_ok(e->d_name))
			read_item(b, s, e->d_name, known);
	if (d != NULL)
		closedir(d);
}

static void
compare(struct books *b, size_t i, const struct known *known, bool excused)
{
	const struct letter *l = &b->letters[i];
	struct letter_fate *f = &b->fate[i];

	if (f->now > 1)
		books_complain(b, &b->duplicated, "%s came to %s %u times from one command",
		    l->subject, l->rcpt, f->now);
	if (f->now > 0 && f->arrived > 0 && !f->unrecorded)
		books_complain(b, &b->duplicated, "%s came to %s again although it was recorded",
		    l->subject, l->rcpt);
	f->arrived += f->now;
	f->queued |= known->queued;
	if (known->served && f->arrived == 0)
		books_complain(b, &b->lost, "%s never came to %s and is recorded as served",
		    l->subject, l->rcpt);
	f->unrecorded = known->queued && !known->served && f->arrived > 0;
	if (f->unrecorded && f->now > 0 && !excused)
		books_complain(
		    b, &b->duplicated, "%s came to %s and was not recorded", l->subject, l->rcpt);
	f->now = 0;
}

void
books_look(struct books *b, const struct story *s, bool excused)
{
	struct known known[LETTERS_MAX] = {{0}};

	take_all(b, s);
	read_spool(b, s, known);
	for (size_t i = 0; b->letters[i].kind != LETTER_END; i++)
		compare(b, i, &known[i], excused);
}

void
books_close(struct books *b, const bool *accepted)
{
	for (size_t i = 0; b->letters[i].kind != LETTER_END; i++) {
		const struct letter *l = &b->letters[i];

		if (l->kind != LETTER_REFUSED && (l->command < 0 || accepted[l->command]) &&
		    b->fate[i].arrived == 0)
			books_complain(b, &b->lost, "%s%s never came to %s",
			    l->kind == LETTER_REPORT ? "the report on " : "", l->subject, l->rcpt);
	}
}
