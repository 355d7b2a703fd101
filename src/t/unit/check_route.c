/* check_route.c: domain -> hops, against a scripted DNS. */
#include <sys/socket.h>
#include <sys/un.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "config.h"
#include "dns_server.h"
#include "hosts.h"
#include "logcap.h"
#include "net_fake.h"
#include "route.h"
#include "suites.h"
#include "vclock.h"

static struct reactor *r;
static struct dns *d;
static struct dns_fake zone;
static struct config config;
static struct router *router;
static struct buf said;
static unsigned told; /* how often the route called */

static void
setup(void)
{
	static const char *const servers[] = {"192.0.2.53"};
	struct dns_options o = {.servers = servers, .nservers = 1};
	char why[128];

	vclock_install(1800000000);
	net_fake_install();
	logcap_start();
	dns_fake_init(&zone);
	dns_server("192.0.2.53:53", &zone, 5);
	r = reactor_new();
	d = dns_new(r, &o, why, sizeof(why));
	ck_assert_ptr_nonnull(d);
	config_init(&config);
	config.path = strdup("conf");
	buf_init(&said, 1 << 16);
	told = 0;
}

static void
teardown(void)
{
	router_free(&router);
	dns_free(&d);
	while (reactor_turn(r))
		;
	reactor_free(&r);
	config_free(&config);
	dns_fake_free(&zone);
	buf_free(&said);
	logcap_stop();
}

static void
configure(const char *text)
{
	char why[256] = "";

	ck_assert_msg(
	    config_parse(&config, "conf", text, strlen(text), why, sizeof(why)) == 0, "%s", why);
}

/* Lines of a zone, separated by newlines. */
static void
add(const char *lines)
{
	char line[256];

	while (*lines != '\0') {
		size_t n = strcspn(lines, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, lines);
		ck_assert_msg(dns_fake_add(&zone, line), "%s", line);
		lines += n + (lines[n] == '\n');
	}
}

static void
on_route(void *ctx)
{
	(void)ctx;
	told++;
}

static struct route *
open_to(const char *sender, const char *domain)
{
	if (router == NULL)
		router = router_new(r, d, &config, "out.example.org");
	return route_open(router, sender, domain, on_route, NULL);
}

static enum route_state
hop_at(struct route *rt, size_t n, const struct hop **h)
{
	enum route_state state;
	unsigned before = told;

	while ((state = route_hop(rt, n, h)) == ROUTE_WAIT) {
		while (told == before)
			ck_assert(reactor_turn(r));
		before = told;
	}
	return state;
}

/* All hops as "host[ip]:port/preference", or the verdict when there is none. */
static const char *
way(const char *sender, const char *domain)
{
	struct route *rt = open_to(sender, domain);
	const struct hop *h;
	size_t n = 0;

	buf_clear(&said);
	for (; hop_at(rt, n, &h) == ROUTE_HOP; n++)
		buf_addf(&said, "%s%s%s/%u%s", n > 0 ? " " : "", h->host, h->peer, h->preference,
		    h->lmtp ? " lmtp" : "");
	ck_assert_uint_eq(n, route_nhops(rt));
	if (n == 0) {
		const struct verdict *v = route_verdict(rt);

		ck_assert_int_eq(v->scope, SCOPE_ROUTE);
		buf_addf(&said, "%s %s%s", v->fate == FATE_FAIL ? "FAIL" : "RETRY", v->enhanced,
		    v->no_attempt ? " no attempt" : "");
	}
	route_close(&rt);
	return buf_str(&said);
}

#define goes(domain, expected) ck_assert_str_eq(way("alice@example.org", domain), expected)

/* --- MX (RFC 5321 5.1) --- */

START_TEST(mx_by_preference_families_alternate)
{
	add("a.net MX 20 b.a.net\na.net MX 10 a.a.net\n"
	    "a.a.net A 192.0.2.1\na.a.net A 192.0.2.2\na.a.net AAAA 2001:db8::1\n"
	    "b.a.net A 192.0.2.3");
	goes("A.NET",
	    "a.a.net[2001:db8::1]:25/10 a.a.net[192.0.2.1]:25/10 a.a.net[192.0.2.2]:25/10 "
	    "b.a.net[192.0.2.3]:25/20");
}
END_TEST

START_TEST(equal_preference_is_shuffled)
{
	unsigned first = 0;

	add("a.net MX 10 a.a.net\na.net MX 10 b.a.net\na.a.net A 192.0.2.1\nb.a.net A 192.0.2.2");
	for (int i = 0; i < 400; i++)
		first += strncmp(way("", "a.net"), "a.a.net", 7) == 0;
	/* each outside of this once in 10^20 */
	ck_assert_uint_gt(first, 100);
	ck_assert_uint_lt(first, 300);
}
END_TEST

START_TEST(no_mx_means_the_domain_itself)
{
	add("a.net A 192.0.2.1");
	goes("a.net", "a.net[192.0.2.1]:25/0");
	configure("port 2525");
	goes("a.net", "a.net[192.0.2.1]:2525/0");
}
END_TEST

START_TEST(null_mx)
{
	add("a.net MX 0 .\na.net A 192.0.2.1\nb.net MX 0 .\nb.net MX 10 mx.b.net\n"
	    "mx.b.net A 192.0.2.2\nc.net MX 0 .\nc.net MX 10 .");
	goes("a.net", "FAIL 5.1.10");
	goes("b.net", "mx.b.net[192.0.2.2]:25/10");
	goes("c.net", "FAIL 5.4.4");
}
END_TEST

START_TEST(nowhere)
{
	add("empty.net NS ns.example\nnoaddr.net MX 10 mx.noaddr.net\nmx.noaddr.net NS ns.example");
	goes("gone.net", "FAIL 5.1.2");
	goes("empty.net", "FAIL 5.4.4");
	goes("noaddr.net", "FAIL 5.4.4");
	goes("not a name", "FAIL 5.1.2");
}
END_TEST

START_TEST(one_lookup_error_among_the_exchanges_is_no_failure)
{
	add("a.net MX 10 a.a.net\na.net MX 20 gone.a.net\na.a.net SERVFAIL\n"
	    "b.net MX 10 a.a.net\nb.net MX 20 b.b.net\nb.b.net A 192.0.2.2\nc.net SERVFAIL");
	goes("a.net", "RETRY 4.4.3");
	goes("b.net", "b.b.net[192.0.2.2]:25/20");
	goes("c.net", "RETRY 4.4.3");
}
END_TEST

START_TEST(silent_nameserver_is_no_attempt)
{
	add("a.net SILENT");
	goes("a.net", "RETRY 4.4.3 no attempt");
}
END_TEST

/* --- loops (RFC 5321 5.1) --- */

START_TEST(own_name_drops_equal_and_worse)
{
	add("a.net MX 10 a.a.net\na.net MX 20 OUT.example.org\na.net MX 20 b.a.net\n"
	    "a.net MX 30 c.a.net\na.a.net A 192.0.2.1\nb.a.net A 192.0.2.2\nc.a.net A 192.0.2.3\n"
	    "b.net MX 10 out.example.org\nb.net MX 20 c.a.net");
	goes("a.net", "a.a.net[192.0.2.1]:25/10");
	goes("b.net", "FAIL 5.4.6");
}
END_TEST

START_TEST(own_address_drops_equal_and_worse)
{
	net_fake_own("192.0.2.99");
	add("a.net MX 10 a.a.net\na.net MX 20 home.a.net\na.net MX 30 c.a.net\n"
	    "a.a.net A 192.0.2.1\nhome.a.net A 192.0.2.99\nc.a.net A 192.0.2.3\n"
	    "b.net MX 10 home.a.net\nb.net MX 20 c.a.net\nc.net A 192.0.2.99");
	goes("a.net", "a.a.net[192.0.2.1]:25/10");
	goes("b.net", "FAIL 5.4.6");
	goes("c.net", "FAIL 5.4.6");
	goes("[192.0.2.99]", "FAIL 5.4.6");
}
END_TEST

START_TEST(our_own_domain_has_no_local_delivery)
{
	goes("out.example.org", "RETRY 4.3.5");
	goes("", "RETRY 4.3.5");
}
END_TEST

/* --- refused addresses --- */

static const char hostile[] = "a.net MX 10 mx.a.net\nmx.a.net A 127.0.0.1\nmx.a.net A 0.0.0.0\n"
			      "mx.a.net A 224.0.0.1\nmx.a.net AAAA ::1\nmx.a.net AAAA ::\n"
			      "mx.a.net AAAA ::ffff:127.0.0.2\nmx.a.net AAAA 64:ff9b::127.0.0.3\n"
			      "mx.a.net A 192.0.2.1";

START_TEST(refused_by_default)
{
	configure("addresses 20");
	add(hostile);
	goes("a.net", "mx.a.net[192.0.2.1]:25/10");
	goes("[127.0.0.1]", "FAIL 5.4.4");
	goes("[IPv6:::ffff:127.0.0.1]", "FAIL 5.4.4");
}
END_TEST

START_TEST(refuse_none)
{
	configure("refuse none");
	add("a.net A 127.0.0.1");
	goes("a.net", "a.net[127.0.0.1]:25/0");
	goes("[127.0.0.1]", "127.0.0.1[127.0.0.1]:25/0");
}
END_TEST

START_TEST(refuse_a_list)
{
	configure("refuse 10.0.0.0/9 2001:db8:1::/48");
	add("a.net A 10.127.0.1\na.net A 10.128.0.1\na.net AAAA ::ffff:10.1.1.1\n"
	    "a.net AAAA 64:ff9b::10.2.2.2\na.net AAAA 2001:db8:1::1\na.net AAAA 2001:db8:2::1");
	goes("a.net", "a.net[10.128.0.1]:25/0 a.net[2001:db8:2::1]:25/0");
}
END_TEST

START_TEST(what_the_configuration_names_is_not_refused)
{
	configure("relay smtp://[127.0.0.1]:2525");
	goes("a.net", "127.0.0.1[127.0.0.1]:2525/0");
}
END_TEST

/* --- how many, and when they are looked up --- */

START_TEST(no_more_addresses_than_allowed)
{
	configure("addresses 2\nfallback smtp://[192.0.2.9]");
	add("a.net A 192.0.2.1\na.net A 192.0.2.2\na.net A 192.0.2.3");
	goes("a.net", "a.net[192.0.2.1]:25/0 a.net[192.0.2.2]:25/0 192.0.2.9[192.0.2.9]:25/65536");
}
END_TEST

START_TEST(a_host_is_looked_up_one_ahead)
{
	struct route *rt;
	const struct hop *h;
	size_t before;

	add("a.net MX 10 a.a.net\na.net MX 20 b.a.net\na.net MX 30 c.a.net\n"
	    "a.a.net A 192.0.2.1\nb.a.net A 192.0.2.2\nc.a.net A 192.0.2.3");
	rt = open_to("", "a.net");
	ck_assert_int_eq(hop_at(rt, 0, &h), ROUTE_HOP);
	for (int i = 0; i < 3; i++) {
		vclock_advance(100);
		reactor_turn(r);
	}
	ck_assert_uint_eq(zone.queries, 1 + 2 + 2); /* MX, a, and b ahead */
	ck_assert_int_eq(route_hop(rt, 1, &h), ROUTE_HOP); /* it is known */
	before = zone.queries;
	ck_assert_int_eq(hop_at(rt, 2, &h), ROUTE_HOP);
	ck_assert_uint_eq(zone.queries, before + 2);
	route_close(&rt);
}
END_TEST

START_TEST(closed_while_looking_up)
{
	const struct hop *h;
	struct route *rt;

	add("a.net A 192.0.2.1");
	rt = open_to("", "a.net");
	ck_assert_int_eq(route_hop(rt, 0, &h), ROUTE_WAIT);
	route_close(&rt);
	vclock_advance(100);
	while (reactor_turn(r) && zone.queries == 0)
		;
	ck_assert_uint_eq(told, 0);
}
END_TEST

/* --- the configuration --- */

START_TEST(fallback_after_retry_never_after_failure)
{
	configure("fallback smtp://back.example.net\nfallback mx:store.net");
	add("a.net MX 10 a.a.net\na.a.net A 192.0.2.1\nback.example.net A 192.0.2.8\n"
	    "store.net MX 5 mx.store.net\nmx.store.net A 192.0.2.9\nbad.net SERVFAIL\n"
	    "null.net MX 0 .\nloop.net MX 1 out.example.org");
	goes("a.net", "a.a.net[192.0.2.1]:25/10 back.example.net[192.0.2.8]:25/65536 "
		      "mx.store.net[192.0.2.9]:25/65536");
	goes("bad.net", "back.example.net[192.0.2.8]:25/65536 mx.store.net[192.0.2.9]:25/65536");
	goes("gone.net", "FAIL 5.1.2");
	goes("null.net", "FAIL 5.1.10");
	goes("loop.net", "FAIL 5.4.6");
}
END_TEST

START_TEST(fallback_that_names_us_ends_itself_only)
{
	configure("fallback mx:store.net\nfallback smtp://[192.0.2.9]");
	add("a.net A 192.0.2.1\nstore.net MX 5 x.store.net\nstore.net MX 5 out.example.org\n"
	    "store.net MX 1 y.store.net\nx.store.net A 192.0.2.3\ny.store.net A 192.0.2.4");
	for (int i = 0; i < 10; i++)
		goes("a.net", "a.net[192.0.2.1]:25/0 y.store.net[192.0.2.4]:25/65536 "
			      "192.0.2.9[192.0.2.9]:25/65536");
}
END_TEST

START_TEST(relays_by_sender_in_order)
{
	configure("relay smtp://[192.0.2.1]\nrelay smtp://[192.0.2.2]:587\n"
		  "relay smtp://[192.0.2.3] from *@example.com\nrelay smtp://[192.0.2.4] from <>\n"
		  "relay smtp://[192.0.2.5] from bob@example.com");
	add("a.net MX 10 mx.a.net\nmx.a.net A 192.0.2.99");
	goes("a.net", "192.0.2.1[192.0.2.1]:25/0 192.0.2.2[192.0.2.2]:587/1");
	ck_assert_str_eq(way("carol@example.com", "a.net"), "192.0.2.3[192.0.2.3]:25/0");
	ck_assert_str_eq(
	    way("bob@example.com", "a.net"), "192.0.2.3[192.0.2.3]:25/0 192.0.2.5[192.0.2.5]:25/1");
	ck_assert_str_eq(way("", "a.net"), "192.0.2.4[192.0.2.4]:25/0");
	ck_assert_uint_eq(zone.queries, 0);
}
END_TEST

START_TEST(no_relay_for_this_sender)
{
	configure("relay smtp://[192.0.2.3] from *@example.com");
	add("a.net MX 10 mx.a.net\nmx.a.net A 192.0.2.99");
	goes("a.net", "mx.a.net[192.0.2.99]:25/10");
}
END_TEST

START_TEST(route_table_before_relays)
{
	configure("relay smtp://[192.0.2.1]\nroute a.net smtp://[192.0.2.2]\n"
		  "route .a.net lmtp://[192.0.2.3]:24\nroute b.net mx:c.net\n"
		  "route d.net lmtp:/run/lmtp");
	add("c.net MX 10 mx.c.net\nmx.c.net A 192.0.2.7");
	goes("A.net", "192.0.2.2[192.0.2.2]:25/0");
	goes("x.y.a.net", "192.0.2.3[192.0.2.3]:24/0 lmtp");
	goes("xa.net", "192.0.2.1[192.0.2.1]:25/0");
	goes(".a.net", "192.0.2.1[192.0.2.1]:25/0"); /* nothing is below it */
	goes("b.net", "mx.c.net[192.0.2.7]:25/10");
	goes("d.net", "/run/lmtp/run/lmtp/0 lmtp");
}
END_TEST

START_TEST(names_of_the_configuration_never_fail)
{
	configure("route a.net smtp://gone.example\nroute b.net mx:null.net\n"
		  "route c.net mx:loop.net\nroute d.net smtp://empty.net");
	add("null.net MX 0 .\nloop.net MX 1 out.example.org\nempty.net NS ns.example");
	goes("a.net", "RETRY 4.4.4");
	goes("b.net", "RETRY 4.4.4");
	goes("c.net", "RETRY 5.4.6");
	goes("d.net", "RETRY 4.4.4");
	ck_assert(logcap_has("conf:1: gone.example"));
	ck_assert(logcap_has("conf:2: null.net"));
}
END_TEST

START_TEST(hosts_file_for_relays_only)
{
	char path[] = "/tmp/check_route.XXXXXX", text[128];
	int fd = mkstemp(path);
	static const char hosts[] = "# comment\n192.0.2.10\tother Relay.Example # relay.example\n"
				    "2001:db8::10 relay.example\nnonsense relay.example\n\n";

	ck_assert_int_eq(write(fd, hosts, sizeof(hosts) - 1), (ssize_t)sizeof(hosts) - 1);
	close(fd);
	snprintf(text, sizeof(text), "hosts %s\nroute a.net smtp://relay.example", path);
	configure(text);
	add("relay.example A 192.0.2.77\nb.net MX 1 relay.example");
	goes("a.net", "relay.example[192.0.2.10]:25/0 relay.example[2001:db8::10]:25/0");
	goes("b.net", "relay.example[192.0.2.77]:25/1"); /* a foreign name */
	unlink(path);
	goes("a.net", "relay.example[192.0.2.77]:25/0");
}
END_TEST

START_TEST(literals)
{
	goes("[192.0.2.1]", "192.0.2.1[192.0.2.1]:25/0");
	goes("[IPv6:2001:db8::1]", "2001:db8::1[2001:db8::1]:25/0");
	goes("[nonsense]", "FAIL 5.4.4");
}
END_TEST

START_TEST(what_the_configuration_names_may_bear_our_name)
{
	struct route *rt;
	const struct hop *h;

	configure("route a.net smtp://[192.0.2.2]");
	add("b.net A 192.0.2.1");
	rt = open_to("", "a.net");
	ck_assert_int_eq(hop_at(rt, 0, &h), ROUTE_HOP);
	ck_assert(h->configured);
	route_close(&rt);
	rt = open_to("", "b.net");
	ck_assert_int_eq(hop_at(rt, 0, &h), ROUTE_HOP);
	ck_assert(!h->configured);
	route_close(&rt);
}
END_TEST

static const char *
key(const char *sender, const char *domain)
{
	router_site_key(router, sender, domain, &said);
	return buf_str(&said);
}

START_TEST(same_key_same_route)
{
	configure("route a.net smtp://h.example:24\nroute b.net lmtp://h.example:24\n"
		  "route c.net smtp://h.example:24\nroute d.net mx:h.example\n"
		  "relay smtp://[192.0.2.3] from bob@example.com");
	router = router_new(r, d, &config, "out.example.org");
	ck_assert_str_eq(key("", "a.net"), "route h.example:24");
	ck_assert_str_eq(key("", "c.net"), "route h.example:24");
	ck_assert_str_eq(key("", "b.net"), "route h.example:24 lmtp");
	ck_assert_str_eq(key("", "d.net"), "route h.example:25 mx");
	ck_assert_str_eq(key("bob@example.com", "X.net"), "relay 192.0.2.3:25");
	ck_assert_str_eq(key("", "X.net"), "x.net");
	ck_assert_str_eq(key("", NULL), "");
}
END_TEST

Suite *
suite_route(void)
{
	Suite *s = suite_create("route");
	TCase *tc = tcase_create("route");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, mx_by_preference_families_alternate);
	tcase_add_test(tc, equal_preference_is_shuffled);
	tcase_add_test(tc, no_mx_means_the_domain_itself);
	tcase_add_test(tc, null_mx);
	tcase_add_test(tc, nowhere);
	tcase_add_test(tc, one_lookup_error_among_the_exchanges_is_no_failure);
	tcase_add_test(tc, silent_nameserver_is_no_attempt);
	tcase_add_test(tc, own_name_drops_equal_and_worse);
	tcase_add_test(tc, own_address_drops_equal_and_worse);
	tcase_add_test(tc, our_own_domain_has_no_local_delivery);
	tcase_add_test(tc, refused_by_default);
	tcase_add_test(tc, refuse_none);
	tcase_add_test(tc, refuse_a_list);
	tcase_add_test(tc, what_the_configuration_names_is_not_refused);
	tcase_add_test(tc, no_more_addresses_than_allowed);
	tcase_add_test(tc, a_host_is_looked_up_one_ahead);
	tcase_add_test(tc, closed_while_looking_up);
	tcase_add_test(tc, fallback_after_retry_never_after_failure);
	tcase_add_test(tc, fallback_that_names_us_ends_itself_only);
	tcase_add_test(tc, relays_by_sender_in_order);
	tcase_add_test(tc, no_relay_for_this_sender);
	tcase_add_test(tc, route_table_before_relays);
	tcase_add_test(tc, names_of_the_configuration_never_fail);
	tcase_add_test(tc, hosts_file_for_relays_only);
	tcase_add_test(tc, literals);
	tcase_add_test(tc, what_the_configuration_names_may_bear_our_name);
	tcase_add_test(tc, same_key_same_route);
	suite_add_tcase(s, tc);
	return s;
}
