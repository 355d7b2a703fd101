/*
 * ehlo.h: what a server offers in its reply to EHLO or LHLO (RFC 5321 4.1.1.1). Pure.
 */
#ifndef PROTO_EHLO_H
#define PROTO_EHLO_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/reply.h"

enum ehlo_offer {
	EHLO_PIPELINING = 1 << 0, /* RFC 2920 */
	EHLO_SIZE = 1 << 1, /* RFC 1870 */
	EHLO_8BITMIME = 1 << 2, /* RFC 6152 */
	EHLO_ENHANCEDSTATUSCODES = 1 << 3, /* RFC 2034 */
	EHLO_CHUNKING = 1 << 4, /* RFC 3030 */
	EHLO_DSN = 1 << 5, /* RFC 3461 */
	EHLO_SMTPUTF8 = 1 << 6, /* RFC 6531 */
	EHLO_STARTTLS = 1 << 7, /* RFC 3207 */
	EHLO_AUTH = 1 << 8, /* RFC 4954 */
};

struct ehlo {
	unsigned offers;
	/* The largest message it takes; 0: it names no limit, or none we could count to. */
	uint64_t size;
	uint32_t rcptmax; /* RFC 9422: RCPTs a transaction; 0: not said */
	uint32_t mailmax; /* transactions a connection; 0: not said */
	/* Mechanisms in upper case, separated by spaces; what does not fit is not there. */
	char auth[256];
};

/* Reads a complete 2xx reply. Keywords in any case; a keyword that makes no sense is skipped. */
void ehlo_parse(struct ehlo *e, const struct reply *r);

/* Whether the server calls itself `name`: then we are talking to ourselves. */
bool ehlo_is_named(const struct reply *r, const char *name);

bool ehlo_has_auth(const struct ehlo *e, const char *mechanism);

#endif
