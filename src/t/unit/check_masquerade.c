/* check_masquerade.c: senders as they are known outside, and addresses in headers made good. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "config.h"
#include "masquerade.h"
#include "submit_address.h"
#include "suites.h"

#define HOST "out.example.org"

static struct config c;
static struct buf out;

static void
setup(void)
{
	config_init(&c);
	buf_init(&out, 1 << 24);
}

static void
teardown(void)
{
	config_free(&c);
	buf_free(&out);
}

static void
configure(const char *text)
{
	char why[500];

	config_free(&c);
	config_init(&c);
	ck_assert_msg(
	    config_parse(&c, "x.conf", text, strlen(text), why, sizeof(why)) == EX_OK, "%s", why);
}

/* --- one address -------------------------------------------------------------------------- */

static void
becomes(const char *mailbox, const char *want)
{
	char got[2 * ADDRESS_MAX];

	if (!masquerade(&c, HOST, mailbox, got))
		snprintf(got, sizeof(got), "%s", mailbox);
	ck_assert_str_eq(got, want);
}

START_TEST(nothing_configured)
{
	ck_assert(!masquerade_any(&c));
	becomes("root", "root");
	becomes("root@" HOST, "root@" HOST);
	becomes("", "");
}
END_TEST

START_TEST(a_domain)
{
	configure("masquerade-domain example.net\nlocal-domains lan.example\ndomain example.org\n");
	ck_assert(masquerade_any(&c));
	becomes("root", "root@example.net");
	becomes("Root@OUT.example.org", "Root@example.net");
	becomes("root@localhost", "root@example.net");
	becomes("root@lan.example", "root@example.net");
	becomes("\"a b\"@localhost", "\"a b\"@example.net");
	becomes("root@example.org", "root@example.org"); /* no name of this machine */
	becomes("root@example.com", "root@example.com");
	becomes("", "");
}
END_TEST

START_TEST(the_first_rule_counts)
{
	configure("masquerade root admin@example.net\n"
		  "masquerade bob@example.com robert@example.net\n"
		  "masquerade @lan.example @example.com\n"
		  "masquerade ROOT nobody@example.net\n"
		  "masquerade-domain example.net\ndomain example.org\n");
	becomes("root", "admin@example.net");
	becomes("ROOT@localhost", "admin@example.net");
	becomes("root@example.org", "admin@example.net"); /* as it is completed */
	becomes("root@example.com", "root@example.com");
	becomes("rooty", "rooty@example.net");
	becomes("Bob@Example.com", "robert@example.net");
	becomes("bob", "bob@example.net");
	becomes("root@lan.example", "root@example.com");
	becomes("root@a.lan.example", "root@a.lan.example");
}
END_TEST

START_TEST(everybody)
{
	configure("masquerade bob bob@example.net\nmasquerade * cron@example.net\n");
	becomes("bob", "bob@example.net");
	becomes("root", "cron@example.net");
	becomes("x@example.com", "cron@example.net");
	becomes("", ""); /* a report must not be answered */
}
END_TEST

static const char *const bad_rules[] = {"masquerade", "masquerade root", "masquerade root admin",
    "masquerade root @", "masquerade root a@b c", "masquerade ro@ot@x a@example.org",
    "masquerade @ a@example.org", "masquerade @a..b a@example.org", "masquerade root a@b..c",
    "masquerade r\"t a@example.org", "masquerade root *", "masquerade-domain",
    "masquerade-domain @example.org", "masquerade-domain a..b",
    "masquerade-domain a.example\nmasquerade-domain b.example"};

START_TEST(rules_that_are_none)
{
	const char *text = bad_rules[_i];
	char why[500];

	ck_assert_msg(config_parse(&c, "x.conf", text, strlen(text), why, sizeof(why)) == EX_CONFIG,
	    "%s", text);
	ck_assert_msg(strncmp(why, "x.conf:", 7) == 0, "%s", why);
}
END_TEST

/* --- headers ------------------------------------------------------------------------------ */

static const char *
rewritten(const char *text)
{
	const struct submit_names names = {&c, HOST, c.domain != NULL ? c.domain : HOST};

	buf_clear(&out);
	if (!submit_address_rewrite(&out, text, strlen(text), &names)) {
		ck_assert_uint_eq(buf_len(&out), 0);
		buf_adds(&out, text);
	}
	return buf_str(&out);
}

static void
header(const char *text, const char *want)
{
	ck_assert_str_eq(rewritten(text), want);
}

START_TEST(unqualified_addresses_are_completed)
{
	header("From: root (Cron Daemon)\r\n", "From: root@" HOST " (Cron Daemon)\r\n");
	header("From: \"(Cron Daemon)\" <root>\r\n", "From: \"(Cron Daemon)\" <root@" HOST ">\r\n");
	header("To: bob\r\n", "To: bob@" HOST "\r\n");
	header("TO:bob\r\n", "TO:bob@" HOST "\r\n");
	header("To: a, b@example.net,\r\n\tc (d, e), \"f g\"\r\n",
	    "To: a@" HOST ", b@example.net,\r\n\tc@" HOST " (d, e), \"f g\"@" HOST "\r\n");
	header("Cc: all: a, <b>;, c\r\n", "Cc: all: a@" HOST ", <b@" HOST ">;, c@" HOST "\r\n");
	header("Resent-To: a\r\nResent-Cc: b\r\nResent-From: c\r\nResent-Sender: d\r\n"
	       "Sender: e\r\nReply-To: f\r\n",
	    "Resent-To: a@" HOST "\r\nResent-Cc: b@" HOST "\r\nResent-From: c@" HOST
	    "\r\nResent-Sender: d@" HOST "\r\nSender: e@" HOST "\r\nReply-To: f@" HOST "\r\n");
	header("To: <@a.example:bob>\r\n", "To: <@a.example:bob@" HOST ">\r\n");
	header("From: ro.ot(x)\r\n (y)\r\n", "From: ro.ot@" HOST "(x)\r\n (y)\r\n");
	configure("domain example.org\n");
	header("From: root\r\n", "From: root@example.org\r\n");
}
END_TEST

START_TEST(all_else_stays_as_it_is)
{
	static const char *const texts[] = {"", "Subject: bob\r\n",
	    "Subject: x\r\nX-From: root\r\n",
	    "From: root@example.org\r\nTo: Bob  Doe\r\n <bob@example.net>\r\n",
	    "From: Bob Doe\r\n", /* two words: not an address */
	    "To: a, b c, d\r\n", "To: a, <b\r\n", "To: undisclosed recipients:;\r\n", "To: \r\n",
	    "To: ()\r\n", "From: <>\r\n", "From: \xc3\xa4\r\n", "Bcc: bob\r\n", "To: a\"b, c\r\n",
	    "Return-Path: root\r\n", "Disposition-Notification-To: bob\r\n",
	    "From: root\r\nDKIM-Signature: v=1\r\nTo: bob\r\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		header(texts[i], texts[i]);
}
END_TEST

/* The one that is none keeps its own field alone from being made good. */
START_TEST(field_by_field)
{
	header("To: a b\r\nSubject: x\r\n y\r\nCc: c\r\nX: z\r\n",
	    "To: a b\r\nSubject: x\r\n y\r\nCc: c@" HOST "\r\nX: z\r\n");
}
END_TEST

START_TEST(senders_are_known_by_another_name)
{
	configure("masquerade root admin@example.net\nmasquerade-domain example.org\n");
	header("From: root (Cron Daemon)\r\nTo: root\r\n",
	    "From: admin@example.net (Cron Daemon)\r\nTo: root@" HOST "\r\n");
	header("From: Cron\r\n Daemon <root@localhost>, \"b\\\"b\" < bob@" HOST " > (x)\r\n",
	    "From: Cron\r\n Daemon <admin@example.net>, \"b\\\"b\" < bob@example.org > (x)\r\n");
	header("Sender: bob\r\nReply-To: bob@" HOST ", x@example.com\r\n",
	    "Sender: bob@example.org\r\nReply-To: bob@example.org, x@example.com\r\n");
	header("From: x@example.com\r\n", "From: x@example.com\r\n");
	header("Cc: bob@" HOST "\r\n", "Cc: bob@" HOST "\r\n");
	header("From: <@a.example,@b.example:root@localhost>\r\n",
	    "From: <@a.example,@b.example:admin@example.net>\r\n");
	header("From: root@local(here)host\r\n", "From: root@local(here)host\r\n");
}
END_TEST

START_TEST(everybody_in_headers)
{
	configure("masquerade * cron@example.net\n");
	header("From: Bob <bob@example.com>\r\n", "From: Bob <cron@example.net>\r\n");
	header("Sender: bob\r\n", "Sender: cron@example.net\r\n");
	header("From: cron@example.net\r\n", "From: cron@example.net\r\n");
	/* whoever answers a stranger must not write to us */
	header("Reply-To: bob@example.com, root\r\n",
	    "Reply-To: bob@example.com, cron@example.net\r\n");
}
END_TEST

/* Nothing that a caller writes into an address can end a field or begin another. */
START_TEST(no_line_can_be_put_in)
{
	static const char letters[] = "ab@<>,;:()\"\\ \t.\xe9[]";
	uint32_t seed = 7;
	char text[100];

	configure("masquerade a x@example.net\nmasquerade-domain example.org\n");
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)snprintf(text, sizeof(text), "From:"), lines = 0;
		const char *got;

		while (n < 60) {
			seed = seed * 1664525 + 1013904223;
			if ((seed >> 24) % 16 == 0)
				n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n a");
			else
				text[n++] = letters[(seed >> 8) % (sizeof(letters) - 1)];
		}
		snprintf(text + n, sizeof(text) - n, "\r\nX: y\r\n");
		got = rewritten(text);
		for (const char *p = text; (p = strstr(p, "\r\n")) != NULL; p += 2)
			lines++;
		for (const char *p = got; (p = strchr(p, '\n')) != NULL; p++) {
			ck_assert(p > got && p[-1] == '\r');
			ck_assert(p[1] == '\0' || p[1] == ' ' || strcmp(p + 1, "X: y\r\n") == 0);
			lines--;
		}
		ck_assert_msg(lines == 0, "%s became %s", text, got);
	}
}
END_TEST

Suite *
suite_masquerade(void)
{
	Suite *s = suite_create("masquerade");
	TCase *t = tcase_create("masquerade");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nothing_configured);
	tcase_add_test(t, a_domain);
	tcase_add_test(t, the_first_rule_counts);
	tcase_add_test(t, everybody);
	tcase_add_loop_test(t, rules_that_are_none, 0, sizeof(bad_rules) / sizeof(bad_rules[0]));
	tcase_add_test(t, unqualified_addresses_are_completed);
	tcase_add_test(t, all_else_stays_as_it_is);
	tcase_add_test(t, field_by_field);
	tcase_add_test(t, senders_are_known_by_another_name);
	tcase_add_test(t, everybody_in_headers);
	tcase_add_test(t, no_line_can_be_put_in);
	suite_add_tcase(s, t);
	return s;
}
