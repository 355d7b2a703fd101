/*
 * bounce.h: delivery status notifications (RFC 3464) as new messages in the spool.
 */
#ifndef BOUNCE_H
#define BOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include "spool/spool.h"

struct bounce_options {
	const char *hostname; /* Reporting-MTA and MAILER-DAEMON's domain */
	const char *postmaster; /* who hears of reports that cannot be delivered; NULL: nobody */
	uint64_t whole_max; /* messages up to this size are returned whole, others' headers only */
};

enum bounce_kind { BOUNCE_FAILED, BOUNCE_DELAYED };

enum bounce_outcome {
	BOUNCE_MADE, /* durable in the spool, or it was there already */
	BOUNCE_NOBODY, /* there is nobody to tell: hold the message */
	BOUNCE_ERROR, /* errno; try again in a later pass */
};

/*
 * Makes the report about e that is named `id` in ctl/ (ID.rN): FAILED covers the recipients with
 * status 5 that report n (and no earlier one) covers, DELAYED those still waiting. To bounceto or the sender, from the null sender;
 * about a report (null sender) to the postmaster, once; about that, to nobody.
 */
enum bounce_outcome bounce_make(struct spool *sp, const struct bounce_options *o,
    const struct envelope *e, enum bounce_kind kind, unsigned n, const char *id, int64_t now);

#endif
