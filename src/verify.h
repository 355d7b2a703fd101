/*
 * verify.h: -bv: where mail for an address would go, without sending any.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdbool.h>
#include <stdio.h>

#include "config.h"
#include "local/local.h"
#include "spool/spool.h"

struct verify_options {
	struct config *config;
	struct spool *spool; /* for TLS sessions; NULL: none */
	const char *sender; /* relays may depend on him */
	char **addresses;
	int naddresses;
	local_lookup_fn *lookup; /* of users; NULL: local_look_up */
	bool connect; /* talk to the host as well: TLS, and whether the login works */
};

/*
 * Prints what it finds, an address after the other. Returns EX_OK when all would be tried, else the
 * code of the first trouble: EX_DATAERR not an address, EX_NOHOST undeliverable, EX_TEMPFAIL not
 * now, EX_CONFIG.
 */
int verify_run(const struct verify_options *o, FILE *out);

struct verify_list {
	char **v;
	size_t n, cap;
};

/*
 * For before: what aliases make of the addresses, of which it tells on out. What is no address stays.
 * EX_OK, or the code of the first alias that comes to nothing.
 */
int verify_expand(const struct verify_options *o, struct verify_list *list, FILE *out);
void verify_list_free(struct verify_list *list);

#endif
