/*
 * TLS policies from end to end: what becomes of a message under each, whatever the server shows.
 */
#include <sys/stat.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "certs.h"
#include "kit.h"
#include "suites.h"
#include "whole.h"

/*
 * Rows: what the server (mx.example.org, bench/sink_tls.c) shows. Columns: the policy; default: no tls
 * line. Cells: the message was delivered in clear text, or over TLS with a server that was untrusted,
 * trusted (a CA we know, another name) or verified, or it was deferred; or the configuration was
 * refused. All fingerprints but p384's are listed.
 */
static const char without_credentials[] =
    "                     default    none       may        encrypt    verify     fingerprint\n"
    "good                 verified   clear      verified   verified   verified   verified\n"
    "rsa                  verified   clear      verified   verified   verified   verified\n"
    "ed25519              verified   clear      verified   verified   verified   verified\n"
    "p384                 verified   clear      verified   verified   verified   deferred\n"
    "wildcard             verified   clear      verified   verified   verified   verified\n"
    "expired              untrusted  clear      untrusted  untrusted  deferred   verified\n"
    "not-yet              untrusted  clear      untrusted  untrusted  deferred   verified\n"
    "self-signed          untrusted  clear      untrusted  untrusted  deferred   verified\n"
    "wrong-name           trusted    clear      trusted    trusted    deferred   verified\n"
    "common-name-only     trusted    clear      trusted    trusted    deferred   verified\n"
    "wildcard-two-labels  trusted    clear      trusted    trusted    deferred   verified\n"
    "wildcard-elsewhere   trusted    clear      trusted    trusted    deferred   verified\n"
    "wildcard-partial     trusted    clear      trusted    trusted    deferred   verified\n"
    "wildcard-of-parent   trusted    clear      trusted    trusted    deferred   verified\n"
    "no-intermediate      untrusted  clear      untrusted  untrusted  deferred   verified\n"
    "unknown-ca           untrusted  clear      untrusted  untrusted  deferred   verified\n"
    "by-a-server          untrusted  clear      untrusted  untrusted  deferred   verified\n"
    "tls1.2               verified   clear      verified   verified   verified   verified\n"
    "tls1.0               clear      clear      clear      deferred   deferred   deferred\n"
    "killed               clear      clear      clear      deferred   deferred   deferred\n"
    "garbled              clear      clear      clear      deferred   deferred   deferred\n"
    "refused              clear      clear      clear      deferred   deferred   deferred\n"
    "stripped             clear      clear      clear      deferred   deferred   deferred\n";

/* The same for who has a password: never in clear text, whatever the policy. */
static const char with_credentials[] =
    "                     default    none       may        encrypt    verify     fingerprint\n"
    "good                 verified   deferred   verified   verified   verified   verified\n"
    "rsa                  verified   deferred   verified   verified   verified   verified\n"
    "ed25519              verified   deferred   verified   verified   verified   verified\n"
    "p384                 verified   deferred   verified   verified   verified   deferred\n"
    "wildcard             verified   deferred   verified   verified   verified   verified\n"
    "expired              deferred   deferred   untrusted  untrusted  deferred   verified\n"
    "not-yet              deferred   deferred   untrusted  untrusted  deferred   verified\n"
    "self-signed          deferred   deferred   untrusted  untrusted  deferred   verified\n"
    "wrong-name           deferred   deferred   trusted    trusted    deferred   verified\n"
    "common-name-only     deferred   deferred   trusted    trusted    deferred   verified\n"
    "wildcard-two-labels  deferred   deferred   trusted    trusted    deferred   verified\n"
    "wildcard-elsewhere   deferred   deferred   trusted    trusted    deferred   verified\n"
    "wildcard-partial     deferred   deferred   trusted    trusted    deferred   verified\n"
    "wildcard-of-parent   deferred   deferred   trusted    trusted    deferred   verified\n"
    "no-intermediate      deferred   deferred   untrusted  untrusted  deferred   verified\n"
    "unknown-ca           deferred   deferred   untrusted  untrusted  deferred   verified\n"
    "by-a-server          deferred   deferred   untrusted  untrusted  deferred   verified\n"
    "tls1.2               verified   deferred   verified   verified   verified   verified\n"
    "tls1.0               deferred   deferred   deferred   deferred   deferred   deferred\n"
    "killed               deferred   deferred   deferred   deferred   deferred   deferred\n"
    "garbled              deferred   deferred   deferred   deferred   deferred   deferred\n"
    "refused              deferred   deferred   deferred   deferred   deferred   deferred\n"
    "stripped             deferred   deferred   deferred   deferred   deferred   deferred\n";

/* smtps://, without a password. */
static const char implicit[] =
    "                     default    none       may        encrypt    verify     fingerprint\n"
    "good                 verified   error      verified   verified   verified   verified\n"
    "rsa                  verified   error      verified   verified   verified   verified\n"
    "ed25519              verified   error      verified   verified   verified   verified\n"
    "p384                 verified   error      verified   verified   verified   deferred\n"
    "wildcard             verified   error      verified   verified   verified   verified\n"
    "expired              deferred   error      untrusted  untrusted  deferred   verified\n"
    "not-yet              deferred   error      untrusted  untrusted  deferred   verified\n"
    "self-signed          deferred   error      untrusted  untrusted  deferred   verified\n"
    "wrong-name           deferred   error      trusted    trusted    deferred   verified\n"
    "common-name-only     deferred   error      trusted    trusted    deferred   verified\n"
    "wildcard-two-labels  deferred   error      trusted    trusted    deferred   verified\n"
    "wildcard-elsewhere   deferred   error      trusted    trusted    deferred   verified\n"
    "wildcard-partial     deferred   error      trusted    trusted    deferred   verified\n"
    "wildcard-of-parent   deferred   error      trusted    trusted    deferred   verified\n"
    "no-intermediate      deferred   error      untrusted  untrusted  deferred   verified\n"
    "unknown-ca           deferred   error      untrusted  untrusted  deferred   verified\n"
    "by-a-server          deferred   error      untrusted  untrusted  deferred   verified\n"
    "tls1.2               verified   error      verified   verified   verified   verified\n"
    "tls1.0               deferred   error      deferred   deferred   deferred   deferred\n"
    "killed               deferred   error      deferred   deferred   deferred   deferred\n"
    "garbled              deferred   error      deferred   deferred   deferred   deferred\n";

static const char *const columns[] = {"default", "none", "may", "encrypt", "verify", "fingerprint"};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]), ROWS_MAX = 50 };

/* user NUL secret, and user and password */
static const char plain[] = "AGFsaWNlAGNvcnJlY3QgaG9yc2U=", user[] = "alice",
		  password[] = "correct horse";

struct table {
	const char *expected;
	bool credentials, implicit;
	char rows[ROWS_MAX][32];
	int ports[ROWS_MAX];
	size_t n;
	struct buf text; /* what came out */
	pid_t sink;
	char certs[80], record[80], auth[80], output[80];
};

/* The first words of all lines but the first. */
static void
read_rows(struct table *t)
{
	const char *line = strchr(t->expected, '\n') + 1;

	for (; *line != '\0'; line = strchr(line, '\n') + 1)
		snprintf(
		    t->rows[t->n++], sizeof(t->rows[0]), "%.*s", (int)strcspn(line, " "), line);
}

static void
start_servers(struct table *t)
{
	const char *argv[ROWS_MAX + 10] = {kit.sink, "--certs", t->certs, "--record", t->record};
	char names[ROWS_MAX][48], ports[80], *text, *at;
	size_t n = 5;

	snprintf(ports, sizeof(ports), "%s/ports", kit.dir);
	snprintf(t->output, sizeof(t->output), "%s/sink", kit.dir);
	argv[n++] = "--ports";
	argv[n++] = ports;
	if (t->credentials) {
		argv[n++] = "--auth";
		argv[n++] = plain;
	}
	for (size_t i = 0; i < t->n; i++) {
		snprintf(
		    names[i], sizeof(names[i]), "%s%s", t->rows[i], t->implicit ? "+implicit" : "");
		argv[n++] = names[i];
	}
	t->sink = whole_start(argv, t->output);
	WAIT_FOR(count_text(ports, "\n") == t->n);
	at = text = file_text(ports);
	for (size_t i = 0; i < t->n; i++, at = strchr(at, '\n') + 1)
		t->ports[i] = (int)strtol(at, NULL, 10);
	free(text);
}

static void
add_fingerprints(const struct table *t, struct buf *conf)
{
	for (size_t i = 0; certs_names[i] != NULL; i++) {
		char pem[160], fingerprint[80];

		snprintf(pem, sizeof(pem), "%s/%s.pem", t->certs, certs_names[i]);
		certs_fingerprint(pem, i % 2 == 0, fingerprint, sizeof(fingerprint));
		if (strcmp(certs_names[i], "p384") != 0)
			buf_addf(conf, " %s", fingerprint);
	}
}

static void
configure(const struct table *t, const char *policy)
{
	struct buf conf;

	buf_init(&conf, 64 * 1024);
	buf_addf(&conf,
	    "hostname here.example\nspool %s\nlog %s\nrefuse none\nretry 1s 1s\n"
	    "hosts %s/hosts\nca %s/ca.pem\n",
	    kit.spool, kit.log, kit.dir, t->certs);
	if (strcmp(policy, "default") != 0)
		buf_addf(&conf, "tls mx.example.org %s", policy);
	if (strcmp(policy, "fingerprint") == 0)
		add_fingerprints(t, &conf);
	buf_adds(&conf, "\n");
	if (t->credentials)
		buf_addf(&conf, "auth %s\n", t->auth);
	for (size_t i = 0; i < t->n; i++)
		buf_addf(&conf, "route %s.example %s://mx.example.org:%d\n", t->rows[i],
		    t->implicit ? "smtps" : "smtp", t->ports[i]);
	whole_write_file(kit.conf, "%s", buf_str(&conf));
	buf_free(&conf);
}

/* What the log calls the connection to that port. */
static const char *
level(int port)
{
	static const char *const levels[] = {"Untrusted", "Trusted", "Verified"};
	static const char *const names[] = {"untrusted", "trusted", "verified"};
	char text[160];

	for (size_t i = 0; i < 3; i++) {
		snprintf(text, sizeof(text),
		    ": %s TLS connection established to mx.example.org[127.0.0.1]:%d:", levels[i],
		    port);
		if (count_text(kit.log, text) > 0)
			return names[i];
	}
	return "tls";
}

/* From what the server recorded, not from what the program said of it. */
static const char *
cell(const struct table *t, size_t row, const char *policy)
{
	char tls[80], clear[80], address[80];
	const char *tail = t->credentials ? "auth\n" : "\n";

	snprintf(tls, sizeof(tls), "%s tls <%s@x>%s%s", t->rows[row], policy,
	    t->credentials ? " " : "", tail);
	snprintf(clear, sizeof(clear), "%s clear <%s@x>", t->rows[row], policy);
	snprintf(address, sizeof(address), "to=<%s@%s.example>", t->rows[row], t->rows[row]);
	if (count_text(t->record, tls) == 1)
		return level(t->ports[row]);
	if (count_text(t->record, clear) == 1)
		return "clear";
	return count_text(kit.log, address) >= 1 && count_text(kit.log, "status=bounced") == 0
		   ? "deferred"
		   : "lost";
}

/* One message to every server; the exit status of its submission. */
static int
run_policy(const struct table *t, const char *policy)
{
	const char *argv[ROWS_MAX + 8] = {kit.sortie, "-C", kit.conf, "-odq"};
	char addresses[ROWS_MAX][80], text[160];
	struct child c;
	int status;

	whole_remove(kit.spool);
	unlink(kit.log);
	configure(t, policy);
	for (size_t i = 0; i < t->n; i++) {
		snprintf(
		    addresses[i], sizeof(addresses[i]), "%s@%s.example", t->rows[i], t->rows[i]);
		argv[4 + i] = addresses[i];
	}
	snprintf(text, sizeof(text), "Message-ID: <%s@x>\n\nHello.\n", policy);
	child_start_argv(&c, NULL, argv);
	child_feed(&c, text);
	status = child_end(&c);
	ck_assert_msg(status == EX_OK || status == EX_CONFIG, "%s", c.said);
	if (status == EX_OK) {
		child_start(&c, NULL, "-q", NULL);
		ck_assert_msg(child_end(&c) == EX_OK, "%s", c.said);
	}
	return status;
}

static void
fill_table(struct table *t)
{
	const char *cells[COLUMNS][ROWS_MAX];

	for (size_t i = 0; i < COLUMNS; i++) {
		int status = run_policy(t, columns[i]);

		for (size_t row = 0; row < t->n; row++)
			cells[i][row] = status == EX_OK ? cell(t, row, columns[i]) : "error";
	}
	buf_init(&t->text, 64 * 1024);
	buf_addf(&t->text, "%.*s", (int)strcspn(t->expected, "\n") + 1, t->expected);
	for (size_t row = 0; row < t->n; row++) {
		buf_addf(&t->text, "%-20s", t->rows[row]);
		for (size_t i = 0; i < COLUMNS; i++)
			buf_addf(&t->text, i + 1 < COLUMNS ? " %-10s" : " %s\n", cells[i][row]);
	}
}

static void
begin(struct table *t)
{
	char hosts[80];

	snprintf(t->certs, sizeof(t->certs), "%s/certs", kit.dir);
	snprintf(t->record, sizeof(t->record), "%s/record", kit.dir);
	snprintf(t->auth, sizeof(t->auth), "%s/auth", kit.dir);
	snprintf(hosts, sizeof(hosts), "%s/hosts", kit.dir);
	ck_assert_int_eq(mkdir(t->certs, 0700), 0);
	umask(077);
	whole_write_file(hosts, "127.0.0.1 mx.example.org\n");
	whole_write_file(
	    t->auth, "machine mx.example.org login %s password \"%s\"\n", user, password);
	start_servers(t);
}

static void
check_table(struct table *t)
{
	read_rows(t);
	begin(t);
	fill_table(t);
	if (strcmp(buf_str(&t->text), t->expected) != 0) {
		fprintf(stderr, "%s", buf_str(&t->text)); /* too long for Check */
		ck_abort_msg("another table than the one expected (see %s)", kit.dir);
	}
	buf_free(&t->text);
	whole_stop(t->sink);
}

START_TEST(policies_without_credentials)
{
	struct table t = {.expected = without_credentials};

	check_table(&t);
}
END_TEST

START_TEST(policies_with_credentials)
{
	struct table t = {.expected = with_credentials, .credentials = true};

	check_table(&t);
}
END_TEST

START_TEST(policies_with_tls_from_the_start)
{
	struct table t = {.expected = implicit, .implicit = true};

	check_table(&t);
}
END_TEST

/* --- sessions ----------------------------------------------------------------------------- */

static void
run_queue(void)
{
	struct child c;

	unlink(kit.log);
	child_start(&c, NULL, "-q", NULL);
	ck_assert_msg(child_end(&c) == EX_OK, "%s", c.said);
	ck_assert_uint_eq(files_in("ctl"), 0);
}

/*
 * Many messages over few connections; those of the next run take up sessions of this one, from the
 * spool. How many depends on what comes first: a ticket is good for one connection, and more of these
 * are made as soon as the first are greeted, which may be before their tickets have come.
 */
START_TEST(later_connections_shake_hands_in_short)
{
	enum { MESSAGES = 200, FIRST = 4 };
	struct table t = {.rows = {"good"}, .n = 1};
	char full[40];
	size_t first, second, resumed;

	begin(&t);
	kit_configure("relay smtp://mx.example.org:%d\nhosts %s/hosts\nca %s/ca.pem\n"
		      "tls mx.example.org verify\nsessions-per-site %d\n",
	    t.ports[0], kit.dir, t.certs, FIRST);
	fill_spool(MESSAGES);
	run_queue();
	first = count_text(kit.log, "TLS connection established") - count_text(kit.log, "resumed");
	ck_assert_uint_ge(first, 1);
	ck_assert_uint_le(first, FIRST);
	fill_spool(MESSAGES);
	run_queue();
	resumed = count_text(kit.log, "resumed");
	ck_assert_uint_ge(resumed, 1);
	second = count_text(kit.log, "TLS connection established") - resumed;
	ck_assert_uint_le(second + resumed, FIRST);

	whole_stop(t.sink); /* it has seen the same */
	snprintf(full, sizeof(full), "full %zu\n", first + second);
	ck_assert_uint_eq(count_text(t.output, full), 1);
	ck_assert_uint_eq(count_text(t.output, "messages 400\n"), 1);
}
END_TEST

Suite *
suite_whole_tls(void)
{
	const TTest *const tests[] = {policies_without_credentials, policies_with_credentials,
	    policies_with_tls_from_the_start, later_connections_shake_hands_in_short};

	return whole_suite("whole_tls", tests, sizeof(tests) / sizeof(tests[0]));
}
