#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "net/tickets.h"
#include "suites.h"

static struct tickets *t;
static FILE *file;

static void
setup(void)
{
	t = tickets_new();
	file = tmpfile();
	ck_assert_ptr_nonnull(file);
}

static void
teardown(void)
{
	tickets_free(&t);
	tickets_free(&t);
	fclose(file);
	sys = sys_libc;
}

static const char *
key(unsigned n)
{
	static char text[TICKET_KEY_LEN + 1];

	snprintf(text, sizeof(text), "%064x", n);
	return text;
}

static void
put(unsigned k, const char *bytes, bool once)
{
	tickets_put(t, key(k), (const unsigned char *)bytes, strlen(bytes), 1000, once);
}

static void
expect(unsigned k, const char *bytes)
{
	size_t n = 0;
	unsigned char *got = tickets_take(t, key(k), 500, &n);

	if (bytes == NULL) {
		ck_assert_ptr_null(got);
		return;
	}
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(n, strlen(bytes));
	ck_assert_mem_eq(got, bytes, n);
	free(got);
}

/* What is saved and loaded again. */
static void
through_the_file(void)
{
	ck_assert_int_eq(tickets_save(t, fileno(file), 0), 0);
	ck_assert(!tickets_changed(t));
	tickets_free(&t);
	t = tickets_new();
	lseek(fileno(file), 0, SEEK_SET);
	tickets_load(t, fileno(file), 0);
	ck_assert(!tickets_changed(t));
}

START_TEST(the_newest_is_taken_and_once_is_once)
{
	ck_assert(!tickets_changed(t));
	put(1, "old", true);
	put(1, "new", true);
	ck_assert(tickets_changed(t));
	expect(2, NULL);
	expect(1, "new");
	expect(1, "old");
	expect(1, NULL);
	put(2, "again", false);
	expect(2, "again");
	expect(2, "again");
}
END_TEST

START_TEST(what_has_expired_is_gone)
{
	size_t n;

	put(1, "x", false);
	ck_assert_ptr_null(tickets_take(t, key(1), 1000, &n));
	ck_assert_uint_eq(tickets_count(t), 0);
	put(1, "x", false);
	ck_assert_int_eq(tickets_save(t, fileno(file), 1000), 0);
	ck_assert_int_eq(lseek(fileno(file), 0, SEEK_END), 0);
}
END_TEST

START_TEST(dropping_a_key_leaves_the_others)
{
	put(1, "a", true);
	put(1, "b", true);
	put(2, "c", true);
	tickets_drop(t, key(1));
	expect(1, NULL);
	expect(2, "c");
}
END_TEST

START_TEST(a_few_a_key)
{
	char text[16];

	for (unsigned i = 0; i < TICKETS_A_KEY + 3; i++) {
		snprintf(text, sizeof(text), "%u", i);
		put(1, text, true);
	}
	ck_assert_uint_eq(tickets_count(t), TICKETS_A_KEY);
	for (unsigned i = TICKETS_A_KEY + 3; i-- > 3;) {
		snprintf(text, sizeof(text), "%u", i);
		expect(1, text);
	}
	expect(1, NULL);
}
END_TEST

START_TEST(the_oldest_give_way)
{
	for (unsigned i = 0; i < TICKETS_MAX + 1; i++)
		put(i, "x", true);
	ck_assert_uint_eq(tickets_count(t), TICKETS_MAX);
	expect(0, NULL);
	expect(1, "x");
	expect(TICKETS_MAX, "x");
}
END_TEST

START_TEST(too_large_or_empty_or_without_a_key_is_not_kept)
{
	static const unsigned char large[TICKET_BYTES_MAX + 1];

	tickets_put(t, key(1), large, sizeof(large), 1000, true);
	tickets_put(t, key(1), large, 0, 1000, true);
	tickets_put(t, "short", large, 1, 1000, true);
	ck_assert_uint_eq(tickets_count(t), 0);
	tickets_put(t, key(1), large, TICKET_BYTES_MAX, 1000, true);
	ck_assert_uint_eq(tickets_count(t), 1);
}
END_TEST

static ssize_t
short_write(int fd, const void *buf, size_t n)
{
	return sys_libc.write(fd, buf, n > 7 ? 7 : n);
}

static ssize_t
short_read(int fd, void *buf, size_t n)
{
	return sys_libc.read(fd, buf, n > 5 ? 5 : n);
}

START_TEST(a_file_brings_them_back)
{
	sys.write = short_write;
	sys.read = short_read;
	put(1, "one\nticket", true);
	put(1, "two", true);
	put(2, "three", false);
	through_the_file();
	ck_assert_uint_eq(tickets_count(t), 3);
	expect(1, "two");
	expect(1, "one\nticket");
	expect(1, NULL);
	expect(2, "three");
	expect(2, "three");
}
END_TEST

static ssize_t
no_space(int fd, const void *buf, size_t n)
{
	(void)fd, (void)buf, (void)n;
	errno = ENOSPC;
	return -1;
}

START_TEST(a_full_disk_is_told)
{
	put(1, "x", true);
	sys.write = no_space;
	ck_assert_int_eq(tickets_save(t, fileno(file), 0), -1);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert(tickets_changed(t));
}
END_TEST

#define K "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What a damaged file holds, and how many tickets are read from it. */
static const struct {
	const char *text;
	size_t tickets;
} files[] = {
    {"", 0},
    {"ticket " K " 1000 once 1\nx\n", 1},
    {"ticket " K " 1000 once 1\nx\nticket " K " 1000 many 2\nxy\n", 2},
    {"ticket " K " 1000 once 1\nx\nrubbish\nticket " K " 1000 many 2\nxy\n", 1},
    {"ticket " K " 1000 once 1\nx", 0},
    {"ticket " K " 1000 once 2\nx\n", 0},
    {"ticket " K " 1000 once 1\nxy\n", 0},
    {"ticket " K " 1000 once 65537\nx\n", 0},
    {"ticket " K " 1000 once 99999999999999999999\nx\n", 0},
    {"ticket " K " 1000 once -1\nx\n", 0},
    {"ticket " K " 1000 once\nx\n", 0},
    {"ticket " K " 1000", 0},
    {"ticket " K, 0},
    {"ticket", 0},
    {"ticket 0123 1000 once 1\nx\n", 0},
    {"ticket X123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef 1000 once 1\nx\n", 0},
    {"ticket " K " x once 1\nx\n", 0},
    {"ticket " K " 99 once 1\nx\nticket " K " 1000 once 1\ny\n", 1},
    {"\n\n\n", 0},
};

START_TEST(a_damaged_file_is_no_trouble)
{
	ck_assert_int_eq(write(fileno(file), files[_i].text, strlen(files[_i].text)),
	    (ssize_t)strlen(files[_i].text));
	lseek(fileno(file), 0, SEEK_SET);
	tickets_load(t, fileno(file), 100);
	ck_assert_uint_eq(tickets_count(t), files[_i].tickets);
}
END_TEST

START_TEST(a_file_without_end_ends)
{
	int fd = open("/dev/zero", O_RDONLY);

	tickets_load(t, fd, 0);
	close(fd);
	ck_assert_uint_eq(tickets_count(t), 0);
	tickets_load(t, -1, 0);
}
END_TEST

Suite *
suite_tickets(void)
{
	Suite *s = suite_create("tickets");
	TCase *tc = tcase_create("tickets");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_newest_is_taken_and_once_is_once);
	tcase_add_test(tc, what_has_expired_is_gone);
	tcase_add_test(tc, dropping_a_key_leaves_the_others);
	tcase_add_test(tc, a_few_a_key);
	tcase_add_test(tc, the_oldest_give_way);
	tcase_add_test(tc, too_large_or_empty_or_without_a_key_is_not_kept);
	tcase_add_test(tc, a_file_brings_them_back);
	tcase_add_test(tc, a_full_disk_is_told);
	tcase_add_loop_test(tc, a_damaged_file_is_no_trouble, 0, sizeof(files) / sizeof(files[0]));
	tcase_add_test(tc, a_file_without_end_ends);
	suite_add_tcase(s, tc);
	return s;
}
