/*
 * bounce.h: delivery status notifications (RFC 3464) as new messages in the spool.
 */
#ifndef BOUNCE_H
#define BOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include "spool/spool.h"

struct bounce_options {
	const char *hostname; /* Reporting-MTA and MAILER-DAEMON's domain; NULL: localhost */
	const char *postmaster; /* who hears of reports that cannot be delivered; NULL: nobody */
	uint64_t whole_max; /* messages up to this size are returned whole, others' headers only */
	int64_t expire_s; /* how long a message is tried, for DELAYED; 0: left unsaid */
};

enum bounce_kind { BOUNCE_FAILED, BOUNCE_DELAYED };

enum bounce_outcome {
	BOUNCE_MADE, /* durable in the spool, or it was there already, or there is nothing to report */
	BOUNCE_NOBODY, /* FAILED only: there is nobody to tell: hold the message */
	BOUNCE_ERROR, /* errno; try again in a later pass */
};

/*
 * Makes the report about e that is named `id` in ctl/ (ID.rN). FAILED covers the recipients with
 * status 5 that report n (and no earlier one) covers, which may not have been entered into e yet;
 * DELAYED those still waiting. It goes to bounceto or the sender (if the list names none, to the
 * address in the message's From), from the null sender. About mail from the null sender the
 * postmaster is told, once; about that, and about its delay, nobody. It belongs to e's uid, so that
 * whoever delivers that user's mail delivers the report as well.
 */
enum bounce_outcome bounce_make(struct spool *sp, const struct bounce_options *o,
    const struct envelope *e, enum bounce_kind kind, unsigned n, const char *id, int64_t now);

#endif
