/*
 * check_smtp.c: the engine as a whole. What single servers do is in t/dialogue; here are all
 * answers at all places, under the eyes of the oracle, and what the caller can rely on.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/alloc.h"
#include "proto/sasl.h"
#include "proto/smtp.h"
#include "proto/smtp_impl.h"
#include "smtp_oracle.h"
#include "suites.h"

/* --- every answer at every place -------------------------------------------------------------- */

enum act {
	SAY,
	SAY_AND_CLOSE,
	CLOSE,
	CLOSE_AFTER,
	TIME_OUT,
	STOP,
	QUIT_,
	BREAK_BODY,
	BREAK_HANDSHAKE
};

static const struct trick {
	enum act act;
	const char *text;
	bool may_fail; /* somebody may be bounced for it */
} tricks[] = {
    {SAY, "250 2.0.0 ok\r\n", false},
    {SAY, "450 4.3.0 later\r\n", false},
    {SAY, "550 5.7.1 never\r\n", true},
    {SAY, "500 what?\r\n", true},
    {SAY, "503 out of step\r\n", false},
    {SAY, "452 4.5.3 too many\r\n", false},
    {SAY, "552 too many\r\n", true},
    {SAY, "552 5.2.2 full\r\n", true},
    {SAY, "530 5.7.0 who are you?\r\n", true},
    {SAY, "354 go\r\n", false},
    {SAY, "334 go\r\n", false},
    {SAY, "421 4.3.2 bye\r\n", false},
    {SAY_AND_CLOSE, "421 4.3.2 bye\r\n", false},
    {SAY_AND_CLOSE, "250 ok\r\n", false},
    {SAY_AND_CLOSE, "550 5.7.1 never\r\n", true},
    {SAY_AND_CLOSE, "250-half\r\n250 ha", false},
    {SAY, "garbage\r\n", false},
    {SAY, "\r\n", false},
    {SAY, "25\r\n", false},
    {SAY, "250\r\n", false},
    {SAY, "550\r\n", true},
    {SAY, "250-a\r\n550 b\r\n", false},
    {SAY, "250 a\r\n250 b\r\n", false},
    {SAY, "199 a\r\n", false},
    {SAY, "600 a\r\n", false},
    {SAY, "250\ta\r\n", false},
    {CLOSE, NULL, false},
    {CLOSE_AFTER, NULL, false},
    {TIME_OUT, NULL, false},
    {STOP, NULL, false},
    {QUIT_, NULL, false},
    {BREAK_BODY, NULL, false},
    {BREAK_HANDSHAKE, NULL, false},
    {SAY, "220 go\r\n", false},
    {SAY, "220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n", false},
    {SAY, "235 2.7.0 come in\r\n", false},
    {SAY, "334 bW9yZQ==\r\n", false},
    {SAY, "334 \r\n", false},
    {SAY, "535 5.7.8 no\r\n", true},
    {SAY, "454 4.7.0 later\r\n", false},
    {SAY, "250-mx.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n", false},
};
enum { NTRICKS = sizeof(tricks) / sizeof(tricks[0]) };

struct round {
	struct oracle_plan plan;
	bool offers_pipelining, offers_chunking;
	bool refuses_first; /* of the recipients of each message */
	bool offers_tls;
	const char *mechanisms;
	size_t chunk;
};

/* Before TLS a server may offer what it does not do behind it. */
static const char *
hello_answer(const struct round *r, bool secured)
{
	static char text[160];
	bool decoy = r->offers_tls && !secured;

	snprintf(text, sizeof(text), "250-mx.example\r\n%s%s%s%s%s%s250 HELP\r\n",
	    r->offers_pipelining != decoy ? "250-PIPELINING\r\n" : "",
	    r->offers_chunking != decoy ? "250-CHUNKING\r\n" : "",
	    decoy ? "250-STARTTLS\r\n250-AUTH CRAM-MD5\r\n" : "",
	    !decoy && r->mechanisms != NULL ? "250-AUTH " : "",
	    !decoy && r->mechanisms != NULL ? r->mechanisms : "",
	    !decoy && r->mechanisms != NULL ? "\r\n" : "");
	return text;
}

static const char *
auth_answer(const struct round *r, enum oracle_command asked, size_t responses)
{
	if (strcmp(r->mechanisms, "LOGIN") != 0)
		return "235 2.7.0 ok\r\n";
	if (asked == O_AUTH)
		return "334 VXNlcm5hbWU6\r\n";
	return responses == 0 ? "334 UGFzc3dvcmQ6\r\n" : "235 2.7.0 ok\r\n";
}

static const char *
ordinary_answer(
    const struct round *r, const struct oracle *o, enum oracle_command asked, size_t rcpt)
{
	switch (asked) {
	case O_HELLO:
		return hello_answer(r, oracle_secured(o));
	case O_GREETING:
		return "220 mx.example\r\n";
	case O_STARTTLS:
		return "220 go\r\n";
	case O_RCPT:
		return r->refuses_first && rcpt % r->plan.nrcpts == 0 ? "450 4.2.1 busy\r\n"
								      : "250 2.1.5 ok\r\n";
	case O_DATA:
		return "354 go\r\n";
	default:
		return "250 2.0.0 ok\r\n";
	}
}

static void
say(struct oracle *o, const struct round *r, const char *text)
{
	oracle_say(o, text, strlen(text), r->chunk);
}

static void
play(struct oracle *o, const struct round *r, const struct trick *t, const char *ordinary)
{
	if (t->act == CLOSE_AFTER)
		say(o, r, ordinary);
	else if (t->text != NULL)
		say(o, r, t->text);
	if (t->act == TIME_OUT)
		smtp_timeout(oracle_engine(o));
	else if (t->act == STOP)
		smtp_stop(oracle_engine(o));
	else if (t->act == QUIT_)
		smtp_quit(oracle_engine(o));
	else if (t->act == BREAK_BODY)
		oracle_break_body(o);
	else if (t->act == BREAK_HANDSHAKE)
		oracle_break_handshake(o);
	oracle_pump(o);
	if (t->act == CLOSE || t->act == CLOSE_AFTER || t->act == SAY_AND_CLOSE)
		oracle_lose(o);
}

/* One conversation with a trick at the at-th answer; false: it did not come so far. */
static bool
converse(const struct round *r, const struct trick *t, size_t at)
{
	struct oracle *o = oracle_new(&r->plan);
	size_t answers = 0, rcpts = 0, responses = 0, all = r->plan.nmails * r->plan.nrcpts;
	enum oracle_command asked;

	oracle_pump(o);
	while (!oracle_closed(o) && (asked = oracle_asked(o)) != O_NONE && answers < 200) {
		const char *ordinary = asked == O_AUTH || asked == O_RESPONSE
					   ? auth_answer(r, asked, responses)
					   : ordinary_answer(r, o, asked, rcpts);

		rcpts += asked == O_RCPT;
		responses += asked == O_RESPONSE;
		if (answers++ == at)
			play(o, r, t, ordinary);
		else
			say(o, r, ordinary);
	}
	ck_assert_uint_lt(answers, 200);
	oracle_lose(o);
	if (!t->may_fail)
		ck_assert_msg(oracle_count(o, FATE_FAIL) == 0, "bounced for %s",
		    t->text != NULL ? t->text : "nothing");
	if (answers <= at && !r->refuses_first)
		ck_assert_uint_eq(oracle_count(o, FATE_SENT), all);
	oracle_free(o);
	return answers > at;
}

/* Bits of _i: what is offered, and how we are. */
START_TEST(whatever_the_server_says_wherever_it_says_it)
{
	struct round r = {.plan = {.nmails = 3, .nrcpts = 3, .body = 100, .verbatim = true}};

	if (_i & 32) {
		r.offers_chunking = r.plan.options.may_chunk = true;
		r.plan.nmails = 5;
		r.plan.nrcpts = 2;
	}
	r.plan.options.lmtp = _i & 1;
	r.plan.options.may_pipeline = true;
	r.offers_pipelining = _i & 2;
	r.plan.options.one_behind_dot = _i & 4;
	r.refuses_first = _i & 8;
	r.chunk = _i & 16 ? 1 : 4096;
	for (size_t i = 0; i < NTRICKS; i++) {
		size_t at = 0;

		while (converse(&r, &tricks[i], at))
			at++;
		ck_assert_uint_gt(at, 10);
	}
}
END_TEST

/* Bits of _i as above, for what comes before mail. */
START_TEST(whatever_the_server_says_of_TLS_and_AUTH)
{
	static const enum smtp_tls levels[] = {
	    SMTP_CLEAR, SMTP_TLS_MAY, SMTP_TLS_MUST, SMTP_TLS_MUST};
	static const struct sasl_credentials bob = {.user = "bob", .secret = "s3cret"};
	struct round r = {.plan = {.nmails = 1, .nrcpts = 1, .body = 10}};
	struct smtp_options *o = &r.plan.options;

	o->lmtp = _i & 1;
	o->may_pipeline = true;
	o->tls = levels[_i / 2 % 4];
	o->secured = _i / 2 % 4 == 3;
	o->auth = _i & 8 ? &bob : NULL;
	o->auth_in_clear = _i & 16;
	r.offers_tls = o->tls != SMTP_CLEAR && !o->secured;
	r.mechanisms = _i & 32 ? "LOGIN" : "GSSAPI PLAIN LOGIN";
	r.chunk = _i & 64 ? 1 : 4096;
	if (o->tls == SMTP_CLEAR && o->auth != NULL && !o->auth_in_clear)
		return; /* nothing goes out there */
	for (size_t i = 0; i < NTRICKS; i++) {
		size_t at = 0;

		while (converse(&r, &tricks[i], at))
			at++;
		ck_assert_uint_gt(at, 5);
	}
}
END_TEST

/* --- what the caller can rely on -------------------------------------------------------------- */

static const struct smtp_options ordinary = {
    .helo = "client.example", .may_pipeline = true, .one_behind_dot = true};

struct watched { /* an engine, and what came out of it */
	struct smtp *s;
	char out[1 << 16];
	size_t nout;
	size_t sent, closed, done, bodies, most_body;
	const char *body;
	size_t body_at;
};

static void
drain(struct watched *w)
{
	struct smtp_event e;
	const char *data;
	size_t n;

	do {
		while (smtp_next_event(w->s, &e)) {
			w->closed += e.type == SMTP_CLOSE;
			w->done += e.type == SMTP_DONE;
			w->sent += e.type == SMTP_SETTLED && e.verdict->fate == FATE_SENT;
			if (e.type != SMTP_BODY)
				continue;
			w->bodies++;
			w->most_body = e.want > w->most_body ? e.want : w->most_body;
			smtp_body(w->s, e.mail, w->body + w->body_at, e.want);
			w->body_at += e.want;
		}
		n = smtp_output(w->s, &data);
		for (size_t i = 0; i < n && w->nout < sizeof(w->out) - 1; i++)
			w->out[w->nout++] = data[i];
		w->out[w->nout] = '\0';
		smtp_sent(w->s, n);
	} while (n > 0);
}

static void
hear(struct watched *w, const char *text)
{
	size_t n = strlen(text);

	drain(w);
	while (n > 0) {
		size_t took = smtp_input(w->s, text, n);

		text += took;
		n -= took;
		drain(w);
	}
}

static struct watched *
greeted(void)
{
	struct watched *w = xcalloc(1, sizeof(*w));

	w->s = smtp_new(&ordinary);
	hear(w, "220 mx\r\n");
	hear(w, "250-mx\r\n250 PIPELINING\r\n");
	ck_assert_str_eq(w->out, "EHLO client.example\r\n");
	w->nout = 0;
	ck_assert(smtp_idle(w->s));
	return w;
}

static void
dismiss(struct watched *w)
{
	smtp_free(&w->s);
	ck_assert_ptr_null(w->s);
	smtp_free(&w->s);
	free(w);
}

static void
hand(struct watched *w, const char *const *rcpts, size_t nrcpts, const char *body, size_t n)
{
	struct smtp_mail m = {.reverse_path = "a@x", .rcpts = rcpts, .nrcpts = nrcpts, .size = n};

	w->body = body;
	w->body_at = 0;
	ck_assert(smtp_wants_mail(w->s));
	smtp_mail(w->s, &m);
	drain(w);
}

static size_t
count(const char *text, const char *part)
{
	size_t n = 0;

	for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part))
		n++;
	return n;
}

static const char *const one[] = {"b@y"};

/* RFC 2920 3.1: not more commands than a window's worth while nobody has answered. */
START_TEST(a_thousand_recipients_are_sent_a_window_at_a_time)
{
	enum { N = 1000 };
	static char names[N][16];
	static const char *rcpts[N];
	struct watched *w = greeted();
	size_t answered = 0;

	for (size_t i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "r%zu@y", i);
		rcpts[i] = names[i];
	}
	hand(w, rcpts, N, "x\r\n", 3);
	while (count(w->out, "DATA\r\n") == 0 && answered < N + 10) {
		size_t commands = count(w->out, "\r\n") - answered;

		ck_assert_uint_le(commands, SMTP_WINDOW_COMMANDS);
		ck_assert_uint_gt(commands, 0);
		hear(w, "250 ok\r\n");
		answered++;
	}
	for (; answered < N + 1; answered++)
		hear(w, "250 ok\r\n");
	hear(w, "354 go\r\n");
	hear(w, "250 ok\r\n");
	ck_assert_uint_eq(count(w->out, "RCPT TO"), N);
	ck_assert_uint_eq(w->sent, N);
	ck_assert_uint_eq(w->done, 1);
	dismiss(w);
}
END_TEST

START_TEST(a_window_of_long_recipients_is_bounded_in_bytes)
{
	enum { N = 60, LONG = 900 };
	static char names[N][LONG + 8];
	static const char *rcpts[N];
	struct watched *w = greeted();

	for (size_t i = 0; i < N; i++) {
		memset(names[i], 'x', LONG);
		memcpy(names[i] + LONG, "@y", 3);
		rcpts[i] = names[i];
	}
	hand(w, rcpts, N, "x\r\n", 3);
	ck_assert_uint_gt(w->nout, SMTP_WINDOW_BYTES);
	ck_assert_uint_lt(w->nout, SMTP_WINDOW_BYTES + 1100);
	dismiss(w);
}
END_TEST

START_TEST(a_large_body_is_asked_for_in_blocks)
{
	enum { N = 3 * SMTP_BLOCK + 777 };
	char *body = xmalloc(N);
	struct watched *w = greeted();

	for (size_t i = 0; i < N; i++)
		body[i] = i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : 'x';
	hand(w, one, 1, body, N);
	hear(w, "250 ok\r\n250 ok\r\n354 go\r\n");
	ck_assert_uint_eq(w->bodies, 4);
	ck_assert_uint_eq(w->most_body, SMTP_BLOCK);
	ck_assert(smtp_past_dot(w->s));
	hear(w, "250 ok\r\n");
	ck_assert_uint_eq(w->sent, 1);
	ck_assert(!smtp_past_dot(w->s));
	dismiss(w);
	free(body);
}
END_TEST

/* The worst there is: every byte becomes two, and the next message's commands follow. */
/* pread(2) may return less than was asked for. */
START_TEST(a_body_may_be_given_in_small_pieces)
{
	struct smtp_mail m = {.reverse_path = "", .rcpts = one, .nrcpts = 1, .size = 6};
	struct watched *w = greeted();
	struct smtp_event e;

	smtp_mail(w->s, &m);
	drain(w);
	hear(w, "250 ok\r\n250 ok\r\n");
	w->nout = 0;
	smtp_input(w->s, "354 go\r\n", 8);
	for (size_t i = 0; i < 6; i++) {
		const char *data;

		ck_assert(smtp_next_event(w->s, &e) && e.type == SMTP_BODY);
		ck_assert_uint_eq(e.want, 6 - i);
		smtp_body(w->s, e.mail, &"a\r\n.\r\n"[i], 1);
		if (i < 5)
			smtp_sent(w->s, smtp_output(w->s, &data));
	}
	drain(w);
	ck_assert_str_eq(w->out, "\n.\r\n");
	dismiss(w);
}
END_TEST

/* Greeted by a server that has taken one chunk. */
static struct watched *
greeted_and_chunked(void)
{
	struct watched *w = xcalloc(1, sizeof(*w));
	struct smtp_options o = ordinary;
	struct smtp_mail m = {
	    .reverse_path = "", .rcpts = one, .nrcpts = 1, .size = 3, .verbatim = true};

	o.may_chunk = true;
	w->s = smtp_new(&o);
	w->body = "x\r\n";
	hear(w, "220 mx\r\n");
	hear(w, "250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n");
	smtp_mail(w->s, &m);
	hear(w, "250 ok\r\n250 ok\r\n250 taken\r\n");
	ck_assert_uint_eq(w->sent, 1);
	w->body_at = w->nout = w->bodies = 0;
	return w;
}

static size_t
chunks_before_an_answer(size_t size)
{
	static char body[SMTP_AHEAD * (SMTP_AHEAD_BYTES + 1)];
	struct watched *w = greeted_and_chunked();
	struct smtp_mail m = {
	    .reverse_path = "", .rcpts = one, .nrcpts = 1, .size = size, .verbatim = true};
	size_t n;

	memset(body, 'x', sizeof(body));
	w->body = body;
	while (smtp_wants_mail(w->s)) {
		smtp_mail(w->s, &m);
		drain(w);
	}
	ck_assert_uint_le(w->s->out.cap, SMTP_OUT_KEPT); /* all is written */
	n = w->body_at / size;
	ck_assert_uint_eq(w->body_at % size, 0);
	for (size_t i = 0; i < n; i++)
		hear(w, i == 0 ? "250 ok\r\n250 ok\r\n250 taken\r\n"
			       : "250 reset\r\n250 ok\r\n250 ok\r\n250 taken\r\n");
	ck_assert_uint_eq(w->sent, 1 + n);
	if (n == 0) { /* so it waits for somebody to want it */
		hear(w, "250 ok\r\n250 ok\r\n");
		ck_assert_uint_eq(w->body_at, size);
	}
	dismiss(w);
	return n;
}

START_TEST(so_much_is_sent_ahead_and_no_more)
{
	ck_assert_uint_eq(chunks_before_an_answer(1), SMTP_AHEAD);
	ck_assert_uint_eq(chunks_before_an_answer(SMTP_AHEAD_BYTES / SMTP_AHEAD), SMTP_AHEAD);
	ck_assert_uint_eq(
	    chunks_before_an_answer(SMTP_AHEAD_BYTES / SMTP_AHEAD + 1), SMTP_AHEAD - 1);
	ck_assert_uint_eq(chunks_before_an_answer(SMTP_AHEAD_BYTES), 1);
	ck_assert_uint_eq(chunks_before_an_answer(SMTP_AHEAD_BYTES + 1), 0);
}
END_TEST

START_TEST(the_output_has_room_for_the_worst_body)
{
	char *body = xmalloc(SMTP_BLOCK);
	struct watched *w = greeted();

	memset(body, '\n', SMTP_BLOCK);
	hand(w, one, 1, body, SMTP_BLOCK);
	hear(w, "250 ok\r\n250 ok\r\n354 go\r\n");
	ck_assert_uint_eq(w->bodies, 1);
	hear(w, "250 ok\r\n");
	ck_assert_uint_eq(w->sent, 1);
	dismiss(w);
	free(body);
}
END_TEST

START_TEST(an_idle_connection_keeps_no_buffers)
{
	struct watched *w = greeted();

	hand(w, one, 1, "x\r\n", 3);
	hear(w, "250 ok\r\n250 ok\r\n354 go\r\n");
	hear(w, "250 ok\r\n");
	ck_assert(smtp_idle(w->s));
	smtp_rest(w->s);
	ck_assert_ptr_null(w->s->flight);
	ck_assert_ptr_null(w->s->notes);
	ck_assert_ptr_null(w->s->verdicts);
	ck_assert_ptr_null(w->s->out.mem);
	ck_assert_ptr_null(w->s->reply.raw.mem);
	ck_assert_ptr_null(w->s->spares.first);
	ck_assert_uint_lt(sizeof(*w->s), 1024);
	/* But not in the middle of a reply. */
	hear(w, "4");
	smtp_rest(w->s);
	hear(w, "21 bye\r\n");
	ck_assert_uint_eq(w->closed, 1);
	dismiss(w);
}
END_TEST

/* One that cannot send keeps the room, another makes one of its own, and one is left for all. */
START_TEST(who_waits_for_an_answer_holds_no_body)
{
	static char body[10000];
	struct buf room;
	struct smtp_event e;
	struct watched *w[] = {greeted(), greeted()};

	buf_init(&room, 0);
	memset(body, '.', sizeof(body));
	for (int i = 0; i < 2; i++) {
		w[i]->s->o.room = &room;
		hand(w[i], one, 1, body, sizeof(body));
		hear(w[i], "250 ok\r\n250 ok\r\n");
	}
	smtp_input(w[0]->s, "354 go\r\n", 8);
	ck_assert(smtp_next_event(w[0]->s, &e) && e.type == SMTP_BODY);
	smtp_body(w[0]->s, e.mail, body, e.want);
	hear(w[1], "354 go\r\n");
	ck_assert_uint_le(w[1]->s->out.cap, SMTP_OUT_KEPT);
	ck_assert_uint_gt(room.cap, sizeof(body));
	drain(w[0]);
	ck_assert_uint_le(w[0]->s->out.cap, SMTP_OUT_KEPT);
	ck_assert_uint_gt(room.cap, sizeof(body));
	ck_assert_str_eq(w[0]->out, w[1]->out);
	for (int i = 0; i < 2; i++) {
		hear(w[i], "250 ok\r\n");
		ck_assert_uint_eq(w[i]->sent, 1);
		dismiss(w[i]);
	}
	buf_free(&room);
}
END_TEST

START_TEST(patience_starts_when_a_command_reaches_the_head)
{
	struct watched *w = greeted();
	unsigned a, b;

	ck_assert_int_eq(smtp_patience(w->s, &a), 0);
	hand(w, one, 1, "x\r\n", 3);
	ck_assert_int_eq(smtp_patience(w->s, &b), 300);
	ck_assert_uint_ne(a, b);
	hear(w, "250-half of a"); /* a deadline covers the whole reply */
	ck_assert_int_eq(smtp_patience(w->s, &a), 300);
	ck_assert_uint_eq(a, b);
	hear(w, " reply\r\n250 and the rest\r\n");
	ck_assert_int_eq(smtp_patience(w->s, &a), 300);
	ck_assert_uint_ne(a, b);
	hear(w, "250 ok\r\n");
	ck_assert_int_eq(smtp_patience(w->s, &b), 120);
	ck_assert_uint_ne(a, b);
	hear(w, "354 go\r\n");
	ck_assert_int_eq(smtp_patience(w->s, &a), 600);
	ck_assert_uint_ne(a, b);
	dismiss(w);
}
END_TEST

/* RFC 5321 4.5.3.2.5, 4.5.3.2.6 */
START_TEST(patience_for_a_body_starts_anew_with_each_block)
{
	static char body[2 * SMTP_BLOCK];
	struct smtp_mail m = {.reverse_path = "", .rcpts = one, .nrcpts = 1, .size = sizeof(body)};
	struct watched *w = greeted();
	struct smtp_event e;
	const char *data;
	unsigned a, b;

	memset(body, 'x', sizeof(body));
	smtp_mail(w->s, &m);
	drain(w);
	hear(w, "250 ok\r\n250 ok\r\n");
	ck_assert_uint_eq(smtp_input(w->s, "354 go\r\n", 8), 8);
	ck_assert(smtp_next_event(w->s, &e) && e.type == SMTP_BODY);
	smtp_body(w->s, e.mail, body, e.want);
	ck_assert_int_eq(smtp_patience(w->s, &a), 180);
	smtp_sent(w->s, 1); /* a byte is not a block */
	ck_assert_int_eq(smtp_patience(w->s, &b), 180);
	ck_assert_uint_eq(a, b);
	ck_assert(!smtp_next_event(w->s, &e));
	smtp_sent(w->s, smtp_output(w->s, &data));
	ck_assert_int_eq(smtp_patience(w->s, &b), 180);
	ck_assert_uint_ne(a, b);
	ck_assert(smtp_next_event(w->s, &e) && e.type == SMTP_BODY);
	smtp_body(w->s, e.mail, body, e.want);
	smtp_sent(w->s, smtp_output(w->s, &data) - 1);
	ck_assert(!smtp_past_dot(w->s));
	ck_assert_int_eq(smtp_patience(w->s, &a), 180);
	smtp_sent(w->s, 1);
	ck_assert(smtp_past_dot(w->s));
	ck_assert_int_eq(smtp_patience(w->s, &b), 600);
	ck_assert_uint_ne(a, b);
	dismiss(w);
}
END_TEST

/* The next block of a chunk is there before the last byte of the one before it has gone. */
START_TEST(patience_for_a_chunk_starts_anew_with_each_block)
{
	static char body[16 * SMTP_BLOCK];
	struct smtp_mail m = {
	    .reverse_path = "", .rcpts = one, .nrcpts = 1, .size = sizeof(body), .verbatim = true};
	struct watched *w = greeted_and_chunked();
	struct smtp_event e;
	const char *data;
	unsigned a, b;

	memset(body, 'x', sizeof(body));
	smtp_mail(w->s, &m);
	drain(w);
	ck_assert_uint_eq(smtp_input(w->s, "250 ok\r\n250 ok\r\n", 16), 16);
	for (size_t sent = 0; sent < sizeof(body) / 2; sent += SMTP_BLOCK) {
		while (smtp_next_event(w->s, &e))
			smtp_body(w->s, e.mail, body, e.want);
		smtp_patience(w->s, &a);
		smtp_sent(w->s, 1); /* a byte is not a block */
		ck_assert_int_eq(smtp_patience(w->s, &b), 180);
		ck_assert_uint_eq(a, b);
		smtp_sent(w->s, SMTP_BLOCK - 1);
		ck_assert_uint_gt(smtp_output(w->s, &data), 0);
		ck_assert_int_eq(smtp_patience(w->s, &b), 180);
		ck_assert_uint_ne(a, b);
	}
	dismiss(w);
}
END_TEST

/* An engine in the middle of a body, with or without what lets more go behind it. */
static bool
wants_mail_in_mid_body(const char *ehlo, bool behind_dot)
{
	static char body[2 * SMTP_BLOCK];
	struct smtp_mail m = {.reverse_path = "", .rcpts = one, .nrcpts = 1, .size = sizeof(body)};
	struct smtp_options o = ordinary;
	struct watched *w = xcalloc(1, sizeof(*w));
	struct smtp_event e;
	bool wants;

	o.one_behind_dot = behind_dot;
	w->s = smtp_new(&o);
	hear(w, "220 mx\r\n");
	hear(w, ehlo);
	smtp_mail(w->s, &m);
	hear(w, "250 ok\r\n");
	hear(w, "250 ok\r\n");
	ck_assert(!smtp_wants_mail(w->s));
	ck_assert_uint_eq(smtp_input(w->s, "354 go\r\n", 8), 8);
	ck_assert(smtp_next_event(w->s, &e) && e.type == SMTP_BODY);
	wants = smtp_wants_mail(w->s);
	if (wants) {
		smtp_mail(w->s, &m);
		ck_assert(!smtp_wants_mail(w->s));
		ck_assert_uint_eq(smtp_in_flight(w->s), 2);
		smtp_stop(w->s);
		drain(w);
		ck_assert_uint_eq(w->done, 2);
		ck_assert_uint_eq(w->closed, 1);
	}
	dismiss(w);
	return wants;
}

START_TEST(the_next_mail_is_wanted_in_mid_body_if_it_can_go_behind_it)
{
	ck_assert(wants_mail_in_mid_body("250-mx\r\n250 PIPELINING\r\n", true));
	ck_assert(!wants_mail_in_mid_body("250-mx\r\n250 PIPELINING\r\n", false));
	ck_assert(!wants_mail_in_mid_body("250 mx\r\n", true));
	ck_assert(
	    !wants_mail_in_mid_body("250-mx\r\n250-LIMITS MAILMAX=1\r\n250 PIPELINING\r\n", true));
	ck_assert(
	    wants_mail_in_mid_body("250-mx\r\n250-LIMITS MAILMAX=2\r\n250 PIPELINING\r\n", true));
}
END_TEST

START_TEST(patience_can_be_configured)
{
	struct smtp_options o = ordinary;
	unsigned serial;
	struct smtp *s;

	o.patience_s[SMTP_WAIT_GREETING] = 7;
	s = smtp_new(&o);
	ck_assert_int_eq(smtp_patience(s, &serial), 7);
	smtp_free(&s);
}
END_TEST

static char traced[4096];

static void
on_trace(void *ctx, char dir, const char *line)
{
	size_t n = strlen(traced);

	(void)ctx;
	snprintf(traced + n, sizeof(traced) - n, "%c %s\n", dir, line);
}

START_TEST(the_conversation_can_be_watched)
{
	struct watched *w = xcalloc(1, sizeof(*w));

	traced[0] = '\0';
	w->s = smtp_new(&ordinary);
	smtp_trace(w->s, on_trace, NULL);
	hear(w, "220-\x1b[2J\r\n220 mx\r\n");
	hear(w, "250-mx\r\n250 PIPELINING\r\n");
	hand(w, one, 1, ".x\r\n", 4);
	hear(w, "250 ok\r\n250 ok\r\n354\r\n");
	hear(w, "what?\r\n");
	ck_assert_str_eq(traced, "< 220-?[2J\n< 220 mx\n> EHLO client.example\n"
				 "< 250-mx\n< 250 PIPELINING\n"
				 "> MAIL FROM:<a@x>\n> RCPT TO:<b@y>\n> DATA\n"
				 "< 250 ok\n< 250 ok\n< 354\n"
				 "> (4 octets of message)\n> .\n< what?\n");
	traced[0] = '\0';
	smtp_trace_line(w->s, '>', "AUTH PLAIN AGZvbwBiYXI=", 23);
	smtp_trace_line(w->s, '>', "auth login", 10);
	ck_assert_str_eq(traced, "> AUTH PLAIN ***\n> auth login\n");
	dismiss(w);
}
END_TEST

static const struct sasl_credentials tim = {.user = "tim", .secret = "tanstaaftanstaaf"};
static const char response[] = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm";

/* An engine that has written AUTH PLAIN and sent n bytes of it. */
static struct watched *
logging_in(size_t n)
{
	struct watched *w = xcalloc(1, sizeof(*w));
	struct smtp_options o = ordinary;
	static const char ehlo[] = "250-mx\r\n250 AUTH PLAIN\r\n";
	const char *data;

	o.secured = true;
	o.auth = &tim;
	w->s = smtp_new(&o);
	hear(w, "220 mx\r\n");
	ck_assert_uint_eq(smtp_input(w->s, ehlo, strlen(ehlo)), strlen(ehlo));
	ck_assert_uint_eq(smtp_output(w->s, &data), strlen("AUTH PLAIN \r\n") + strlen(response));
	ck_assert_int_eq(memcmp(data + 11, response, strlen(response)), 0);
	smtp_sent(w->s, n);
	return w;
}

/* Also behind the content, where it was before. */
static bool
output_holds(const struct smtp *s, const char *text)
{
	for (size_t i = 0; i + strlen(text) <= s->out.cap; i++)
		if (memcmp(s->out.mem + i, text, strlen(text)) == 0)
			return true;
	return false;
}

START_TEST(what_was_said_to_log_in_is_overwritten)
{
	struct watched *w = logging_in(20);

	ck_assert(output_holds(w->s, response));
	drain(w);
	ck_assert(!output_holds(w->s, response + 4));
	ck_assert_ptr_nonnull(w->s->auth);
	hear(w, "235 ok\r\n");
	ck_assert_ptr_null(w->s->auth);
	ck_assert(smtp_idle(w->s));
	smtp_rest(w->s);
	ck_assert_ptr_null(w->s->out.mem);
	dismiss(w);
}
END_TEST

START_TEST(what_was_to_be_said_is_overwritten_when_the_connection_is_lost)
{
	struct watched *w = logging_in(20);

	smtp_lost(w->s, "gone");
	ck_assert_ptr_null(w->s->auth);
	ck_assert(!output_holds(w->s, response + 4));
	dismiss(w);
	w = logging_in(20);
	smtp_stop(w->s);
	ck_assert(!output_holds(w->s, response + 4));
	ck_assert_ptr_null(w->s->auth);
	dismiss(w);
}
END_TEST

/* RFC 5321 4.5.3.1.4 and RFC 4954 4 in one write: the whole of the longest response. */
START_TEST(the_output_has_room_for_the_longest_response)
{
	static char token[9000];
	struct sasl_credentials c = {.user = "tim", .secret = token, .token = true};
	struct watched *w = xcalloc(1, sizeof(*w));
	struct smtp_options o = ordinary;

	memset(token, 'x', sizeof(token) - 1);
	o.secured = true;
	o.auth = &c;
	w->s = smtp_new(&o);
	hear(w, "220 mx\r\n");
	hear(w, "250-mx\r\n250 AUTH XOAUTH2\r\n");
	w->nout = 0;
	hear(w, "334 \r\n");
	ck_assert_uint_gt(w->nout, sizeof(token) * 4 / 3);
	ck_assert_uint_le(w->nout, SASL_LINE_MAX);
	hear(w, "235 \r\n");
	ck_assert(smtp_idle(w->s));
	dismiss(w);
}
END_TEST

START_TEST(nothing_comes_after_the_close)
{
	struct watched *w = greeted();
	const char *data;

	hear(w, "421 bye\r\n");
	ck_assert_uint_eq(w->closed, 1);
	ck_assert(!smtp_wants_mail(w->s));
	smtp_quit(w->s);
	smtp_stop(w->s);
	smtp_timeout(w->s);
	smtp_lost(w->s, "gone");
	smtp_body(w->s, 1, "", 0);
	smtp_body_failed(w->s, 1, "gone");
	hear(w, "250 ok\r\n421 bye\r\n");
	ck_assert_uint_eq(w->closed, 1);
	ck_assert_uint_eq(smtp_output(w->s, &data), 0);
	dismiss(w);
}
END_TEST

START_TEST(a_body_that_comes_too_late_is_not_taken)
{
	struct smtp_mail m = {.reverse_path = "", .rcpts = one, .nrcpts = 1, .size = 3};
	struct watched *w = greeted();
	struct smtp_event e;
	const char *data;

	smtp_mail(w->s, &m);
	drain(w);
	hear(w, "250 ok\r\n250 ok\r\n");
	smtp_input(w->s, "354 go\r\n", 8);
	ck_assert(smtp_next_event(w->s, &e) && e.type == SMTP_BODY);
	smtp_input(w->s, "554 no\r\n", 8);
	smtp_body(w->s, e.mail, "x\r\n", 3);
	ck_assert_uint_eq(smtp_output(w->s, &data), 0);
	drain(w);
	ck_assert_uint_eq(w->closed, 1);
	dismiss(w);
}
END_TEST

START_TEST(input_stops_at_the_first_event)
{
	struct watched *w = greeted();
	const char *const two[] = {"b@y", "c@y"};
	struct smtp_event e;

	hand(w, two, 2, "x\r\n", 3);
	ck_assert_uint_eq(smtp_input(w->s, "250 ok\r\n550 no\r\n550 no\r\n", 24), 16);
	ck_assert_uint_eq(smtp_input(w->s, "550 no\r\n", 8), 0);
	ck_assert(smtp_next_event(w->s, &e));
	ck_assert_int_eq(e.type, SMTP_SETTLED);
	ck_assert_uint_eq(smtp_input(w->s, "550 no\r\n", 8), 8);
	drain(w);
	dismiss(w);
}
END_TEST

START_TEST(mail_that_was_not_wanted_is_a_bug)
{
	struct smtp *s = smtp_new(&ordinary);
	struct smtp_mail m = {.reverse_path = "", .rcpts = one, .nrcpts = 1, .size = 3};

	smtp_mail(s, &m);
}
END_TEST

START_TEST(a_name_that_was_not_checked_is_a_bug)
{
	struct smtp_options o = ordinary;

	o.helo = "two words";
	smtp_new(&o);
}
END_TEST

START_TEST(more_body_than_was_asked_for_is_a_bug)
{
	struct smtp_mail m = {.reverse_path = "", .rcpts = one, .nrcpts = 1, .size = 3};
	struct watched *w = greeted();
	struct smtp_event e;

	smtp_mail(w->s, &m);
	drain(w);
	hear(w, "250 ok\r\n250 ok\r\n");
	smtp_input(w->s, "354 go\r\n", 8);
	smtp_next_event(w->s, &e);
	smtp_body(w->s, e.mail, "xxxx", 4);
}
END_TEST

static void
add_caller_tests(TCase *tc)
{
	tcase_add_test(tc, a_thousand_recipients_are_sent_a_window_at_a_time);
	tcase_add_test(tc, a_window_of_long_recipients_is_bounded_in_bytes);
	tcase_add_test(tc, a_large_body_is_asked_for_in_blocks);
	tcase_add_test(tc, a_body_may_be_given_in_small_pieces);
	tcase_add_test(tc, so_much_is_sent_ahead_and_no_more);
	tcase_add_test(tc, the_output_has_room_for_the_worst_body);
	tcase_add_test(tc, an_idle_connection_keeps_no_buffers);
	tcase_add_test(tc, who_waits_for_an_answer_holds_no_body);
	tcase_add_test(tc, patience_starts_when_a_command_reaches_the_head);
	tcase_add_test(tc, patience_for_a_body_starts_anew_with_each_block);
	tcase_add_test(tc, patience_for_a_chunk_starts_anew_with_each_block);
	tcase_add_test(tc, the_next_mail_is_wanted_in_mid_body_if_it_can_go_behind_it);
	tcase_add_test(tc, patience_can_be_configured);
	tcase_add_test(tc, the_conversation_can_be_watched);
	tcase_add_test(tc, what_was_said_to_log_in_is_overwritten);
	tcase_add_test(tc, what_was_to_be_said_is_overwritten_when_the_connection_is_lost);
	tcase_add_test(tc, the_output_has_room_for_the_longest_response);
	tcase_add_test(tc, nothing_comes_after_the_close);
	tcase_add_test(tc, a_body_that_comes_too_late_is_not_taken);
	tcase_add_test(tc, input_stops_at_the_first_event);
	tcase_add_test_raise_signal(tc, mail_that_was_not_wanted_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, a_name_that_was_not_checked_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, more_body_than_was_asked_for_is_a_bug, SIGABRT);
}

Suite *
suite_smtp(void)
{
	Suite *s = suite_create("smtp");
	TCase *matrix = tcase_create("matrix"), *caller = tcase_create("caller");

	tcase_add_loop_test(matrix, whatever_the_server_says_wherever_it_says_it, 0, 64);
	tcase_add_loop_test(matrix, whatever_the_server_says_of_TLS_and_AUTH, 0, 128);
	tcase_set_timeout(matrix, 60);
	suite_add_tcase(s, matrix);
	add_caller_tests(caller);
	suite_add_tcase(s, caller);
	return s;
}
