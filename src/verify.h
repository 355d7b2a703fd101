/*
 * verify.h: -bv: where mail for an address would go, without sending any.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdbool.h>
#include <stdio.h>

#include "config.h"
#include "spool/spool.h"

struct verify_options {
	struct config *config;
	struct spool *spool; /* for TLS sessions; NULL: none */
	const char *sender; /* relays may depend on him */
	char **addresses;
	int naddresses;
	bool connect; /* talk to the host as well: TLS, and whether the login works */
};

/*
 * Prints what it finds, an address after the other. Returns EX_OK when all would be tried, else the
 * code of the first trouble: EX_DATAERR not an address, EX_NOHOST undeliverable, EX_TEMPFAIL not
 * now, EX_CONFIG.
 */
int verify_run(const struct verify_options *o, FILE *out);

#endif
