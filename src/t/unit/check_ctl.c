/* check_ctl.c: what the commands of sortiectl share: options, text, tables, JSON. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/str.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_term.h"
#include "jtree.h"
#include "suites.h"
#include "testctl.h"

/* --- options ------------------------------------------------------------------------------ */

static struct {
	bool n;
	char sender[64];
	bool has_sender;
	char words[256]; /* the operands, a blank behind each */
} got;

static int
take_options(struct ctl *c, int argc, char **argv)
{
	const char *sender = NULL;
	const struct ctl_option options[] = {
	    {"-n", &got.n, NULL}, {"--sender", NULL, &sender}, {NULL, NULL, NULL}};
	int rc;

	memset(&got, 0, sizeof(got));
	rc = ctl_options(c, options, &argc, argv);
	got.has_sender = sender != NULL;
	str_copy(got.sender, sizeof(got.sender), sender != NULL ? sender : "");
	for (int i = 1; rc == EX_OK && i < argc; i++)
		snprintf(got.words + strlen(got.words), sizeof(got.words) - strlen(got.words),
		    "%s ", argv[i]);
	return rc;
}

START_TEST(options_stand_anywhere_before_two_dashes)
{
	struct testctl t;

	testctl_init(&t, NULL);
	ck_assert_int_eq(
	    testctl_run(&t, take_options, "x", "a", "-n", "b", "--sender", "-n", "-", NULL), EX_OK);
	ck_assert(got.n);
	ck_assert_str_eq(got.sender, "-n");
	ck_assert_str_eq(got.words, "a b - ");
	ck_assert_int_eq(
	    testctl_run(&t, take_options, "x", "--sender=", "--", "-n", "--", NULL), EX_OK);
	ck_assert(!got.n);
	ck_assert(got.has_sender);
	ck_assert_str_eq(got.sender, "");
	ck_assert_str_eq(got.words, "-n -- ");
	testctl_free(&t);
}
END_TEST

START_TEST(options_that_are_none_or_half_are_refused)
{
	static const char *const bad[][3] = {{"--what"}, {"--senders"}, {"-nn"}, {"--sender"},
	    {"-n=1"}, {"--sender=a", "--sender=b"}, {"--\033[31m"}};
	struct testctl t;

	testctl_init(&t, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(
		    testctl_run(&t, take_options, "x", bad[i][0], bad[i][1], NULL), EX_USAGE);
		ck_assert_ptr_nonnull(strstr(t.err, "usage: sortiectl x ..."));
		ck_assert_ptr_null(strchr(t.err, '\033'));
	}
	testctl_free(&t);
}
END_TEST

/* --- text and tables ---------------------------------------------------------------------- */

static char *
cleaned(const struct ctl *c, const char *text, size_t columns, size_t *used)
{
	static char shown[1024];
	struct buf b;

	buf_init(&b, sizeof(shown) - 1);
	*used = term_clean(c, &b, text, columns);
	str_copy(shown, sizeof(shown), buf_str(&b));
	buf_free(&b);
	return shown;
}

START_TEST(text_is_cut_to_columns_and_obeyed_by_no_terminal)
{
	static const struct {
		const char *text, *shown;
		size_t columns, used;
		bool ascii;
	} cases[] = {
	    {"hello", "hello", 0, 5, false},
	    {"hello", "hello", 5, 5, false},
	    {"hello!", "hell\xe2\x80\xa6", 5, 5, false},
	    {"hello!", "hell~", 5, 5, true},
	    {"a\033[31mb\r\nc\x9b\x07", "a?[31mb??c??", 0, 12, false},
	    {"\xc2\x9b"
	     "31m",
		"?31m", 0, 4, false}, /* C1's CSI */
	    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", 0, 4, false},
	    {"gr\xc3\xbc\xc3\x9f", "gr??", 0, 4, true}, /* 9f is C1 to a terminal of 8 bits */
	    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 6, 6,
		false},
	    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\xe6\x97\xa5\xe2\x80\xa6", 4, 3, false},
	    {"\xe2\x80\xae"
	     "moc",
		"?moc", 0, 4, false}, /* right-to-left override */
	    {"", "", 3, 0, false},
	};
	size_t used;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ctl c = {.utf8 = !cases[i].ascii};

		ck_assert_str_eq(
		    cleaned(&c, cases[i].text, cases[i].columns, &used), cases[i].shown);
		ck_assert_uint_eq(used, cases[i].used);
	}
}
END_TEST

static char *
wrapped(unsigned width, const char *text, size_t lines)
{
	struct ctl c = {.width = width, .tty = width != 0, .utf8 = true};
	static char *out;
	size_t n;

	free(out);
	c.out = open_memstream(&out, &n);
	term_wrap(&c, TERM_RED, text, 2, lines);
	fclose(c.out);
	return out;
}

START_TEST(text_is_wrapped_at_blanks_to_fit)
{
	ck_assert_str_eq(wrapped(20, "", 0), "  \n");
	ck_assert_str_eq(wrapped(20, "eighteen columns..", 0), "  eighteen columns..\n");
	ck_assert_str_eq(wrapped(20, "nineteen columns...", 0), "  nineteen\n  columns...\n");
	ck_assert_str_eq(wrapped(20, "a word at  the  margin", 0), "  a word at  the\n  margin\n");
	ck_assert_str_eq(
	    wrapped(20, "onewordthatistoolongforit", 0), "  onewordthatistoolo\n  ngforit\n");
	ck_assert_str_eq(wrapped(20, "one two three four five six seven", 2),
	    "  one two three four\n  five six seven\n");
	ck_assert_str_eq(wrapped(20, "one two three four five six seven", 1),
	    "  one two three fou\xe2\x80\xa6\n");
	ck_assert_str_eq(wrapped(20, "\033 \xe6\x97\xa5\xe6\x97\xa5 \r\n 3456 78", 0),
	    "  ? \xe6\x97\xa5\xe6\x97\xa5 ?? 3456 78\n");
	/* elsewhere it is one line, whole */
	ck_assert_str_eq(wrapped(0, "a line that is longer than any terminal", 1),
	    "  a line that is longer than any terminal\n");
}
END_TEST

START_TEST(sizes_take_five_columns_at_most)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, "0B"}, {999, "999B"}, {1000, "1.0K"}, {4711, "4.6K"}, {50 << 20, "50M"},
	    {1023 * 1024, "1.0M"}, {UINT64_MAX, "16E"}};
	char text[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(term_size(cases[i].bytes, text), cases[i].text);
	for (uint64_t n = 1; n < UINT64_MAX / 3; n = n * 3 + 1)
		ck_assert_uint_le(strlen(term_size(n, text)), 5);
}
END_TEST

static char *
table_on(unsigned width, bool colours, const char *const cells[])
{
	static const struct table_column columns[] = {
	    {.head = "ID", .width = 6, .whole = true},
	    {.head = "N", .width = 4, .right = true},
	    {.head = "WIDE", .width = 4, .wide = 60},
	    {.head = "TEXT", .width = 5, .share = 1},
	};
	struct ctl c = {.width = width, .tty = width != 0, .colours = colours, .utf8 = true};
	struct table t;
	static char *out;
	size_t n;

	free(out);
	c.out = open_memstream(&out, &n);
	table_init(&t, &c, columns, 4);
	table_row(&t, TERM_RED, cells);
	table_free(&t);
	fclose(c.out);
	return out;
}

START_TEST(a_table_fits_its_terminal)
{
	static const char *const row[] = {
	    "123456", "42", "wide", "more text than there is room for it"};
	static const char *const odd[] = {"12345678", NULL, "wide", "text"};

	ck_assert_str_eq(table_on(30, false, row), "ID         N  TEXT\n"
						   "123456    42  more text than \xe2\x80\xa6\n");
	ck_assert_str_eq(table_on(60, false, row),
	    "ID         N  WIDE  TEXT\n"
	    "123456    42  wide  more text than there is room for it\n");
	/* an id is never cut: what follows is */
	ck_assert_str_eq(table_on(20, false, odd), "ID         N  TEXT\n"
						   "12345678      text\n");
	ck_assert_str_eq(table_on(9, false, row), "ID      N\n123456  \xe2\x80\xa6\n");
	ck_assert_str_eq(table_on(8, false, row), "ID\n123456\n");
}
END_TEST

START_TEST(elsewhere_nothing_is_cut)
{
	static const char *const row[] = {
	    "123456789", "12345678", "wider", "text that is long\033"};

	ck_assert_str_eq(table_on(0, false, row),
	    "ID         N  WIDE  TEXT\n"
	    "123456789  12345678  wider  text that is long?\n");
}
END_TEST

START_TEST(colours_only_where_they_are_wanted)
{
	static const char *const row[] = {"1", "2", "3", "4"};

	ck_assert_ptr_nonnull(strstr(table_on(80, true, row), "\033[31m1 "));
	ck_assert_ptr_null(strchr(table_on(80, false, row), '\033'));
}
END_TEST

/* --- JSON --------------------------------------------------------------------------------- */

static char *
json_of(const char *text)
{
	static char *out;
	struct json j = {NULL, false};
	size_t n;

	free(out);
	j.out = open_memstream(&out, &n);
	json_open(&j, NULL, '{');
	json_string(&j, text, text);
	json_open(&j, "list", '[');
	json_number(&j, NULL, INT64_MIN);
	json_bool(&j, NULL, true);
	json_null(&j, NULL);
	json_open(&j, NULL, '[');
	json_close(&j, ']');
	json_string(&j, NULL, NULL);
	json_close(&j, ']');
	json_bool(&j, "no", false);
	json_close(&j, '}');
	fclose(j.out);
	return out;
}

static void
reads_back_as(const char *text, const char *expected)
{
	char *out = json_of(text), why[200] = "";
	struct jtree *t = jtree_parse(out, strlen(out), why, sizeof(why));

	ck_assert_msg(t != NULL, "%s: %s", out, why);
	ck_assert_str_eq(t->first->key, expected);
	ck_assert_str_eq(t->first->string, expected);
	ck_assert_uint_eq(jtree_count(jtree_get(t, "list")), 5);
	for (const char *p = out; *p != '\0'; p++)
		ck_assert_int_ne(*p == '\n' || *p == '\033' || *p == 0x7f, 1);
	ck_assert(str_is_clean(out, strlen(out)));
	jtree_free(&t);
}

START_TEST(json_strings_are_valid_whatever_they_were)
{
	char one[2] = "";

	reads_back_as("plain", "plain");
	reads_back_as("\"q\" \\ / \b\f\n\r\t\033[31m\x7f", "\"q\" \\ / \b\f\n\r\t\033[31m\x7f");
	reads_back_as("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
	reads_back_as("\xc2\x9b \xe2\x80\xae", "\xc2\x9b \xe2\x80\xae"); /* C1, bidi: escaped */
	reads_back_as("a\xff"
		      "b",
	    "a\xef\xbf\xbd"
	    "b");
	reads_back_as("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"); /* overlong */
	reads_back_as("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
	reads_back_as("\xf0\x9f", "\xef\xbf\xbd\xef\xbf\xbd"); /* cut */
	for (int c = 1; c < 128; c++) {
		one[0] = (char)c;
		reads_back_as(one, one);
	}
}
END_TEST

START_TEST(the_reader_is_strict)
{
	static const char *const bad[] = {"", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}",
	    "{\"a\":1,\"a\":2}", "01", "1.", ".5", "+1", "1e", "-", "nul", "\"\n\"", "\"\\x\"",
	    "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\u0000\"", "\"\xff\"", "\"a", "1 2",
	    "[1 2]", "'a'", "[1}", "\"a\tb\"", "NaN", "{\"a\":}"};
	static const char *const good[] = {"0", "-0.5e+3", "[]", "{}",
	    " [ 1 , \"\\ud83d\\ude00\" ] ", "{\"a\":{\"b\":[null,true,false]}}"};
	char why[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct jtree *t = jtree_parse(bad[i], strlen(bad[i]), why, sizeof(why));

		ck_assert_msg(t == NULL, "taken: %s", bad[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct jtree *t = jtree_parse(good[i], strlen(good[i]), why, sizeof(why));

		ck_assert_msg(t != NULL, "%s: %s", good[i], why);
		jtree_free(&t);
	}
}
END_TEST

static bool
fits(const char *schema, const char *value)
{
	char why[200] = "";
	struct jtree *s = jtree_parse(schema, strlen(schema), why, sizeof(why));
	struct jtree *v = jtree_parse(value, strlen(value), why, sizeof(why));
	bool ok;

	ck_assert_msg(s != NULL && v != NULL, "%s", why);
	ok = jtree_is(s, v, why, sizeof(why));
	jtree_free(&s);
	jtree_free(&v);
	return ok;
}

START_TEST(a_schema_is_obeyed)
{
	static const char object[] =
	    "{\"type\":\"object\",\"required\":[\"a\"],\"additionalProperties\":false,"
	    "\"properties\":"
	    "{\"a\":{\"type\":[\"integer\",\"null\"],\"minimum\":0},\"b\":{\"enum\":[\"x\",\"y\"]},"
	    "\"c\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}";

	ck_assert(fits(object, "{\"a\":1,\"b\":\"y\",\"c\":[\"s\"]}"));
	ck_assert(fits(object, "{\"a\":null}"));
	ck_assert(!fits(object, "[]"));
	ck_assert(!fits(object, "{}"));
	ck_assert(!fits(object, "{\"a\":1.5}"));
	ck_assert(!fits(object, "{\"a\":-1}"));
	ck_assert(!fits(object, "{\"a\":1,\"b\":\"z\"}"));
	ck_assert(!fits(object, "{\"a\":1,\"c\":[\"s\",1]}"));
	ck_assert(!fits(object, "{\"a\":1,\"d\":1}"));
	ck_assert(!fits("{\"maximum\":1}", "0"));
	ck_assert(fits("{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "null"));
	ck_assert(!fits("{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "1"));
	ck_assert(!fits("{\"oneOf\":[{\"type\":\"number\"},{\"type\":\"integer\"}]}", "1"));
}
END_TEST

Suite *
suite_ctl(void)
{
	Suite *s = suite_create("ctl");
	TCase *tc = tcase_create("options");

	tcase_add_test(tc, options_stand_anywhere_before_two_dashes);
	tcase_add_test(tc, options_that_are_none_or_half_are_refused);
	suite_add_tcase(s, tc);
	tc = tcase_create("text");
	tcase_add_test(tc, text_is_cut_to_columns_and_obeyed_by_no_terminal);
	tcase_add_test(tc, text_is_wrapped_at_blanks_to_fit);
	tcase_add_test(tc, sizes_take_five_columns_at_most);
	tcase_add_test(tc, a_table_fits_its_terminal);
	tcase_add_test(tc, elsewhere_nothing_is_cut);
	tcase_add_test(tc, colours_only_where_they_are_wanted);
	suite_add_tcase(s, tc);
	tc = tcase_create("json");
	tcase_add_test(tc, json_strings_are_valid_whatever_they_were);
	tcase_add_test(tc, the_reader_is_strict);
	tcase_add_test(tc, a_schema_is_obeyed);
	suite_add_tcase(s, tc);
	return s;
}
