/*
 * check_config.c: sortie.conf.
 */
#include <check.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "t/unit/suites.h"

static struct config c;
static char why[512];

static void
setup(void)
{
	config_init(&c);
}

static void
teardown(void)
{
	config_free(&c);
}

static int
parse(const char *text)
{
	config_free(&c);
	config_init(&c);
	why[0] = '\0';
	return config_parse(&c, "x.conf", text, strlen(text), why, sizeof(why));
}

#define ok(text) ck_assert_msg(parse(text) == 0, "%s: %s", text, why)

/* Refused with file and line, and with these words. */
static void
refused(const char *text, const char *where, const char *words)
{
	ck_assert_msg(parse(text) == EX_CONFIG, "was taken: %s", text);
	ck_assert_msg(strncmp(why, where, strlen(where)) == 0, "%s: %s", text, why);
	ck_assert_msg(strstr(why, words) != NULL, "%s: %s", text, why);
	ck_assert(strchr(why, '\n') == NULL);
}

START_TEST(built_in_values)
{
	ck_assert_ptr_null(c.hostname);
	ck_assert_ptr_null(c.domain);
	ck_assert_ptr_null(c.postmaster);
	ck_assert_str_ne(c.spool, "");
	ck_assert_str_eq(c.hosts, "/etc/hosts");
	ck_assert_str_eq(c.resolv_conf, "/etc/resolv.conf");
	ck_assert_str_eq(c.log, "syslog");
	ck_assert_uint_eq(c.port, 25);
	ck_assert_uint_eq(c.sessions, 500);
	ck_assert_uint_eq(c.sessions_per_site, 20);
	ck_assert_uint_eq(c.recipients, 100);
	ck_assert_uint_eq(c.addresses, 5);
	ck_assert_int_eq(c.retry_min_s, 900);
	ck_assert_int_eq(c.retry_max_s, 43200);
	ck_assert_int_eq(c.expire_s, 5 * 86400);
	ck_assert_int_eq(c.warn_s, 4 * 3600);
	ck_assert_int_eq(c.connect_s, 30);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_DOT], 600);
	ck_assert_uint_eq(c.max_size, 0);
	ck_assert(c.refuse_default);
	ck_assert_int_eq(c.bind4.ss_family, 0);
	ck_assert_int_eq(c.bind6.ss_family, 0);
}
END_TEST

START_TEST(every_key)
{
	ok("# a comment\n"
	   "\n"
	   "hostname MX.Example.Org\r\n"
	   "domain Example.org  # behind a value\n"
	   "\t spool /tmp/spool\n"
	   "hosts none\n"
	   "resolv-conf /tmp/resolv.conf\n"
	   "nameserver 127.0.0.1:5353\nnameserver [::1]:53\nnameserver 192.0.2.1\n"
	   "nameserver 2001:db8::1\n"
	   "port 2525\n"
	   "bind 192.0.2.7\nbind 2001:db8::7\n"
	   "sessions 50\nsessions-per-site 2\nrecipients 10\naddresses 1\nchunking no\n"
	   "retry 1m 2h\nexpire 3d\nwarn 0\n"
	   "timeout connect 5s\ntimeout tls 6\ntimeout greeting 5m\ntimeout ehlo 1m\n"
	   "timeout mail 2m\ntimeout rcpt 3m\ntimeout data 4m\ntimeout block 90s\ntimeout dot 1h\n"
	   "timeout rset 7\n"
	   "postmaster root@example.org\nmax-size 50M\n"
	   "log /var/log/sortie\ntls may\n"
	   "refuse 10.0.0.0/8 192.0.2.1\nrefuse fc00::/7");
	ck_assert_str_eq(c.hostname, "mx.example.org");
	ck_assert_str_eq(c.domain, "example.org");
	ck_assert_str_eq(c.spool, "/tmp/spool");
	ck_assert_str_eq(c.hosts, "");
	ck_assert_str_eq(c.resolv_conf, "/tmp/resolv.conf");
	ck_assert_uint_eq(c.nnameservers, 4);
	ck_assert_str_eq(c.nameservers[0], "127.0.0.1:5353");
	ck_assert_str_eq(c.nameservers[3], "2001:db8::1");
	ck_assert_uint_eq(c.port, 2525);
	ck_assert_int_eq(c.bind4.ss_family, AF_INET);
	ck_assert_int_eq(c.bind6.ss_family, AF_INET6);
	ck_assert_uint_eq(ntohl(((struct sockaddr_in *)&c.bind4)->sin_addr.s_addr), 0xc0000207);
	ck_assert_uint_eq(((struct sockaddr_in6 *)&c.bind6)->sin6_addr.s6_addr[15], 7);
	ck_assert_uint_eq(c.sessions, 50);
	ck_assert_uint_eq(c.sessions_per_site, 2);
	ck_assert_uint_eq(c.recipients, 10);
	ck_assert_uint_eq(c.addresses, 1);
	ck_assert(!c.chunking);
	ck_assert_int_eq(c.retry_min_s, 60);
	ck_assert_int_eq(c.retry_max_s, 7200);
	ck_assert_int_eq(c.expire_s, 3 * 86400);
	ck_assert_int_eq(c.warn_s, 0);
	ck_assert_int_eq(c.connect_s, 5);
	ck_assert_int_eq(c.tls_s, 6);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_GREETING], 300);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_EHLO], 60);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_MAIL], 120);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_RCPT], 180);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_DATA], 240);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_BLOCK], 90);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_DOT], 3600);
	ck_assert_int_eq(c.patience_s[SMTP_WAIT_RSET], 7);
	ck_assert_str_eq(c.postmaster, "root@example.org");
	ck_assert_uint_eq(c.max_size, 50 << 20);
	ck_assert_str_eq(c.log, "/var/log/sortie");
	ck_assert(!c.refuse_default);
	ck_assert_uint_eq(c.nrefuse, 3);
	ck_assert_uint_eq(c.refuse[0].bits, 96 + 8);
	ck_assert_uint_eq(c.refuse[1].bits, 128);
	ck_assert_uint_eq(c.refuse[2].bits, 7);
	ck_assert(IN6_IS_ADDR_V4MAPPED(&c.refuse[0].ip));
	ck_assert_uint_eq(c.refuse[0].ip.s6_addr[12], 10);
}
END_TEST

START_TEST(refuse_none_is_neither_the_default_nor_a_list)
{
	ok("refuse none\n");
	ck_assert(!c.refuse_default);
	ck_assert_uint_eq(c.nrefuse, 0);
	refused("refuse none 10.0.0.0/8\n", "x.conf:1: ", "alone");
	refused("refuse 10.0.0.0/8\nrefuse none\n", "x.conf:2: ", "alone");
	refused("refuse 10.0.0.0/33\n", "x.conf:1: ", "networks");
	refused("refuse fc00::/129\n", "x.conf:1: ", "networks");
	refused("refuse 10.0.0.0/\n", "x.conf:1: ", "networks");
	refused("refuse example.org\n", "x.conf:1: ", "networks");
}
END_TEST

static const struct {
	const char *url;
	enum target_kind kind;
	const char *host;
	unsigned port;
} urls[] = {
    {"smtp://Relay.Example.Net", TARGET_HOST, "relay.example.net", 0},
    {"smtp://relay.example.net:587", TARGET_HOST, "relay.example.net", 587},
    {"smtp://relay.example.net/", TARGET_HOST, "relay.example.net", 0},
    {"smtp://localhost:1", TARGET_HOST, "localhost", 1},
    {"smtp://[192.0.2.7]", TARGET_ADDRESS, "192.0.2.7", 0},
    {"smtp://[192.0.2.7]:2525", TARGET_ADDRESS, "192.0.2.7", 2525},
    {"smtp://[2001:DB8::1]:65535", TARGET_ADDRESS, "2001:db8::1", 65535},
    {"mx:Example.net", TARGET_MX, "example.net", 0},
    {"lmtp://host:24", TARGET_LMTP_HOST, "host", 24},
    {"lmtp://[::1]:24", TARGET_LMTP_HOST, "::1", 24},
    {"lmtp:/run/lmtp", TARGET_LMTP_PATH, "/run/lmtp", 0},
};

START_TEST(every_url)
{
	char text[200];

	snprintf(text, sizeof(text), "relay %s\nfallback %s\nroute Example.COM %s", urls[_i].url,
	    urls[_i].url, urls[_i].url);
	ok(text);
	ck_assert_uint_eq(c.relays.n, 1);
	ck_assert_uint_eq(c.fallbacks.n, 1);
	ck_assert_uint_eq(c.routes.n, 1);
	ck_assert_int_eq(c.relays.v[0].kind, urls[_i].kind);
	ck_assert_str_eq(c.relays.v[0].host, urls[_i].host);
	ck_assert_uint_eq(c.relays.v[0].port, urls[_i].port);
	ck_assert_int_eq(c.relays.v[0].line, 1);
	ck_assert_ptr_null(c.relays.v[0].pattern);
	ck_assert_str_eq(c.fallbacks.v[0].host, urls[_i].host);
	ck_assert_int_eq(c.fallbacks.v[0].line, 2);
	ck_assert_str_eq(c.routes.v[0].host, urls[_i].host);
	ck_assert_str_eq(c.routes.v[0].pattern, "example.com");
	ck_assert_int_eq(c.routes.v[0].line, 3);
}
END_TEST

static const char *const bad_urls[] = {"relay.example.net", "smtp:relay", "smtp://", "smtp://:25",
    "smtp://a:", "smtp://a:0", "smtp://a:65536", "smtp://a:25x", "smtp://a b", "smtp://a/b",
    "smtp://user:secret@a", "smtp://[a]", "smtp://[192.0.2.7", "smtp://[192.0.2.7]x", "smtp://[]",
    "smtp://::1", "smtp://a..b", "http://a", "mx:", "mx:a..b", "mx:[192.0.2.1]", "lmtp://a",
    "lmtp:", "lmtp:path", "SMTP://a"};

START_TEST(bad_urls_are_refused)
{
	char text[200];

	snprintf(text, sizeof(text), "\nrelay %s\n", bad_urls[_i]);
	ck_assert_msg(parse(text) == EX_CONFIG, "%s", text);
	ck_assert(strncmp(why, "x.conf:2: ", 10) == 0);
	snprintf(text, sizeof(text), "fallback %s\n", bad_urls[_i]);
	ck_assert_int_eq(parse(text), EX_CONFIG);
	snprintf(text, sizeof(text), "route a.example %s\n", bad_urls[_i]);
	ck_assert_int_eq(parse(text), EX_CONFIG);
}
END_TEST

START_TEST(local_delivery)
{
	ok("");
	ck_assert_int_eq(c.local, CONFIG_LOCAL_AS_ANY);
	ck_assert(!config_is_local(&c, "out.example.org", "out.example.org"));
	ok("local maildir\n");
	ck_assert_int_eq(c.local, CONFIG_LOCAL_MAILDIR);
	ck_assert_str_eq(c.local_path, "Maildir");
	ok("local maildir:mail/inbox..d\n");
	ck_assert_str_eq(c.local_path, "mail/inbox..d");
	ok("local mbox\n");
	ck_assert_int_eq(c.local, CONFIG_LOCAL_MBOX);
	ck_assert_str_eq(c.local_path, "/var/mail");
	ok("local mbox:/var/spool/mail\n");
	ck_assert_str_eq(c.local_path, "/var/spool/mail");
	ok("local lmtp:/run/lmtp\n");
	ck_assert_int_eq(c.local, CONFIG_LOCAL_LMTP);
	ck_assert_int_eq(c.local_lmtp.v[0].kind, TARGET_LMTP_PATH);
	ok("local discard\nlocal-domains Example.org www.example.org\nlocal-domains example.net\n");
	ck_assert_int_eq(c.local, CONFIG_LOCAL_DISCARD);
	ck_assert(config_is_local(&c, "out.example.org", "OUT.example.org"));
	ck_assert(config_is_local(&c, NULL, "localhost"));
	ck_assert(config_is_local(&c, NULL, "EXAMPLE.org"));
	ck_assert(config_is_local(&c, NULL, "example.net"));
	ck_assert(config_is_local(&c, NULL, ""));
	ck_assert(config_is_local(&c, NULL, NULL));
	ck_assert(config_is_local(&c, "out.example.org", "Out"));
	ck_assert(!config_is_local(&c, "out.example.org", "ou"));
	ck_assert(!config_is_local(&c, "out.example.org", "out.example"));
	ck_assert(!config_is_local(&c, NULL, "out.example.org"));
	ck_assert(!config_is_local(&c, "out.example.org", "mail.example.org"));
}
END_TEST

static const char *const bad_local[] = {"local", "local Maildir",
    "local maildir:", "local maildir:/x", "local maildir:../x", "local maildir:x/../y",
    "local maildir:..", "local maildir:x/", "local maildir:x//y", "local mbox:", "local mbox:mail",
    "local lmtp:path", "local lmtp://host", "local smtp://host", "local discard x",
    "local mbox\nlocal mbox", "local-domains", "local-domains a..b", "local-domains *"};

START_TEST(bad_local_lines_are_refused)
{
	char text[200];

	snprintf(text, sizeof(text), "%s\n", bad_local[_i]);
	ck_assert_msg(parse(text) == EX_CONFIG, "%s", text);
	ck_assert(strncmp(why, "x.conf:", 7) == 0);
}
END_TEST

START_TEST(relays_have_an_order_and_sender_patterns)
{
	ok("relay smtp://a from *@example.org\nrelay smtp://b from <>\nrelay smtp://c\n");
	ck_assert_uint_eq(c.relays.n, 3);
	ck_assert_str_eq(c.relays.v[0].pattern, "*@example.org");
	ck_assert_str_eq(c.relays.v[1].pattern, "<>");
	ck_assert_str_eq(c.relays.v[1].host, "b");
	refused("relay smtp://a for x\n", "x.conf:1: ", "from PATTERN");
	refused("relay smtp://a from\n", "x.conf:1: ", "from PATTERN");
	refused("relay smtp://a from a b\n", "x.conf:1: ", "remove");
	refused("route smtp://a\n", "x.conf:1: ", "missing");
	refused("route a..b smtp://a\n", "x.conf:1: ", "not a domain");
}
END_TEST

#define HEX64 "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"

START_TEST(a_tls_line_that_is_not_understood_is_refused)
{
	static const char *const lines[] = {"tls must", "tls example.com", "tls example.com must",
	    "tls relay.example.net fingerprint sha256:00", "tls relay.example.net fingerprint",
	    ("tls fingerprint sha256:" HEX64), "tls verify quickly", "tls none old", "ca",
	    "ca cert.pem", "client-cert /a b", "auth auth", "auth-in-clear"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refused(lines[i], "x.conf:1: ", "");
	refused("aliases aliases", "x.conf:1: ", "whole path");
	refused("deliver local", "x.conf:1: ", "local-only");
	refused("\ndeliver local-only", "x.conf:2: ", "no `local` line");
	refused("relay submission://me:geheim@a.example", "x.conf:1: ", "auth file");
	refused("relay submission://@a.example", "x.conf:1: ", "user");
}
END_TEST

static enum tls_level
level(const char *host, const char *domain, bool provider)
{
	return config_tls_policy(&c, host, domain, provider)->level;
}

START_TEST(the_policy_for_a_host_is_the_nearest_line)
{
	static const char text[] = "tls encrypt\ntls mx.example.com none\ntls .example.com may\n"
				   "tls example.org fingerprint sha256:" HEX64 " sha256:" HEX64
				   "\ntls old.example verify old\n";

	ck_assert_int_eq(level("mx.a.example", "a.example", false), TLS_MAY);
	ck_assert_int_eq(level("smtp.a.example", NULL, true), TLS_VERIFY);
	ok(text);
	ck_assert_int_eq(level("mx.a.example", "a.example", false), TLS_ENCRYPT);
	ck_assert_int_eq(level("smtp.a.example", NULL, true), TLS_VERIFY);
	ck_assert_int_eq(level("MX.example.com", "a.example", false), TLS_NONE);
	ck_assert_int_eq(level("b.example.com", "a.example", true), TLS_MAY);
	ck_assert_int_eq(level("example.com", "a.example", false), TLS_ENCRYPT);
	ck_assert_int_eq(level("mx.b.example", "example.org", false), TLS_FINGERPRINT);
	ck_assert_uint_eq(config_tls_policy(&c, "x", "example.org", false)->nfingerprints, 2);
	ck_assert(config_tls_policy(&c, "old.example", NULL, false)->old_versions);
	ck_assert(!config_tls_policy(&c, "x", NULL, false)->old_versions);
}
END_TEST

START_TEST(a_providers_server_is_one_line)
{
	static const char text[] = "relay submission://me@example.com@smtp.example.com\n"
				   "relay smtps://me%40example.net@[192.0.2.1]:4465\n"
				   "relay smtp://relay.example.org\n"
				   "auth-in-clear .lan.example\n";

	ck_assert(!config_wants_ca(&c, NULL, NULL));
	ok(text);
	ck_assert_str_eq(c.relays.v[0].user, "me@example.com");
	ck_assert_str_eq(c.relays.v[0].host, "smtp.example.com");
	ck_assert_uint_eq(c.relays.v[0].port, 587);
	ck_assert(c.relays.v[0].submission && !c.relays.v[0].tls_first);
	ck_assert_str_eq(c.relays.v[1].user, "me@example.net");
	ck_assert_int_eq(c.relays.v[1].kind, TARGET_ADDRESS);
	ck_assert_uint_eq(c.relays.v[1].port, 4465);
	ck_assert(c.relays.v[1].submission && c.relays.v[1].tls_first);
	ck_assert_ptr_null(c.relays.v[2].user);
	ck_assert(!c.relays.v[2].submission);
	ck_assert(config_wants_ca(&c, NULL, NULL));
	ck_assert(config_auth_in_clear(&c, "smtp.LAN.example"));
	ck_assert(!config_auth_in_clear(&c, "lan.example"));
}
END_TEST

static const struct {
	const char *text, *where, *words;
} errors[] = {
    {"colour blue\n", "x.conf:1: ", "unknown key"},
    {"Port 25\n", "x.conf:1: ", "unknown key"},
    {"# x\n\n  port\n", "x.conf:3: ", "missing"},
    {"relay smtps://a.example\ntls a.example none\n", "x.conf: ", "smtps://a.example"},
    {"tls .example none\nroute b.example smtps://a.example\n", "x.conf: ", "from the start"},
    {"fallback smtps://u@[192.0.2.1]\ntls 192.0.2.1 none\n", "x.conf: ", "192.0.2.1"},
    {"port 25 26\n", "x.conf:1: ", "remove what stands behind 25"},
    {"port 25\nport 26\n", "x.conf:2: ", "line 1"},
    {"port 0\n", "x.conf:1: ", "1 to 65535"},
    {"port 65536\n", "x.conf:1: ", "1 to 65535"},
    {"port smtp\n", "x.conf:1: ", "1 to 65535"},
    {"sessions 0\n", "x.conf:1: ", "number from 1"},
    {"chunking maybe\n", "x.conf:1: ", "chunking maybe: write yes or no"},
    {"sessions -1\n", "x.conf:1: ", "number from 1"},
    {"sessions 99999999999999999999\n", "x.conf:1: ", "number from 1"},
    {"recipients 100x\n", "x.conf:1: ", "number from 1"},
    {"retry 15m\n", "x.conf:1: ", "missing"},
    {"retry 2h 1h\n", "x.conf:1: ", "shorter"},
    {"retry x 1h\n", "x.conf:1: ", "like 90s"},
    {"retry 1h y\n", "x.conf:1: ", "like 90s"},
    {"retry 0 1h\n", "x.conf:1: ", "from 1s"},
    {"expire 0\n", "x.conf:1: ", "from 1s"},
    {"expire 5x\n", "x.conf:1: ", "like 90s"},
    {"warn -1\n", "x.conf:1: ", "like 90s"},
    {"timeout 5m\n", "x.conf:1: ", "missing"},
    {"timeout lunch 1h\n", "x.conf:1: ", "connect tls greeting"},
    {"timeout dot 0\n", "x.conf:1: ", "from 1s"},
    {"timeout dot 2d\n", "x.conf:1: ", "to 1d"},
    {"max-size big\n", "x.conf:1: ", "like 50M"},
    {"max-size 99999999999G\n", "x.conf:1: ", "like 50M"},
    {"spool var/spool\n", "x.conf:1: ", "whole path"},
    {"hosts hosts\n", "x.conf:1: ", "whole path"},
    {"log file\n", "x.conf:1: ", "syslog, stderr"},
    {"hostname a_b!c\n", "x.conf:1: ", "not a host name"},
    {"hostname a\x01"
     "b\n",
	"x.conf:1: a?b", "not a host name"},
    {"domain [192.0.2.1]\n", "x.conf:1: ", "not a domain"},
    {"domain .example.org\n", "x.conf:1: ", "not a domain"},
    {"postmaster root\n", "x.conf:1: ", "with its domain"},
    {"postmaster r\xc3\xbc@example.org\n", "x.conf:1: ", "non-ASCII"},
    {"nameserver dns.example\n", "x.conf:1: ", "127.0.0.1:5353"},
    {"nameserver [::1\n", "x.conf:1: ", "127.0.0.1:5353"},
    {"nameserver 192.0.2.1:0\n", "x.conf:1: ", "127.0.0.1:5353"},
    {"nameserver [192.0.2.1]:53\n", "x.conf:1: ", "127.0.0.1:5353"},
    {"nameserver 1111111111111111111111111111111111111111111111111111:53\n", "x.conf:1: ", "127"},
    {"bind eth0\n", "x.conf:1: ", "IPv4 or IPv6"},
    {"bind 192.0.2.1\nbind 192.0.2.2\n", "x.conf:2: ", "remove one"},
    {"bind ::1\nbind 192.0.2.2\nbind ::2\n", "x.conf:3: ", "remove one"},
};

START_TEST(errors_name_file_and_line_and_what_to_do)
{
	refused(errors[_i].text, errors[_i].where, errors[_i].words);
}
END_TEST

START_TEST(a_nul_byte_and_too_many_words_are_refused)
{
	char text[1000] = "refuse";

	ck_assert_int_eq(config_parse(&c, "x.conf", "port 25\0\n", 9, why, sizeof(why)), EX_CONFIG);
	ck_assert(strstr(why, "NUL") != NULL);
	for (int i = 0; i < 70; i++)
		memcpy(text + 6 + 8 * i, " 1.2.3.4", 9);
	refused(text, "x.conf:1: ", "several lines");
}
END_TEST

static void
on_bad(void *ctx, int line, const char *text)
{
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "x.conf:%d: ", line);
	ck_assert_msg(strncmp(text, prefix, strlen(prefix)) == 0, "%s", text);
	*(int *)ctx = *(int *)ctx * 10 + line;
}

/* But not how they fit together: the line that is missing there may be the one that is bad here. */
START_TEST(every_bad_line_is_heard_of)
{
	static const char text[] =
	    "relai x\nport 0\nport 25\nlocal x\nlocal y\nsessions 1\ndeliver local-only\n";
	int lines = 0;

	c.on_bad = on_bad;
	c.on_bad_ctx = &lines;
	ck_assert_int_eq(
	    config_parse(&c, "x.conf", text, strlen(text), why, sizeof(why)), EX_CONFIG);
	ck_assert_int_eq(lines, 12345);
	ck_assert_int_eq(strncmp(why, "x.conf:5: ", 10), 0);
	ck_assert_uint_eq(c.sessions, 1);
}
END_TEST

START_TEST(files)
{
	char dir[] = "/tmp/check_config.XXXXXX", path[100];
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.conf", dir);
	ck_assert_int_eq(config_read(&c, path, true, why, sizeof(why)), 0);
	ck_assert_str_eq(c.path, path);
	ck_assert_int_eq(config_read(&c, path, false, why, sizeof(why)), EX_CONFIG);
	ck_assert(strncmp(why, path, strlen(path)) == 0);
	ck_assert_int_eq(config_read(&c, dir, true, why, sizeof(why)), EX_CONFIG);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 2000; i++)
		fputs("# as long as several reads\n", f);
	fputs("port 26", f);
	fclose(f);
	ck_assert_int_eq(config_read(&c, path, false, why, sizeof(why)), 0);
	ck_assert_uint_eq(c.port, 26);
	f = fopen(path, "a");
	for (int i = 0; i < 100000; i++)
		fputs("# longer than any configuration\n", f);
	fclose(f);
	ck_assert_int_eq(config_read(&c, path, false, why, sizeof(why)), EX_CONFIG);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(sender_patterns)
{
	static const struct {
		const char *pattern, *sender;
		bool matches;
	} rows[] = {
	    {"*@example.org", "alice@example.org", true},
	    {"*@example.org", "alice@EXAMPLE.org", true},
	    {"*@Example.Org", "alice@example.org", true},
	    {"*@example.org", "alice@a.example.org", false},
	    {"*@example.org", "alice@example.organic", false},
	    {"*@*.org", "alice@example.org", true},
	    {"example.org", "alice@example.org", true},
	    {"example.org", "alice@a.example.org", false},
	    {".example.org", "alice@a.example.org", true},
	    {".example.org", "alice@example.org", false},
	    {"alice@example.org", "alice@example.org", true},
	    {"alice@example.org", "Alice@example.org", false},
	    {"al?ce@example.org", "alice@example.org", true},
	    {"alice@example.org", "bob@example.org", false},
	    {"*", "alice@example.org", true},
	    {"*", "", false},
	    {"*@*", "", false},
	    {"<>", "", true},
	    {"<>", "alice@example.org", false},
	    {"root@*", "root", true},
	    {"root@", "root", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(
		    config_sender_matches(rows[i].pattern, rows[i].sender) == rows[i].matches,
		    "%s %s", rows[i].pattern, rows[i].sender);
}
END_TEST

START_TEST(the_hosts_name)
{
	char name[256];

	ok("hostname mx.example.org\ndomain example.net\n");
	ck_assert_str_eq(config_hostname(&c), "mx.example.org");
	ck_assert_int_eq(gethostname(name, sizeof(name)), 0);
	ok("domain example.net\n");
	ck_assert_ptr_nonnull(config_hostname(&c));
	if (strchr(name, '.') == NULL) {
		ck_assert(strstr(config_hostname(&c), ".example.net") != NULL);
		ok("");
		ck_assert_ptr_null(config_hostname(&c));
	}
}
END_TEST

Suite *
suite_config(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, built_in_values);
	tcase_add_test(t, every_key);
	tcase_add_test(t, refuse_none_is_neither_the_default_nor_a_list);
	tcase_add_loop_test(t, every_url, 0, (int)(sizeof(urls) / sizeof(urls[0])));
	tcase_add_loop_test(
	    t, bad_urls_are_refused, 0, (int)(sizeof(bad_urls) / sizeof(bad_urls[0])));
	tcase_add_test(t, local_delivery);
	tcase_add_loop_test(
	    t, bad_local_lines_are_refused, 0, (int)(sizeof(bad_local) / sizeof(bad_local[0])));
	tcase_add_test(t, relays_have_an_order_and_sender_patterns);
	tcase_add_test(t, a_tls_line_that_is_not_understood_is_refused);
	tcase_add_test(t, the_policy_for_a_host_is_the_nearest_line);
	tcase_add_test(t, a_providers_server_is_one_line);
	tcase_add_loop_test(t, errors_name_file_and_line_and_what_to_do, 0,
	    (int)(sizeof(errors) / sizeof(errors[0])));
	tcase_add_test(t, a_nul_byte_and_too_many_words_are_refused);
	tcase_add_test(t, every_bad_line_is_heard_of);
	tcase_add_test(t, files);
	tcase_add_test(t, sender_patterns);
	tcase_add_test(t, the_hosts_name);
	suite_add_tcase(s, t);
	return s;
}
