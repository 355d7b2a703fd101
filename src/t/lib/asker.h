/*
 * asker.h: somebody who looks names up, for the tests of src/dns/dns.c: in virtual time, of the servers
 * of ns_fake.h.
 */
#ifndef T_LIB_ASKER_H
#define T_LIB_ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/dns.h"
#include "net/reactor.h"

extern struct asking {
	struct reactor *reactor;
	struct dns *dns; /* the test's to make, with asker_open() or as it likes */
	int waiting; /* lookups that will be told; one that is cancelled the test takes off */
} asking;

/* One lookup, and what it was told. */
struct asker {
	struct dns_lookup q;
	int calls;
	enum dns_status status;
	size_t n;
	struct dns_record first, last;
	char first_name[DNS_NAME_MAX], last_name[DNS_NAME_MAX];
	bool no_server;
	char name[DNS_NAME_MAX], why[256];
	int64_t at_ms;
	struct asker *then; /* asked, or cancelled, from the callback */
	bool cancel;
};

/* Fixtures. After a test no socket is left open. */
void asker_setup(void);
void asker_teardown(void);
/* The first n of the servers are those to ask; max_in_flight as in struct dns_options. */
void asker_open(size_t n, size_t max_in_flight);

void asker_ask(struct asker *a, const char *name, uint16_t type);
dns_fn asker_told; /* the callback of such a lookup */
void asker_run(void); /* until all have been told */
struct asker asker_lookup(const char *name, uint16_t type); /* asks and runs */
void asker_settle(void); /* until nothing more would happen */
/* Time passes, and the reactor sees it: its clock stands still between turns. */
void asker_pass(int64_t ms);

void asker_assert_address(const struct asker *a, const char *expected);
void asker_assert_temporary(const struct asker *a, const char *reason);

#endif
