/*
 * submit.c: standard input -> a message made good -> the spool.
 *
 * One pass: the intake makes lines of the input; when the header is complete the recipients are
 * known, and the header made good goes to the draft in tmp/, followed by the body as it comes. A
 * second pass happens only where a line of the body is too long. Then the draft becomes a message.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "aliases.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "submit_address.h"
#include "submit_encode.h"
#include "submit_impl.h"

enum { RECEIVED_MAX = 100, HEADER_OUT_MAX = 20 * 1024 * 1024 };

volatile sig_atomic_t submit_stop;

bool
submit_refuse(struct submission *s, int rc, const char *fmt, ...)
{
	char text[2 * ADDRESS_MAX];
	va_list ap;

	if (s->rc != 0)
		return false;
	s->rc = rc;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_clean(s->why, s->whysize, text, strlen(text));
	return false;
}

/* RFC 3463 3.4: the mail system is full. */
static const char *
full_status(int error)
{
	return error == ENOSPC || error == EDQUOT ? " (4.3.1)" : "";
}

/* What may pass by itself is worth another try. */
static bool
refuse_system(struct submission *s, const char *doing, int error)
{
	bool may_pass = error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE ||
			error == ENOMEM || error == EINTR ||
			error == EFBIG; /* the caller's limit on file sizes */

	return submit_refuse(s, may_pass ? EX_TEMPFAIL : EX_IOERR, "%s: %s%s", doing,
	    strerror(error), full_status(error));
}

/* A file opened now would get the number of an input that is closed, and be read as the message. */
static bool
begin_draft(struct submission *s)
{
	if (fcntl(s->o->input, F_GETFD) == -1)
		return submit_refuse(s, EX_NOINPUT, "reading the message: %s", strerror(errno));
	if (draft_open(s->sp, &s->draft) == -1)
		return submit_refuse(s,
		    errno == EACCES || errno == EROFS ? EX_CANTCREAT : EX_TEMPFAIL,
		    "making a file in %s: %s%s", spool_path(s->sp), strerror(errno),
		    full_status(errno));
	(void)str_copy(s->e.id, sizeof(s->e.id), s->o->id != NULL ? s->o->id : s->draft.id);
	(void)str_copy(s->e.msgid, sizeof(s->e.msgid), s->draft.id);
	submit_body_init(&s->body, s->draft.fd, s->o->max_size);
	return true;
}

/* --- the header --- */

/* RFC 5321 4.4: when, where and by whom. "for" only where it gives away no other recipient. */
static void
add_received(struct submission *s)
{
	enum { FOR_MAX = 900 };
	const char *rcpt = s->e.nrcpts == 1 ? s->e.rcpts[0].address : "";
	char date[64];

	if (s->o->submitted_once)
		return;
	if (s->o->from != NULL)
		buf_addf(&s->header, "Received: from %s\r\n\tby %s (sortie) with %s\r\n\tid %s",
		    s->o->from, s->host, s->o->with, s->e.id);
	else
		buf_addf(&s->header, "Received: by %s (sortie, from userid %lld)\r\n\tid %s",
		    s->host, s->o->uid, s->e.id);
	if (rcpt[0] != '\0' && strlen(rcpt) <= FOR_MAX)
		buf_addf(&s->header, "\r\n\tfor <%s>", rcpt);
	buf_addf(&s->header, "; %s\r\n", clock_rfc5322(s->now, date, sizeof(date)));
}

/* The full name in passwd: up to the first comma, "&" being the login with a capital. */
static void
gecos_name(const struct submit_options *o, struct buf *name)
{
	const char *login = o->login == NULL ? "" : o->login;

	if (o->gecos == NULL)
		return;
	for (const char *p = o->gecos; *p != '\0' && *p != ','; p++) {
		if (*p != '&' || login[0] == '\0')
			buf_addc(name, *p);
		else if (login[0] >= 'a' && login[0] <= 'z')
			buf_addf(name, "%c%s", login[0] - 'a' + 'A', login + 1);
		else
			buf_adds(name, login);
	}
}

/* The name in passwd is that of whoever calls us, so it goes with his own address alone. */
static void
add_from(struct submission *s)
{
	enum { NAME_SIZE = 4096, LINE_WANTED = 78 /* RFC 5322 2.1.1 */ };
	const struct submit_options *o = s->o;
	const char *address = s->e.sender;
	char *own = NULL;
	struct buf name, phrase;
	bool fold;

	if (address[0] == '\0') /* the null sender: the mail is the caller's all the same */
		address = own = submit_envelope_login(s);
	if (address == NULL)
		return;
	buf_init(&name, NAME_SIZE);
	buf_init(&phrase, SUBMIT_INPUT_SIZE);
	if (o->full_name != NULL)
		buf_adds(&name, o->full_name);
	else if (o->sender == NULL)
		gecos_name(o, &name);
	address_phrase(&phrase, buf_str(&name));
	fold = buf_len(&phrase) + strlen(address) + strlen("From:  <>") > LINE_WANTED;
	if (buf_len(&phrase) == 0)
		buf_addf(&s->header, "From: %s\r\n", address);
	else
		buf_addf(&s->header, "From: %s%s <%s>\r\n", buf_str(&phrase), fold ? "\r\n" : "",
		    address);
	buf_free(&phrase);
	buf_free(&name);
	free(own);
}

/* RFC 5322 3.6: Date and From are required, Message-ID is wanted. */
static void
add_missing(struct submission *s)
{
	char date[64];

	if (!s->facts.date)
		buf_addf(&s->header, "Date: %s\r\n", clock_rfc5322(s->now, date, sizeof(date)));
	if (!s->facts.from)
		add_from(s);
	if (!s->facts.message_id)
		buf_addf(&s->header, "Message-ID: <%s@%s>\r\n", s->e.id, s->host);
}

/* What is kept of the header, with addresses that others can answer to. */
static void
make_good(struct submission *s, const char *text, size_t n, struct buf *kept)
{
	const struct submit_names names = {s->o->config, s->o->hostname, s->domain};
	struct buf better;

	buf_init(&better, HEADER_OUT_MAX);
	if (submit_address_rewrite(&better, text, n, &names))
		submit_header_rewrite(kept, buf_data(&better), buf_len(&better), &s->facts);
	else
		submit_header_rewrite(kept, text, n, &s->facts);
	if (better.overflow)
		submit_refuse(s, EX_DATAERR, "the header is too large (5.3.4)");
	buf_free(&better);
}

/* The header is complete: now the recipients are, and what goes first into the body file. */
static bool
take_header(void *ctx, const char *text, size_t n)
{
	struct submission *s = ctx;
	struct buf kept;

	if (s->o->from_headers)
		submit_header_recipients(text, n, submit_envelope_add, s);
	if (s->rc == 0 && !submit_envelope_has_recipients(s))
		submit_refuse(s, EX_USAGE, "no recipients: the header names none in To, Cc or Bcc");
	if (s->rc != 0)
		return false;
	buf_init(&kept, HEADER_OUT_MAX);
	make_good(s, text, n, &kept);
	if (s->facts.received > RECEIVED_MAX) /* RFC 5321 6.3 */
		submit_refuse(
		    s, EX_DATAERR, "mail loop: %u Received lines (5.4.6)", s->facts.received);
	add_received(s);
	buf_add(&s->header, buf_data(&kept), buf_len(&kept));
	add_missing(s);
	if (kept.overflow || s->header.overflow)
		submit_refuse(s, EX_DATAERR, "the header is too large (5.3.4)");
	buf_free(&kept);
	submit_body_add(&s->body, buf_data(&s->header), buf_len(&s->header));
	submit_body_add(&s->body, "\r\n", 2);
	s->longest_field = s->body.longest;
	s->body.longest = 0;
	s->e.utf8 = s->body.eightbit;
	return s->rc == 0 && !submit_body_failed(&s->body);
}

static bool
take_body(void *ctx, const char *data, size_t n)
{
	struct submission *s = ctx;

	submit_body_add(&s->body, data, n);
	return !submit_body_failed(&s->body);
}

/* --- the input --- */

/* The stop flag is looked at once a second, because a signal just before poll(2) interrupts nothing. */
static ssize_t
read_some(struct submission *s)
{
	struct pollfd pfd = {.fd = s->o->input, .events = POLLIN};
	int ready;
	ssize_t n;

	for (;;) {
		if (submit_stop) {
			submit_refuse(s, EX_TEMPFAIL, "interrupted; nothing was queued");
			return -1;
		}
		ready = poll(&pfd, 1, 1000);
		if (ready == 0 || (ready == -1 && errno == EINTR))
			continue;
		n = sys.read(s->o->input, s->input, sizeof(s->input));
		if (n != -1 || (errno != EINTR && errno != EAGAIN))
			break;
	}
	if (n == -1)
		submit_refuse(s, errno == EBADF || errno == EISDIR ? EX_NOINPUT : EX_IOERR,
		    "reading the message: %s", strerror(errno));
	return n;
}

static ssize_t
read_from_caller(struct submission *s)
{
	ssize_t n = s->o->read(s->o->read_ctx, s->input, sizeof(s->input));

	if (n == -1)
		submit_refuse(s, EX_TEMPFAIL, "the message has no end; nothing was queued");
	return n;
}

static bool
read_message(struct submission *s)
{
	ssize_t (*more)(struct submission *) = s->o->read != NULL ? read_from_caller : read_some;
	struct submit_intake *in = &s->intake;
	ssize_t n = 0;

	while (!in->ended && !in->stopped && (n = more(s)) > 0)
		submit_intake_feed(in, s->input, (size_t)n);
	if (s->rc == 0 && !in->stopped && n >= 0)
		submit_intake_end(in);
	if (in->header_too_large)
		submit_refuse(s, EX_DATAERR, "the header is larger than %d MiB (5.3.4)",
		    SUBMIT_HEADER_MAX / (1024 * 1024));
	if (s->rc == 0)
		submit_body_flush(&s->body);
	if (s->body.too_large)
		submit_refuse(s, EX_DATAERR,
		    "larger than %llu bytes, the max-size of the configuration (5.3.4)",
		    (unsigned long long)s->o->max_size);
	if (s->body.error != 0)
		refuse_system(s, "writing the message", s->body.error);
	return s->rc == 0;
}

/* RFC 5321 4.5.3.1.6: SMTP carries lines of 998 bytes. */
static bool
shorten_lines(struct submission *s)
{
	const char *obstacle = submit_encode_obstacle(&s->facts);
	size_t longest = s->body.longest;

	if (longest <= SUBMIT_LINE_MAX)
		return true;
	if (obstacle != NULL) {
		log_info("%s: has a line of %zu bytes and is left as it is: %s", s->draft.id,
		    longest, obstacle);
		return true;
	}
	log_info("%s: has a line of %zu bytes and becomes quoted-printable", s->draft.id, longest);
	if (submit_encode(s->sp, &s->draft, &s->header, &s->facts, &s->body) == -1)
		return refuse_system(s, "writing the message", errno);
	return true;
}

static bool
commit(struct submission *s)
{
	size_t longest = s->body.longest > s->longest_field ? s->body.longest : s->longest_field;

	s->e.size = s->body.size;
	s->e.eightbit = s->body.eightbit;
	s->e.dots = s->body.dots;
	s->e.longest = longest > UINT32_MAX ? UINT32_MAX : (unsigned)longest;
	if (submit_stop)
		return submit_refuse(s, EX_TEMPFAIL, "interrupted; nothing was queued");
	if (s->e.nrcpts == 0) {
		log_info("%s: uid=%lld, from=<%s>: discarded: its recipients' aliases say so",
		    s->draft.id, s->e.uid, s->e.sender);
		return true;
	}
	if (draft_commit(s->sp, &s->draft, &s->e, s->o->id) == -1)
		return refuse_system(s, "queueing the message", errno);
	log_info("%s: uid=%lld, from=<%s>, size=%llu, nrcpt=%zu", s->draft.id, s->e.uid,
	    s->e.sender, (unsigned long long)s->e.size, s->e.nrcpts);
	return true;
}

int
submit(struct spool *sp, const struct submit_options *o, char id[ENVELOPE_ID_MAX + 1], char *why,
    size_t whysize)
{
	struct submission *s = xcalloc(1, sizeof(*s));
	int rc;

	s->sp = sp;
	s->o = o;
	s->why = why;
	s->whysize = whysize;
	s->host = o->hostname != NULL ? o->hostname : "localhost";
	s->domain = o->domain != NULL ? o->domain : s->host;
	s->now = o->submitted != 0 ? o->submitted : clock_wall_s();
	if (o->config != NULL)
		s->aliases = aliases_new(o->config, o->hostname);
	envelope_init(&s->e);
	buf_init(&s->header, HEADER_OUT_MAX);
	submit_intake_init(&s->intake, o->ignore_dots, take_header, take_body, s);
	if (submit_envelope_begin(s) && begin_draft(s)) {
		if (read_message(s) && shorten_lines(s) && commit(s))
			(void)str_copy(id, ENVELOPE_ID_MAX + 1, s->draft.id);
		draft_abort(sp, &s->draft);
	}
	submit_intake_free(&s->intake);
	buf_free(&s->header);
	aliases_free(&s->aliases);
	envelope_free(&s->e);
	rc = s->rc;
	free(s);
	return rc;
}
