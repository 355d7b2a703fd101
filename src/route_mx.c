/*
 * route_mx.c: a domain's MX records become legs of the route.
 */
#include "route_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

enum { MX_TRIED_MAX = 100 }; /* exchanges of one domain that are looked at at all */

/*
 * A record that names us drops itself and all of equal or worse preference (RFC 5321 5.1): those of
 * the same MX lookup, which came from the same line of the configuration or from none.
 */
void
route_drop_from(struct route *rt, const struct target *target, unsigned preference)
{
	struct list *pos = rt->legs.next;

	rt->looped = true;
	while (pos != &rt->legs) {
		struct leg *l = list_item(pos, struct leg, link);

		pos = pos->next;
		if (l->from_mx && l->target == target && l->preference >= preference)
			leg_free(l);
	}
}

/* Sorted by preference, equal ones in random order. */
struct ranked {
	uint32_t random;
	const struct dns_record *r;
};

static int
by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->r->preference != y->r->preference)
		return x->r->preference < y->r->preference ? -1 : 1;
	return x->random < y->random ? -1 : x->random > y->random;
}

/* A host that the MX lookup of leg mx led to goes before it. */
static void
add_exchange(struct leg *mx, const char *host, unsigned preference)
{
	struct leg *l = leg_new(mx->route, LEG_HOST, host, mx->port);

	l->preference = preference;
	l->from_mx = true;
	l->fallback = mx->fallback;
	l->target = mx->target;
	list_insert_before(&mx->link, &l->link);
}

static void
add_exchanges(struct leg *mx, const struct dns_answer *a)
{
	struct route *rt = mx->route;
	struct ranked *v = xcalloc(a->nrecords, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < a->nrecords; i++)
		if (a->records[i].name[0] != '\0') /* "." beside others is nonsense: skipped */
			v[n++] = (struct ranked){str_random(UINT32_MAX), &a->records[i]};
	qsort(v, n, sizeof(*v), by_rank);
	for (size_t i = 0; i < n && i < MX_TRIED_MAX; i++) {
		if (rt->router->hostname != NULL && str_eqi(v[i].r->name, rt->router->hostname)) {
			route_drop_from(rt, mx->target, v[i].r->preference);
			break;
		}
		add_exchange(mx, v[i].r->name, v[i].r->preference);
	}
	free(v);
}

static void
take_mx(struct leg *mx, const struct dns_answer *a)
{
	struct route *rt = mx->route;
	const char *bad = NULL, *enhanced = "5.1.2";

	if (a->status == DNS_TEMPORARY) {
		route_note_temporary(rt, a);
	} else if (a->status == DNS_NXDOMAIN) {
		bad = "there is no such domain";
	} else if (a->status == DNS_NODATA) {
		add_exchange(mx, mx->host, 0); /* the implicit MX, RFC 5321 5.1 */
	} else if (a->nrecords == 1 && a->records[0].name[0] == '\0') {
		bad = "this domain does not accept mail (null MX)"; /* RFC 7505 */
		enhanced = "5.1.10";
	} else {
		add_exchanges(mx, a);
	}
	if (bad != NULL && mx->target != NULL)
		route_note_config(rt, mx, bad);
	else if (bad != NULL)
		route_fail(rt, enhanced, bad);
}

static void
on_mx(void *ctx, const struct dns_answer *a)
{
	struct leg *mx = ctx;
	struct route *rt = mx->route;

	trace_line(rt->trace, "-- MX of %s: %s", a->name,
	    a->status == DNS_OK         ? "found"
	    : a->status == DNS_NODATA   ? "none, the domain is its own host"
	    : a->status == DNS_NXDOMAIN ? "no such domain"
					: a->why);
	take_mx(mx, a);
	leg_free(mx);
	route_advance(rt);
	rt->fn(rt->ctx);
}

void
leg_start_mx(struct leg *mx)
{
	mx->state = LEG_ASKED;
	dns_lookup(mx->route->router->dns, &mx->q[0], mx->host, DNS_MX, on_mx, mx);
}
