/* check_import.c: what sortiectl import makes of other programs' configurations. */
#include <sys/stat.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth_file.h"
#include "base/alloc.h"
#include "config.h"
#include "suites.h"
#include "testctl.h"
#include "whole.h"

static struct testctl t;
static char dir[64], conf_path[96];

static void
begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%.40s/import.XXXXXX", tmp != NULL ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(conf_path, sizeof(conf_path), "%s/sortie.conf", dir);
	testctl_init(&t, NULL);
}

static void
end(void)
{
	testctl_free(&t);
	whole_remove(dir);
}

static const char *
path(const char *name)
{
	static char paths[4][160];
	static int next;

	next = (next + 1) % 4;
	snprintf(paths[next], sizeof(paths[next]), "%s/%s", dir, name);
	return paths[next];
}

/* A file of the peer's. */
static void
file(const char *name, const char *text)
{
	whole_write_file(path(name), "%s", text);
}

/* --- what came out ------------------------------------------------------------------------ */

static struct config conf;
static char *auth; /* the second part; "" none */

static void
forget(void)
{
	config_free(&conf);
	free(auth);
	auth = NULL;
}

/* Both parts are read as the program will read them. */
static void
import(const char *peer, const char *name)
{
	char why[512] = "", *second;

	ck_assert_msg(
	    testctl_run(&t, ctl_import, "import", peer, path(name), NULL) == EX_OK, "%s", t.err);
	second = strstr(t.out + 1, "\n# --- ");
	auth = xstrdup(second != NULL ? second + 1 : "");
	config_init(&conf);
	ck_assert_msg(
	    config_parse(&conf, "it", t.out,
		second != NULL ? (size_t)(second - t.out) : strlen(t.out), why, sizeof(why)) == 0,
	    "%s in:\n%s", why, t.out);
}

static void
has(const char *text)
{
	ck_assert_msg(strstr(t.out, text) != NULL, "no \"%s\" in:\n%s", text, t.out);
}

static void
has_not(const char *text)
{
	ck_assert_msg(strstr(t.out, text) == NULL, "\"%s\" in:\n%s", text, t.out);
}

/* A whole line of it. */
static void
line(const char *text)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "\n%s\n", text);
	has(whole);
}

/* The comments, as one text without line breaks, have it. */
static void
says(const char *text)
{
	char *comments = xcalloc(1, strlen(t.out) + 1), *to = comments;

	for (const char *p = t.out; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, "# ", 2) != 0)
			continue;
		memcpy(to, p + 1, strcspn(p + 1, "\n"));
		to += strcspn(p + 1, "\n");
	}
	ck_assert_msg(strstr(comments, text) != NULL, "no \"%s\" in:\n%s", text, comments);
	free(comments);
}

/* Whoever logs in there does it with this; a comment never shows it. */
static void
logs_in(const char *host, const char *user, const char *secret)
{
	struct auth_text text = {.n = strlen(auth)};
	const struct auth_want want = {.host = host, .port = 587, .user = user};
	struct auth_entry e;
	char why[256] = "";

	text.text = xcalloc(1, AUTH_FILE_MAX + 1);
	memcpy(text.text, auth, text.n);
	ck_assert_msg(auth_file_find("auth", &text, &want, &e, why, sizeof(why)) == 1,
	    "nobody at %s: %s in:\n%s", host, why, auth);
	ck_assert_str_eq(e.user, user);
	if (secret != NULL)
		ck_assert_str_eq(e.secret, secret);
	auth_file_free(&text);
	for (const char *p = secret == NULL ? NULL : t.out; p != NULL; p = strchr(p + 1, '\n'))
		ck_assert(p[strspn(p, "\n")] != '#' || strstr(p, secret) == NULL ||
			  strstr(p, secret) > p + 1 + strcspn(p + 1, "\n"));
}

/* --- dma ---------------------------------------------------------------------------------- */

START_TEST(dma_with_a_provider)
{
	char text[512];

	file("mailname", "host.example.org\n");
	file("auth.conf",
	    "# who\nother|else.example:xyzzy\nme@example.net|smart.example.net:a b\"c\\d#e:f\n");
	snprintf(text, sizeof(text),
	    "# comment\nSMARTHOST smart.example.net # behind\nPORT 587\nAUTHPATH %s\n"
	    "SECURETRANSFER\nSTARTTLS\nMAILNAME %s\nMASQUERADE example.org\nNULLCLIENT\n",
	    path("auth.conf"), path("mailname"));
	file("dma.conf", text);
	import("dma", "dma.conf");
	line("relay submission://me@example.net@smart.example.net");
	line("hostname host.example.org");
	logs_in("smart.example.net", "me@example.net", "a b\"c\\d#e:f");
	logs_in("else.example", "other", "xyzzy");
	says("dma took any certificate there");
	says("NULLCLIENT: mail for users");
	has("masquerade-domain example.org");
	ck_assert_uint_eq(conf.relays.n, 1);
	ck_assert(conf.relays.v[0].submission && !conf.relays.v[0].tls_first);
	forget();
}
END_TEST

START_TEST(dma_checked_the_certificate)
{
	file("dma.conf", "SMARTHOST s.example\nPORT 465\nSECURETRANSFER\nVERIFYCERT\n");
	import("dma", "dma.conf");
	line("relay smtps://s.example");
	has_not("any certificate");
	forget();
	file("dma.conf", "SMARTHOST s.example\nPORT 465\nSECURETRANSFER\nFINGERPRINT "
			 "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n");
	import("dma", "dma.conf");
	line("tls s.example fingerprint "
	     "sha256:0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF");
	has_not("any certificate");
	forget();
}
END_TEST

START_TEST(dma_logs_in_without_tls)
{
	char text[256];

	file("auth.conf", "me|192.0.2.7:secret\n");
	snprintf(
	    text, sizeof(text), "SMARTHOST 192.0.2.7\nAUTHPATH %s\nINSECURE\n", path("auth.conf"));
	file("dma.conf", text);
	import("dma", "dma.conf");
	line("relay smtp://me@[192.0.2.7]");
	says("auth-in-clear 192.0.2.7");
	ck_assert_uint_eq(conf.nauth_in_clear, 0); /* said, not done */
	logs_in("192.0.2.7", "me", "secret");
	forget();
}
END_TEST

START_TEST(dma_without_a_smarthost)
{
	file("dma.conf", "SECURETRANSFER\nSTARTTLS\n");
	import("dma", "dma.conf");
	line("tls encrypt");
	ck_assert_uint_eq(conf.relays.n, 0);
	forget();
	file("dma.conf", "SECURETRANSFER\nSTARTTLS\nOPPORTUNISTIC_TLS\nPORT 2525\n");
	import("dma", "dma.conf");
	has_not("tls encrypt");
	ck_assert_uint_eq(conf.port, 2525);
	says("local mbox:/var/mail");
	forget();
}
END_TEST

START_TEST(dma_drops_nothing_silently)
{
	static const char *const keys[] = {"DEFER", "FULLBOUNCE", "SPOOLDIR", "DEBUGLOG",
	    "WHATEVER", "MAILNAME", "MASQUERADE", "AUTHPATH"};

	file("dma.conf", "DEFER\nFULLBOUNCE\nSPOOLDIR /nowhere\nDEBUGLOG /x\nWHATEVER x\n"
			 "MAILNAME /nowhere/mailname\nMASQUERADE joe@\nAUTHPATH /nowhere/auth\n"
			 "CERTFILE /etc/x.pem\nALIASES /etc/mail/aliases\n");
	import("dma", "dma.conf");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		says(keys[i]);
	line("client-cert /etc/x.pem");
	has("aliases /etc/mail/aliases");
	forget();
}
END_TEST

/* --- nullmailer --------------------------------------------------------------------------- */

START_TEST(nullmailer_with_two_remotes)
{
	file("remotes", "# first\n"
			"a.example smtp --port=587 --starttls --user=me --pass='my pass phrase'\n"
			"b.example smtp ssl user=you pass=\"x'y\" insecure auth-login\n"
			"c.example qmqp\n\nd.example\n");
	file("me", "host.example.org\n");
	file("defaulthost", "example\n");
	file("defaultdomain", "org\n");
	import("nullmailer", "");
	line("relay submission://me@a.example");
	line("relay smtps://you@b.example");
	line("relay smtp://d.example");
	line("hostname host.example.org");
	line("domain example.org");
	says("c.example is reached by qmqp");
	says("nullmailer took any certificate there");
	logs_in("a.example", "me", "my pass phrase");
	logs_in("b.example", "you", "x'y");
	has(" mechanism LOGIN password");
	ck_assert_str_eq(conf.relays.v[0].host, "a.example"); /* the order they are tried in */
	ck_assert_str_eq(conf.relays.v[2].host, "d.example");
	forget();
}
END_TEST

START_TEST(nullmailer_drops_nothing_silently)
{
	static const char *const said[] = {"adminaddr root@example.org", "idhost", "sendtimeout",
	    "surprise: unknown", "x509crlfile", "tls-anon-auth", "x509fmtder",
	    "list of nothing: x"};

	file("remotes", "a.example smtp x509crlfile=/c tls-anon-auth x509fmtder --port 2525 "
			"x509cafile=/etc/ca.pem x509certfile=/etc/c.pem x509keyfile=/etc/k.pem\n"
			"unfinished 'quote\n");
	file("adminaddr", "root@example.org\n");
	file("allmailfrom", "me@example.org\n");
	file("idhost", "id.example\n");
	file("sendtimeout", "100\n");
	file("queuelifetime", "86400\n");
	file("pausetime", "30\n");
	file("maxpause", "600\n");
	file("surprise", "x\n");
	import("nullmailer", "");
	for (size_t i = 0; i + 1 < sizeof(said) / sizeof(said[0]); i++)
		says(said[i]);
	says("a quote without its partner");
	has("masquerade * me@example.org");
	line("relay smtp://a.example:2525");
	line("ca /etc/ca.pem");
	line("client-cert /etc/c.pem /etc/k.pem");
	ck_assert_int_eq((int)conf.expire_s, 86400);
	ck_assert_int_eq((int)conf.retry_min_s, 30);
	ck_assert_int_eq((int)conf.retry_max_s, 600);
	forget();
}
END_TEST

/* --- msmtp -------------------------------------------------------------------------------- */

START_TEST(msmtp_with_accounts_that_inherit)
{
	file("msmtprc",
	    "defaults\nport 587\ntls on\nauth on\n"
	    "account a\nhost a.example\nport 588\nfrom me@a.example\nuser me\npassword \" b\\\"c "
	    "\"\n"
	    "account b : a\nfrom *@b.example\nuser you\npassword hers\n"
	    "account c\nhost c.example\nfrom %U@c.example\ntls_starttls off\nport 465\nauth off\n"
	    "account default : a\n");
	import("msmtp", "msmtprc");
	line("relay submission://me@a.example:588 from me@a.example");
	line("relay submission://you@a.example:588 from *@b.example"); /* not the defaults' 587 */
	line("relay smtps://c.example from *@c.example");
	line("relay submission://me@a.example:588");
	ck_assert_uint_eq(conf.relays.n, 4);
	ck_assert_ptr_null(conf.relays.v[3].pattern); /* the one for all others comes last */
	logs_in("a.example", "me", " b\\\"c ");
	logs_in("a.example", "you", "hers");
	forget();
}
END_TEST

START_TEST(msmtp_runs_a_command_for_the_password)
{
	file("msmtprc", "account default\nhost h.example\ntls on\nport 587\nauth xoauth2\nuser me\n"
			"passwordeval gpg -q -d ~/.it's.gpg | head -1\n");
	import("msmtp", "msmtprc");
	ck_assert_msg(
	    strstr(auth, " token-command \"/bin/sh -c 'gpg -q -d ~/.it'\\\\''s.gpg | head "
			 "-1'\"") != NULL,
	    "%s", auth);
	says("without your keys");
	logs_in("h.example", "me", NULL);
	forget();
}
END_TEST

START_TEST(msmtp_drops_nothing_silently)
{
	static const char *const said[] = {"msmtp took any certificate",
	    "tls_fingerprint: is not of", "auth ntlm", "proxy_host: has no counterpart", "timeout",
	    "eval", "logfile /x", "account lost: is chosen by -a", "refers to nobody",
	    "syslog: needs no line"};

	file("msmtprc",
	    "defaults\ntls on\nport 587\ntimeout 10\nproxy_host 127.0.0.1\nsyslog on\nlogfile /x\n"
	    "account a : nobody\nhost a.example\nfrom x@a.example\ntls_certcheck off\n"
	    "account b\nhost b.example\nfrom x@b.example\ntls_fingerprint 00:11:22\nauth ntlm\n"
	    "user u\npassword p\neval echo x\n"
	    "account lost\nhost l.example\n"
	    "account default\nhost d.example\nfrom d@d.example\nset_from_header on\n"
	    "tls_trust_file /etc/ca.pem\naliases /etc/al\ndomain host.example\n");
	import("msmtp", "msmtprc");
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		says(said[i]);
	line("ca /etc/ca.pem");
	line("hostname host.example");
	has("aliases /etc/al");
	has("masquerade * d@d.example");
	forget();
}
END_TEST

START_TEST(msmtp_senders_that_nobody_named)
{
	file(
	    "msmtprc", "account default\nhost h.example\ndomain me.example\nfrom cron@x.example\n");
	import("msmtp", "msmtprc");
	has("masquerade @me.example cron@x.example");
	line("relay smtp://h.example");
	forget();
}
END_TEST

/* --- ssmtp -------------------------------------------------------------------------------- */

START_TEST(ssmtp_with_reverse_aliases)
{
	file("ssmtp.conf",
	    "# c\nroot=admin@example.org\nMailHub = hub.example:587\nUseSTARTTLS=YES\n"
	    "AuthUser=me\nAuthPass=a=b:c\nrewriteDomain=example.org\n"
	    "hostname=host.example.org\nFromLineOverride=NO\nAddHeader=X: y\n"
	    "Whatever=1\nUseTLSCert=YES\nTLSCert=/etc/t.pem\n");
	file("revaliases", "# c\nroot:root@example.org:other.example:25\njoe:joe@example.net\n");
	import("ssmtp", "ssmtp.conf");
	line("relay submission://me@hub.example");
	line("relay submission://me@other.example:25 from root@example.org");
	ck_assert_ptr_nonnull(conf.relays.v[0].pattern); /* before the one for all */
	logs_in("hub.example", "me", "a=b:c");
	line("hostname host.example.org");
	line("client-cert /etc/t.pem");
	has("masquerade-domain example.org");
	has("masquerade root root@example.org");
	has("masquerade joe joe@example.net");
	says("ssmtp took any certificate");
	says("Root admin@example.org");
	says("AddHeader");
	says("Whatever: unknown");
	says("FromLineOverride no");
	forget();
}
END_TEST

START_TEST(ssmtp_in_clear)
{
	file("ssmtp.conf", "AuthUser=me\nAuthPass=x#y\nAuthMethod=cram-md5\n");
	import("ssmtp", "ssmtp.conf");
	line("relay smtp://me@mailhub");
	says("AuthPass has a #");
	says("auth-in-clear mailhub");
	has("mechanism CRAM-MD5");
	forget();
}
END_TEST

/* --- odd ones ----------------------------------------------------------------------------- */

/* Whatever is in them, what comes out is a configuration (or the import would not have succeeded). */
START_TEST(odd_values_become_comments)
{
	static const char *const odd[] = {"", "\n", "\xff\xfe",
	    "SMARTHOST \033[31m\nMAILNAME a b c\n",
	    "host=\nmailhub=:::\nhostname=#\nAuthUser=\x01\nAuthPass=\x01",
	    "account\naccount :\nhost\n",
	    ("defaults\naccount default\nhost a b\nfrom \"\nport 99999\ntls maybe\nuser \"\"\n"
	     "auth on\n"),
	    "SMARTHOST a/b\nPORT -1\nFINGERPRINT 12\nCERTFILE x\nMASQUERADE @\nALIASES none of\n",
	    "a@b smtp port=x user=\xc3\xa4 pass=\n", "mailhub=[::1]:25\nrewritedomain=-\n"};
	static const char *const peers[] = {"dma", "msmtp", "ssmtp", "nullmailer"};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		file("remotes", odd[i]);
		file("odd", odd[i]);
		for (size_t p = 0; p < sizeof(peers) / sizeof(peers[0]); p++) {
			import(peers[p], strcmp(peers[p], "nullmailer") == 0 ? "" : "odd");
			ck_assert_ptr_null(strchr(t.out, '\033'));
			forget();
		}
	}
}
END_TEST

START_TEST(a_long_line_is_no_way_out)
{
	char *text = xcalloc(1, 200000);

	memset(text, 'x', 199990);
	memcpy(text, "SMARTHOST ", 10);
	file("dma.conf", text);
	import("dma", "dma.conf");
	says("left out, as it is too long: relay smtp://xxx");
	forget();
	free(text);
}
END_TEST

/* --- written ------------------------------------------------------------------------------ */

static void
write_it(int expected)
{
	t.c.program.options.config = conf_path;
	ck_assert_int_eq(
	    testctl_run(&t, ctl_import, "import", "dma", path("dma.conf"), "--write", NULL),
	    expected);
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(stat(path(name), &st), 0);
	return st.st_mode & 07777;
}

START_TEST(written_once_and_never_over_a_file)
{
	char text[256], why[512];

	file("auth.conf", "me|s.example:secret\n");
	snprintf(text, sizeof(text), "SMARTHOST s.example\nAUTHPATH %s\n", path("auth.conf"));
	file("dma.conf", text);
	file("auth", "mine");
	write_it(EX_CANTCREAT); /* one of the two is there: neither is written */
	ck_assert_int_eq(access(conf_path, F_OK), -1);
	unlink(path("auth"));
	write_it(EX_OK);
	ck_assert_uint_eq(mode_of("auth"), 0600);
	ck_assert_uint_eq(mode_of("sortie.conf"), 0644);
	config_init(&conf);
	ck_assert_int_eq(config_read(&conf, conf_path, false, why, sizeof(why)), 0);
	ck_assert_str_eq(conf.auth, path("auth"));
	config_free(&conf);
	write_it(EX_CANTCREAT);
}
END_TEST

START_TEST(what_an_installation_leaves_is_written_over)
{
	static const char *const kept[] = {"#\nport 25\n", "port 25 # \n", " x"};

	file("dma.conf", "SMARTHOST s.example\n");
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		file("sortie.conf", kept[i]);
		write_it(EX_CANTCREAT);
	}
	file("sortie.conf", "#relay a\t# b\n\n \t# c");
	write_it(EX_OK);
	write_it(EX_CANTCREAT);
}
END_TEST

START_TEST(what_cannot_be_meant_is_refused)
{
	static const char *const bad[][3] = {{NULL}, {"exim"}, {"ssmtp", "--queue"},
	    {"msmtp", "--queue"}, {"citadel"}, {"citadel", "--queue"}, {"dma", "--remove"},
	    {"dma", "-n"}, {"dma", "--queue", "--write"}, {"msmtpq"}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(
		    testctl_run(&t, ctl_import, "import", bad[i][0], bad[i][1], bad[i][2], NULL),
		    EX_USAGE);
	ck_assert_int_eq(
	    testctl_run(&t, ctl_import, "import", "dma", path("none"), NULL), EX_NOINPUT);
	testctl_tells(&t, "/none: No such file");
}
END_TEST

Suite *
suite_import(void)
{
	Suite *s = suite_create("import");
	TCase *tc = tcase_create("configurations");

	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, dma_with_a_provider);
	tcase_add_test(tc, dma_checked_the_certificate);
	tcase_add_test(tc, dma_logs_in_without_tls);
	tcase_add_test(tc, dma_without_a_smarthost);
	tcase_add_test(tc, dma_drops_nothing_silently);
	tcase_add_test(tc, nullmailer_with_two_remotes);
	tcase_add_test(tc, nullmailer_drops_nothing_silently);
	tcase_add_test(tc, msmtp_with_accounts_that_inherit);
	tcase_add_test(tc, msmtp_runs_a_command_for_the_password);
	tcase_add_test(tc, msmtp_drops_nothing_silently);
	tcase_add_test(tc, msmtp_senders_that_nobody_named);
	tcase_add_test(tc, ssmtp_with_reverse_aliases);
	tcase_add_test(tc, ssmtp_in_clear);
	tcase_add_test(tc, odd_values_become_comments);
	tcase_add_test(tc, a_long_line_is_no_way_out);
	tcase_add_test(tc, written_once_and_never_over_a_file);
	tcase_add_test(tc, what_an_installation_leaves_is_written_over);
	tcase_add_test(tc, what_cannot_be_meant_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
