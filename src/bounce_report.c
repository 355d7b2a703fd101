/* bounce_report.c: the text of a report: for people, for programs, and the original. */
#include "bounce_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/verdict.h"

enum {
	FIELD_MAX = 2048, /* a value in message/delivery-status; longer ones lose their end */
	NAMED_MAX = 100, /* recipients named in the part for people; all are in the other one */
};

/* A report|N that has just been appended may not be in the envelope yet: it covers what no other
 * covers. */
bool
report_affects(const struct report *r, const struct recipient *rc)
{
	if (r->kind == BOUNCE_DELAYED)
		return rc->status != RCPT_DELIVERED && rc->status != RCPT_FAILED;
	return rc->status == RCPT_FAILED &&
	       (rc->report == r->n || (rc->report == 0 && r->n > r->e->reports));
}

/* A field of message/delivery-status, which is ASCII and nothing else (RFC 3464 2.1). */
static void
put_status_field(struct letter *l, const char *name, const char *value)
{
	char *ascii = xstrdup(value);
	char *p;

	for (p = ascii; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	letter_adds(l, name);
	letter_adds(l, ": ");
	letter_fold(l, ascii, "\t");
	free(ascii);
}

static void
put_status_date(struct letter *l, const char *name, int64_t at)
{
	char date[64];

	put_status_field(l, name, clock_rfc5322(at, date, sizeof(date)));
}

/* --- one recipient --- */

struct reason { /* a stored line, "550 5.1.1 no such user" or "5.4.4 no such domain", in parts */
	int code; /* 0: not a server's reply */
	char status[VERDICT_ENHANCED_MAX];
	const char *line;
};

/* The length of an enhanced status code at s (RFC 3463 2), 0: none. */
static size_t
status_length(const char *s)
{
	size_t subject, detail;

	if ((s[0] != '2' && s[0] != '4' && s[0] != '5') || s[1] != '.')
		return 0;
	subject = strspn(s + 2, "0123456789");
	if (subject < 1 || subject > 3 || s[2 + subject] != '.')
		return 0;
	detail = strspn(s + 3 + subject, "0123456789");
	if (detail < 1 || detail > 3)
		return 0;
	s += 3 + subject + detail;
	return *s == ' ' || *s == '\0' ? 3 + subject + detail : 0;
}

static void
reason_parse(struct reason *p, const struct recipient *rc, enum bounce_kind kind)
{
	const char *s = rc->reason != NULL ? rc->reason : "";
	size_t n;

	p->code = 0;
	p->line = s;
	if (s[0] >= '2' && s[0] <= '5' && strspn(s, "0123456789") == 3 &&
	    (s[3] == ' ' || s[3] == '\0')) {
		p->code = 100 * (s[0] - '0') + 10 * (s[1] - '0') + (s[2] - '0');
		s += s[3] == ' ' ? 4 : 3;
	}
	n = status_length(s);
	if (n > 0)
		snprintf(p->status, sizeof(p->status), "%.*s", (int)n, s);
	else
		str_copy(p->status, sizeof(p->status), kind == BOUNCE_FAILED ? "5.0.0" : "4.0.0");
}

/*
 * The value of a name=value field behind a remote line; fields are separated by |, and \| and \\
 * stand for themselves. False: no such field, or it does not fit.
 */
static bool
extra_field(const char *extra, const char *name, char *dst, size_t size)
{
	size_t len = strlen(name), n = 0;
	const char *s = extra;

	while (s != NULL && !(strncmp(s, name, len) == 0 && s[len] == '=')) {
		while (*s != '\0' && *s != '|')
			s += s[0] == '\\' && s[1] != '\0' ? 2 : 1;
		s = *s == '|' ? s + 1 : NULL;
	}
	if (s == NULL)
		return false;
	for (s += len + 1; *s != '\0' && *s != '|' && n + 1 < size; s++) {
		if (s[0] == '\\' && s[1] != '\0')
			s++;
		dst[n++] = *s;
	}
	dst[n] = '\0';
	return *s == '\0' || *s == '|';
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 4: in xtext, +2B stands for the character with that code. In place. */
static void
xtext_decode(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (s[0] == '+' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
			*to++ = (char)(hex(s[1]) * 16 + hex(s[2]));
			s += 3;
		} else
			*to++ = *s++;
	}
	*to = '\0';
}

/* What a status code means for the person who wrote the message; the first that fits. */
static const struct {
	const char *status; /* without the class, or the beginning of that */
	const char *advice;
} advices[] = {
    {"1.10", "This domain takes no mail. Ask the recipient for another address."},
    {"1.1", "The receiving server does not know this address. Look for a typing mistake in it."},
    {"1.2", "Look for a typing mistake behind the @: that domain is not known."},
    {"1.", "Something is wrong with the address. Look for a typing mistake in it."},
    {"2.2", "The mailbox is full. Send the message again later, or reach the recipient otherwise."},
    {"2.3", "The message is larger than the recipient may get. Send it in parts, or a link to it."},
    {"3.4", "The message is larger than the receiving server takes. Send it in parts, or a link."},
    {"4.4", "Look for a typing mistake behind the @: no mail server is known for that domain."},
    {"4.6", "The message was going round in a circle. Show this to your administrator."},
    {"4.7", "It was tried until its time was over. Send it again later, or reach the recipient "
	    "otherwise."},
    {"4.", "The receiving server could not be reached. Send the message again later."},
    {"7.", "The receiving server refused the message by its own rules. Its answer says why; its "
	   "administrators can change it, we cannot."},
    {"", "The receiving server's answer says why. If it does not help, show this message to your "
	 "administrator."},
};

static const char *
advice(const char *status)
{
	size_t i = 0;

	while (!str_starts(status + 2, advices[i].status))
		i++;
	return advices[i].advice;
}

/* For people: who, why, what to do. */
static void
put_person(struct letter *l, const struct report *r, const struct recipient *rc)
{
	struct reason reason;

	reason_parse(&reason, rc, r->kind);
	letter_adds(l, "\r\n");
	letter_fold(l, rc->address, "");
	if (reason.line[0] != '\0') {
		letter_adds(l, reason.code != 0 ? "    The answer was: " : "    The reason: ");
		letter_fold(l, reason.line, "    ");
	}
	if (r->kind == BOUNCE_FAILED && !r->to_postmaster) {
		letter_adds(l, "    ");
		letter_fold(l, advice(reason.status), "    ");
	}
}

/* A host name, or an address literal in brackets (RFC 3464 2.3.5, 9.3). */
static void
put_remote_mta(struct letter *l, const char *mta)
{
	bool v6 = strchr(mta, ':') != NULL;
	bool literal = v6 || strspn(mta, "0123456789.") == strlen(mta);
	char typed[FIELD_MAX];

	snprintf(typed, sizeof(typed), "dns; %s%s%s%s", literal ? "[" : "", v6 ? "IPv6:" : "", mta,
	    literal ? "]" : "");
	put_status_field(l, "Remote-MTA", typed);
}

/* For programs: the per-recipient fields (RFC 3464 2.3). */
static void
put_recipient(struct letter *l, const struct report *r, const struct recipient *rc)
{
	char typed[2 * FIELD_MAX], value[FIELD_MAX];
	struct reason reason;

	reason_parse(&reason, rc, r->kind);
	letter_adds(l, "\r\n");
	if (extra_field(rc->extra, "orcpt", value, sizeof(value))) {
		char *address = strchr(value, ';');

		if (address != NULL) {
			*address++ = '\0';
			xtext_decode(address);
			snprintf(typed, sizeof(typed), "%s; %s", value, address);
			put_status_field(l, "Original-Recipient", typed);
		}
	}
	snprintf(typed, sizeof(typed), "rfc822; %s", rc->address);
	put_status_field(l, "Final-Recipient", typed);
	put_status_field(l, "Action", r->kind == BOUNCE_FAILED ? "failed" : "delayed");
	put_status_field(l, "Status", reason.status);
	if (rc->mta != NULL && rc->mta[0] != '\0' && rc->mta[0] != '/')
		put_remote_mta(l, rc->mta);
	if (reason.code != 0) {
		snprintf(typed, sizeof(typed), "smtp; %s", reason.line);
		put_status_field(l, "Diagnostic-Code", typed);
	}
	if (r->e->attempted > 0)
		put_status_date(l, "Last-Attempt-Date", r->e->attempted);
	if (r->kind == BOUNCE_DELAYED && r->o->expire_s > 0)
		put_status_date(
		    l, "Will-Retry-Until", envelope_submitted(r->e, r->now) + r->o->expire_s);
}

/* --- the parts of the report (RFC 6522) --- */

/* Whether the part for people will have bytes above 127. */
static bool
text_eightbit(const struct report *r)
{
	size_t i;

	for (i = 0; i < r->e->nrcpts; i++) {
		const struct recipient *rc = &r->e->rcpts[i];

		if (report_affects(r, rc) &&
		    (letter_has_eightbit(rc->address, strlen(rc->address)) ||
			(rc->reason != NULL &&
			    letter_has_eightbit(rc->reason, strlen(rc->reason)))))
			return true;
	}
	return false;
}

static const char *
subject(const struct report *r)
{
	if (r->to_postmaster)
		return "A report could not be delivered";
	if (r->kind == BOUNCE_DELAYED)
		return "Your message is delayed, it is still being tried";
	return "Your message could not be delivered";
}

/* In-Reply-To and References, if the original has a Message-ID worth repeating. */
static void
put_thread(struct letter *l, const struct report *r)
{
	const char *field, *open, *close;
	size_t n, i, len;

	if ((field = original_field(&r->original, "Message-ID", &n)) == NULL ||
	    (open = memchr(field, '<', n)) == NULL ||
	    (close = memchr(open, '>', n - (size_t)(open - field))) == NULL)
		return;
	len = (size_t)(close - open) + 1;
	for (i = 0; i < len; i++)
		if (open[i] <= ' ' || open[i] > '~')
			return;
	if (len > LETTER_LINE_MAX - strlen("In-Reply-To: "))
		return;
	letter_addf(l, "In-Reply-To: %.*s\r\n", (int)len, open);
	letter_addf(l, "References: %.*s\r\n", (int)len, open);
}

static void
put_header(struct letter *l, const struct report *r)
{
	const struct original *m = &r->original;
	char date[64];

	letter_addf(l, "Date: %s\r\n", clock_rfc5322(r->now, date, sizeof(date)));
	letter_addf(l, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", r->host);
	letter_adds(l, "To: ");
	letter_fold(l, r->to, " ");
	letter_addf(l, "Subject: %s\r\n", subject(r));
	letter_addf(l, "Message-ID: <%s@%s>\r\n", r->id, r->host);
	put_thread(l, r);
	letter_adds(l, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	letter_addf(l,
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n",
	    r->boundary);
	if (text_eightbit(r) || (m->whole ? m->eightbit : m->header_eightbit))
		letter_adds(l, "Content-Transfer-Encoding: 8bit\r\n");
	letter_adds(
	    l, "\r\nThis is a report in the format of RFC 3464, made of several parts.\r\n");
}

static void
put_part(struct letter *l, const struct report *r, const char *type, bool eightbit)
{
	letter_addf(l, "\r\n--%s\r\nContent-Type: %s\r\n", r->boundary, type);
	if (eightbit)
		letter_adds(l, "Content-Transfer-Encoding: 8bit\r\n");
	letter_adds(l, "\r\n");
}

/* What the part for people begins with: one paragraph, folded. */
static void
put_opening(struct letter *l, const struct report *r)
{
	int64_t submitted = envelope_submitted(r->e, r->now);
	char arrived[64], until[64], text[1024];

	clock_rfc5322(submitted, arrived, sizeof(arrived));
	clock_rfc5322(submitted + r->o->expire_s, until, sizeof(until));
	letter_addf(l, "This is the mail system at %s.\r\n\r\n", r->host);
	if (r->to_postmaster)
		snprintf(text, sizeof(text),
		    "The report %s, taken in on %s, could not be delivered either. You get it as "
		    "the "
		    "postmaster. Should this message fail too, it is held in the queue.",
		    r->e->id, arrived);
	else if (r->kind == BOUNCE_FAILED)
		snprintf(text, sizeof(text),
		    "Your message, taken in on %s as %s, could not be delivered to the recipients "
		    "below. It will not be tried again for them.%s",
		    arrived, r->e->id,
		    r->affected == r->e->nrcpts
			? ""
			: " Whoever is not named here has got it, is still being tried, or was "
			  "named in an earlier report.");
	else
		snprintf(text, sizeof(text),
		    "Your message, taken in on %s as %s, has not been delivered to the recipients "
		    "below yet. You need not do anything: it is being tried again%s%s.",
		    arrived, r->e->id, r->o->expire_s > 0 ? " until " : "",
		    r->o->expire_s > 0 ? until : "");
	letter_fold(l, text, "");
}

static void
put_text(struct letter *l, const struct report *r)
{
	size_t i, named = 0;

	put_part(l, r, "text/plain; charset=utf-8", text_eightbit(r));
	put_opening(l, r);
	for (i = 0; i < r->e->nrcpts && named < NAMED_MAX; i++)
		if (report_affects(r, &r->e->rcpts[i])) {
			put_person(l, r, &r->e->rcpts[i]);
			named++;
		}
	if (named < r->affected)
		letter_addf(
		    l, "\r\nand %zu more, named in the next part.\r\n", r->affected - named);
}

static void
put_status(struct letter *l, const struct report *r)
{
	size_t i;

	put_part(l, r, "message/delivery-status", false);
	letter_addf(l, "Reporting-MTA: dns; %s\r\n", r->host);
	put_status_date(l, "Arrival-Date", envelope_submitted(r->e, r->now));
	for (i = 0; i < r->e->nrcpts; i++)
		if (report_affects(r, &r->e->rcpts[i]))
			put_recipient(l, r, &r->e->rcpts[i]);
}

/* The header alone; lines that are too long lose their end. */
static void
put_original_header(struct letter *l, const struct report *r)
{
	const char *at = buf_data(&r->original.head);
	const char *end = at + r->original.header_len;

	put_part(l, r, "text/rfc822-headers", r->original.header_eightbit);
	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)(nl - at);

		if (n > 0 && at[n - 1] == '\r')
			n--;
		letter_add(l, at, n < LETTER_LINE_MAX ? n : LETTER_LINE_MAX);
		letter_adds(l, "\r\n");
		at = nl + 1;
	}
}

static int
put_original(struct letter *l, const struct report *r)
{
	char *block;
	uint64_t at = 0;
	ssize_t n;

	if (r->original.fd < 0)
		return 0;
	if (!r->original.whole) {
		put_original_header(l, r);
		return 0;
	}
	put_part(l, r, "message/rfc822", r->original.eightbit);
	block = xmalloc(ORIGINAL_BLOCK);
	while ((n = original_block(&r->original, block, at)) > 0) {
		letter_add(l, block, (size_t)n);
		at += (uint64_t)n;
	}
	free(block);
	return n < 0 ? -1 : 0;
}

int
report_write(struct letter *l, const struct report *r)
{
	put_header(l, r);
	put_text(l, r);
	put_status(l, r);
	if (put_original(l, r) != 0)
		return -1;
	letter_addf(l, "\r\n--%s--\r\n", r->boundary);
	return 0;
}
