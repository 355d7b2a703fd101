/*
 * sasl_impl.h: what SASL's files share; nobody else includes it but their tests.
 *
 *	sasl.c		the table of mechanisms, which one is taken, and one exchange's rounds
 *	sasl_simple.c	PLAIN, LOGIN, CRAM-MD5, EXTERNAL, and the two with OAuth tokens
 *	sasl_scram.c	SCRAM
 *
 * A round is one message of ours. A mechanism's `respond` writes it, raw, into s->raw; all that is
 * common (base64, ceilings, how often a server may ask, who stops when) is in sasl.c.
 */
#ifndef PROTO_SASL_IMPL_H
#define PROTO_SASL_IMPL_H

#include "base/buf.h"
#include "base/log.h"
#include "proto/sasl.h"

enum {
	SASL_RAW_MAX = (SASL_LINE_MAX - 2) / 4 * 3, /* what base64 makes a full line of */
	SASL_HASH_MAX = 64,
	SASL_WHY_MAX = 256,
	SCRAM_NONCE = 24, /* 18 random bytes in base64 */
	/*
	 * RFC 5802 5.1 and RFC 7677 4 name 4096 as the least a server should ask for: less makes what an
	 * eavesdropper or a false server learns too cheap to guess from. The most is what keeps a
	 * server from holding up all other sessions, for the key is derived between two turns of the
	 * loop: 100,000 rounds take a third of a second on an ordinary machine, seconds on a slow ARM.
	 */
	SCRAM_ITERATIONS_MIN = 4096,
	SCRAM_ITERATIONS_MAX = 100000,
};

enum sasl_needs {
	NEEDS_PASSWORD = 1 << 0, /* a secret that is no token */
	NEEDS_TOKEN = 1 << 1,
	NEEDS_CERTIFICATE = 1 << 2,
	NEEDS_BINDING = 1 << 3,
	SHOWS_SECRET = 1 << 4, /* to whoever can read the channel */
};

struct sasl_mechanism {
	const char *name;
	unsigned needs;
	bool client_first; /* the first round answers nothing; it may be an initial response */
	unsigned rounds; /* how often we may be asked */
	unsigned enough; /* after how many rounds a 235 may come */
	/* Answers what was sent for round s->round (0 is the first); false: s->why says why. */
	bool (*respond)(struct sasl *s, const char *in, size_t n);
	/* Whether a 235 with that text can be believed; NULL: `enough` decides. */
	bool (*proved)(struct sasl *s, const char *text, size_t n);
};

struct scram {
	const struct scram_hash *hash;
	bool offered_plus; /* the server offers channel binding */
	bool proved; /* its signature was right */
	char nonce[SCRAM_NONCE + 1];
	const char *binding_type; /* "tls-exporter"; NULL: none */
	struct buf auth; /* RFC 5802 3: AuthMessage */
	unsigned char signature[SASL_HASH_MAX]; /* the one that the server must show */
	size_t nsignature;
};

struct sasl {
	const struct sasl_mechanism *mechanism;
	const struct sasl_credentials *c;
	struct sasl_binding binding;
	unsigned round; /* messages sent */
	bool failed;
	struct buf raw, in; /* our message and theirs; never grow, wiped */
	struct scram scram;
	char why[SASL_WHY_MAX];
};

/* Sets s->why; returns false. */
bool sasl_fail(struct sasl *s, const char *fmt, ...) LOG_PRINTF(2, 3);
/* What the other side says of itself, as letters, digits and _-. that may be shown; "***" where it
 * repeats the secret. */
void sasl_word(const struct sasl *s, char *dst, size_t size, const char *text, size_t n);
/* "=" and "," may not stand in a saslname (RFC 5802 5.1). */
void sasl_add_name(struct buf *b, const char *name);

/* base64 (RFC 4648 4), strictly: whole groups, no other bytes. The content is appended; false: it is not. */
bool sasl_decode(struct buf *b, const char *text, size_t n);
void sasl_encode(struct buf *b, const void *data, size_t n); /* with room for CRLF */

bool plain_respond(struct sasl *s, const char *in, size_t n);
bool login_respond(struct sasl *s, const char *in, size_t n);
bool cram_md5_respond(struct sasl *s, const char *in, size_t n);
bool external_respond(struct sasl *s, const char *in, size_t n);
bool xoauth2_respond(struct sasl *s, const char *in, size_t n);
bool oauthbearer_respond(struct sasl *s, const char *in, size_t n);

bool scram_respond(struct sasl *s, const char *in, size_t n);
bool scram_proved(struct sasl *s, const char *text, size_t n);
/* After the mechanism has been chosen. */
void scram_begin(struct sasl *s, const char *offered);
void scram_end(struct sasl *s);
/* Tests: the nonce of an RFC's example, directly after sasl_new(). */
void scram_use_nonce(struct sasl *s, const char *nonce);

#endif
