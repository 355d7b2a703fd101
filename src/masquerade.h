/*
 * masquerade.h: under which address senders are known outside, by the lines `masquerade` and
 * `masquerade-domain`. Pure.
 *
 * Of the `masquerade` lines the first that fits counts:
 *
 *	user		that name at this machine: without a domain, with the host's name, localhost, one of
 *			local-domains, or the `domain` that completes addresses
 *	@domain		everybody there
 *	user@domain	that address
 *	*		everybody
 *
 * If none fits, masquerade-domain takes the place of a domain that is this machine's.
 */
#ifndef MASQUERADE_H
#define MASQUERADE_H

#include <stdbool.h>

#include "config.h"
#include "proto/address.h"

/*
 * What a sender's address (checked; it need not have a domain) becomes; false: it stays. hostname: ours, or
 * NULL. The null sender stays.
 */
bool masquerade(const struct config *c, const char *hostname, const char *mailbox,
    char becomes[2 * ADDRESS_MAX]);

/* Whether any address becomes another. */
bool masquerade_any(const struct config *c);

#endif
