/* check_site.c: sites and their sessions, against scripted servers in virtual time. */
#include <sys/socket.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "certs.h"
#include "config.h"
#include "dns_server.h"
#include "logcap.h"
#include "net_fake.h"
#include "session.h"
#include "site.h"
#include "smtp_fake.h"
#include "suites.h"
#include "testspool.h"
#include "vclock.h"

enum { JOBS = 1000 };

struct letter { /* a job with one recipient */
	struct job job;
	struct job_rcpt rcpt;
	char address[64];
	bool settled, done, busy;
	struct verdict verdict;
	int64_t done_ms;
};

static struct reactor *r;
static struct dns *d;
static struct dns_fake zone;
static struct config config;
static struct router *router;
static struct sites *sites;
static struct sites_options options;
static struct letter letters[JOBS];
static size_t nletters, ndone;
static int body;
static const char text[] = "Subject: hello\r\n\r\nHello.\r\n";

/* --- the queue's side --- */

static struct letter *
letter_of(struct job *j)
{
	return list_item(j, struct letter, job);
}

static enum job_answer
begin(struct job *j)
{
	ck_assert(!letter_of(j)->done);
	j->body = body;
	return letter_of(j)->busy ? JOB_BUSY : JOB_GO;
}

static void
settle(struct job *j, size_t rcpt, const struct verdict *v)
{
	ck_assert_uint_eq(rcpt, 0);
	ck_assert(!letter_of(j)->settled);
	letter_of(j)->settled = true;
	letter_of(j)->verdict = *v;
}

static void
pause_job(struct job *j)
{
	ck_assert(!letter_of(j)->done);
}

static void
done(struct job *j)
{
	struct letter *l = letter_of(j);

	ck_assert(!l->done);
	l->done = true;
	l->done_ms = vclock_ms();
	ndone++;
}

static const struct job_ops ops = {begin, settle, pause_job, done, NULL, NULL};

static struct letter *
post(const char *domain)
{
	struct letter *l = &letters[nletters++];

	ck_assert_uint_le(nletters, JOBS);
	memset(l, 0, sizeof(*l));
	snprintf(l->address, sizeof(l->address), "bob@%s", domain);
	l->rcpt = (struct job_rcpt){.address = l->address};
	l->job = (struct job){
	    .ops = &ops,
	    .id = "id",
	    .sender = "alice@example.org",
	    .rcpts = &l->rcpt,
	    .nrcpts = 1,
	    .unsettled = 1,
	    .size = sizeof(text) - 1,
	    .no_dots = true,
	};
	list_init(&l->job.link);
	site_add(sites_find(sites, l->job.sender, domain), &l->job);
	return l;
}

/* --- the world --- */

static void
setup(void)
{
	static const char *const servers[] = {"192.0.2.53"};
	struct dns_options o = {.servers = servers, .nservers = 1};
	char why[128], path[] = "/tmp/check_site.XXXXXX";

	vclock_install(1800000000);
	net_fake_install();
	logcap_start();
	dns_fake_init(&zone);
	dns_server("192.0.2.53:53", &zone, 5);
	body = mkstemp(path);
	unlink(path);
	ck_assert_int_eq(write(body, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	config_init(&config);
	r = reactor_new();
	d = dns_new(r, &o, why, sizeof(why));
	router = router_new(r, d, &config, "out.example.org");
	options = (struct sites_options){
	    .sessions = 100,
	    .sessions_per_site = 20,
	    .connect_s = 30,
	    .helo = "out.example.org",
	    .idle_ms = 2000,
	};
	nletters = ndone = 0;
}

static void
start(void)
{
	sites = sites_new(r, router, &options);
}

static void
teardown(void)
{
	if (sites_busy(sites))
		sites_stop(sites, true);
	while (sites_busy(sites))
		ck_assert(reactor_turn(r));
	ck_assert_uint_eq(ndone, nletters);
	sites_free(&sites);
	router_free(&router);
	dns_free(&d);
	while (reactor_turn(r))
		;
	reactor_free(&r);
	config_free(&config);
	dns_fake_free(&zone);
	close(body);
	logcap_stop();
}

/* MX of the domain is mx.DOMAIN, at the address. */
static void
domain_at(const char *domain, const char *ip)
{
	char line[128];

	snprintf(line, sizeof(line), "%s MX 10 mx.%s", domain, domain);
	ck_assert(dns_fake_add(&zone, line));
	snprintf(line, sizeof(line), "mx.%s %s %s", domain, strchr(ip, ':') ? "AAAA" : "A", ip);
	ck_assert(dns_fake_add(&zone, line));
}

static struct smtp_fake *
server(const char *address, const char *script)
{
	struct smtp_fake *f = smtp_fake_new("mx");
	char line[256];

	smtp_fake_serve(f, address);
	while (*script != '\0') {
		size_t n = strcspn(script, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, script);
		ck_assert_msg(smtp_script_line(&f->script, line), "%s", line);
		script += n + (script[n] == '\n');
	}
	return f;
}

static void
on_pause(void *ctx)
{
	(void)ctx;
}

static void
turn_for(int64_t ms)
{
	int64_t end = vclock_ms() + ms;
	struct timer pause;

	timer_init(&pause, on_pause, NULL);
	while (vclock_ms() < end) {
		timer_arm(r, &pause, end);
		ck_assert(reactor_turn(r));
	}
	timer_disarm(r, &pause);
}

/* Until all are done, within so many seconds. */
static void
finish(int64_t seconds)
{
	int64_t end = vclock_ms() + seconds * 1000;

	while (ndone < nletters) {
		ck_assert_msg(
		    reactor_turn(r) && vclock_ms() <= end, "%zu of %zu done", ndone, nletters);
	}
}

static size_t
sent(void)
{
	size_t n = 0;

	for (size_t i = 0; i < nletters; i++)
		n += letters[i].settled && letters[i].verdict.fate == FATE_SENT;
	return n;
}

static void
post_many(const char *domain, size_t n)
{
	while (n-- > 0)
		post(domain);
}

/* --- how many sessions --- */

START_TEST(two_at_first_more_when_they_are_greeted)
{
	struct smtp_fake *f = server("192.0.2.1:25", "latency 100ms");
	int64_t began_ms;

	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 100);
	began_ms = vclock_ms();
	while (f->most_open <= 2)
		reactor_turn(r);
	ck_assert_int_ge(vclock_ms() - began_ms, 100);
	while (f->nmessages == 0)
		reactor_turn(r);
	ck_assert_uint_eq(f->most_open, 20);
	finish(60);
	ck_assert_uint_eq(sent(), 100);
	ck_assert_uint_eq(f->most_open, 20);
}
END_TEST

/* What two will have sent before a third could begin needs no third. */
START_TEST(few_messages_few_sessions)
{
	struct smtp_fake *f = server("192.0.2.1:25", "latency 100ms");

	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 6);
	while (f->nmessages == 0)
		reactor_turn(r);
	ck_assert_uint_le(f->most_open, 3); /* the answer to the first may have opened one */
	finish(60);
	ck_assert_uint_eq(sent(), 6);
}
END_TEST

START_TEST(never_more_than_allowed)
{
	struct smtp_fake *f = server("192.0.2.1:25", "latency 100ms");

	options.sessions_per_site = 3;
	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 60);
	finish(60);
	ck_assert_uint_eq(sent(), 60);
	ck_assert_uint_eq(f->most_open, 3);
}
END_TEST

START_TEST(one_address_behind_many_domains)
{
	struct smtp_fake *f = server("192.0.2.1:25", "latency 50ms");
	char domain[32];

	options.sessions_per_site = 2;
	start();
	for (int i = 0; i < 30; i++) {
		snprintf(domain, sizeof(domain), "d%d.net", i);
		domain_at(domain, "192.0.2.1");
		post_many(domain, 3);
	}
	finish(120);
	ck_assert_uint_eq(sent(), 90);
	ck_assert_uint_eq(f->most_open, 2);
}
END_TEST

/* Those who wait for a crowded address take no connection away from others. */
START_TEST(a_crowded_address_starves_no_other_site)
{
	struct letter *other;
	char domain[32];

	server("192.0.2.1:25", "latency 1s");
	server("192.0.2.2:25", "");
	options.sessions_per_site = 2;
	options.sessions = 4;
	start();
	for (int i = 0; i < 10; i++) {
		snprintf(domain, sizeof(domain), "d%d.net", i);
		domain_at(domain, "192.0.2.1");
		post(domain);
	}
	domain_at("other.net", "192.0.2.2");
	turn_for(1000);
	other = post("other.net");
	turn_for(1000);
	ck_assert(other->done);
	ck_assert_uint_lt(ndone, nletters);
	finish(120);
	ck_assert_uint_eq(sent(), 11);
}
END_TEST

START_TEST(a_large_site_gives_up_its_place_now_and_then)
{
	struct letter *small;

	server("192.0.2.1:25", "latency 10ms");
	server("192.0.2.2:25", "");
	options.sessions = 1;
	domain_at("large.net", "192.0.2.1");
	domain_at("small.net", "192.0.2.2");
	start();
	post_many("large.net", 300);
	turn_for(100);
	small = post("small.net");
	while (!small->done)
		ck_assert(reactor_turn(r));
	ck_assert_uint_lt(ndone, 150);
	finish(120);
	ck_assert_uint_eq(sent(), 301);
}
END_TEST

START_TEST(more_sites_than_sessions)
{
	char domain[32], address[32];

	options.sessions = 3;
	start();
	for (int i = 1; i <= 20; i++) {
		snprintf(domain, sizeof(domain), "d%d.net", i);
		snprintf(address, sizeof(address), "192.0.2.%d", i);
		domain_at(domain, address);
		snprintf(address, sizeof(address), "192.0.2.%d:25", i);
		server(address, "latency 20ms");
		post_many(domain, 5);
	}
	while (ndone < nletters) {
		ck_assert(reactor_turn(r));
		ck_assert_uint_le(sites_sessions(sites), 3);
	}
	ck_assert_uint_eq(sent(), 100);
}
END_TEST

/* --- trouble --- */

/* Those that wait for a connection are looked up ahead of it, but not all of them at once. */
START_TEST(far_more_sites_than_sessions)
{
	char domain[32];

	server("192.0.2.1:25", "latency 1s");
	options.sessions = 1;
	start();
	for (int i = 0; i < 300; i++) {
		snprintf(domain, sizeof(domain), "d%d.net", i);
		domain_at(domain, "192.0.2.1");
		post(domain);
	}
	turn_for(500);
	ck_assert_uint_ge(zone.queries, 3 * 100); /* MX, AAAA, A */
	ck_assert_uint_le(zone.queries, 3 * 102);
	finish(3000);
	ck_assert_uint_eq(sent(), 300);
}
END_TEST

START_TEST(sites_that_lead_nowhere_do_not_keep_others_from_being_looked_up)
{
	char domain[32], line[64];

	server("192.0.2.1:25", "latency 1s");
	domain_at("a.net", "192.0.2.1");
	options.sessions = 1;
	start();
	post_many("a.net", 3);
	for (int i = 0; i < 300; i++) {
		snprintf(domain, sizeof(domain), "none%d.net", i);
		snprintf(line, sizeof(line), "%s SERVFAIL", domain);
		if (_i == 1) /* not gone for good, but parked */
			ck_assert(dns_fake_add(&zone, line));
		post(domain);
	}
	domain_at("b.net", "192.0.2.1");
	post("b.net");
	finish(120);
	ck_assert_uint_eq(sent(), 4);
}
END_TEST

START_TEST(a_dead_site_is_parked_once)
{
	net_fake_down("192.0.2.1:25", ECONNREFUSED);
	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 50);
	finish(5);
	ck_assert_uint_le(net_fake_connects("192.0.2.1:25"), 2);
	for (size_t i = 0; i < nletters; i++) {
		ck_assert(letters[i].settled);
		ck_assert_int_eq(letters[i].verdict.fate, FATE_RETRY);
		ck_assert(!letters[i].verdict.no_attempt);
	}
	/* what comes later in the pass is deferred at once; the next pass tries again */
	post("a.net");
	finish(1);
	ck_assert_uint_le(net_fake_connects("192.0.2.1:25"), 2);
	server("192.0.2.1:25", "");
	sites_new_pass(sites);
	post("a.net");
	finish(5);
	ck_assert_uint_eq(sent(), 1);
}
END_TEST

/*
 * Somebody who wants to keep a queue busy names a thousand hosts in MX records, or a thousand addresses
 * of one (a TCP answer), and they take connections and say nothing, or do not even answer.
 */
START_TEST(a_thousand_exchanges_and_each_a_tarpit)
{
	enum { MANY = 1000 };
	bool one_host = (_i & 1) != 0, silent = (_i & 2) != 0;
	struct smtp_fake *f = server("203.0.113.1:25", "on CONNECT silence");
	char line[128], address[64];
	size_t tried = 0;

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(address, sizeof(address), "198.18.%u.%u:25", i / 250, i % 250 + 1);
		if (silent)
			net_fake_down(address, 0);
		else
			smtp_fake_serve(f, address);
		snprintf(line, sizeof(line), "evil.net MX %u m%u.evil.net", one_host ? 1 : i + 1,
		    one_host ? 0 : i);
		if (i == 0 || !one_host)
			ck_assert(dns_fake_add(&zone, line));
		address[strlen(address) - 3] = '\0';
		snprintf(line, sizeof(line), "m%u.evil.net A %s", one_host ? 0 : i, address);
		ck_assert(dns_fake_add(&zone, line));
	}
	start();
	post_many("evil.net", 100);
	finish(5 * 300 + 60); /* five greetings are waited for, RFC 5321 4.5.3.2.1 */
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(address, sizeof(address), "198.18.%u.%u:25", i / 250, i % 250 + 1);
		tried += net_fake_connects(address) > 0;
		ck_assert_uint_le(net_fake_connects(address), 2);
	}
	ck_assert_uint_gt(tried, 0);
	ck_assert_uint_le(tried, 5);
	ck_assert_uint_le(zone.queries, 1 + 1 + 2 * 6); /* MX twice, by UDP and TCP */
	ck_assert_uint_eq(sent(), 0);
	for (size_t i = 0; i < nletters; i++)
		ck_assert_int_eq(letters[i].verdict.fate, FATE_RETRY);
}
END_TEST

START_TEST(a_dead_address_is_known_to_other_sites)
{
	net_fake_down("192.0.2.1:25", ECONNREFUSED);
	domain_at("a.net", "192.0.2.1");
	domain_at("b.net", "192.0.2.1");
	start();
	post("a.net");
	finish(5);
	post("b.net");
	finish(5);
	ck_assert_uint_eq(net_fake_connects("192.0.2.1:25"), 1);
	ck_assert_str_eq(letters[1].verdict.enhanced, "4.4.1");
}
END_TEST

START_TEST(no_such_domain_fails_now_and_later)
{
	start();
	for (int i = 0; i < 2; i++) {
		struct letter *l = post("gone.net");

		finish(5);
		ck_assert(l->settled);
		ck_assert_int_eq(l->verdict.fate, FATE_FAIL);
		ck_assert_str_eq(l->verdict.enhanced, "5.1.2");
	}
}
END_TEST

/* An IPv6 address without a route to it is tried last, but it is the refusal that counts. */
START_TEST(unreachable_v6_does_not_hide_the_refusal)
{
	struct letter *l;

	net_fake_down("192.0.2.1:25", ECONNREFUSED);
	net_fake_down("[2001:db8::2]:25", ENETUNREACH);
	dns_fake_add(&zone, "a.net MX 10 a.a.net");
	dns_fake_add(&zone, "a.net MX 20 b.a.net");
	dns_fake_add(&zone, "a.a.net A 192.0.2.1");
	dns_fake_add(&zone, "b.a.net AAAA 2001:db8::2");
	start();
	l = post("a.net");
	finish(5);
	ck_assert_int_eq(l->verdict.fate, FATE_RETRY);
	ck_assert(!l->verdict.no_attempt);
	ck_assert_ptr_nonnull(strstr(l->verdict.text, "192.0.2.1"));
}
END_TEST

START_TEST(too_many_connections_lowers_the_limit)
{
	struct smtp_fake *f = server("192.0.2.1:25",
	    "latency 50ms\non CONNECT skip 1 reply 421 4.7.0 too many connections; close");

	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 40);
	finish(60);
	ck_assert_uint_eq(sent(), 40);
	ck_assert_uint_le(f->sessions, 3);
}
END_TEST

START_TEST(the_next_host_when_the_first_refuses)
{
	struct smtp_fake *b = server("192.0.2.2:25", "");

	server("192.0.2.1:25", "on CONNECT reply 554 5.3.2 no; close");
	dns_fake_add(&zone, "a.net MX 10 a.a.net");
	dns_fake_add(&zone, "a.net MX 20 b.a.net");
	dns_fake_add(&zone, "a.a.net A 192.0.2.1");
	dns_fake_add(&zone, "b.a.net A 192.0.2.2");
	start();
	post_many("a.net", 10);
	finish(10);
	ck_assert_uint_eq(sent(), 10);
	ck_assert_uint_eq(b->nmessages, 10);
	ck_assert_uint_le(net_fake_connects("192.0.2.1:25"), 2);
}
END_TEST

START_TEST(a_server_that_closes_after_a_few_is_connected_to_again)
{
	struct smtp_fake *f =
	    server("192.0.2.1:25", "on MAIL skip 3 times 1 reply 421 4.3.2 enough; close\n"
				   "on MAIL skip 7 times 1 reply 421 4.3.2 enough; close");

	options.sessions_per_site = 1;
	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 12);
	finish(10);
	ck_assert_uint_eq(sent(), 12);
	ck_assert_uint_gt(f->sessions, 1);
	ck_assert_uint_le(f->sessions, 3);
}
END_TEST

START_TEST(a_message_that_makes_it_hang_up_takes_no_others_with_it)
{
	struct letter *bad;

	server("192.0.2.1:25", "on RCPT bad@a.net close");
	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 4);
	bad = post("a.net");
	snprintf(bad->address, sizeof(bad->address), "bad@a.net");
	post_many("a.net", 4);
	finish(60);
	ck_assert_int_eq(bad->verdict.fate, FATE_RETRY);
	ck_assert_uint_eq(sent(), 8);
}
END_TEST

/* A server that hangs up before it has served anything is not asked again and again. */
START_TEST(a_server_that_always_hangs_up)
{
	struct smtp_fake *f = server("192.0.2.1:25", "on EHLO reply 250 mx; close");

	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 20);
	finish(60);
	ck_assert_uint_eq(sent(), 0);
	ck_assert_uint_le(f->sessions, 8); /* it has greeted two */
}
END_TEST

START_TEST(no_eightbitmime_the_next_host_gets_it)
{
	struct smtp_fake *b = server("192.0.2.2:25", "");
	struct letter *l;

	server("192.0.2.1:25", "offer PIPELINING");
	dns_fake_add(&zone, "a.net MX 10 a.a.net");
	dns_fake_add(&zone, "a.net MX 20 b.a.net");
	dns_fake_add(&zone, "a.a.net A 192.0.2.1");
	dns_fake_add(&zone, "b.a.net A 192.0.2.2");
	start();
	l = post("a.net");
	l->job.eightbit = true;
	finish(10);
	ck_assert_uint_eq(sent(), 1);
	ck_assert_uint_eq(b->nmessages, 1);
}
END_TEST

/* --- idle, and the end --- */

START_TEST(a_session_is_kept_for_a_while)
{
	struct smtp_fake *f = server("192.0.2.1:25", "");

	domain_at("a.net", "192.0.2.1");
	start();
	post("a.net");
	finish(5);
	turn_for(1000);
	post("a.net");
	finish(5);
	ck_assert_uint_eq(f->sessions, 1);
	ck_assert_uint_eq(f->open, 1);
	turn_for(3000);
	ck_assert_uint_eq(f->open, 0);
	ck_assert(!sites_busy(sites));
}
END_TEST

START_TEST(the_end_does_not_wait_for_a_greeting)
{
	int64_t before;

	server("192.0.2.1:25", "latency 10ms\non CONNECT session 2 silence");
	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 5);
	finish(60);
	ck_assert_uint_eq(sent(), 5);
	before = vclock_ms();
	sites_wind_down(sites);
	while (sites_busy(sites))
		ck_assert(reactor_turn(r));
	ck_assert_int_le(vclock_ms() - before, 1000);
}
END_TEST

START_TEST(stopped)
{
	server("192.0.2.1:25", "latency 200ms\non DOT delay 5s");
	server("192.0.2.2:25", "on CONNECT silence");
	net_fake_down("192.0.2.3:25", 0);
	domain_at("a.net", "192.0.2.1");
	domain_at("b.net", "192.0.2.2");
	domain_at("c.net", "192.0.2.3");
	domain_at("d.net", "192.0.2.4");
	start();
	post_many("a.net", 5);
	post_many("b.net", 5);
	post_many("c.net", 5);
	turn_for(2000); /* past the dot, in a greeting, connecting */
	post_many("d.net", 5); /* and not yet known where */
	sites_stop(sites, false);
	while (sites_busy(sites))
		ck_assert(reactor_turn(r));
	ck_assert_uint_eq(ndone, nletters);
	ck_assert_uint_ge(sent(), 1);
	ck_assert_uint_le(sent(), 2);
}
END_TEST

START_TEST(stopped_hard)
{
	server("192.0.2.1:25", "on DOT silence");
	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 5);
	turn_for(2000);
	sites_stop(sites, true);
	while (sites_busy(sites))
		ck_assert(reactor_turn(r));
	ck_assert_uint_eq(ndone, nletters);
	ck_assert_uint_eq(sent(), 0);
}
END_TEST

static void
ask(struct spool *sp, const char *site)
{
	int folder = spool_state_folder(sp, TRACE_FOLDER, true);

	close(openat(folder, site, O_WRONLY | O_CREAT, 0600));
	close(folder);
}

static bool
has_an_end(struct spool *sp, const char *site)
{
	char path[1100], said[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/" TRACE_FOLDER "/%s", spool_path(sp), site);
	fd = open(path, O_RDONLY);
	n = read(fd, said, sizeof(said) - 1);
	close(fd);
	said[n > 0 ? n : 0] = '\0';
	return str_ends_i(said, "Z " TRACE_END "\n");
}

/* Conversations that are kept: in a greeting, connecting, and not yet known where. */
START_TEST(what_is_stopped_is_kept_with_an_end)
{
	static const char *const domains[] = {"b.net", "c.net", "d.net"};
	struct spool *sp = testspool_open();

	options.traces = traces_new(sp, r);
	for (size_t i = 0; i < 3; i++)
		ask(sp, domains[i]);
	traces_look(options.traces);
	server("192.0.2.2:25", "on CONNECT silence");
	net_fake_down("192.0.2.3:25", 0);
	domain_at("b.net", "192.0.2.2");
	domain_at("c.net", "192.0.2.3");
	domain_at("d.net", "192.0.2.4");
	start();
	post("b.net");
	post("c.net");
	turn_for(2000);
	post("d.net");
	(void)reactor_turn(r);
	sites_stop(sites, true);
	while (sites_busy(sites))
		ck_assert(reactor_turn(r));
	sites_new_pass(sites);
	for (size_t i = 0; i < 3; i++)
		ck_assert_msg(has_an_end(sp, domains[i]), "%s", domains[i]);
	traces_free(&options.traces);
	testspool_close(&sp);
}
END_TEST

/* A job that the queue cannot give now is done with, and the others go on. */
START_TEST(busy_jobs_are_passed_over)
{
	server("192.0.2.1:25", "");
	domain_at("a.net", "192.0.2.1");
	start();
	post_many("a.net", 3);
	post("a.net")->busy = true;
	post_many("a.net", 3);
	finish(10);
	ck_assert_uint_eq(sent(), 6);
	ck_assert(!letters[3].settled);
}
END_TEST

/* --- TLS --- */

static char certs[] = "/tmp/check_site.XXXXXX";
static struct session_network network;

static void
make_certs(void)
{
	ck_assert_ptr_nonnull(mkdtemp(certs));
	certs_make_quickly(certs);
}

static void
remove_certs(void)
{
	certs_remove(certs);
}

static void
setup_tls(void)
{
	static const struct tls_options o;
	char why[256];

	setup();
	network = (struct session_network){.config = &config, .tls = tls_new(&o, why, sizeof(why))};
	ck_assert_ptr_nonnull(network.tls);
	options.network = &network;
	options.sessions_per_site = 1;
}

static void
teardown_tls(void)
{
	teardown();
	tls_free(&network.tls);
}

START_TEST(tls_that_failed_is_not_tried_again_before_the_next_pass)
{
	struct smtp_fake *f = server("192.0.2.1:25", "tls self-signed\non HANDSHAKE close");

	f->certs = certs;
	domain_at("one.example", "192.0.2.1");
	domain_at("two.example", "192.0.2.1");
	start();
	post("one.example");
	finish(60);
	turn_for(5000);
	post("two.example");
	finish(60);
	ck_assert_uint_eq(f->nmessages, 2);
	ck_assert_uint_eq(f->sessions, 3); /* the one that failed, and one for each */
	turn_for(5000);
	sites_new_pass(sites);
	post("one.example");
	finish(60);
	ck_assert_uint_eq(f->nmessages, 3);
	ck_assert_uint_eq(f->sessions, 5);
}
END_TEST

START_TEST(a_pass_that_begins_while_the_site_is_busy_forgets_it_too)
{
	struct smtp_fake *f =
	    server("192.0.2.1:25", "tls self-signed\non HANDSHAKE times 1 close\non DOT delay 60s");

	f->certs = certs;
	domain_at("one.example", "192.0.2.1");
	start();
	post("one.example");
	turn_for(10000);
	sites_new_pass(sites);
	finish(120);
	turn_for(5000);
	post("one.example");
	finish(120);
	ck_assert_uint_eq(f->nmessages, 2);
	ck_assert_uint_eq(f->handshakes, 1);
}
END_TEST

Suite *
suite_site(void)
{
	Suite *s = suite_create("site");
	TCase *tc = tcase_create("site");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, two_at_first_more_when_they_are_greeted);
	tcase_add_test(tc, few_messages_few_sessions);
	tcase_add_test(tc, never_more_than_allowed);
	tcase_add_test(tc, one_address_behind_many_domains);
	tcase_add_test(tc, a_crowded_address_starves_no_other_site);
	tcase_add_test(tc, a_large_site_gives_up_its_place_now_and_then);
	tcase_add_test(tc, more_sites_than_sessions);
	tcase_add_test(tc, far_more_sites_than_sessions);
	tcase_add_loop_test(
	    tc, sites_that_lead_nowhere_do_not_keep_others_from_being_looked_up, 0, 2);
	tcase_add_test(tc, a_dead_site_is_parked_once);
	tcase_add_loop_test(tc, a_thousand_exchanges_and_each_a_tarpit, 0, 4);
	tcase_add_test(tc, a_dead_address_is_known_to_other_sites);
	tcase_add_test(tc, no_such_domain_fails_now_and_later);
	tcase_add_test(tc, unreachable_v6_does_not_hide_the_refusal);
	tcase_add_test(tc, too_many_connections_lowers_the_limit);
	tcase_add_test(tc, the_next_host_when_the_first_refuses);
	tcase_add_test(tc, a_server_that_closes_after_a_few_is_connected_to_again);
	tcase_add_test(tc, a_message_that_makes_it_hang_up_takes_no_others_with_it);
	tcase_add_test(tc, a_server_that_always_hangs_up);
	tcase_add_test(tc, no_eightbitmime_the_next_host_gets_it);
	tcase_add_test(tc, a_session_is_kept_for_a_while);
	tcase_add_test(tc, the_end_does_not_wait_for_a_greeting);
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, stopped_hard);
	tcase_add_test(tc, what_is_stopped_is_kept_with_an_end);
	tcase_add_test(tc, busy_jobs_are_passed_over);
	suite_add_tcase(s, tc);
	tc = tcase_create("tls");
	tcase_add_unchecked_fixture(tc, make_certs, remove_certs);
	tcase_add_checked_fixture(tc, setup_tls, teardown_tls);
	tcase_add_test(tc, tls_that_failed_is_not_tried_again_before_the_next_pass);
	tcase_add_test(tc, a_pass_that_begins_while_the_site_is_busy_forgets_it_too);
	suite_add_tcase(s, tc);
	return s;
}
