/*
 * bounce_report.h: the text of a delivery status notification: multipart/report (RFC 6522) with a part for
 * people, one for programs (RFC 3464), and the original or its header.
 */
#ifndef BOUNCE_REPORT_H
#define BOUNCE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounce.h"
#include "bounce_letter.h"
#include "bounce_original.h"
#include "proto/address.h"

struct report { /* filled by bounce.c */
	const struct bounce_options *o;
	const struct envelope *e;
	enum bounce_kind kind;
	unsigned n;
	const char *id;
	int64_t now;
	const char *host;
	char to[ADDRESS_MAX + 1];
	bool to_postmaster; /* who gets it because the addressee of e, a report, could not */
	size_t affected; /* recipients reported, at least 1 */
	char boundary[40];
	struct original original;
};

/* Whether this report is about that recipient. */
bool report_affects(const struct report *r, const struct recipient *rc);

/* Adds all of it, header and body. 0, or -1 and errno: the original could not be read. */
int report_write(struct letter *l, const struct report *r);

#endif
