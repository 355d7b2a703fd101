#include <signal.h>
#include <string.h>

#include <check.h>

#include "proto/command.h"
#include "proto/smtp.h"
#include "suites.h"

static struct buf out;

static void
setup(void)
{
	buf_init(&out, 4096);
}

static void
teardown(void)
{
	buf_free(&out);
}

static const struct {
	const char *path;
	enum address_error want;
} paths[] = {
    {"", ADDRESS_OK},
    {"bob@example.net", ADDRESS_OK},
    {"postmaster", ADDRESS_OK},
    {"bob@[192.0.2.1]", ADDRESS_OK},
    {"bob@[IPv6:2001:db8::1]", ADDRESS_OK},
    {"\"bob smith\"@example.net", ADDRESS_OK},
    {"\"<bob>\"@example.net", ADDRESS_OK},
    {"\"a\\\"b\"@example.net", ADDRESS_OK},
    {"\"a\\\\\"@example.net", ADDRESS_OK},
    {"\"a@b\"@example.net", ADDRESS_OK},
    {"bob smith@example.net", ADDRESS_SYNTAX},
    {"bob@example.net ", ADDRESS_SYNTAX},
    {"bob@example.net> SIZE=1", ADDRESS_SYNTAX},
    {"<bob@example.net", ADDRESS_SYNTAX},
    {"bob\\>@example.net", ADDRESS_SYNTAX},
    {"\"bob@example.net", ADDRESS_SYNTAX},
    {"\"bob\\\"@example.net", ADDRESS_SYNTAX},
    {"\"bob\\", ADDRESS_SYNTAX},
    {"\"\\", ADDRESS_SYNTAX},
    {"\"a\\\"> b\"c\"@x", ADDRESS_SYNTAX},
    {"bob@example.net\r\nRCPT TO:<eve@x", ADDRESS_CONTROL},
    {"bob\r@example.net", ADDRESS_CONTROL},
    {"bob\n@example.net", ADDRESS_CONTROL},
    {"\"bob\n\"@example.net", ADDRESS_CONTROL},
    {"\"bob\\\n\"@example.net", ADDRESS_CONTROL},
    {"\"bob\\\r\n\"@example.net", ADDRESS_CONTROL},
    {"bob\t@example.net", ADDRESS_CONTROL},
    {"bob\x7f@example.net", ADDRESS_CONTROL},
    {"b\x01@example.net", ADDRESS_CONTROL},
    {"b\xc3\xb6"
     "b@example.net",
	ADDRESS_NONASCII},
    {"\"b\\\xc3\"@example.net", ADDRESS_NONASCII},
};

START_TEST(a_path_stays_one_path)
{
	ck_assert_int_eq(command_path(paths[_i].path), paths[_i].want);
}
END_TEST

START_TEST(a_path_has_a_ceiling)
{
	char path[ADDRESS_MAX + 2];

	memset(path, 'a', sizeof(path));
	path[ADDRESS_MAX] = '\0';
	ck_assert_int_eq(command_path(path), ADDRESS_OK);
	path[ADDRESS_MAX] = 'a';
	path[ADDRESS_MAX + 1] = '\0';
	ck_assert_int_eq(command_path(path), ADDRESS_TOO_LONG);
}
END_TEST

/* Every byte alone, in and out of quotes: what passes cannot end a path or a line. */
START_TEST(no_byte_gets_out)
{
	for (int c = 1; c < 256; c++) {
		char bare[] = "a?b@x", quoted[] = "\"a?b\"@x", escaped[] = "\"a\\?b\"@x";
		bool print = c > ' ' && c < 0x7f;

		bare[1] = quoted[2] = escaped[3] = (char)c;
		ck_assert_int_eq(
		    command_path(bare) == ADDRESS_OK, print && c != '<' && c != '>' && c != '"');
		ck_assert_int_eq(
		    command_path(quoted) == ADDRESS_OK, c >= ' ' && c < 0x7f && c != '"');
		ck_assert_int_eq(command_path(escaped) == ADDRESS_OK, c >= ' ' && c < 0x7f);
	}
}
END_TEST

START_TEST(commands_as_they_are_written)
{
	command_hello(&out, "EHLO", "mx.example");
	command_hello(&out, "LHLO", "[IPv6:2001:db8::1]");
	command_mail(&out, "a@x", 0, false);
	command_mail(&out, "", 4711, true);
	command_rcpt(&out, "\"b c\"@y");
	command_plain(&out, "DATA");
	ck_assert_str_eq(buf_str(&out), "EHLO mx.example\r\n"
					"LHLO [IPv6:2001:db8::1]\r\n"
					"MAIL FROM:<a@x>\r\n"
					"MAIL FROM:<> SIZE=4711 BODY=8BITMIME\r\n"
					"RCPT TO:<\"b c\"@y>\r\n"
					"DATA\r\n");
}
END_TEST

START_TEST(names_that_may_follow_EHLO)
{
	char longest[257];

	ck_assert(smtp_helo_ok("mx.example"));
	ck_assert(smtp_helo_ok("host_1"));
	ck_assert(smtp_helo_ok("[192.0.2.1]"));
	ck_assert(smtp_helo_ok("[IPv6:2001:db8::1]"));
	ck_assert(!smtp_helo_ok(""));
	ck_assert(!smtp_helo_ok("mx example"));
	ck_assert(!smtp_helo_ok("mx.example\r\nMAIL FROM:<>"));
	ck_assert(!smtp_helo_ok("mx\t"));
	ck_assert(!smtp_helo_ok("mx\x7f"));
	ck_assert(!smtp_helo_ok("<mx>"));
	ck_assert(!smtp_helo_ok("b\xc3\xbc"
				"cher.example"));
	memset(longest, 'a', sizeof(longest));
	longest[255] = '\0';
	ck_assert(smtp_helo_ok(longest));
	longest[255] = 'a';
	longest[256] = '\0';
	ck_assert(!smtp_helo_ok(longest));
}
END_TEST

START_TEST(a_bad_path_is_never_written)
{
	command_rcpt(&out, "b@y>\r\nDATA");
}
END_TEST

START_TEST(a_bad_name_is_never_written)
{
	command_hello(&out, "EHLO", "x\r\nRSET");
}
END_TEST

Suite *
suite_command(void)
{
	Suite *s = suite_create("command");
	TCase *tc = tcase_create("command");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_path_stays_one_path, 0, sizeof(paths) / sizeof(paths[0]));
	tcase_add_test(tc, a_path_has_a_ceiling);
	tcase_add_test(tc, no_byte_gets_out);
	tcase_add_test(tc, commands_as_they_are_written);
	tcase_add_test(tc, names_that_may_follow_EHLO);
	tcase_add_test_raise_signal(tc, a_bad_path_is_never_written, SIGABRT);
	tcase_add_test_raise_signal(tc, a_bad_name_is_never_written, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}
