/*
 * check_address.c: the envelope's check, the walk over header lists, display names.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "proto/address.h"
#include "t/unit/suites.h"

/* --- address_check --- */

static const char *const good[] = {"a@b", "bob@example.org", "bob.b+tag@mail.example.org",
    "!#$%&'*+-/=?^_`{|}~@example.org", "\"a b\"@example.org", "\"a@b\"@example.org",
    "\"a\\\"b\"@example.org", "\"\"@example.org", "\"<>\"@example.org", "x@[192.0.2.1]",
    "x@[IPv6:2001:db8::1]", "x@under_score.example", "x@-a.example", "1@2.3", NULL};

static const char *const syntax[] = {"", "@", "@b", "a@", "a b@c", "a@b c", "a..b@c", ".a@c",
    "a.@c", "a@b..c", "a@.b", "a@b.", "a@b@c", "<a@b>", "a<@b", "a>@b", "a@b>", "a@b,c", "a@[",
    "a@[]", "a@[1.2.3.4", "a@[1]2", "a@[1 2]", "a@[a@b]", "a@[[1]]", "\"a@b", "\"a\\", "\"a\"b@c",
    "a\"b\"@c", "\"a\" @c", "a@b/c", "a@b!c", "a(b)@c", "a,b@c", "a:b@c", "a;b@c", "a\\b@c", NULL};

START_TEST(check_takes_what_rfc_5321_has)
{
	for (size_t i = 0; good[i] != NULL; i++)
		ck_assert_msg(address_check(good[i], false) == ADDRESS_OK, "%s", good[i]);
}
END_TEST

START_TEST(check_refuses_everything_else)
{
	for (size_t i = 0; syntax[i] != NULL; i++)
		ck_assert_msg(address_check(syntax[i], false) == ADDRESS_SYNTAX, "%s", syntax[i]);
}
END_TEST

START_TEST(check_takes_a_local_part_alone_only_where_it_may)
{
	ck_assert_int_eq(address_check("root", true), ADDRESS_OK);
	ck_assert_int_eq(address_check("\"a b\"", true), ADDRESS_OK);
	ck_assert_int_eq(address_check("root", false), ADDRESS_SYNTAX);
	ck_assert_int_eq(address_check("root@", true), ADDRESS_SYNTAX);
	ck_assert_int_eq(address_check("", true), ADDRESS_SYNTAX);
}
END_TEST

START_TEST(control_characters_in_an_address_are_refused)
{
	char text[] = "\"a?b\"@example.org";

	for (int c = 1; c < 128; c++) {
		if (c >= 0x20 && c != 0x7f)
			continue;
		text[2] = (char)c;
		ck_assert_int_eq(address_check(text, false), ADDRESS_CONTROL);
	}
	ck_assert_int_eq(address_check("a@example.org\r\nRCPT TO:<b@c>", false), ADDRESS_CONTROL);
	ck_assert_int_eq(address_check("a@exam\nple.org", false), ADDRESS_CONTROL);
}
END_TEST

START_TEST(non_ascii_has_its_own_error)
{
	ck_assert_int_eq(address_check("j\xc3\xbcrgen@example.org", false), ADDRESS_NONASCII);
	ck_assert_int_eq(address_check("bob@ex\xc3\xa4mple.org", false), ADDRESS_NONASCII);
	ck_assert_int_eq(address_check("bob@\xff", false), ADDRESS_NONASCII);
	ck_assert_int_eq(address_check("\xc3\xbc\x01@b", false), ADDRESS_CONTROL);
}
END_TEST

START_TEST(a_local_part_of_2000_bytes_and_other_long_ones_are_refused)
{
	char text[3000];

	memset(text, 'a', sizeof(text));
	memcpy(text + 2000, "@b", 3);
	ck_assert_int_eq(address_check(text, false), ADDRESS_TOO_LONG);
	memset(text, 'a', sizeof(text));
	memcpy(text + ADDRESS_MAX - 2, "@b", 3);
	ck_assert_int_eq(address_check(text, false), ADDRESS_OK);
	memset(text, 'a', sizeof(text));
	memcpy(text + ADDRESS_MAX - 1, "@b", 3);
	ck_assert_int_eq(address_check(text, false), ADDRESS_TOO_LONG);

	memset(text, 'a', sizeof(text)); /* a label of 63, then of 64 */
	text[1] = '@';
	text[65] = '\0';
	ck_assert_int_eq(address_check(text, false), ADDRESS_OK);
	text[65] = 'a';
	text[66] = '\0';
	ck_assert_int_eq(address_check(text, false), ADDRESS_TOO_LONG);

	for (size_t i = 2; i < 400; i++) /* a domain of 255, then of 256 */
		text[i] = (i - 2) % 2 == 0 ? 'a' : '.';
	text[2 + 255] = '\0';
	ck_assert_int_eq(address_check(text, false), ADDRESS_OK);
	memcpy(text + 2 + 255, "b", 2);
	text[2 + 254] = 'b';
	ck_assert_int_eq(address_check(text, false), ADDRESS_TOO_LONG);

	memset(text, '1', sizeof(text)); /* a literal */
	memcpy(text, "a@[", 3);
	memcpy(text + 300, "]", 2);
	ck_assert_int_eq(address_check(text, false), ADDRESS_TOO_LONG);
}
END_TEST

START_TEST(every_error_has_a_text)
{
	for (int e = ADDRESS_OK; e <= ADDRESS_NONASCII; e++)
		ck_assert_uint_gt(strlen(address_error_text((enum address_error)e)), 1);
}
END_TEST

START_TEST(the_domain_is_behind_the_last_unquoted_at)
{
	ck_assert_str_eq(address_domain("bob@example.org"), "example.org");
	ck_assert_str_eq(address_domain("\"a@b\"@example.org"), "example.org");
	ck_assert_str_eq(address_domain("\"a\\\"@b\"@example.org"), "example.org");
	ck_assert_str_eq(address_domain("x@[192.0.2.1]"), "[192.0.2.1]");
	ck_assert_ptr_null(address_domain("root"));
	ck_assert_ptr_null(address_domain("\"a@b\""));
	ck_assert_ptr_null(address_domain("\"a@b\\"));
}
END_TEST

/* --- the walk --- */

/* What was given, as text: each mailbox in <>, errors behind a "!". */
static void
collect(void *ctx, const char *mailbox, enum address_error e)
{
	static const char mark[] = {' ', 'S', 'C', 'L', 'N'};
	struct buf *b = ctx;

	if (e == ADDRESS_OK) {
		ck_assert_int_eq(address_check(mailbox, true), ADDRESS_OK);
		buf_addf(b, "<%s>", mailbox);
	} else {
		buf_addf(b, "!%c{%s}", mark[e], mailbox);
	}
}

static const struct {
	const char *text, *want;
} lists[] = {
    {"", ""},
    {" \t\r\n ", ""},
    {",, ,", ""},
    {"(nobody)", ""},
    {"bob@example.org", "<bob@example.org>"},
    {"a@b, c@d,e@f", "<a@b><c@d><e@f>"},
    {"a@b; c@d", "<a@b><c@d>"},
    {"root", "<root>"},
    {"Bob <bob@example.org>", "<bob@example.org>"},
    {"Bob B. Baker <bob@example.org>", "<bob@example.org>"},
    {"\"Baker, Bob\" <bob@example.org>, x@y", "<bob@example.org><x@y>"},
    {"\"Baker \\\" < , Bob\" <bob@example.org>", "<bob@example.org>"},
    {"bob@old.example <bob@example.org>", "<bob@example.org>"},
    {"=?utf-8?q?J=C3=BCrgen?= <j@example.org>", "<j@example.org>"},
    {"J\xc3\xbcrgen <j@example.org>", "<j@example.org>"},
    {"bob@example.org (Bob, the (builder))", "<bob@example.org>"},
    {"(a) bob (b) @ (c) example (d) . (e) org (f)", "<bob@example.org>"},
    {"(a \\) b) x@y", "<x@y>"},
    {"Bob\r\n <bob@\r\n\texample.org>,\r\n x@y\r\n", "<bob@example.org><x@y>"},
    {"john . doe @ example . org", "<john.doe@example.org>"},
    {"\"a b\"@c", "<\"a b\"@c>"},
    {"\"ab\"@c", "<ab@c>"},
    {"\"a.b\"@c", "<a.b@c>"},
    {"\"a\".b@c", "<a.b@c>"},
    {"\"a\\b\"@c", "<ab@c>"},
    {"\"a\\\"b\"@c", "<\"a\\\"b\"@c>"},
    {"\"a\\\\b\"@c", "<\"a\\\\b\"@c>"},
    {"\"a\r\n b\"@c", "<\"a b\"@c>"},
    {"\"\"@c", "<\"\"@c>"},
    {"a..b@c", "<\"a..b\"@c>"},
    {".a.@c", "<\".a.\"@c>"},
    {"a@b.", "<a@b>"},
    {"x@[192.0.2.1]", "<x@[192.0.2.1]>"},
    {"x@[ IPv6:2001:db8::1 ]", "<x@[IPv6:2001:db8::1]>"},
    {"<@a,@b:c@d>", "<c@d>"},
    {"Bob <@a.example:c@d> , e@f", "<c@d><e@f>"},
    {"friends: a@b, c@d;, e@f", "<a@b><c@d><e@f>"},
    {"My Friends (two): Al <a@b>, c@d; e@f", "<a@b><c@d><e@f>"},
    {"undisclosed-recipients:;", ""},
    {"undisclosed recipients: ;", ""},
    {"friends: a@b, c@d", "<a@b><c@d>"},
    {"a: b@c;, d: e@f;", "<b@c><e@f>"},
    {"\"a:b\": c@d;", "<c@d>"},
    /* errors: the element's own text, and the walk goes on behind it */
    {"John Doe", "!S{John Doe}"},
    {"John Doe, a@b", "!S{John Doe}<a@b>"},
    {"a@b c@d", "!S{a@b c@d}"},
    {"<>", "!S{<>}"},
    {"Bob <>, a@b", "!S{Bob <>}<a@b>"},
    {"<a@b", "!S{<a@b}"},
    {"<a@b, c@d", "!S{<a@b, c@d}"},
    {"<a;b>, c@d", "!S{<a;b>}<c@d>"},
    {"<a:b>, c@d", "!S{<a:b>}<c@d>"},
    {"a@b>", "!S{a@b>}"},
    {"<a@b> c", "!S{<a@b> c}"},
    {"<a@b> <c@d>", "!S{<a@b> <c@d>}"},
    {"<a@b> .", "!S{<a@b> .}"},
    {"<<a@b>>", "!S{<<a@b>>}"},
    {"<@a,@b>", "!S{<@a,@b>}"},
    {"<@a:@b:c@d>", "!S{<@a:@b:c@d>}"},
    {"<a@b>:c@d", "!S{<a@b>:c@d}"},
    {"a: b: c@d;", "!S{b: c@d}"},
    {"@", "!S{@}"},
    {"@b", "!S{@b}"},
    {"a@", "!S{a@}"},
    {"a@b@c", "!S{a@b@c}"},
    {"a@\"b\"", "!S{a@\"b\"}"},
    {"a@b[1]", "!S{a@b[1]}"},
    {"[1]", "!S{[1]}"},
    {"a@[1", "!S{a@[1}"},
    {"a@b..c", "!S{a@b..c}"},
    {"a@b/c, d@e", "!S{a@b/c}<d@e>"},
    {"\"a@b", "!S{\"a@b}"},
    {"\"a\"b@c", "!S{\"a\"b@c}"},
    {"(a@b", "!S{(a@b}"},
    {"a@b (c", "!S{a@b (c}"},
    {"a@b)", "!S{a@b)}"},
    {"a\\@b@c", "!S{a\\@b@c}"},
    {"a@b]", "!S{a@b]}"},
    {"a\x01@b", "!C{a?@b}"},
    {"\"a\x7f\"@b", "!C{\"a?\"@b}"},
    {"\"a\tb\"@c", "!C{\"a?b\"@c}"},
    {"a@b\x1b[31m], c@d", "!S{a@b?[31m]}<c@d>"},
    {"j\xc3\xbcrgen@example.org, c@d", "!N{j\xc3\xbcrgen@example.org}<c@d>"},
    {"a@\xff", "!N{a@?}"},
};

START_TEST(the_walk_gives_each_mailbox_of_a_list)
{
	struct buf b;

	buf_init(&b, 10000);
	address_list(lists[_i].text, strlen(lists[_i].text), collect, &b);
	ck_assert_msg(strcmp(buf_str(&b), lists[_i].want) == 0, "\"%s\" gave %s, not %s",
	    lists[_i].text, buf_str(&b), lists[_i].want);
	buf_free(&b);
}
END_TEST

START_TEST(a_nul_in_an_address_does_not_shorten_it)
{
	struct buf b;

	buf_init(&b, 1000);
	ck_assert_uint_eq(address_list("a\0b@c, d@e\0", 11, collect, &b), 2);
	ck_assert_str_eq(buf_str(&b), "!C{a?b@c}!C{d@e?}");
	buf_free(&b);
	ck_assert_uint_eq(address_list("\"a\0b\"@c", 7, collect, &b), 1);
	ck_assert_str_eq(buf_str(&b), "!C{\"a?b\"@c}");
	buf_free(&b);
	ck_assert_uint_eq(address_list("a@[1\0]", 6, collect, &b), 1);
	buf_free(&b);
}
END_TEST

START_TEST(every_address_survives_being_cut_anywhere)
{
	struct buf b;

	buf_init(&b, 10000);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (size_t n = 0; n <= strlen(lists[i].text); n++) {
			char *copy = xmalloc(n + 1); /* so that a sanitizer sees what is behind */

			memcpy(copy, lists[i].text, n);
			copy = realloc(copy, n > 0 ? n : 1);
			address_list(copy, n, collect, &b);
			buf_clear(&b);
			free(copy);
		}
	}
	buf_free(&b);
}
END_TEST

START_TEST(an_address_too_long_is_named_and_not_given)
{
	char text[3000];
	struct buf b;

	buf_init(&b, 10000);
	memset(text, 'a', sizeof(text));
	memcpy(text + 2000, "@b, c@d", 8);
	address_list(text, strlen(text), collect, &b);
	ck_assert(strncmp(buf_str(&b), "!L{aaa", 6) == 0);
	ck_assert_ptr_nonnull(strstr(buf_str(&b), "}<c@d>"));
	buf_clear(&b);
	memset(text, '"', 1); /* fits, but not with its backslashes */
	for (size_t i = 1; i < 1600; i += 2)
		memcpy(text + i, "\\\"", 2);
	memcpy(text + 1601, "\"@b", 4);
	address_list(text, strlen(text), collect, &b);
	ck_assert(strncmp(buf_str(&b), "!L{", 3) == 0);
	buf_free(&b);
}
END_TEST

static void
count(void *ctx, const char *mailbox, enum address_error e)
{
	size_t *n = ctx;

	(void)mailbox;
	if (e == ADDRESS_OK)
		++*n;
}

START_TEST(a_hundred_thousand_recipients_are_one_pass)
{
	struct buf b;
	size_t n = 0;

	buf_init(&b, 32 << 20);
	for (int i = 0; i < 100000; i++)
		buf_addf(&b, "\"User, No %d\" (x) <user%d@example%d.org>,\r\n ", i, i, i % 100);
	ck_assert_uint_eq(address_list(buf_data(&b), buf_len(&b), count, &n), 100000);
	ck_assert_uint_eq(n, 100000);
	buf_free(&b);
}
END_TEST

/* Each of these would take hours if any of it were looked at again for every byte, or overflow the
 * stack if it were recursive. */
START_TEST(ten_megabytes_of_one_character_are_one_pass)
{
	static const char bytes[] = "(\"<[,:;@. a\\)>";
	enum { SIZE = 10 * 1000 * 1000 };
	char *text = xmalloc(SIZE);
	size_t n = 0;

	memset(text, bytes[_i], SIZE);
	address_list(text, SIZE, count, &n);
	ck_assert_uint_eq(n, 0);
	free(text);
}
END_TEST

START_TEST(an_argument_may_be_a_list_but_holds_no_line_break)
{
	struct buf b;

	buf_init(&b, 1000);
	ck_assert_uint_eq(address_argument("a@b, Bob <c@d>,root", collect, &b), 3);
	ck_assert_str_eq(buf_str(&b), "<a@b><c@d><root>");
	buf_clear(&b);
	ck_assert_uint_eq(address_argument("a@b\r\nRCPT TO:<c@d>", collect, &b), 1);
	ck_assert_str_eq(buf_str(&b), "!C{a@b RCPT TO:<c@d>}");
	buf_clear(&b);
	ck_assert_uint_eq(address_argument("a@b\n", collect, &b), 1);
	ck_assert_str_eq(buf_str(&b), "!C{a@b }");
	buf_clear(&b);
	ck_assert_uint_eq(address_argument("a\x7f@b", collect, &b), 1);
	ck_assert_uint_eq(address_argument("", collect, &b), 0);
	buf_free(&b);
}
END_TEST

/* --- display names --- */

static const struct {
	const char *name, *want;
} phrases[] = {
    {"", ""},
    {"\r\n\x01", ""},
    {"Bob", "Bob"},
    {"Bob Baker", "Bob Baker"},
    {"Bob B. Baker", "\"Bob B. Baker\""},
    {"Baker, Bob", "\"Baker, Bob\""},
    {"Bob <bob@example.org>", "\"Bob <bob@example.org>\""},
    {"Bob \"B\" \\Baker", "\"Bob \\\"B\\\" \\\\Baker\""},
    {" Bob", "\" Bob\""},
    {"Bob ", "\"Bob \""},
    {"Bob  Baker", "\"Bob  Baker\""},
    {"=?utf-8?q?Bob?=", "\"=?utf-8?q?Bob?=\""},
    {"Bob\r\nBcc: eve@example.org", "\"BobBcc: eve@example.org\""},
    {"Bob\tBaker", "BobBaker"},
    {"J\xc3\xbcrgen M.", "=?utf-8?q?J=C3=BCrgen_M=2E?="},
    {"J\xfcrgen", "J?rgen"},
    {"\xc3\xbc?=\r\n", "=?utf-8?q?=C3=BC=3F=3D?="},
};

START_TEST(a_display_name_is_written_as_it_may_stand)
{
	struct buf b;

	buf_init(&b, 10000);
	address_phrase(&b, phrases[_i].name);
	ck_assert_str_eq(buf_str(&b), phrases[_i].want);
	buf_free(&b);
}
END_TEST

START_TEST(encoded_words_are_short_and_keep_characters_whole)
{
	char name[600] = "";
	const char *p;
	size_t n = 0;
	struct buf b;

	for (int i = 0; i < 100; i++)
		memcpy(name + 4 * i, i % 3 == 0 ? "abcd" : "\xf0\x9f\x90\xa6", 5);
	buf_init(&b, 10000);
	address_phrase(&b, name);
	for (p = buf_str(&b);; p += 3) {
		const char *eol = strstr(p, "\r\n "), *q;
		size_t len = eol == NULL ? strlen(p) : (size_t)(eol - p);

		ck_assert_uint_le(len, 75);
		ck_assert(strncmp(p, "=?utf-8?q?", 10) == 0 && strncmp(p + len - 2, "?=", 2) == 0);
		for (q = p + 10; q < p + len - 2; n++) {
			if (*q != '=') {
				q++;
				continue;
			}
			ck_assert(strncmp(q, "=F0=9F=90=A6", 12) == 0);
			q += 12;
		}
		p += len;
		if (eol == NULL)
			break;
	}
	ck_assert_uint_eq(n, 34 * 4 + 66);
	buf_free(&b);
}
END_TEST

Suite *
suite_address(void)
{
	Suite *s = suite_create("address");
	TCase *t = tcase_create("check");

	tcase_add_test(t, check_takes_what_rfc_5321_has);
	tcase_add_test(t, check_refuses_everything_else);
	tcase_add_test(t, check_takes_a_local_part_alone_only_where_it_may);
	tcase_add_test(t, control_characters_in_an_address_are_refused);
	tcase_add_test(t, non_ascii_has_its_own_error);
	tcase_add_test(t, a_local_part_of_2000_bytes_and_other_long_ones_are_refused);
	tcase_add_test(t, every_error_has_a_text);
	tcase_add_test(t, the_domain_is_behind_the_last_unquoted_at);
	suite_add_tcase(s, t);
	t = tcase_create("list");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(
	    t, the_walk_gives_each_mailbox_of_a_list, 0, (int)(sizeof(lists) / sizeof(lists[0])));
	tcase_add_test(t, a_nul_in_an_address_does_not_shorten_it);
	tcase_add_test(t, every_address_survives_being_cut_anywhere);
	tcase_add_test(t, an_address_too_long_is_named_and_not_given);
	tcase_add_test(t, a_hundred_thousand_recipients_are_one_pass);
	tcase_add_loop_test(t, ten_megabytes_of_one_character_are_one_pass, 0, 14);
	tcase_add_test(t, an_argument_may_be_a_list_but_holds_no_line_break);
	suite_add_tcase(s, t);
	t = tcase_create("phrase");
	tcase_add_loop_test(t, a_display_name_is_written_as_it_may_stand, 0,
	    (int)(sizeof(phrases) / sizeof(phrases[0])));
	tcase_add_test(t, encoded_words_are_short_and_keep_characters_whole);
	suite_add_tcase(s, t);
	return s;
}
