/*
 * sasl.h: the client's side of SASL (RFC 4422) as SMTP AUTH (RFC 4954) uses it. Pure.
 *
 * Mechanisms, strongest first: SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1,
 * EXTERNAL (when asked for), OAUTHBEARER and XOAUTH2 (when the secret is a token), CRAM-MD5, PLAIN,
 * LOGIN. The first one that is offered and that the credentials serve is taken; when it fails no
 * weaker one is tried. One exchange a struct sasl:
 *
 *	sasl_new; AUTH and sasl_mechanism, with sasl_initial if it says so;
 *	at each 334 sasl_challenge; at 235 sasl_success, which alone decides; sasl_free.
 *
 * Secrets. All in a struct sasl are wiped by sasl_free(). What is put into an `out` is reserved at once
 * together with room for CRLF, so that growing leaves no copy behind; the caller wipes its buffer when
 * the bytes are gone (buf_wipe). No text of sasl_why() holds a secret.
 *
 * SASLprep (RFC 4013): users, passwords and tokens that are ASCII are not changed by it; others are
 * sent as the UTF-8 they are, not normalized (NFC input is what SASLprep would make of nearly all);
 * control characters, which it prohibits, and malformed UTF-8 are refused with every mechanism.
 */
#ifndef PROTO_SASL_H
#define PROTO_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { SASL_LINE_MAX = 12288 }; /* RFC 4954 4: longest line of an exchange, CRLF included */

struct sasl_credentials { /* the owner's until sasl_free(); not copied */
	const char *user, *secret; /* secret: password or token; NULL: none (EXTERNAL) */
	bool token; /* the secret is an OAuth 2.0 access token */
	bool external; /* the client certificate says who we are; user NULL or "": as it says */
	const char *mechanism; /* only this one; NULL: the strongest offered */
	const char *host; /* the server's name and port, for OAUTHBEARER; NULL and 0: not said */
	unsigned port;
};

struct sasl_binding { /* of the TLS channel; lengths 0: none */
	unsigned char exporter[64], end_point[64];
	size_t nexporter, nend_point;
};

enum sasl_step {
	SASL_SEND, /* out holds the line to send, base64 or nothing at all, without CRLF */
	SASL_FAILED, /* sasl_why() says why: the server is not to be trusted, or broke the protocol */
};

struct sasl;

/*
 * Begins with one of the mechanisms offered (words separated by spaces, as in EHLO's AUTH line).
 * b: NULL or without bindings: no TLS. plain_ok: mechanisms that show the secret (PLAIN, LOGIN, the
 * tokens) may be used: the channel is encrypted, or the configuration says so. NULL: none fits, and
 * why says what was offered and what stands against it.
 */
struct sasl *sasl_new(const struct sasl_credentials *c, const struct sasl_binding *b,
    const char *offered, bool plain_ok, char *why, size_t whysize);
void sasl_free(struct sasl **s);

const char *sasl_mechanism(const struct sasl *s);
/*
 * The initial response, base64 or "=", to stand behind AUTH and the mechanism. false: there is none:
 * the server speaks first in this mechanism, or the AUTH command would be longer than a command may
 * be (RFC 5321 4.5.3.1.4), in which case it follows behind the server's 334 (RFC 4422 5.1).
 */
bool sasl_initial(struct sasl *s, struct buf *out);
/* The text behind a 334 (base64): the next line to send. FAILED has "*" in out (RFC 4954 4). */
enum sasl_step sasl_challenge(struct sasl *s, const char *text, size_t n, struct buf *out);
/*
 * The server said 235; text is what stands behind it. true: we are logged in. false: it has not proved
 * what it must (SCRAM: its signature, in the last 334 or as a word of this text), or said so before the
 * exchange was over: it is not to be trusted, and no mail goes there.
 */
bool sasl_success(struct sasl *s, const char *text, size_t n);
/* Why it failed, or why the server will refuse what it then refuses; "": no reason is known. */
const char *sasl_why(const struct sasl *s);

#endif
