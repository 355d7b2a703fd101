/*
 * fuzz_smtp_server.c: a client says these bytes. Whatever their pieces, the answers and messages are the
 * same; every line has one answer; what is no line by RFC 5321 2.3.8 is refused, whatever is in it; what is
 * in the envelope are addresses, and only those that were answered with 250; and a message is what stands
 * before the first CRLF "." CRLF in the bytes, or it is none.
 *
 * The first byte is how long the pieces are, the second what the caller makes of messages.
 */
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "fuzz.h"
#include "proto/smtp_server.h"

enum { ALL_MAX = 1 << 22 };

static const struct smtp_server_options options = {
    .hostname = "mx.example.org", .domain = "example.org", .max_size = 1000};

/* --- the server, and what is seen of it --- */

struct run {
	struct smtp_server server;
	bool refuses; /* every DATA */
	struct buf answers, texts;
	const char *in; /* all of the input, and where in it the server is */
	size_t n, at;

	/* as the answers have it */
	bool hello, mail;
	size_t nrcpts;
};

static void
write_answers(struct run *r)
{
	buf_add(&r->answers, buf_data(&r->server.out), buf_len(&r->server.out));
	smtp_server_sent(&r->server, buf_len(&r->server.out));
}

static void
check_answers(const char *p, size_t n)
{
	size_t line = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n' && line > 0 && p[i - 1] == '\r' && line < 512) {
			line = 0;
			continue;
		}
		if ((p[i] < ' ' || p[i] > '~') && !(p[i] == '\r' && i + 1 < n && p[i + 1] == '\n'))
			bug("an answer is not printable ASCII");
		line++;
	}
	if (line != 0)
		bug("an answer has no end, or is too long");
}

/* How many answers: lines without a hyphen behind their code. The code of the last. */
static size_t
count_answers(const char *p, size_t n, int *code)
{
	size_t count = 0;

	*code = 0;
	for (size_t i = 0; i < n;
	     i += (size_t)((const char *)memchr(p + i, '\n', n - i) - p) - i + 1) {
		if (n - i < 4 || p[i] < '2' || p[i] > '5')
			bug("an answer without a code");
		count += p[i + 3] == ' ';
		*code = (p[i] - '0') * 100 + (p[i + 1] - '0') * 10 + p[i + 2] - '0';
	}
	return count;
}

/* --- commands --- */

static bool
starts(const char *line, size_t n, const char *word)
{
	return n >= strlen(word) && memchr(line, '\0', strlen(word)) == NULL &&
	       str_neqi(line, word, strlen(word));
}

/* RFC 5321 2.3.8, and what may be in a command. */
static bool
is_line(const char *line, size_t n)
{
	if (n > SMTP_SERVER_LINE_MAX || n < 2 || line[n - 2] != '\r')
		return false;
	for (size_t i = 0; i < n - 2; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			return false;
	return true;
}

static void
expect_same(void *ctx, const char *mailbox, enum address_error e)
{
	const char *given = ctx;

	if (e != ADDRESS_OK || strcmp(mailbox, given) != 0)
		bug("an address of the envelope is another when it is read again");
}

static void
check_mailbox(const char *mailbox)
{
	char again[ADDRESS_MAX + 1];

	if (address_check(mailbox, false) != ADDRESS_OK)
		bug("an address of the envelope is none");
	(void)str_copy(again, sizeof(again), mailbox);
	if (address_argument(again, expect_same, again) != 1)
		bug("an address of the envelope is not one");
}

static void
check_envelope(const struct smtp_server *s)
{
	const char *p = buf_data(&s->rcpts), *end = p + buf_len(&s->rcpts);
	size_t n = 0;

	if (s->sender[0] != '\0')
		check_mailbox(s->sender);
	for (; p < end; p += strlen(p) + 1, n++)
		check_mailbox(p);
	if (n != s->nrcpts)
		bug("recipients are lost, or there are more than were counted");
}

/* What an answered line did, as one sees who hears the answer. */
static void
note_line(struct run *r, const char *line, size_t n, int code)
{
	bool ok = code == 250;

	if (!is_line(line, n) && code != 500)
		bug("what is no line was obeyed");
	if (starts(line, n, "EHLO ") || starts(line, n, "HELO ")) {
		r->hello = r->hello || ok;
		r->mail = r->mail && !ok;
	} else if (starts(line, n, "MAIL ") && ok) {
		if (!r->hello || r->mail)
			bug("MAIL out of order was taken");
		r->mail = true;
		r->nrcpts = 0;
	} else if (starts(line, n, "RCPT ") && ok) {
		if (!r->mail)
			bug("RCPT out of order was taken");
		r->nrcpts++;
	} else if (starts(line, n, "RSET") && ok) {
		r->mail = false;
	} else if (ok && !starts(line, n, "NOOP")) {
		bug("an unknown command was obeyed");
	}
	if (r->mail != r->server.mail || (r->mail && r->nrcpts != r->server.nrcpts))
		bug("the transaction is not what was answered");
	check_envelope(&r->server);
}

/* A line of the input. */
static void
take_line(struct run *r, size_t piece)
{
	struct smtp_server *s = &r->server;
	const char *line = r->in + r->at, *eol = memchr(line, '\n', r->n - r->at);
	size_t n = eol != NULL ? (size_t)(eol - line) + 1 : r->n - r->at, done = 0, before, part;
	bool blind;
	int code;

	if (buf_len(&s->out) > 4096)
		write_answers(r);
	blind = s->data_refused;
	before = buf_len(&s->out);
	while (done < n && s->state == SMTP_SERVER_COMMAND) {
		part = n - done < piece ? n - done : piece;
		done += smtp_server_input(s, line + done, part);
	}
	r->at += done;
	if (blind) {
		if (s->state != SMTP_SERVER_CLOSED || done != 0)
			bug("a message that was not asked for is read as commands");
		return;
	}
	if (s->state == SMTP_SERVER_DATA &&
	    (!r->mail || r->nrcpts == 0 || !starts(line, n, "DATA")))
		bug("a message is asked for, and for nobody");
	if (s->state == SMTP_SERVER_DATA && is_line(line, n))
		return;
	if (count_answers(buf_data(&s->out) + before, buf_len(&s->out) - before, &code) !=
	    (eol != NULL ? 1 : 0))
		bug("a line has not one answer");
	if (eol != NULL && s->state == SMTP_SERVER_COMMAND)
		note_line(r, line, n, code);
}

/* --- messages --- */

/* The end of the message at p, behind its dot; NULL: it is not there. DATA's own CRLF may be the first. */
static const char *
find_end(const char *p, size_t n)
{
	static const char end[] = "\r\n.\r\n";

	if (n >= 3 && memcmp(p, ".\r\n", 3) == 0)
		return p + 3;
	for (size_t i = 0; i + 5 <= n; i++)
		if (memcmp(p + i, end, 5) == 0)
			return p + i + 5;
	return NULL;
}

/* The message as it is meant, its last three bytes being the end. False: it has a CR or LF alone. */
static bool
read_text(const char *p, size_t n, struct buf *text)
{
	for (size_t i = 0; i < n - 3; i++) {
		bool starts_line = i == 0 || p[i - 1] == '\n';

		if ((p[i] == '\r' && p[i + 1] != '\n') ||
		    (p[i] == '\n' && (i == 0 || p[i - 1] != '\r')))
			return false;
		if (p[i] != '.' || !starts_line)
			buf_addc(text, p[i]);
	}
	return true;
}

static void
check_text(struct run *r, const char *p, const char *end, const char *got, size_t ngot)
{
	struct buf want;

	buf_init(&want, ALL_MAX);
	if (end == NULL) {
		if (r->server.state != SMTP_SERVER_TEXT)
			bug("a message without an end has one");
	} else if (r->at != (size_t)(end - r->in)) {
		bug("a message ends elsewhere");
	} else if (!read_text(p, (size_t)(end - p), &want)) {
		if (r->server.state != SMTP_SERVER_COMMAND)
			bug("a message with a CR or LF alone is taken");
	} else if (r->server.state != SMTP_SERVER_END) {
		bug("a good message is refused");
	} else if (buf_len(&want) != ngot || memcmp(buf_data(&want), got, ngot) != 0) {
		bug("a message has become another");
	}
	buf_free(&want);
}

static void
take_text(struct run *r, size_t piece)
{
	struct smtp_server *s = &r->server;
	const char *p = r->in + r->at, *end = find_end(p, r->n - r->at);
	char out[100];
	struct buf text;
	size_t nout, part;

	buf_init(&text, ALL_MAX);
	while (r->at < r->n && s->state == SMTP_SERVER_TEXT) {
		part = r->n - r->at < piece ? r->n - r->at : piece;
		r->at += smtp_server_text(
		    s, r->in + r->at, part, out, 2 + piece % (sizeof(out) - 1), &nout);
		buf_add(&text, out, nout);
	}
	check_text(r, p, end, buf_data(&text), buf_len(&text));
	if (s->state == SMTP_SERVER_END) {
		smtp_server_answer(s, 250, "2.0.0", "taken");
		buf_add(&r->texts, buf_data(&text), buf_len(&text));
	}
	r->mail = false;
	buf_free(&text);
}

/* --- the whole --- */

static void
run(struct run *r, const char *in, size_t n, size_t piece, bool refuses)
{
	struct smtp_server *s = &r->server;

	*r = (struct run){.in = in, .n = n, .refuses = refuses};
	buf_init(&r->answers, ALL_MAX);
	buf_init(&r->texts, ALL_MAX);
	smtp_server_init(s, &options);
	while (r->at < n && s->state != SMTP_SERVER_CLOSED) {
		if (s->state == SMTP_SERVER_COMMAND) {
			take_line(r, piece);
		} else if (s->state == SMTP_SERVER_DATA && r->refuses) {
			smtp_server_answer(s, 452, "4.3.1", "full");
			r->mail = false;
		} else {
			if (s->state == SMTP_SERVER_DATA)
				smtp_server_invite(s);
			take_text(r, piece);
		}
	}
	write_answers(r);
	check_answers(buf_data(&r->answers), buf_len(&r->answers));
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return buf_len(a) == buf_len(b) && memcmp(buf_data(a), buf_data(b), buf_len(a)) == 0;
}

static void
end(struct run *r)
{
	smtp_server_free(&r->server);
	buf_free(&r->answers);
	buf_free(&r->texts);
}

void
fuzz_smtp_server(const uint8_t *data, size_t size)
{
	static struct run whole, pieces;
	const char *in = (const char *)data + 2;

	if (size < 2)
		return;
	run(&whole, in, size - 2, size, (data[1] & 1) != 0);
	run(&pieces, in, size - 2, 1U + data[0], (data[1] & 1) != 0);
	if (!same(&whole.answers, &pieces.answers) || !same(&whole.texts, &pieces.texts))
		bug("other pieces, another conversation");
	end(&whole);
	end(&pieces);
}
