/*
 * sortiectl check: an installation below the test's folder is in order; then one thing after the other is
 * broken, and each is named, with what to type.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "certs.h"
#include "kit.h"
#include "suites.h"
#include "whole.h"

static char bin[96], sortie[128], front[128], name[160];

/* As make install leaves it, but for the owner, who is whoever runs the test. */
static void
install(void)
{
	static const char *const names[] = {"sendmail", "mailq", "newaliases"};

	snprintf(bin, sizeof(bin), "%s/bin", kit.dir);
	snprintf(sortie, sizeof(sortie), "%s/sortie", bin);
	snprintf(front, sizeof(front), "%s/sortie-sendmail", bin);
	ck_assert_int_eq(mkdir(bin, 0755), 0);
	kit_copy_file(kit.sortie, sortie);
	kit_copy_file(kit.sortie, front);
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s/%s", bin, names[i]);
		ck_assert_int_eq(symlink(front, name), 0);
	}
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);
	fill_spool(1);
}

static const char *
path_of(const char *part)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", kit.dir, part);
	return path;
}

static const char *
check(const char *option, int status)
{
	static struct child c;
	const char *const argv[] = {
	    "sortiectl", "-C", kit.conf, "check", "--program", sortie, option, NULL};

	child_start_file(&c, NULL, kit.ctl, argv);
	ck_assert_msg(child_end(&c) == status, "not %d: %s", status, c.said);
	return c.said;
}

static void
says(const char *all, const char *part)
{
	ck_assert_msg(strstr(all, part) != NULL, "no \"%s\" in:\n%s", part, all);
}

/* Nobody is asked; that line, and below it that command. */
static void
finds(int status, const char *line, const char *command)
{
	const char *all = check("-n", status), *at = strstr(all, line), *next;

	ck_assert_msg(at != NULL, "no \"%s\" in:\n%s", line, all);
	next = strchr(at, '\n');
	ck_assert_msg(next != NULL && next[1] == '\t', "nothing to type: %s", at);
	ck_assert_msg(strstr(next, command) != NULL &&
			  strstr(next, command) < next + 1 + strcspn(next + 1, "\n"),
	    "not \"%s\" but: %s", command, next);
}

START_TEST(a_good_installation_is_in_order)
{
	struct child runner;
	const char *all;

	install();
	child_start(&runner, NULL, "-q1h", NULL);
	WAIT_FOR(runner_present("full"));
	all = check("-n", EX_OK);
	says(all, "ok    runs ");
	ck_assert_msg(strstr(all, "warn") == NULL && strstr(all, "\n\t") == NULL, "%s", all);
	ck_assert_msg(strstr(all, "dns") == NULL, "%s", all);
	kill(runner.pid, SIGTERM);
	ck_assert_int_eq(child_end(&runner), 0);
	finds(EX_OK, "warn  runs      nobody runs", "-q5m");
}
END_TEST

START_TEST(each_thing_that_is_wrong_is_named)
{
	install();
	ck_assert_int_eq(chmod(sortie, 0777), 0);
	finds(EX_CONFIG, "FAIL  programs  others may write to", "chmod go-w ");
	ck_assert_int_eq(chmod(sortie, 0755), 0);

	ck_assert_int_eq(rename(front, path_of("away")), 0);
	finds(EX_CONFIG, "sortie-sendmail is not there, or no program", "make install");
	finds(EX_CONFIG, "FAIL  names", "ln -sf ");
	ck_assert_int_eq(rename(path_of("away"), front), 0);

	ck_assert_int_eq(unlink(path_of("bin/mailq")), 0);
	finds(EX_CONFIG, "bin/mailq is not there", "ln -sf ");
	ck_assert_int_eq(symlink("/bin/sh", path_of("bin/mailq")), 0);
	finds(EX_CONFIG, "bin/mailq is /", "ln -sf ");
	ck_assert_int_eq(unlink(path_of("bin/mailq")), 0);
	ck_assert_int_eq(symlink("sortie", path_of("bin/mailq")), 0); /* does the same */

	ck_assert_int_eq(chmod(kit.conf, 0666), 0);
	finds(EX_CONFIG, "FAIL  config    others may write to", "chmod go-w ");
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);

	ck_assert_int_eq(chmod(kit.spool, 0755), 0);
	finds(EX_CONFIG, "FAIL  spool     others may look into", "chmod 700 ");
	ck_assert_ptr_null(
	    strstr(check("-n", EX_CONFIG), "  queue ")); /* nothing in it is opened */
	ck_assert_int_eq(chmod(kit.spool, 0700), 0);
	check("-n", EX_OK);
}
END_TEST

START_TEST(what_has_piled_up_in_the_spool_is_named)
{
	const struct timeval old[2] = {{1700000000, 0}, {1700000000, 0}};
	int fd;

	install();
	whole_write_file(path_of("spool/corrupt/x.ctl"), "x");
	finds(EX_OK, "warn  spool     1 damaged file is kept", "/corrupt");
	ck_assert_int_eq(unlink(path_of("spool/corrupt/x.ctl")), 0);
	whole_write_file(path_of("spool/tmp/x"), "x");
	check("-n", EX_OK);
	ck_assert_int_eq(utimes(path_of("spool/tmp/x"), old), 0);
	finds(EX_OK, "/spool/tmp has 1 file older than 36 h", " -q");
	ck_assert_int_eq(unlink(path_of("spool/ballast")), 0);
	finds(EX_OK, "warn  spool     the ballast", "df ");
	ck_assert_int_ge(fd = lock_oldest(), 0);
	ck_assert_int_eq(futimes(fd, old), 0);
	close(fd);
	finds(EX_OK, "warn  queue     1 of 1 message has been due", " -q");
}
END_TEST

START_TEST(a_wrong_line_is_named_and_what_hangs_on_it_left_out)
{
	install();
	whole_write_file(kit.conf, "spool %s\nrelai x\n", kit.spool);
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);
	says(check("-n", EX_CONFIG), "/conf:2: ");
	ck_assert_ptr_null(strstr(check("-n", EX_CONFIG), "queue"));
}
END_TEST

START_TEST(credentials_are_for_nobody_else)
{
	install();
	kit_configure("auth %s/auth\nrelay smtp://me@[127.0.0.1]:1", kit.dir);
	finds(EX_CONFIG, "/auth: No such file", "install -m 600 -o ");
	whole_write_file(path_of("auth"), "machine x login y password z\n");
	ck_assert_int_eq(chmod(path_of("auth"), 0640), 0);
	finds(EX_CONFIG, "FAIL  login     others may read", "chmod 600 ");
	ck_assert_int_eq(chmod(path_of("auth"), 0600), 0);
	kit_configure("auth %s/auth\nca %s/none\nrelay smtp://me@[127.0.0.1]:1", kit.dir, kit.dir);
	says(check("-n", EX_CONFIG), "FAIL  ca        ca ");
}
END_TEST

/* A name server that says nothing but that it is there. */
static pid_t
start_name_server(int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(at);
	unsigned char query[512];
	ssize_t n;
	pid_t pid;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	pid = fork();
	while (pid == 0) {
		len = sizeof(at);
		n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&at, &len);
		query[2] |= 0x80;
		if (n <= 0 || sendto(fd, query, (size_t)n, 0, (struct sockaddr *)&at, len) != n)
			_exit(1);
	}
	close(fd);
	return pid;
}

START_TEST(name_server_and_relay_are_asked)
{
	struct sink s;
	const char *all;
	int port;
	pid_t ns = start_name_server(&port);

	install();
	sink_start(&s, "0");
	kit_configure("nameserver 127.0.0.1:%d\nrelay smtp://[127.0.0.1]:%d\n"
		      "route far.example mx:far.example",
	    port, s.port);
	all = check("--json", EX_OK);
	says(all, "{\"check\":\"dns\",\"result\":\"ok\"");
	says(all, "{\"check\":\"delivery\",\"result\":\"ok\"");
	says(all, "TLS: none");
	kill(ns, SIGKILL);
	waitpid(ns, NULL, 0);
	sink_stop(&s);
	ck_assert_uint_eq(sink_messages(&s), 0);
	all = check("--json", EX_CONFIG);
	says(all, "{\"check\":\"dns\",\"result\":\"fail\"");
	says(all, "{\"check\":\"delivery\",\"result\":\"fail\"");
	says(all, "Connection refused");
	says(all, "-bv -v postmaster@example.org\"}");
}
END_TEST

/* --- a relay with TLS --------------------------------------------------------------------- */

enum { TLS_CASES = 3 };

static const char *const shown[TLS_CASES] = {"good", "expired", "wrong-name"};
static int tls_ports[TLS_CASES];

/* mx.example.org, with one certificate a port; who logs in is me, with that password. */
static pid_t
start_tls_servers(void)
{
	static const char plain[] = "AG1lAHJpZ2h0"; /* base64 of NUL me NUL right, RFC 4616 */
	char certs[96], ports[96], output[96], *text, *at;
	pid_t pid;

	snprintf(certs, sizeof(certs), "%s/certs", kit.dir);
	snprintf(ports, sizeof(ports), "%s/ports", kit.dir);
	snprintf(output, sizeof(output), "%s/sink", kit.dir);
	ck_assert_int_eq(mkdir(certs, 0755), 0);
	certs_make_quickly(certs);
	whole_write_file(path_of("hosts"), "127.0.0.1 mx.example.org\n");
	pid = whole_start((const char *const[]){kit.sink, "--certs", certs, "--ports", ports,
			      "--auth", plain, shown[0], shown[1], shown[2], NULL},
	    output);
	WAIT_FOR(count_text(ports, "\n") == TLS_CASES);
	at = text = file_text(ports);
	for (size_t i = 0; i < TLS_CASES; i++, at = strchr(at, '\n') + 1)
		tls_ports[i] = (int)strtol(at, NULL, 10);
	free(text);
	return pid;
}

/* What is said of a relay with that certificate. */
static const char *
ask_relay(size_t which, const char *user, const char *more, int status)
{
	static char line[2048];
	const char *at;

	kit_configure("hosts %s/hosts\nca %s/certs/ca.pem\nauth %s/auth\n"
		      "relay smtp://%smx.example.org:%d\n%s",
	    kit.dir, kit.dir, kit.dir, user, tls_ports[which], more);
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);
	at = strstr(check("--json", status), "{\"check\":\"delivery\"");
	ck_assert_ptr_nonnull(at);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	return line;
}

START_TEST(a_relays_certificate_is_looked_at)
{
	static const char verify[] = "tls mx.example.org verify";
	const char *said;
	pid_t servers;

	install();
	servers = start_tls_servers();
	whole_write_file(path_of("auth"), "machine other.example login me password right\n");
	ck_assert_int_eq(chmod(path_of("auth"), 0600), 0);
	said = ask_relay(0, "", verify, EX_OK);
	says(said, "\"result\":\"ok\",\"text\":\"mx.example.org[127.0.0.1]:");
	says(said, "; TLS: verified, TLSv1.");
	says(ask_relay(1, "", verify, EX_CONFIG), "has expired");
	says(ask_relay(2, "", verify, EX_CONFIG), "mx.example.org");
	/* it may be anybody's, as nothing is secret */
	says(ask_relay(1, "", "", EX_OK), "; TLS: not verified, ");
	says(ask_relay(2, "", "", EX_OK), "; TLS: trusted, not verified, ");
	whole_stop(servers);
}
END_TEST

START_TEST(a_login_is_tried)
{
	const char *said;
	pid_t servers;

	install();
	servers = start_tls_servers();
	whole_write_file(path_of("auth"), "machine mx.example.org login me password right\n");
	ck_assert_int_eq(chmod(path_of("auth"), 0600), 0);
	said = ask_relay(0, "me@", "", EX_OK);
	says(said, "; login: accepted for me");
	says(said, "\"result\":\"ok\"");
	says(ask_relay(1, "me@", "", EX_CONFIG), "has expired"); /* no password goes there */
	whole_write_file(path_of("auth"), "machine mx.example.org login me password wrong\n");
	said = ask_relay(0, "me@", "", EX_CONFIG);
	says(said, "\"result\":\"fail\"");
	says(said, "535");
	whole_write_file(path_of("auth"), "machine mx.example.org login me pasword right\n");
	says(ask_relay(0, "me@", "", EX_CONFIG), "/auth:1: ");
	whole_stop(servers);
}
END_TEST

START_TEST(a_relay_that_takes_its_time_is_waited_for)
{
	struct sink s;

	install();
	sink_start(&s, "200");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	says(check(NULL, EX_OK), "ok    delivery  127.0.0.1[127.0.0.1]:");
	sink_stop(&s);
}
END_TEST

START_TEST(setuid_to_root_is_wrong)
{
	if (geteuid() != 0) {
		printf("whole_check: setuid_to_root_is_wrong: not root, not run\n");
		return;
	}
	install();
	ck_assert_int_eq(chmod(front, 06755), 0);
	finds(EX_CONFIG, "is setuid to root", "chown ");
	ck_assert_int_eq(chown(front, 65534, 65534), 0);
	ck_assert_int_eq(chmod(front, 06755), 0);
	finds(EX_CONFIG, "is setuid to another user", "chown ");
}
END_TEST

Suite *
suite_whole_check(void)
{
	const TTest *const tests[] = {
	    a_good_installation_is_in_order,
	    each_thing_that_is_wrong_is_named,
	    what_has_piled_up_in_the_spool_is_named,
	    a_wrong_line_is_named_and_what_hangs_on_it_left_out,
	    credentials_are_for_nobody_else,
	    name_server_and_relay_are_asked,
	    a_relays_certificate_is_looked_at,
	    a_login_is_tried,
	    a_relay_that_takes_its_time_is_waited_for,
	    setuid_to_root_is_wrong,
	};

	return whole_suite("whole_check", tests, sizeof(tests) / sizeof(tests[0]));
}
