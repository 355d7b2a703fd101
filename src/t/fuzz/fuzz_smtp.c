/*
 * fuzz_smtp.c: a conversation with a hostile server, under the eyes of the oracle.
 *
 * The first three bytes say how we are (options with TLS and AUTH; messages, recipients and what is said
 * of them; body and credentials). Then each byte is one the server sends, except these, which are what else may happen:
 *
 *	01 what the server said so far is read		06 the connection is lost
 *	02 the next mail may be handed over, or not	07 only 5 more bytes are written
 *	03 smtp_quit					08 everything is written again
 *	04 smtp_stop					0e the body cannot be read
 *	05 smtp_timeout					0f the rest is read a byte at a time
 *	0b handshakes fail from now on			0c handshakes take until 0c comes again
 *	7f bodies come a few bytes at a time
 *
 * and 10 to 1f and ff, which stand for the replies a server gives when all is well (see `ordinary`).
 */
#include <string.h>

#include "base/buf.h"
#include "base/sys.h"
#include "proto/sasl.h"
#include "smtp_oracle.h"
#include "fuzz.h"

static const char *const ordinary[] = {
    "220 mx.example\r\n",
    "250-mx.example\r\n250 PIPELINING\r\n",
    "250 mx.example\r\n",
    "250 2.0.0 ok\r\n",
    "354 go\r\n",
    "550 5.1.1 no\r\n",
    "450 4.2.1 later\r\n",
    "421 4.3.2 bye\r\n",
    "452 4.5.3 too many\r\n",
    ("250-mx.example\r\n250-SIZE 1000\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
     "250 LIMITS RCPTMAX=1 MAILMAX=2\r\n"),
    "250-mx.example\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
    "250-mx.example\r\n250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 XOAUTH2\r\n",
    "220 go\r\n",
    "235 2.7.0 ok\r\n",
    "334 VXNlcm5hbWU6\r\n",
    "535 5.7.8 no\r\n",
};
static const char chunking[] = "250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

/* Without a name the strongest that is offered. */
static const struct sasl_credentials credentials[] = {
    {.user = "bob", .secret = "s3cret"},
    {.user = "bob", .secret = "s3cret", .mechanism = "PLAIN"},
    {.user = "bob", .secret = "s3cret", .mechanism = "LOGIN"},
    {.user = "bob", .secret = "s3cret", .mechanism = "CRAM-MD5"},
    {.user = "bob", .secret = "t0ken", .token = true},
};

struct game {
	struct oracle *o;
	struct buf said;
	size_t chunk;
	bool no_mail, hold;
};

static void
hear(struct game *g)
{
	oracle_say(g->o, buf_data(&g->said), buf_len(&g->said), g->chunk);
	buf_clear(&g->said);
}

static void
turn(struct game *g, uint8_t c)
{
	if (c >= 0x10 && c < 0x10 + sizeof(ordinary) / sizeof(ordinary[0])) {
		buf_adds(&g->said, ordinary[c - 0x10]);
		return;
	}
	if (c == 0xff) {
		buf_adds(&g->said, chunking);
		return;
	}
	if ((c > 0x0f && c != 0x7f) || c == '\0' || c == '\t' || c == '\n' || c == '\r') {
		buf_addc(&g->said, (char)c);
		return;
	}
	hear(g);
	if (c == 0x02)
		oracle_no_mail(g->o, g->no_mail = !g->no_mail);
	else if (c == 0x03)
		smtp_quit(oracle_engine(g->o));
	else if (c == 0x04)
		smtp_stop(oracle_engine(g->o));
	else if (c == 0x05)
		smtp_timeout(oracle_engine(g->o));
	else if (c == 0x06)
		oracle_lose(g->o);
	else if (c == 0x07)
		oracle_limit(g->o, 5);
	else if (c == 0x08)
		oracle_limit(g->o, SIZE_MAX);
	else if (c == 0x0b)
		oracle_break_handshake(g->o);
	else if (c == 0x0c)
		oracle_hold_handshake(g->o, g->hold = !g->hold);
	else if (c == 0x7f)
		oracle_crumble_body(g->o);
	else if (c == 0x0e)
		oracle_break_body(g->o);
	else if (c == 0x0f)
		g->chunk = 1;
	oracle_pump(g->o);
}

/* SCRAM's nonce must be the same each time. */
static int
no_entropy(void *dst, size_t n)
{
	memset(dst, 0, n);
	return 0;
}

/* Bits of the first byte: TLS, and whether there are credentials and of which kind. */
static void
secure(struct smtp_options *o, uint8_t bits, uint8_t which)
{
	static const enum smtp_tls levels[] = {SMTP_CLEAR, SMTP_TLS_MAY, SMTP_TLS_MUST, SMTP_CLEAR};

	o->tls = levels[bits & 3];
	o->secured = (bits & 3) == 3;
	if (bits & 12)
		o->auth = &credentials[which % (sizeof(credentials) / sizeof(credentials[0]))];
	o->auth_in_clear = bits & 8;
}

void
fuzz_smtp(const uint8_t *data, size_t size)
{
	struct oracle_plan plan = {0};
	struct game g = {.chunk = SIZE_MAX};

	if (size < 3)
		return;
	plan.options.lmtp = data[0] & 1;
	plan.options.may_pipeline = !(data[0] & 2);
	plan.options.one_behind_dot = !(data[0] & 4);
	plan.eightbit = data[0] & 8;
	secure(&plan.options, data[0] >> 4, data[2]);
	plan.nmails = data[1] % ORACLE_MAILS + 1;
	plan.nrcpts = data[1] / 16 % ORACLE_RCPTS + 1;
	plan.last_hop = data[1] & 0x40;
	plan.no_dots = data[1] & 0x80;
	plan.options.may_chunk = data[2] % 13 != 0;
	plan.verbatim = data[2] % 11 != 0;
	plan.options.ahead = data[2] % 7;
	plan.body = data[2] < 200 ? data[2] : (size_t)(data[2] - 199) * 1024;
	sys.getentropy = no_entropy;
	buf_init(&g.said, 1 << 20);
	g.o = oracle_new(&plan);
	for (size_t i = 3; i < size; i++)
		turn(&g, data[i]);
	hear(&g);
	oracle_free(g.o);
	buf_free(&g.said);
}
