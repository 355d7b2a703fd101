/*
 * auth_fake.h: the server's side of SMTP AUTH for scripted servers: PLAIN (RFC 4616), LOGIN,
 * CRAM-MD5 (RFC 2195), SCRAM-SHA-256 (RFC 7677) and XOAUTH2, against one user and one secret.
 */
#ifndef T_LIB_AUTH_FAKE_H
#define T_LIB_AUTH_FAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum auth_fake_step {
	AUTH_FAKE_ASK, /* out holds a challenge, base64 */
	AUTH_FAKE_RIGHT,
	AUTH_FAKE_WRONG, /* another user or secret */
	AUTH_FAKE_RUDE, /* that is not how the mechanism goes; out says what is wrong */
};

struct auth_fake {
	const char *user, *secret; /* the owner's */
	int mechanism;
	unsigned round;
	bool wrong; /* to be said after one more line of theirs (XOAUTH2) */
	char nonce[80], bare[256], first[256]; /* SCRAM: client-first-bare, server-first */
};

/* false: no such mechanism. */
bool auth_fake_begin(
    struct auth_fake *a, const char *mechanism, const char *user, const char *secret);
/* A line of theirs as it came, base64, "=" for nothing; NULL: AUTH brought no initial response. */
enum auth_fake_step auth_fake_hear(struct auth_fake *a, const char *line, struct buf *out);

#endif
