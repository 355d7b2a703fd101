/*
 * check_network.c: what is built from the configuration before anything is sent, and what stands in
 * the way of it.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/sys.h"
#include "certs.h"
#include "logcap.h"
#include "network.h"
#include "t/unit/suites.h"
#include "testspool.h"
#include "verify.h"

static struct config c;
static struct network n;
static struct spool *sp;
static char dir[] = "/tmp/check_network.XXXXXX";

static void
make_certs(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	certs_make_quickly(dir);
}

static void
remove_certs(void)
{
	certs_remove(dir);
}

static void
setup(void)
{
	logcap_start();
	sp = testspool_open();
	config_init(&c);
}

static void
teardown(void)
{
	config_free(&c);
	testspool_close(&sp);
	logcap_stop();
	sys = sys_libc;
}

/* The text, with every DIR being the directory of certificates. */
static void
configure(const char *text)
{
	char all[2000] = "nameserver 127.0.0.1\n", why[512];
	size_t at = strlen(all);

	for (const char *p = text; *p != '\0'; p++)
		if (strncmp(p, "DIR", 3) == 0) {
			at += (size_t)snprintf(all + at, sizeof(all) - at, "%s", dir);
			p += 2;
		} else {
			all[at++] = *p;
			all[at] = '\0';
		}
	config_free(&c);
	config_init(&c);
	ck_assert_msg(config_parse(&c, "x.conf", all, at, why, sizeof(why)) == 0, "%s", why);
}

static const char *
file(const char *name, const char *text, mode_t mode)
{
	static char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(chmod(path, mode), 0);
	return path;
}

static int
open_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

/* It is refused with these words, and nothing is left of it. */
static void
refused(const char *text, const char *words)
{
	int fds = open_fds();

	configure(text);
	ck_assert_int_eq(network_open(&n, &c), EX_CONFIG);
	ck_assert_msg(logcap_has(words), "%s: not \"%s\": %s", text, words, logcap_text());
	ck_assert_int_eq(open_fds(), fds);
}

static void
opened(const char *text)
{
	configure(text);
	ck_assert_msg(network_open(&n, &c) == EX_OK, "%s: %s", text, logcap_text());
}

START_TEST(everything_is_there)
{
	opened("ca DIR/ca.pem\nrelay submission://mx.example.org\n");
	ck_assert_ptr_nonnull(n.reactor);
	ck_assert_ptr_nonnull(n.dns);
	ck_assert_ptr_nonnull(n.router);
	ck_assert_ptr_nonnull(n.tls);
	ck_assert_ptr_nonnull(n.auth);
	ck_assert_ptr_eq(n.session.config, &c);
	ck_assert_ptr_eq(n.session.tls, n.tls);
	ck_assert_ptr_eq(n.session.auth, n.auth);
	network_close(&n, sp);
	ck_assert_str_eq(logcap_text(), "");
}
END_TEST

START_TEST(a_store_that_verification_needs_is_missed_at_once)
{
	refused("ca DIR/none.pem\ntls verify\n", "none.pem");
	refused("ca DIR/none.pem\nrelay submission://mx.example.org\n", "none.pem");
	refused("ca DIR/none.pem\n", "none.pem"); /* it was named */
	file("empty.pem", "", 0600);
	refused("ca DIR/empty.pem\ntls example.org verify\n", "empty.pem");
}
END_TEST

START_TEST(a_client_certificate_that_cannot_be_used)
{
	refused("client-cert DIR/none.pem\n", "none.pem");
	refused("client-cert DIR/ca.pem\n", "ca.pem"); /* without a key */
	refused("client-cert DIR/good.pem DIR/expired.pem\n", "expired.pem"); /* another's */
	opened("client-cert DIR/good.pem\n");
	network_close(&n, sp);
}
END_TEST

START_TEST(a_file_of_credentials_that_cannot_be_used)
{
	refused("auth DIR/none\n", "none");
	file("auth", "machine a.example login me password correct-horse\n", 0644);
	refused("auth DIR/auth\n", "auth");
	file("auth", "machine a.example logn me password correct-horse\n", 0600);
	refused("auth DIR/auth\n", "auth:1: ");
	ck_assert(!logcap_has("correct-horse"));
	file("auth", "machine a.example login me password correct-horse\n", 0600);
	opened("auth DIR/auth\n");
	network_close(&n, sp);
}
END_TEST

static bool
has_sessions(void)
{
	int fd = spool_state_open(sp, "tls-sessions");

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

START_TEST(tls_sessions_are_kept_only_when_there_are_new_ones)
{
	opened("");
	network_close(&n, sp);
	ck_assert(!has_sessions());
	opened("");
	network_close(&n, NULL);
	ck_assert(!has_sessions());
}
END_TEST

/* --- how many files may be open --- */

enum { FAILED = 255 };

/* In a child, for the hard limit cannot be raised again: how many sessions there may be. */
static unsigned
sessions_with(rlim_t soft, rlim_t hard, const char *text)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		struct rlimit rl = {soft, hard};

		configure(text);
		if (setrlimit(RLIMIT_NOFILE, &rl) != 0 || network_open(&n, &c) != EX_OK)
			_exit(FAILED);
		if (logcap_has("may be open at once") != (n.sessions < c.sessions))
			_exit(FAILED - 1);
		_exit((int)n.sessions);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_lt(WEXITSTATUS(status), FAILED - 1);
	return (unsigned)WEXITSTATUS(status);
}

START_TEST(as_many_sessions_as_files_allow)
{
	/* 40 are kept back, a fifth of the rest is for lookups, and a session takes four */
	ck_assert_uint_eq(sessions_with(1024, 1024, "sessions 100\n"), 100);
	ck_assert_uint_eq(sessions_with(256, 256, "sessions 100\n"), (216 - 44) / 4);
	ck_assert_uint_eq(sessions_with(64, 64, "sessions 100\n"), (24 - 5) / 4);
	ck_assert_uint_eq(sessions_with(64, 64, "sessions 3\n"), 3);
	ck_assert_uint_eq(sessions_with(41, 41, "sessions 100\n"), 1);
	ck_assert_uint_eq(sessions_with(20, 20, "sessions 100\n"), 1);
}
END_TEST

/* A session needs its socket; messages, however many are ahead on each, are no more than in work. */
START_TEST(no_more_files_for_messages_than_are_in_work)
{
	struct rlimit rl;
	int status;
	pid_t pid;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	if (rl.rlim_max < 20000)
		return;
	ck_assert_int_ne(pid = fork(), -1);
	if (pid == 0) {
		rl.rlim_cur = rl.rlim_max = 20000;
		configure("sessions 10000\n");
		if (setrlimit(RLIMIT_NOFILE, &rl) != 0 || network_open(&n, &c) != EX_OK)
			_exit(FAILED);
		_exit(n.sessions != 10000 || n.session.ahead != SMTP_AHEAD);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_soft_limit_is_raised_to_the_hard_one)
{
	ck_assert_uint_eq(sessions_with(20, 1024, "sessions 100\n"), 100);
}
END_TEST

/* --- -bv ---------------------------------------------------------------------------------- */

/* A system with alice and root on it, whose directory of all others is away for those with a z. */
static int
look_up(const char *name, struct local_user *u)
{
	u->uid = strcmp(name, "root") == 0 ? 0 : 1000;
	if (strcmp(name, "alice") == 0 || u->uid == 0)
		return 1;
	return strchr(name, 'z') == NULL ? 0 : -1;
}

static int
verify(const char *address, char said[1024])
{
	char *addresses[] = {strdup(address)};
	const struct verify_options vo = {.config = &c,
	    .spool = sp,
	    .sender = "",
	    .addresses = addresses,
	    .naddresses = 1,
	    .lookup = look_up};
	FILE *f = fmemopen(said, 1024, "w");
	int rc;

	ck_assert_ptr_nonnull(f);
	rc = verify_run(&vo, f);
	fclose(f);
	free(addresses[0]);
	return rc;
}

START_TEST(users_are_looked_up_as_delivery_will)
{
	static const struct {
		const char *address, *says;
		int rc;
	} cases[] = {
	    {"alice", "alice@out.example.org... deliverable: mailer local", EX_OK},
	    {"Alice+x@OUT.example.org", "deliverable: mailer local", EX_OK},
	    {"bob", "bob@out.example.org... undeliverable: 5.1.1 no such user\n", EX_NOHOST},
	    {"a/b", "undeliverable: 5.1.1 no such user\n", EX_NOHOST},
	    {"zoe", "not deliverable now: the user cannot be looked up\n", EX_TEMPFAIL},
	    {"root", "not deliverable now: root's mailbox is not written as root", EX_TEMPFAIL},
	    {"a@b@c, alice", "alice@out.example.org... deliverable", EX_DATAERR},
	    {"bob@[192.0.2.1], bob", "\nbob@out.example.org... undeliverable: 5.1.1", EX_NOHOST},
	};
	char said[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		configure(i % 2 == 0 ? "hostname out.example.org\nlocal maildir\n"
				     : "hostname out.example.org\nlocal mbox\n");
		ck_assert_msg(verify(cases[i].address, said) == cases[i].rc, "%s", said);
		ck_assert_msg(strstr(said, cases[i].says) != NULL, "%s", said);
	}
	/* who is not there has nothing that could not be written to */
	configure("hostname out.example.org\nlocal discard\n");
	ck_assert_int_eq(verify("bob", said), EX_OK);
}
END_TEST

Suite *
suite_network(void)
{
	Suite *s = suite_create("network");
	TCase *t = tcase_create("network");

	tcase_add_unchecked_fixture(t, make_certs, remove_certs);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, everything_is_there);
	tcase_add_test(t, a_store_that_verification_needs_is_missed_at_once);
	tcase_add_test(t, a_client_certificate_that_cannot_be_used);
	tcase_add_test(t, a_file_of_credentials_that_cannot_be_used);
	tcase_add_test(t, tls_sessions_are_kept_only_when_there_are_new_ones);
	tcase_add_test(t, users_are_looked_up_as_delivery_will);
	if (getenv("T_VALGRIND") == NULL) { /* it keeps the limits to itself */
		tcase_add_test(t, as_many_sessions_as_files_allow);
		tcase_add_test(t, no_more_files_for_messages_than_are_in_work);
		tcase_add_test(t, the_soft_limit_is_raised_to_the_hard_one);
	}
	suite_add_tcase(s, t);
	return s;
}
