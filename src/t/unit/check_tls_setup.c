/* check_tls_setup.c: sessions that are resumed, CA stores, client certificates, the environment. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "certs.h"
#include "logcap.h"
#include "suites.h"
#include "tls_world.h"
#include "vclock.h"

/* --- resumption --- */

static bool
resumed(void)
{
	bool far_too;

	world_settled();
	far_too = tls_peer_resumed(far.peer);
	ck_assert_int_eq(conn_tls(conn)->resumed, far_too);
	return far_too;
}

/* _i: version */
START_TEST(the_second_connection_resumes)
{
	world_serve("good", _i, _i);
	ck_assert(!tls_sessions_changed(tls));
	ck_assert(!resumed());
	ck_assert(tls_sessions_changed(tls));
	for (int i = 0; i < 4; i++) {
		ck_assert(resumed());
		ck_assert(conn_tls(conn)->trusted && conn_tls(conn)->verified);
		ck_assert_str_eq(conn_tls(conn)->why, "");
		ck_assert_ptr_nonnull(strstr(conn_tls(conn)->subject, "CN=mx.example.org"));
		ck_assert_str_ne(conn_tls(conn)->fingerprint, "");
	}
}
END_TEST

/* What was wrong with the certificate is still wrong. */
START_TEST(a_resumed_session_is_no_better)
{
	static const char *const certs[] = {"wrong-name", "unknown-ca"};

	world_serve(certs[_i], 0, 0);
	policy.level = TLS_MAY;
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(resumed(), i == 1);
		ck_assert_int_eq(conn_tls(conn)->trusted, _i == 0);
		ck_assert(!conn_tls(conn)->verified);
		ck_assert_str_ne(conn_tls(conn)->why, "");
	}
	policy.level = TLS_VERIFY;
	ck_assert_int_eq(world_secure(), 'i');
}
END_TEST

/* Two tickets come with the first handshake: they are for two connections, not for three. */
START_TEST(a_ticket_of_TLS_1_3_is_used_once)
{
	world_serve("good", 0, 0);
	ck_assert(!resumed());
	world_secured(); /* and closed before its own tickets have been read */
	ck_assert(conn_tls(conn)->resumed);
	world_secured();
	ck_assert(conn_tls(conn)->resumed);
	world_secured();
	ck_assert(!conn_tls(conn)->resumed);
}
END_TEST

static char print[80], *prints[] = {print};

static void
fingerprint_policy(void)
{
	certs_fingerprint(world_file("good"), false, print, sizeof(print));
	policy = (struct tls_policy){TLS_FINGERPRINT, prints, 1, false};
}

static void
verify_policy(void)
{
	policy.level = TLS_VERIFY;
}

static void
encrypt_policy(void)
{
	policy.level = TLS_ENCRYPT;
}

static void
old_policy(void)
{
	policy.old_versions = true;
}

static void (*const other_policies[])(void) = {
    fingerprint_policy, verify_policy, encrypt_policy, old_policy};

START_TEST(never_under_another_policy)
{
	policy.level = TLS_MAY;
	ck_assert(!resumed());
	other_policies[_i]();
	ck_assert(!resumed());
	ck_assert(resumed());
}
END_TEST

START_TEST(never_for_another_name_or_port_or_list)
{
	char key[80];

	policy.level = TLS_MAY;
	ck_assert(!resumed());
	ck_assert_int_eq(world_secure_as("other.example.org"), 's');
	ck_assert(!conn_tls(conn)->resumed);
	world_connect("192.0.2.1", 587);
	conn_start_tls(conn, tls, &policy, "mx.example.org");
	ck_assert_int_eq(world_next(), 's');
	ck_assert(!conn_tls(conn)->resumed);
	ck_assert_int_eq(world_secure_as("MX.example.org."), 's');
	ck_assert(conn_tls(conn)->resumed);

	fingerprint_policy();
	ck_assert(!resumed());
	certs_fingerprint(world_file("good"), true, key, sizeof(key));
	prints[0] = key;
	ck_assert(!resumed());
	prints[0] = print;
	ck_assert(resumed());
}
END_TEST

/* Saves what there is and loads it into another struct tls with that CA. */
static void
next_run(const char *ca)
{
	FILE *f = tmpfile();

	ck_assert_int_eq(tls_sessions_save(tls, fileno(f)), 0);
	ck_assert(!tls_sessions_changed(tls));
	conn_close(&conn);
	world_tls(ca);
	lseek(fileno(f), 0, SEEK_SET);
	tls_sessions_load(tls, fileno(f));
	ck_assert(!tls_sessions_changed(tls));
	fclose(f);
}

START_TEST(from_run_to_run)
{
	world_serve("good", _i, _i);
	ck_assert(!resumed());
	next_run(world_file("ca"));
	ck_assert(resumed());
	ck_assert(conn_tls(conn)->verified);
}
END_TEST

START_TEST(never_with_another_CA)
{
	policy.level = TLS_MAY;
	ck_assert(!resumed());
	next_run(world_file("other-ca"));
	ck_assert(!resumed());
	ck_assert(!conn_tls(conn)->trusted);
	policy.level = TLS_VERIFY;
	ck_assert_int_eq(world_secure(), 'i');
}
END_TEST

START_TEST(not_after_it_has_expired)
{
	ck_assert(!resumed());
	vclock_step_wall(7 * 86400 + 1);
	ck_assert(!resumed());
}
END_TEST

/* The certificate of the good server ends in 2119; nobody's session lasts that long, but one may
 * have been made on the certificate's last day. */
START_TEST(not_after_the_certificate_has_expired)
{
	vclock_step_wall(4701974400 - 1764000000 - 60); /* a minute before 2119-01-01 */
	ck_assert(!resumed());
	vclock_step_wall(50);
	ck_assert(resumed());
	vclock_step_wall(20);
	ck_assert_int_eq(world_secure(), 'i');
	ck_assert_ptr_nonnull(strstr(conn_tls(conn)->why, "certificate has expired"));
}
END_TEST

/* Nobody has taken this one for good, so nothing has changed. */
START_TEST(an_expired_certificate_that_may_be_is_resumed)
{
	world_serve("expired", _i, _i);
	policy.level = TLS_MAY;
	ck_assert(!resumed());
	ck_assert(resumed());
	ck_assert(!conn_tls(conn)->trusted);
	ck_assert_ptr_nonnull(strstr(conn_tls(conn)->why, "certificate has expired"));
}
END_TEST

START_TEST(a_session_that_is_rubbish_is_none)
{
	FILE *f = tmpfile();
	char text[32768], *bytes;
	size_t n;

	ck_assert(!resumed());
	ck_assert_int_eq(tls_sessions_save(tls, fileno(f)), 0);
	lseek(fileno(f), 0, SEEK_SET);
	n = fread(text, 1, sizeof(text), f);
	bytes = memchr(text, '\n', n);
	ck_assert_ptr_nonnull(bytes);
	bytes[1] ^= 0x55; /* the tags of the first; the second still is one */
	rewind(f);
	fwrite(text, 1, n, f);
	fflush(f);
	lseek(fileno(f), 0, SEEK_SET);
	tls_sessions_load(tls, fileno(f));
	fclose(f);
	(void)resumed();
	ck_assert(conn_tls(conn)->verified);
}
END_TEST

/* --- channel binding --- */

START_TEST(channel_bindings)
{
	unsigned char ours[64], theirs[64];
	char hex[80] = "sha256:";
	size_t n;

	world_serve("good", 0, _i);
	world_settled();
	n = conn_tls_binding(conn, "tls-exporter", ours, sizeof(ours));
	if (_i == 0x0304) {
		ck_assert_uint_eq(n, 32);
		tls_peer_exporter(far.peer, theirs, 32);
		ck_assert_mem_eq(ours, theirs, 32);
	} else {
		ck_assert_uint_eq(n, 0);
	}
	ck_assert_uint_eq(conn_tls_binding(conn, "tls-exporter", ours, 31), 0);
	ck_assert_uint_eq(conn_tls_binding(conn, "tls-unique", ours, sizeof(ours)), 0);
	ck_assert_uint_eq(conn_tls_binding(conn, "tls-server-end-point", ours, 31), 0);
	n = conn_tls_binding(conn, "tls-server-end-point", ours, sizeof(ours));
	ck_assert_uint_eq(n, 32);
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 7 + 2 * i, 3, "%02x", ours[i]);
	ck_assert_str_eq(hex, conn_tls(conn)->fingerprint);
}
END_TEST

START_TEST(no_binding_without_TLS)
{
	unsigned char b[64];

	world_connect("192.0.2.1", 25);
	ck_assert_ptr_null(conn_tls(conn));
	ck_assert_uint_eq(conn_tls_binding(conn, "tls-exporter", b, sizeof(b)), 0);
}
END_TEST

/* --- CA certificates --- */

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(world_file(name), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void
expect_no_tls(const struct tls_options *o, const char *why)
{
	char text[256] = "";
	struct tls *none = tls_new(o, text, sizeof(text));

	ck_assert_ptr_null(none);
	ck_assert_msg(strstr(text, why) != NULL, "%s", text);
}

START_TEST(a_CA_that_cannot_be_used)
{
	struct tls_options o = {.ca = world_file("nothing-there")};

	expect_no_tls(&o, "nothing-there.pem: No such file or directory");
	write_file("empty", "no certificate\n");
	o.ca = world_file("empty");
	expect_no_tls(&o, "empty.pem: no certificate in it");
	write_file("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	o.ca = world_file("broken");
	expect_no_tls(&o, "broken.pem: certificate number 1 cannot be read");
	o.ca = "/dev";
	expect_no_tls(&o, "/dev: no hashed certificate in it");
	o.ca = "/dev/zero";
	expect_no_tls(&o, "/dev/zero: File too large");
}
END_TEST

START_TEST(a_directory_of_CA_certificates)
{
	char dir[] = "/tmp/check_tls_ca.XXXXXX", path[128];
	FILE *f = fopen(world_file("ca"), "r");
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);

	fclose(f);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%08lx.0", dir, X509_subject_name_hash(x));
	X509_free(x);
	ck_assert_int_eq(symlink(world_file("ca"), path), 0);
	world_tls(dir);
	ck_assert(!resumed());
	ck_assert(resumed());
	certs_remove(dir);
}
END_TEST

static const char *the_only_place;
static const char *its_file;

static int
few_places(int at, const char *path, int flags, mode_t mode)
{
	if (its_file != NULL && strcmp(path, the_only_place) == 0)
		return sys_libc.openat(at, its_file, flags, mode);
	errno = ENOENT;
	return -1;
}

START_TEST(the_systems_CA_certificates)
{
	static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt",
	    "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
	    "/usr/local/share/certs/ca-root-nss.crt"};
	char why[256];

	the_only_place = places[_i];
	its_file = world_file("ca");
	sys.openat = few_places;
	world_tls(NULL);
	ck_assert(tls_has_ca(tls, why, sizeof(why)));
	world_secured();
}
END_TEST

START_TEST(no_CA_certificates_anywhere)
{
	char why[256] = "";

	its_file = NULL;
	sys.openat = few_places;
	world_tls(NULL);
	ck_assert_int_eq(world_secure(), 'i');
	ck_assert(!tls_has_ca(tls, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "no CA certificates found: looked at /etc/ssl/certs/"));
	policy.level = TLS_MAY;
	world_secured();
	ck_assert(!conn_tls(conn)->trusted);
}
END_TEST

static int
no_fstat(int fd, struct stat *st)
{
	(void)fd, (void)st;
	errno = EIO;
	return -1;
}

START_TEST(a_CA_file_that_cannot_be_looked_at)
{
	struct tls_options o = {.ca = world_file("ca")};

	sys.fstat = no_fstat;
	expect_no_tls(&o, "Input/output error");
}
END_TEST

/* --- client certificates --- */

static void
with_client_cert(const char *cert, const char *key)
{
	struct tls_options o = {.ca = world_file("ca"), .cert = cert, .key = key};
	struct tls_server_options demanding = {
	    .pem = world_file("good"), .client_ca = world_file("ca"), .highest = 0x0304};
	char why[256];

	tls_free(&tls);
	tls = tls_new(&o, why, sizeof(why));
	ck_assert_msg(tls != NULL, "%s", why);
	tls_server_free(&server);
	server = tls_server_new(&demanding);
}

START_TEST(a_client_certificate_is_shown)
{
	with_client_cert(world_file("rsa"), _i == 1 ? world_file("rsa") : NULL);
	world_settled();
	ck_assert_int_eq(conn_write(conn, "x", 1), 1);
	world_second();
	ck_assert_uint_eq(buf_len(&far.in), 1);
}
END_TEST

START_TEST(a_server_that_demands_one)
{
	char byte;

	with_client_cert(NULL, NULL);
	world_settled(); /* in TLS 1.3 the client is done before the server has judged */
	ck_assert_int_eq(conn_read(conn, &byte, 1), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_str_eq(conn_tls(conn)->why, "the server broke TLS off: certificate required");
}
END_TEST

START_TEST(a_client_certificate_that_cannot_be_used)
{
	struct tls_options o = {.cert = world_file("nothing-there")};
	FILE *f;
	EVP_PKEY *k = EVP_EC_gen("P-256");

	expect_no_tls(&o, "nothing-there.pem: No such file or directory");
	o.cert = world_file("ca"); /* without a key */
	expect_no_tls(&o, "ca.pem: ");
	o = (struct tls_options){.cert = world_file("good"), .key = world_file("rsa")};
	expect_no_tls(&o, "rsa.pem: ");
	f = fopen(world_file("locked"), "w");
	PEM_write_PrivateKey(
	    f, k, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
	fclose(f);
	EVP_PKEY_free(k);
	o = (struct tls_options){.cert = world_file("good"), .key = world_file("locked")};
	expect_no_tls(&o, "locked.pem: "); /* and nobody is asked for a passphrase */
}
END_TEST

/* --- the rest --- */

START_TEST(the_chain_is_shown_to_who_wants_to_see_it)
{
	char why[256];

	logcap_start();
	log_verbose(true);
	world_serve("wrong-name", 0, 0);
	ck_assert_int_eq(world_secure(), 'i');
	str_copy(why, sizeof(why), conn_tls(conn)->why);
	log_verbose(false);
	ck_assert_ptr_nonnull(strstr(logcap_trace(), "certificate 0: CN=mx.example.org,O=Tests"));
	ck_assert_ptr_nonnull(strstr(logcap_trace(), "certificate 1: CN=Intermediate,O=Tests"));
	logcap_stop();
}
END_TEST

enum { CONNECTIONS = 20 };

static size_t
descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

START_TEST(no_descriptor_is_left)
{
	size_t before = descriptors();

	for (int i = 0; i < CONNECTIONS; i++) {
		policy.level = i % 2 == 0 ? TLS_VERIFY : TLS_MAY;
		world_serve(i % 3 == 0 ? "unknown-ca" : "good", 0, 0);
		(void)world_secure();
		conn_close(&conn);
		world_hang_up();
	}
	reactor_turn(reactor);
	ck_assert_uint_eq(descriptors(), before);
}
END_TEST

/* In a process in which nothing of OpenSSL has run yet. */
START_TEST(the_environment_does_not_matter)
{
	char conf[] = "/tmp/check_tls_conf.XXXXXX", why[256];
	const char *text = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
			   "[c]\nMinProtocol = TLSv1.3\nCipherString = NULL\n";
	int fd = mkstemp(conf);
	struct tls_options o = {.ca = NULL};

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	setenv("OPENSSL_CONF", conf, 1);
	tls = tls_new(&o, why, sizeof(why)); /* the first */
	ck_assert_ptr_nonnull(tls);
	tls_free(&tls);
	world_certs();
	setenv("SSL_CERT_FILE", world_file("other-ca"), 1);
	world_setup();
	its_file = world_file("ca");
	the_only_place = "/etc/ssl/cert.pem";
	sys.openat = few_places;
	world_tls(NULL);
	world_serve("good", 0x0303, 0x0303);
	world_secured();
	world_serve("unknown-ca", 0x0303, 0x0303);
	ck_assert_int_eq(world_secure(), 'i');
	world_teardown();
	world_certs_remove();
	unlink(conf);
}
END_TEST

static TCase *
tcase_sessions(void)
{
	TCase *tc = tcase_create("sessions");

	tcase_add_unchecked_fixture(tc, world_certs, world_certs_remove);
	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_add_loop_test(tc, the_second_connection_resumes, 0x0303, 0x0305);
	tcase_add_loop_test(tc, a_resumed_session_is_no_better, 0, 2);
	tcase_add_test(tc, a_ticket_of_TLS_1_3_is_used_once);
	tcase_add_loop_test(tc, never_under_another_policy, 0, 4);
	tcase_add_test(tc, never_for_another_name_or_port_or_list);
	tcase_add_loop_test(tc, from_run_to_run, 0x0303, 0x0305);
	tcase_add_test(tc, never_with_another_CA);
	tcase_add_test(tc, not_after_it_has_expired);
	tcase_add_test(tc, not_after_the_certificate_has_expired);
	tcase_add_loop_test(tc, an_expired_certificate_that_may_be_is_resumed, 0x0303, 0x0305);
	tcase_add_test(tc, a_session_that_is_rubbish_is_none);
	tcase_add_loop_test(tc, channel_bindings, 0x0303, 0x0305);
	tcase_add_test(tc, no_binding_without_TLS);
	return tc;
}

static TCase *
tcase_stores(void)
{
	TCase *tc = tcase_create("stores");

	tcase_add_unchecked_fixture(tc, world_certs, world_certs_remove);
	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_add_test(tc, a_CA_that_cannot_be_used);
	tcase_add_test(tc, a_directory_of_CA_certificates);
	tcase_add_loop_test(tc, the_systems_CA_certificates, 0, 4);
	tcase_add_test(tc, no_CA_certificates_anywhere);
	tcase_add_test(tc, a_CA_file_that_cannot_be_looked_at);
	tcase_add_loop_test(tc, a_client_certificate_is_shown, 0, 2);
	tcase_add_test(tc, a_server_that_demands_one);
	tcase_add_test(tc, a_client_certificate_that_cannot_be_used);
	tcase_add_test(tc, the_chain_is_shown_to_who_wants_to_see_it);
	tcase_add_test(tc, no_descriptor_is_left);
	return tc;
}

Suite *
suite_tls_setup(void)
{
	Suite *suite = suite_create("tls_setup");
	TCase *tc = tcase_create("environment");

	tcase_add_test(tc, the_environment_does_not_matter);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, tcase_sessions());
	suite_add_tcase(suite, tcase_stores());
	return suite;
}
