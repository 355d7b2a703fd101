/*
 * route_address.c: what addresses are: our own, refused, IPv4 in disguise.
 */
#include "route_impl.h"

#include <sys/types.h>
#include <net/if.h>

#include <ifaddrs.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/sys.h"

struct in6_addr
route_mapped(struct in_addr a)
{
	struct in6_addr r = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(r.s6_addr + 12, &a, 4);
	return r;
}

/* IPv4 inside IPv6 in the ways that reach an IPv4 host: mapped, and NAT64's 64:ff9b::/96 (RFC 6052). */
struct in6_addr
route_canonical(const struct in6_addr *a)
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	struct in_addr v4;

	if (memcmp(a->s6_addr, nat64, sizeof(nat64)) != 0)
		return *a;
	memcpy(&v4, a->s6_addr + 12, 4);
	return route_mapped(v4);
}

static bool
in_net(const struct in6_addr *a, const struct in6_addr *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a->s6_addr, net->s6_addr, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	return ((a->s6_addr[whole] ^ net->s6_addr[whole]) >> (8 - rest)) == 0;
}

static bool
is_special(const struct in6_addr *a)
{
	if (IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_MULTICAST(a))
		return true;
	if (!IN6_IS_ADDR_V4MAPPED(a))
		return false;
	/* 0.0.0.0/8, 127.0.0.0/8, and 224.0.0.0/3: multicast, reserved, broadcast */
	return a->s6_addr[12] == 0 || a->s6_addr[12] == 127 || a->s6_addr[12] >= 224;
}

bool
router_has_ipv4(const struct router *r)
{
	for (size_t i = 0; i < r->nown; i++) {
		const uint8_t *a = r->own[i].s6_addr;

		if (IN6_IS_ADDR_V4MAPPED(&r->own[i]) && a[12] != 127 &&
		    !(a[12] == 169 && a[13] == 254)) /* RFC 3927: without a network */
			return true;
	}
	return false;
}

bool
router_owns(const struct router *r, const struct in6_addr *a)
{
	for (size_t i = 0; i < r->nown; i++)
		if (memcmp(&r->own[i], a, sizeof(*a)) == 0)
			return true;
	return false;
}

bool
route_refuses(const struct config *c, const struct in6_addr *a)
{
	if (c->refuse_default)
		return is_special(a);
	for (size_t i = 0; i < c->nrefuse; i++)
		if (in_net(a, &c->refuse[i].ip, c->refuse[i].bits))
			return true;
	return false;
}

/* "refuse none" says that mail may go to this very machine, so its addresses are no loop either. */
bool
route_own_counts(const struct config *c)
{
	return c->refuse_default || c->nrefuse > 0;
}

void
router_refresh(struct router *r)
{
	struct ifaddrs *all;

	r->nown = 0;
	if (sys.getifaddrs(&all) != 0) {
		log_warn("cannot list this machine's addresses: mail loops are seen by name only");
		return;
	}
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		struct in6_addr a;

		if (i->ifa_addr == NULL)
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			struct sockaddr_in sin;

			memcpy(&sin, i->ifa_addr, sizeof(sin));
			a = route_mapped(sin.sin_addr);
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			struct sockaddr_in6 sin6;

			memcpy(&sin6, i->ifa_addr, sizeof(sin6));
			a = sin6.sin6_addr;
		} else {
			continue;
		}
		r->own = xgrow(r->own, r->nown, &r->own_cap, sizeof(*r->own));
		r->own[r->nown++] = a;
	}
	sys.freeifaddrs(all);
}
