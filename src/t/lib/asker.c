#include "asker.h"

#include <arpa/inet.h>
#include <check.h>
#include <string.h>

#include "base/str.h"
#include "base/sys.h"
#include "ns_fake.h"
#include "vclock.h"

struct asking asking;

void
asker_setup(void)
{
	vclock_install(1764000000);
	ns_install();
	asking.reactor = reactor_new();
}

void
asker_teardown(void)
{
	dns_free(&asking.dns);
	asker_settle(); /* what conn_close() left */
	ck_assert_int_eq(sockets.open, 0);
	reactor_free(&asking.reactor);
	ns_free();
	sys = sys_libc;
}

void
asker_open(size_t n, size_t max_in_flight)
{
	static const char *const servers[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
	struct dns_options o = {.servers = servers, .nservers = n, .max_in_flight = max_in_flight};
	char why[200];

	asking.dns = dns_new(asking.reactor, &o, why, sizeof(why));
	ck_assert_ptr_nonnull(asking.dns);
}

void
asker_told(void *ctx, const struct dns_answer *answer)
{
	struct asker *a = ctx;

	a->calls++;
	asking.waiting--;
	a->status = answer->status;
	a->n = answer->nrecords;
	if (answer->nrecords > 0) {
		a->first = answer->records[0];
		a->last = answer->records[answer->nrecords - 1];
		str_copy(a->first_name, sizeof(a->first_name), a->first.name);
		str_copy(a->last_name, sizeof(a->last_name), a->last.name);
		a->first.name = a->last.name = NULL; /* gone with the answer */
	}
	a->no_server = answer->no_server;
	str_copy(a->name, sizeof(a->name), answer->name);
	str_copy(a->why, sizeof(a->why), answer->why);
	a->at_ms = vclock_ms();
	if (a->then != NULL && a->cancel) {
		if (a->then->calls == 0)
			asking.waiting--;
		dns_cancel(&a->then->q);
	} else if (a->then != NULL) {
		asker_ask(a->then, answer->name, answer->type);
		a->then = NULL;
	}
	/* The answer is valid to the end of its callback, whatever was done in it. */
	ck_assert_uint_eq(answer->nrecords, a->n);
	if (a->n > 0)
		ck_assert_uint_eq(answer->records[0].type, answer->type);
}

void
asker_ask(struct asker *a, const char *name, uint16_t type)
{
	dns_lookup_init(&a->q);
	a->calls = 0;
	asking.waiting++;
	dns_lookup(asking.dns, &a->q, name, type, asker_told, a);
	ck_assert_int_eq(a->calls, 0);
}

void
asker_run(void)
{
	while (asking.waiting > 0)
		ck_assert(reactor_turn(asking.reactor));
}

struct asker
asker_lookup(const char *name, uint16_t type)
{
	struct asker a = {0};

	asker_ask(&a, name, type);
	asker_run();
	ck_assert_int_eq(a.calls, 1);
	return a;
}

void
asker_assert_address(const struct asker *a, const char *expected)
{
	char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(a->status, DNS_OK);
	inet_ntop(a->first.type == DNS_A ? AF_INET : AF_INET6, &a->first.ip, text, sizeof(text));
	ck_assert_str_eq(text, expected);
}

void
asker_assert_temporary(const struct asker *a, const char *reason)
{
	ck_assert_int_eq(a->status, DNS_TEMPORARY);
	ck_assert_uint_eq(a->n, 0);
	ck_assert_str_eq(a->why, reason);
	ck_assert(!a->no_server);
}

void
asker_settle(void)
{
	while (reactor_turn(asking.reactor))
		continue;
}

static void
nothing(void *ctx)
{
	(void)ctx;
}

void
asker_pass(int64_t ms)
{
	struct task t;

	vclock_advance(ms);
	task_init(&t, nothing, NULL);
	task_queue(asking.reactor, &t);
	reactor_turn(asking.reactor);
}
