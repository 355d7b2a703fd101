/* ctl_show.c: all that is known of a message, and the message itself. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ctl/ctl.h"
#include "ctl/ctl_list.h"
#include "ctl/ctl_term.h"
#include "view.h"

enum { TEXT_MAX = 1 << 30, FIELDS = 4, PIECE = 4096 };

static int
missing(const char *id)
{
	char shown[80];

	str_clean(shown, sizeof(shown), id, strlen(id));
	return ctl_fail(EX_NOINPUT, "%s is not in the queue", shown);
}

/* --- what it is --------------------------------------------------------------------------- */

static void
show_state(const struct ctl *c, const struct envelope *e)
{
	enum view_state state = view_state(e, spool_is_locked(c->program.spool, e->id));
	int64_t due = envelope_due_at(e);
	char text[80], retry[32];

	if (state == VIEW_ACTIVE || state == VIEW_HELD)
		term_fact(c, "state", "%s", view_state_word(state));
	else if (due <= c->now)
		term_fact(c, "state", "%s, due now", view_state_word(state));
	else
		term_fact(
		    c, "state", "%s, next try %s", view_state_word(state), term_when(c, due, text));
	if (e->attempted != 0)
		term_fact(c, "tried", "%s%s%s", term_when(c, e->attempted, text),
		    e->retry != 0 ? "; interval " : "",
		    e->retry != 0 ? str_duration_text(e->retry, retry, sizeof(retry)) : "");
}

static void
show_origin(const struct ctl *c, const struct envelope *e)
{
	char text[80], by[64] = "";

	if (e->uid >= 0)
		snprintf(by, sizeof(by), " by uid %lld", e->uid);
	term_fact(c, "sender", "%s", list_sender(e));
	if (e->bounceto != NULL)
		term_fact(c, "reports to", "%s", e->bounceto);
	term_fact(c, "submitted", "%s%s%s%s", term_when(c, envelope_submitted(e, c->now), text), by,
	    e->source_room != NULL ? " from " : "", e->source_room != NULL ? e->source_room : "");
	term_fact(c, "size", "%" PRIu64 " bytes%s%s", e->size, e->eightbit ? ", 8bit" : "",
	    e->utf8 ? ", utf8" : "");
	if (e->warned)
		term_fact(c, "warned", "the sender has been told of the delay");
}

static void
show_recipients(const struct ctl *c, const struct envelope *e)
{
	term_fact(c, "recipients", "%zu, %zu wait", e->nrcpts, e->waiting);
	for (size_t i = 0; i < e->nrcpts; i++) {
		const struct recipient *r = &e->rcpts[i];
		enum term_colour colour = r->status == RCPT_FAILED      ? TERM_RED
					  : r->status == RCPT_DELIVERED ? TERM_GREEN
									: TERM_PLAIN;

		fputs("    ", c->out);
		term_print(c, r->address);
		fprintf(c->out, ": %s%s%s", term_begin(c, colour), list_status_word(r->status),
		    term_end(c, colour));
		if (r->reason != NULL) {
			fputs(": ", c->out);
			term_print(c, r->reason);
		}
		putc('\n', c->out);
	}
}

/* --- what has happened -------------------------------------------------------------------- */

/* The fields of an instruction, unescaped in place (the grammar is in envelope_parse.c). */
static size_t
split(char *text, char *fields[FIELDS])
{
	size_t n = 0;
	char *to = text;

	fields[n++] = text;
	for (const char *from = text; *from != '\0'; from++) {
		if (*from == '|' && n < FIELDS) {
			*to++ = '\0';
			fields[n++] = to;
		} else if (*from == '\\' && from[1] != '\0') {
			from++;
			*to++ = *from == 'n' ? '\n' : *from;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return n;
}

static void
show_outcome(const struct ctl *c, char *fields[FIELDS])
{
	uint64_t status;

	fputs("    ", c->out);
	term_print(c, fields[1]);
	fputs(": ", c->out);
	if (str_u64(fields[2], RCPT_FAILED, &status))
		fputs(list_status_word((enum rcpt_status)status), c->out);
	else
		term_print(c, fields[2]);
	fputs(fields[3][0] == '\0' ? "" : ": ", c->out);
	term_print(c, fields[3]);
	putc('\n', c->out);
}

/* One line of the control file: times as people read them, the rest as it is. */
static void
show_instruction(const struct ctl *c, char *instruction)
{
	char *fields[FIELDS], text[32];
	size_t n = split(instruction, fields);
	uint64_t number = 0;
	bool is_number = n == 2 && str_u64(fields[1], INT32_MAX, &number);

	if (n == FIELDS && strcmp(fields[0], "remote") == 0) {
		show_outcome(c, fields);
		return;
	}
	fputs("    ", c->out);
	term_print(c, fields[0]);
	for (size_t i = 1; i < n; i++) {
		putc(' ', c->out);
		if (is_number && strcmp(fields[0], "attempted") == 0)
			fputs(view_date((int64_t)number, text), c->out);
		else if (is_number && strcmp(fields[0], "retry") == 0)
			fputs(str_duration_text((int64_t)number, text, sizeof(text)), c->out);
		else
			term_print(c, fields[i]);
	}
	putc('\n', c->out);
}

/* What was appended behind recipients|N, the end of what submission wrote; an unfinished line is none. */
static void
show_history(const struct ctl *c, struct buf *text)
{
	char *copy = xstrdup(buf_str(text)), *p = strstr(copy, "\nrecipients|"), *end;
	bool any = false;

	for (p = p == NULL ? NULL : strchr(p + 1, '\n'); p != NULL; p = end) {
		end = strchr(++p, '\n');
		if (end == NULL)
			break;
		if (!any)
			fprintf(c->out, "  %shistory%s\n", term_begin(c, TERM_DIM),
			    term_end(c, TERM_DIM));
		any = true;
		*end = '\0';
		show_instruction(c, p);
	}
	free(copy);
}

static int
show(struct ctl *c, const char *id)
{
	struct spool *sp = c->program.spool;
	struct envelope e;
	struct buf text;
	char why[256];
	off_t size;
	int rc = EX_OK;

	envelope_init(&e);
	buf_init(&text, TEXT_MAX);
	switch (envelope_id_ok(id) ? spool_load(sp, id, -1, &e, &size, why, sizeof(why))
				   : SPOOL_MISSING) {
	case SPOOL_LOADED:
		fprintf(c->out, "%s%s%s\n", term_begin(c, TERM_BOLD), id, term_end(c, TERM_BOLD));
		show_state(c, &e);
		show_origin(c, &e);
		show_recipients(c, &e);
		if (spool_text(sp, id, &text) == 0)
			show_history(c, &text);
		break;
	case SPOOL_MISSING:
		rc = missing(id);
		break;
	case SPOOL_CORRUPT:
		rc = ctl_fail(EX_DATAERR, "%s is damaged: %s", id, why);
		break;
	case SPOOL_UNREADABLE:
		rc = ctl_fail(EX_TEMPFAIL, "%s cannot be read: %s", id, strerror(errno));
		break;
	}
	buf_free(&text);
	envelope_free(&e);
	return rc;
}

int
ctl_show(struct ctl *c, int argc, char **argv)
{
	const struct ctl_option none[] = {{NULL, NULL, NULL}};
	int rc = EX_OK, r;

	if (ctl_options(c, none, &argc, argv) != EX_OK)
		return EX_USAGE;
	if (argc < 2)
		return ctl_usage(c, "which message? sortiectl list shows their ids");
	for (int i = 1; i < argc && !ferror(c->out); i++) {
		if (i > 1)
			putc('\n', c->out);
		if ((r = show(c, argv[i])) != EX_OK)
			rc = r;
	}
	return rc;
}

/* --- the message itself ------------------------------------------------------------------- */

/* Bytes as they are but for CRLF, which becomes LF. */
static void
copy(struct ctl *c, FILE *in, bool raw)
{
	bool cr = false;
	int ch;

	while ((ch = getc(in)) != EOF && !ferror(c->out)) {
		if (cr && ch != '\n')
			putc('\r', c->out);
		cr = ch == '\r' && !raw;
		if (!cr)
			putc(ch, c->out);
	}
	if (cr)
		putc('\r', c->out);
}

/* A terminal obeys nothing of it. */
static void
copy_to_terminal(struct ctl *c, FILE *in)
{
	char piece[PIECE];
	size_t n = 0;
	int ch;

	do {
		ch = getc(in);
		if (ch != EOF && ch != '\n' && ch != '\t')
			piece[n++] = (char)(ch == '\0' ? '?' : ch);
		else if (ch == '\n' && n > 0 && piece[n - 1] == '\r')
			n--;
		if (ch != EOF && ch != '\n' && ch != '\t' && n < PIECE - 1)
			continue;
		piece[n] = '\0';
		term_print(c, piece);
		if (ch == '\n' || ch == '\t')
			putc(ch, c->out);
		n = 0;
	} while (ch != EOF && !ferror(c->out));
}

static int
cat(struct ctl *c, const char *id, bool raw)
{
	int fd = envelope_id_ok(id) ? spool_open_body(c->program.spool, id, NULL) : -1;
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	int rc = EX_OK;

	if (fd < 0 && (errno == ENOENT || !envelope_id_ok(id)))
		return missing(id);
	if (in == NULL)
		return ctl_fail(EX_TEMPFAIL, "%s cannot be read: %s", id, strerror(errno));
	if (c->tty && !raw)
		copy_to_terminal(c, in);
	else
		copy(c, in, raw);
	if (ferror(in))
		rc = ctl_fail(EX_IOERR, "%s cannot be read: %s", id, strerror(errno));
	fclose(in);
	return rc;
}

int
ctl_cat(struct ctl *c, int argc, char **argv)
{
	bool raw = false;
	const struct ctl_option options[] = {{"--raw", &raw, NULL}, {NULL, NULL, NULL}};

	if (ctl_options(c, options, &argc, argv) != EX_OK)
		return EX_USAGE;
	if (argc != 2)
		return ctl_usage(c, "which message? sortiectl list shows their ids");
	return cat(c, argv[1], raw);
}
