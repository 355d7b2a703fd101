/*
 * check_submit.c: a message from standard input, and what of it is in the spool afterwards.
 */
#include <check.h>

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/buf.h"
#include "logcap.h"
#include "t/unit/suites.h"
#include "testspool.h"
#include "testsubmit.h"

/* --- a plain message --- */

START_TEST(a_message_is_queued_whole)
{
	char want[1000];

	ck_assert_int_eq(ts_run("To: bob@example.net\nSubject: hello\n\nline 1\nline 2\n"), 0);
	snprintf(want, sizeof(want),
	    "Received: by mx.example.org (sortie, from userid 1000)\r\n"
	    "\tid %s\r\n"
	    "\tfor <bob@example.net>; Tue, 24 Nov 2026 06:10:00 +0000\r\n"
	    "To: bob@example.net\r\n"
	    "Subject: hello\r\n"
	    "Date: Tue, 24 Nov 2026 06:10:00 +0000\r\n"
	    "From: Alice Adams <alice@example.org>\r\n"
	    "Message-ID: <%s@mx.example.org>\r\n"
	    "\r\n"
	    "line 1\r\n"
	    "line 2\r\n",
	    ts.id, ts.id);
	ck_assert_str_eq(ts.message, want);
	ck_assert_str_eq(ts.e.sender, "alice@example.org");
	ck_assert_str_eq(ts_recipients(), "bob@example.net");
	ck_assert_str_eq(ts.e.source_room, "cron");
	ck_assert_int_eq(ts.e.uid, 1000);
	ck_assert_int_eq(ts.e.submitted, 1795500600);
	ck_assert(!ts.e.eightbit && !ts.e.utf8 && !ts.e.dots);
	ck_assert_uint_eq(ts.e.longest, ts_longest_line(ts.message));
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
	ck_assert_uint_eq(ts_files_in("msg"), 1);
	ck_assert(logcap_has("uid=1000, from=<alice@example.org>"));
}
END_TEST

START_TEST(what_is_there_is_not_added_again)
{
	ts_gives(HEAD "\nbody\n", HEAD_CRLF "\r\nbody\r\n");
	ts_gives("date:x\nFROM :y@x\nmessage-id: z\n\nbody\n",
	    "date:x\r\nFROM :y@x\r\nmessage-id: z\r\n\r\nbody\r\n");
}
END_TEST

START_TEST(required_fields_without_a_value_count_as_missing)
{
	ck_assert_int_eq(ts_run("From:\nDate:  \n \nMessage-ID: \nSubject:\nX: y\n\nbody\n"), 0);
	ck_assert(ts_starts(ts.rest, "Subject:\r\nX: y\r\nDate: Tue"));
	ck_assert_ptr_nonnull(strstr(ts.rest, "\r\nFrom: Alice Adams <alice@example.org>\r\n"));
	ck_assert_ptr_null(strstr(ts.rest, "From:\r\n"));
}
END_TEST

START_TEST(the_body_file_knows_its_kind)
{
	ts_gives(HEAD "\n.dot\n", HEAD_CRLF "\r\n.dot\r\n");
	ck_assert(ts.e.dots && !ts.e.eightbit);
	ts_gives(HEAD "\nx.\n", HEAD_CRLF "\r\nx.\r\n");
	ck_assert(!ts.e.dots && !ts.e.eightbit);
	ts_gives(HEAD "\n\xc3\xbc\n", HEAD_CRLF "\r\n\xc3\xbc\r\n");
	ck_assert(ts.e.eightbit && !ts.e.utf8);
	ts_gives(HEAD "Subject: \xc3\xbc\n\nx\n", HEAD_CRLF "Subject: \xc3\xbc\r\n\r\nx\r\n");
	ck_assert(ts.e.eightbit && ts.e.utf8);
	ts_gives(HEAD "\nlonger than everything in the header, which has at the most "
		      "sixty-six bytes in one of its lines\n",
	    HEAD_CRLF "\r\nlonger than everything in the header, which has at the most "
		      "sixty-six bytes in one of its lines\r\n");
	ck_assert_uint_eq(ts.e.longest, ts_longest_line(ts.message));
}
END_TEST

START_TEST(one_byte_above_ascii_is_seen_wherever_it_is)
{
	enum { LENGTH = 21 };
	char text[64];

	for (int at = 0; at < LENGTH; at++) {
		snprintf(text, sizeof(text), "Subject: x\n\n%.*s\xe4%.*s\n", at,
		    "ordinary letters here", LENGTH - at, "and there some others");
		ck_assert_int_eq(ts_run(text), 0);
		ck_assert_msg(ts.e.eightbit, "behind %d", at);
	}
}
END_TEST

START_TEST(without_names_everything_is_at_localhost)
{
	ts.o.hostname = ts.o.domain = NULL;
	ts.o.login = NULL;
	ts.o.gecos = NULL;
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(ts.e.sender, "uid1000@localhost");
	ck_assert_ptr_nonnull(strstr(ts.message, "Received: by localhost (sortie"));
	ck_assert_ptr_nonnull(strstr(ts.rest, "From: uid1000@localhost\r\n"));
	ck_assert_ptr_nonnull(strstr(ts.rest, "@localhost>\r\n\r\nbody\r\n"));
	ts.o.login = "DOMAIN\\alice b";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(ts.e.sender, "\"DOMAIN\\\\alice b\"@localhost");
	ts.o.login = "alice b";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(ts.e.sender, "\"alice b\"@localhost");
	ts.o.login = "\xc3\xbc";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(ts.e.sender, "uid1000@localhost");
}
END_TEST

START_TEST(full_names_are_written_so_that_they_may_stand)
{
	ts.o.full_name = "Cron Daemon (root)";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(
	    strstr(ts.rest, "From: \"Cron Daemon (root)\" <alice@example.org>\r\n"));
	ts.o.full_name = "J\xc3\xbcrgen";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(
	    strstr(ts.rest, "From: =?utf-8?q?J=C3=BCrgen?= <alice@example.org>\r\n"));
	ts.o.full_name = "A name that is so long that with the address it needs two lines";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(strstr(ts.rest, "needs two lines\r\n <alice@example.org>\r\n"));
	ts.o.full_name = NULL;
	ts.o.gecos = "& B. Adams";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(strstr(ts.rest, "From: \"Alice B. Adams\" <alice@example.org>\r\n"));
	ts.o.full_name = "";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(strstr(ts.rest, "From: alice@example.org\r\n"));
}
END_TEST

START_TEST(the_sender_may_be_chosen_and_the_received_line_tells_who_did)
{
	ts.o.sender = "root";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(ts.e.sender, "root@example.org");
	ck_assert_ptr_nonnull(strstr(ts.message, "from userid 1000)"));
	ck_assert_ptr_nonnull(strstr(ts.rest, "From: root@example.org\r\n")); /* not Alice's name */
	ts.o.sender = "Bounces <bounces@example.net>";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(ts.e.sender, "bounces@example.net");
	ts.o.sender = "";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_str_eq(ts.e.sender, "");
	ck_assert_ptr_nonnull(strstr(ts.rest, "From: alice@example.org\r\n"));
	ts.o.sender = "a@b, c@d";
	ts_refuses("X: y\n\nbody\n", EX_USAGE, "more than one");
	ts.o.sender = "()";
	ts_refuses("X: y\n\nbody\n", EX_USAGE, "-f ()");
	ts.o.sender = "a b";
	ts_refuses("X: y\n\nbody\n", EX_DATAERR, "a b: not a mail address");
}
END_TEST

/* --- line breaks where none belong --- */

START_TEST(a_bare_cr_in_a_subject_makes_no_field)
{
	ts_gives(HEAD "Subject: x\rBcc: eve@example.net\n\nbody\n",
	    HEAD_CRLF "Subject: x Bcc: eve@example.net\r\n\r\nbody\r\n");
	ts.o.from_headers = true;
	ts_gives(HEAD "Subject: x\rBcc: eve@example.net\n\nbody\n",
	    HEAD_CRLF "Subject: x Bcc: eve@example.net\r\n\r\nbody\r\n");
	ck_assert_str_eq(ts_recipients(), "bob@example.net");
	ts_gives(HEAD "Subject: x\r\r\nBcc: eve@example.net\n\nbody\n",
	    HEAD_CRLF "Subject: x \r\n\r\nbody\r\n");
	ts_gives(HEAD "Subject\r: x\n\rBcc: y\n\nbody\n",
	    HEAD_CRLF "Subject : x\r\n Bcc: y\r\n\r\nbody\r\n");
}
END_TEST

START_TEST(line_breaks_and_control_characters_in_addresses_are_refused)
{
	static const char *const bad[] = {"bob@example.net\r\nDATA", "bob@example.net\n",
	    "bob\r@example.net", "\"bob\x01\"@example.net", "bob\x7f@example.net",
	    "<bob@example.net>\nx", "\"a\tb\"@example.net"};
	char text[100], *argv[] = {text, NULL};

	ts.o.recipients = argv;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		ts_refuses(HEAD "\nbody\n", EX_DATAERR, "control character");
	}
	ts.o.recipients = ts_one_recipient;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ts.o.sender = bad[i];
		ts_refuses(HEAD "\nbody\n", EX_DATAERR, "control character");
	}
}
END_TEST

START_TEST(a_line_break_in_a_full_name_is_dropped)
{
	ts.o.full_name = "Alice\r\nBcc: eve@example.net\r\n\r\nbody";
	ck_assert_int_eq(ts_run("X: y\n\nbody\n"), 0);
	ck_assert_ptr_nonnull(
	    strstr(ts.rest, "From: \"AliceBcc: eve@example.netbody\" <alice@example.org>\r\n"));
}
END_TEST

START_TEST(one_bad_recipient_among_many_refuses_all_and_is_named)
{
	char *argv[] = {(char[]){"bob@example.net"}, (char[]){"carol@@example.net"}, NULL};

	ts.o.recipients = argv;
	ts.o.nrecipients = 2;
	ts_refuses(HEAD "\nbody\n", EX_DATAERR, "carol@@example.net: not a mail address (5.1.3)");
	ts.o.nrecipients = 1;
	ts.o.from_headers = true;
	ts_refuses(HEAD "To: carol@example.net, b@d@b\n\nbody\n", EX_DATAERR, "b@d@b");
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
	ck_assert_uint_eq(ts_files_in("msg"), 0);
}
END_TEST

START_TEST(there_is_an_end_to_recipients)
{
	struct buf b;

	buf_init(&b, 4 * 1024 * 1024);
	buf_adds(&b, HEAD "To: x");
	for (int i = 1; i < 200000; i++)
		buf_addf(&b, ",%s%d", i % 20 == 0 ? "\n " : "", i);
	ts.o.nrecipients = 0;
	ts.o.from_headers = true;
	buf_adds(&b, "\nCc: x\n");
	ck_assert_int_eq(ts_run(buf_str(&b)), 0);
	ck_assert_uint_eq(ts.e.nrcpts, 200000);
	buf_adds(&b, "Cc: y\n");
	ck_assert_int_eq(ts_run(buf_str(&b)), EX_DATAERR);
	ck_assert_ptr_nonnull(strstr(ts.why, "more than 200000 recipients (5.5.3)"));
	buf_free(&b);
}
END_TEST

START_TEST(a_non_ascii_address_is_refused_with_its_own_status)
{
	char *argv[] = {(char[]){"bob@ex\xc3\xa4mple.net"}, NULL};

	ts.o.recipients = argv;
	ts_refuses(HEAD "\nbody\n", EX_DATAERR, "5.6.7");
	ck_assert_ptr_nonnull(strstr(ts.why, "bob@ex\xc3\xa4mple.net"));
}
END_TEST

START_TEST(a_local_part_of_2000_bytes_is_refused)
{
	static char text[2100], *argv[] = {text, NULL};

	memset(text, 'a', 2000);
	memcpy(text + 2000, "@example.net", 13);
	ts.o.recipients = argv;
	ts_refuses(HEAD "\nbody\n", EX_DATAERR, "too long (5.1.3)");
}
END_TEST

/* --- recipients and headers --- */

START_TEST(recipients_come_from_to_cc_and_bcc)
{
	ts.o.from_headers = true;
	ts.o.nrecipients = 0;
	ts_gives("To: a@x, B <b@x>,\n (comment, c@x)\n \"d e\"@x\n" HEAD
		 "cc: =?utf-8?q?f=2C?= <f@x>, friends: g@x, h@x;\n"
		 "BCC: i@x\n\nTo: j@x\nBcc: k@x\n",
	    "To: a@x, B <b@x>,\r\n (comment, c@x)\r\n \"d e\"@x\r\n" HEAD_CRLF
	    "cc: =?utf-8?q?f=2C?= <f@x>, friends: g@x, h@x;\r\n"
	    "\r\nTo: j@x\r\nBcc: k@x\r\n");
	ck_assert_str_eq(ts_recipients(), "a@x b@x \"d e\"@x f@x g@x h@x i@x");
	ck_assert_ptr_null(strstr(ts.message, "\tfor <"));
}
END_TEST

START_TEST(resent_recipients_stand_alone)
{
	ts.o.from_headers = true;
	ts.o.nrecipients = 0;
	ts_gives("To: a@x\nResent-Bcc: b@x\nResent-To: c@x\nBcc: d@x\n" HEAD "\n",
	    "To: a@x\r\nResent-To: c@x\r\n" HEAD_CRLF "\r\n");
	ck_assert_str_eq(ts_recipients(), "b@x c@x");
}
END_TEST

START_TEST(with_t_and_arguments_both_count_and_duplicates_once)
{
	char *argv[] = {(char[]){"x@x, bob"}, (char[]){""}, (char[]){"x@X"}, NULL};

	ts.o.from_headers = true;
	ts.o.recipients = argv;
	ts.o.nrecipients = 3;
	ck_assert_int_eq(ts_run(HEAD "To: a@x, bob@example.org\n\n"), 0);
	ck_assert_str_eq(ts_recipients(), "x@x bob@example.org a@x");
}
END_TEST

START_TEST(without_t_the_header_names_nobody_and_still_loses_its_bcc)
{
	ts_gives(HEAD "To: a@x\nBcc: b@x,\n c@x\nRESENT-BCC : d@x\nReturn-Path: <x>\n"
		      "Content-Length: 4711\nX-Bcc: y\n\nbody\n",
	    HEAD_CRLF "To: a@x\r\nX-Bcc: y\r\n\r\nbody\r\n");
	ck_assert_str_eq(ts_recipients(), "bob@example.net");
}
END_TEST

START_TEST(no_recipients_is_wrong_usage)
{
	ts.o.nrecipients = 0;
	ts_refuses(HEAD "To: a@x\n\n", EX_USAGE, "no recipients");
	ts.o.from_headers = true;
	ts_refuses(HEAD "\nTo: a@x\n", EX_USAGE, "no recipients");
	ts_refuses(HEAD "To: undisclosed-recipients:;\nBcc:\n\nx\n", EX_USAGE, "no recipients");
	ts_refuses("", EX_USAGE, "no recipients");
}
END_TEST

START_TEST(no_header_at_all_and_an_empty_message)
{
	ck_assert_int_eq(ts_run("just text\nTo: nobody\n"), 0);
	ck_assert(ts_starts(ts.rest, "Date: "));
	ck_assert_ptr_nonnull(strstr(ts.rest, ".org>\r\n\r\njust text\r\nTo: nobody\r\n"));
	ck_assert_int_eq(ts_run(""), 0);
	ck_assert(ts_starts(ts.rest, "Date: "));
	ck_assert_str_eq(ts.rest + strlen(ts.rest) - 7, "rg>\r\n\r\n");
	ck_assert_int_eq(ts_run("."), 0);
	ck_assert_int_eq(ts_run("x"), 0);
	ck_assert_ptr_nonnull(strstr(ts.rest, "\r\n\r\nx\r\n"));
}
END_TEST

Suite *
suite_submit(void)
{
	Suite *s = suite_create("submit");
	TCase *t = tcase_create("submit");

	tcase_add_checked_fixture(t, ts_setup, ts_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_message_is_queued_whole);
	tcase_add_test(t, what_is_there_is_not_added_again);
	tcase_add_test(t, required_fields_without_a_value_count_as_missing);
	tcase_add_test(t, the_body_file_knows_its_kind);
	tcase_add_test(t, one_byte_above_ascii_is_seen_wherever_it_is);
	tcase_add_test(t, without_names_everything_is_at_localhost);
	tcase_add_test(t, full_names_are_written_so_that_they_may_stand);
	tcase_add_test(t, the_sender_may_be_chosen_and_the_received_line_tells_who_did);
	tcase_add_test(t, a_bare_cr_in_a_subject_makes_no_field);
	tcase_add_test(t, line_breaks_and_control_characters_in_addresses_are_refused);
	tcase_add_test(t, a_line_break_in_a_full_name_is_dropped);
	tcase_add_test(t, one_bad_recipient_among_many_refuses_all_and_is_named);
	tcase_add_test(t, there_is_an_end_to_recipients);
	tcase_add_test(t, a_non_ascii_address_is_refused_with_its_own_status);
	tcase_add_test(t, a_local_part_of_2000_bytes_is_refused);
	tcase_add_test(t, recipients_come_from_to_cc_and_bcc);
	tcase_add_test(t, resent_recipients_stand_alone);
	tcase_add_test(t, with_t_and_arguments_both_count_and_duplicates_once);
	tcase_add_test(t, without_t_the_header_names_nobody_and_still_loses_its_bcc);
	tcase_add_test(t, no_recipients_is_wrong_usage);
	tcase_add_test(t, no_header_at_all_and_an_empty_message);
	suite_add_tcase(s, t);
	return s;
}
