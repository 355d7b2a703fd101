#include <sys/wait.h>

#include <check.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/sys.h"
#include "suites.h"

static void
teardown(void)
{
	sys = sys_libc;
}

START_TEST(case_is_ascii_only)
{
	char s[] = "AbC-Z[\xc3\x84";

	str_lowercase(s);
	ck_assert_str_eq(s, "abc-z[\xc3\x84");
	ck_assert_int_eq(str_lower('@'), '@');
	ck_assert(str_eqi("Example.ORG", "eXAMPLE.org"));
	ck_assert(!str_eqi("example", "example."));
	ck_assert(!str_eqi("a", ""));
	ck_assert(str_eqi("", ""));
	ck_assert(!str_eqi("\xc3\xa4", "\xc3\x84"));
	ck_assert(!str_eqi("[", "{")); /* differ by the same bit as letters do */
}
END_TEST

START_TEST(parts_of_strings)
{
	ck_assert(str_neqi("SIZEx", "sizey", 4));
	ck_assert(!str_neqi("SIZEx", "sizey", 5));
	ck_assert(!str_neqi("ab", "ab", 3)); /* a NUL before n */
	ck_assert(str_starts("smtp://x", "smtp://"));
	ck_assert(!str_starts("smt", "smtp"));
	ck_assert(str_starts("x", ""));
	ck_assert(str_ends_i("mail.Example.org", ".example.ORG"));
	ck_assert(!str_ends_i("org", "example.org"));
	ck_assert(str_has_i("the Quick fox", "qUICK"));
	ck_assert(str_has_i("abc", ""));
	ck_assert(str_has_i("", ""));
	ck_assert(!str_has_i("abc", "abcd"));
	ck_assert(str_has_i("aab", "AB"));
}
END_TEST

START_TEST(copy_cuts_between_characters)
{
	char dst[8];

	ck_assert(str_copy(dst, 4, "abc"));
	ck_assert_str_eq(dst, "abc");
	ck_assert(!str_copy(dst, 4, "abcd"));
	ck_assert_str_eq(dst, "abc");
	ck_assert(!str_copy(dst, 4, "ab\xc3\xa4"));
	ck_assert_str_eq(dst, "ab");
	ck_assert(!str_copy(dst, 4, "\xf0\x9f\x98\x80"));
	ck_assert_str_eq(dst, "");
	ck_assert(str_copy(dst, 5, "\xf0\x9f\x98\x80"));
	ck_assert_str_eq(dst, "\xf0\x9f\x98\x80");
	/* Not UTF-8 at all: cut anyway, at most three bytes early. */
	ck_assert(!str_copy(dst, 7, "\x80\x80\x80\x80\x80\x80\x80\x80\x80"));
	ck_assert_uint_eq(strlen(dst), 3);
	ck_assert(!str_copy(dst, 1, "x"));
	ck_assert_str_eq(dst, "");
	ck_assert(!str_copy(dst, 0, ""));
}
END_TEST

static const struct {
	const char *src, *clean;
} texts[] = {
    {"", ""}, {"plain text, with ~ and \\ and |", "plain text, with ~ and \\ and |"},
    {"a\r\nb", "a b"}, {"a\n\n\r\r\nb\n", "a b "}, {"a\tb\x01\x7f", "a?b??"},
    {"\033[31mred\033]0;title\007", "?[31mred?]0;title?"},
    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
    {"gr\xfc\xdf", "gr??"}, /* Latin-1 */
    {"\xc2\x9b"
     "31m",
	"?31m"}, /* C1: control sequence introducer */
    {"\xc2\x80\xc2\x9f\xc2\xa0", "??\xc2\xa0"},
    {"\xc0\xaf\xc1\x8a", "????"}, /* overlong / and LF */
    {"\xe0\x80\x8a", "???"}, {"\xe0\x9f\xbf\xe0\xa0\x80", "???\xe0\xa0\x80"},
    {"\xf0\x80\x80\x8a", "????"}, {"\xf0\x8f\xbf\xbf\xf0\x90\x80\x80", "????\xf0\x90\x80\x80"},
    {"\xed\x9f\xbf\xed\xa0\x80\xed\xbf\xbf", "\xed\x9f\xbf??????"}, /* surrogates */
    {"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80", "\xf4\x8f\xbf\xbf????"}, /* above 10FFFF */
    {"\xf5\x80\x80\x80\xf8\x88\x80\x80\x80\xfe\xff", "???????????"},
    {"\x80\xbf", "??"}, /* continuation alone */
    {"\xe2\x82", "??"}, /* cut off */
    {"\xe2\x82\n\xe2", "?? ?"}, {"\xe2\x28\xa1", "?(?"},
    {"\xe2\x80\xae"
     "gpj.exe",
	"?gpj.exe"}, /* right-to-left override */
    {"\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad", "????"},
    {"\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "????"}, /* isolates */
    {"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "???"}, /* marks */
    {"\xe2\x80\xa8\xe2\x80\xa9", "??"}, /* line and paragraph separator */
    {"\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5", "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5"},
    {"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"}, /* Hebrew stays */
};

START_TEST(clean_keeps_what_prints_and_nothing_else)
{
	size_t n = strlen(texts[_i].src);
	char dst[64], place[64];

	str_clean(dst, sizeof(dst), texts[_i].src, n);
	ck_assert_str_eq(dst, texts[_i].clean);
	ck_assert(str_is_clean(dst, strlen(dst)));
	ck_assert(str_is_clean(texts[_i].src, n) == (strcmp(texts[_i].src, dst) == 0));
	/* in place */
	memcpy(place, texts[_i].src, n + 1);
	str_clean(place, sizeof(place), place, n);
	ck_assert_str_eq(place, texts[_i].clean);
	/* every size: a prefix, cut between characters */
	for (size_t size = 1; size < strlen(texts[_i].clean) + 1; size++) {
		str_clean(dst, size, texts[_i].src, n);
		ck_assert_uint_lt(strlen(dst), size);
		ck_assert(str_starts(texts[_i].clean, dst));
		ck_assert(str_is_clean(dst, strlen(dst)));
	}
}
END_TEST

START_TEST(clean_takes_nul_for_a_control_character)
{
	char dst[8] = "........";

	str_clean(dst, sizeof(dst), "a\0b", 3);
	ck_assert_str_eq(dst, "a?b");
	ck_assert(!str_is_clean("a\0b", 3));
	str_clean(dst, 1, "abc", 3);
	ck_assert_str_eq(dst, "");
	dst[0] = 'x';
	str_clean(dst, 0, "abc", 3);
	ck_assert_int_eq(dst[0], 'x');
}
END_TEST

/* Any two bytes in a frame: the result is clean, has the frame, and is not longer. */
START_TEST(clean_survives_every_pair_of_bytes)
{
	for (int a = 0; a < 256; a++) {
		for (int b = 0; b < 256; b++) {
			char src[4] = {'<', (char)a, (char)b, '>'}, dst[8];
			size_t n;

			str_clean(dst, sizeof(dst), src, sizeof(src));
			n = strlen(dst);
			if (n > 4 || dst[0] != '<' || dst[n - 1] != '>' || !str_is_clean(dst, n))
				ck_abort_msg("%02x %02x", (unsigned)a, (unsigned)b);
		}
	}
}
END_TEST

START_TEST(numbers_are_digits_and_nothing_else)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x10", "1.0",
	    "18446744073709551616", "99999999999999999999999", "\xd9\xa1"};
	uint64_t v = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!str_u64(bad[i], UINT64_MAX, &v), "%s", bad[i]);
	ck_assert_uint_eq(v, 7);
	ck_assert(str_u64("18446744073709551615", UINT64_MAX, &v));
	ck_assert_uint_eq(v, UINT64_MAX);
	ck_assert(str_u64("000123", 123, &v));
	ck_assert_uint_eq(v, 123);
	ck_assert(!str_u64("124", 123, &v));
	ck_assert(!str_u64("5", 4, &v));
	ck_assert(str_u64("0", 0, &v));
	ck_assert_uint_eq(v, 0);
	ck_assert(str_u64n("12x", 2, 99, &v));
	ck_assert_uint_eq(v, 12);
	ck_assert(!str_u64n("1\0"
			    "2",
	    3, 99, &v));
}
END_TEST

START_TEST(durations_as_sendmail_takes_them)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused; a bare number is in minutes */
	} rows[] = {
	    {"90s", 90}, {"15m", 900}, {"12h", 43200}, {"5d", 432000}, {"2w", 1209600},
	    {"1h30m", 5400}, {"1w2d3h4m5s", 788645}, {"5", 300}, {"1h30", 5400}, {"0", 0},
	    {"0s", 0}, {"", -1}, {"m", -1}, {"5x", -1}, {"-5m", -1}, {"5m ", -1}, {" 5m", -1},
	    {"5 m", -1}, {"1.5h", -1}, {"5mm", -1}, {"3660d", 316224000}, {"3661d", -1},
	    {"3660d1s", -1}, {"99999999999999999999w", -1}, {"9223372036854775807", -1},
	    {"5M", -1}, /* a size, not a time */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t v = 77;
		bool ok = str_duration(rows[i].text, 60, &v);

		ck_assert_msg(ok == (rows[i].seconds >= 0), "%s", rows[i].text);
		ck_assert_int_eq(v, ok ? rows[i].seconds : 77);
	}
}
END_TEST

START_TEST(sizes_with_their_letters)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t bytes;
	} rows[] = {
	    {"0", true, 0},
	    {"1000", true, 1000},
	    {"1k", true, 1024},
	    {"1K", true, 1024},
	    {"50M", true, 52428800},
	    {"2G", true, 2147483648},
	    {"17179869183G", true, 18446744072635809792u},
	    {"17179869184G", false, 0},
	    {"", false, 0},
	    {"k", false, 0},
	    {"5T", false, 0},
	    {"5kk", false, 0},
	    {"-1", false, 0},
	    {"1 M", false, 0},
	    {"5MB", false, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t v = 0;

		ck_assert_msg(str_size(rows[i].text, &v) == rows[i].ok, "%s", rows[i].text);
		ck_assert_uint_eq(v, rows[i].bytes);
	}
}
END_TEST

START_TEST(durations_for_people)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
	    {0, "0s"},
	    {-5, "0s"},
	    {40, "40s"},
	    {60, "1m"},
	    {90, "1m30s"},
	    {900, "15m"},
	    {3599, "59m59s"},
	    {3600, "1h"},
	    {3601, "1h"},
	    {5400, "1h30m"},
	    {86400, "1d"},
	    {86400 + 59, "1d"},
	    {273600, "3d4h"},
	    {INT64_MAX, "106751991167300d15h"},
	};
	char text[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_str_eq(
		    str_duration_text(rows[i].seconds, text, sizeof(text)), rows[i].text);
}
END_TEST

START_TEST(random_is_below_n_and_reaches_every_number)
{
	unsigned seen[7] = {0};

	for (int i = 0; i < 7000; i++) {
		uint32_t r = str_random(7);

		seen[r < 7 ? r : 0] += r < 7 ? 1 : 7000;
	}
	/* 1,000 expected, standard deviation 29 */
	for (int i = 0; i < 7; i++)
		ck_assert(seen[i] > 800 && seen[i] < 1200);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(str_random(1), 0);
}
END_TEST

static unsigned fetched;

static int
counting_entropy(void *buf, size_t n)
{
	fetched++;
	memset(buf, (int)fetched, n);
	return 0;
}

START_TEST(random_fetches_in_bulk)
{
	sys.getentropy = counting_entropy;
	for (int i = 0; i < 640; i++)
		str_random(UINT32_MAX);
	ck_assert_uint_le(fetched, 11);
}
END_TEST

/* Of 2^32 numbers modulo 3 * 2^30, the lowest 2^30 would come twice as often as the others. */
START_TEST(random_is_not_biased)
{
	int low = 0;

	for (int i = 0; i < 3000; i++)
		low += str_random(3u << 30) < 1u << 30;
	/* 1,000 expected, standard deviation 26; 1,500 with the bias */
	ck_assert(low > 750 && low < 1250);
}
END_TEST

START_TEST(a_child_has_numbers_of_its_own)
{
	uint32_t ours[4], theirs[4];
	int fds[2], status;
	pid_t pid;

	str_random(2); /* something is left in the pool */
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	for (int i = 0; i < 4; i++)
		ours[i] = str_random(UINT32_MAX);
	if (pid == 0)
		_exit(write(fds[1], ours, sizeof(ours)) == (ssize_t)sizeof(ours) ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(read(fds[0], theirs, sizeof(theirs)), sizeof(theirs));
	ck_assert_int_ne(memcmp(ours, theirs, sizeof(ours)), 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

Suite *
suite_str(void)
{
	Suite *s = suite_create("str");
	TCase *tc = tcase_create("str");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, case_is_ascii_only);
	tcase_add_test(tc, parts_of_strings);
	tcase_add_test(tc, copy_cuts_between_characters);
	tcase_add_loop_test(tc, clean_keeps_what_prints_and_nothing_else, 0,
	    (int)(sizeof(texts) / sizeof(texts[0])));
	tcase_add_test(tc, clean_takes_nul_for_a_control_character);
	tcase_add_test(tc, clean_survives_every_pair_of_bytes);
	tcase_add_test(tc, numbers_are_digits_and_nothing_else);
	tcase_add_test(tc, durations_as_sendmail_takes_them);
	tcase_add_test(tc, sizes_with_their_letters);
	tcase_add_test(tc, durations_for_people);
	tcase_add_test(tc, random_is_below_n_and_reaches_every_number);
	tcase_add_test(tc, random_fetches_in_bulk);
	tcase_add_test(tc, random_is_not_biased);
	tcase_add_test(tc, a_child_has_numbers_of_its_own);
	suite_add_tcase(s, tc);
	return s;
}
