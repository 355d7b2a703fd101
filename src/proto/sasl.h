/*
 * sasl.h: the client's side of SASL (RFC 4422) as SMTP AUTH (RFC 4954) uses it. Pure.
 *
 * Mechanisms, strongest first: SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1,
 * EXTERNAL (when asked for), OAUTHBEARER and XOAUTH2 (when the secret is a token), CRAM-MD5, PLAIN,
 * LOGIN. One exchange a struct sasl; all secrets in it are wiped by sasl_free().
 */
#ifndef PROTO_SASL_H
#define PROTO_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { SASL_LINE_MAX = 12288 }; /* RFC 4954 4: longest line, CRLF included */

struct sasl_credentials { /* the owner's; not copied */
	const char *user, *secret; /* secret: password or token; NULL: none (EXTERNAL) */
	bool token; /* the secret is an OAuth 2.0 access token */
	bool external; /* the client certificate says who we are */
	const char *mechanism; /* only this one; NULL: the strongest offered */
	const char *host; /* the server's name and port, for OAUTHBEARER */
	unsigned port;
};

struct sasl_binding { /* of the TLS channel; lengths 0: none */
	unsigned char exporter[64], end_point[64];
	size_t nexporter, nend_point;
};

enum sasl_step {
	SASL_SEND, /* out holds the line to send, base64 (or "=" or "*"), without CRLF */
	SASL_FAILED, /* sasl_why() says why: the server is not to be trusted, or broke the protocol */
};

struct sasl;

/*
 * Begins with one of the mechanisms offered (words separated by spaces, as in EHLO's AUTH line).
 * plain_ok: mechanisms that show the secret (PLAIN, LOGIN, the tokens) may be used: the channel is
 * encrypted, or the configuration says so. NULL: none fits, and why says what was offered.
 */
struct sasl *sasl_new(const struct sasl_credentials *c, const struct sasl_binding *b,
    const char *offered, bool plain_ok, char *why, size_t whysize);
void sasl_free(struct sasl **s);

const char *sasl_mechanism(const struct sasl *s);
/* The initial response, base64 or "="; false: there is none in this mechanism. */
bool sasl_initial(struct sasl *s, struct buf *out);
/* The text behind a 334 (base64): the next line to send. FAILED still has "*" in out (RFC 4954 4). */
enum sasl_step sasl_challenge(struct sasl *s, const char *text, size_t n, struct buf *out);
/* The server said 235, text is what stands behind it: whether it has proved what it must (SCRAM: its
 * signature). false: it is not to be trusted. */
bool sasl_success(struct sasl *s);
const char *sasl_why(const struct sasl *s); /* for people; holds no secret */

#endif
