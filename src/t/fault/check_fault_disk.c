/*
 * check_fault_disk.c: the model of a disk after a power cut forgets what may be forgotten, all of it, and
 * nothing else.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "disk_impl.h"
#include "t/unit/suites.h"

enum { MOST = 100000 };

static struct disk *d;
static char seen[8192]; /* what the states showed, each once: "[name=content name=content]" */

static void
setup(void)
{
	d = disk_new();
	seen[0] = '\0';
}

static void
teardown(void)
{
	disk_free(&d);
}

static void
show(char *out, size_t size, const disk_state *state, size_t name)
{
	const struct value *v = disk_shows(d, state, DISK_ROOT, name);
	size_t n, used = strlen(out);
	char *data;

	if (v->inode == DISK_NOTHING)
		return;
	data = disk_content(d, state, v->inode, &n);
	for (size_t i = 0; i < n; i++)
		if (data[i] == '\0')
			data[i] = '0';
	snprintf(out + used, size - used, "%s=%.*s ", d->inodes[DISK_ROOT].names[name].text, (int)n,
	    data);
	free(data);
}

static void
see(void *ctx, const disk_state *state)
{
	char tree[256] = "[";

	(void)ctx;
	for (size_t n = 0; n < d->inodes[DISK_ROOT].nnames; n++)
		show(tree, sizeof(tree) - 2, state, n);
	strncat(tree, "]", sizeof(tree) - strlen(tree) - 1);
	if (strstr(seen, tree) == NULL)
		strncat(seen, tree, sizeof(seen) - strlen(seen) - 1);
}

static unsigned
cut(void)
{
	unsigned n = 0;

	seen[0] = '\0';
	disk_each_state(d, MOST, 1, see, NULL);
	for (const char *p = seen; *p != '\0'; p++)
		n += *p == '[';
	return n;
}

static bool
may_be(const char *tree)
{
	return strstr(seen, tree) != NULL;
}

static int
create(const char *name, const char *text)
{
	int file = disk_create(d, DISK_ROOT, name, DISK_FILE);

	disk_write(d, file, 0, text, strlen(text));
	return file;
}

static int
create_durably(const char *name, const char *text)
{
	int file = create(name, text);

	disk_sync(d, file);
	disk_sync(d, DISK_ROOT);
	return file;
}

START_TEST(what_is_synced_is_there)
{
	create_durably("a", "text");
	ck_assert_uint_eq(cut(), 1);
	ck_assert(may_be("[a=text ]"));
}
END_TEST

START_TEST(a_sync_of_the_file_does_not_cover_its_name)
{
	disk_sync(d, create("a", "text"));
	ck_assert_uint_eq(cut(), 2);
	ck_assert(may_be("[a=text ]") && may_be("[]"));
}
END_TEST

START_TEST(a_sync_of_the_directory_does_not_cover_content)
{
	create("a", "1\n34");
	disk_sync(d, DISK_ROOT);
	ck_assert_uint_eq(cut(), 7); /* half of it is its first line as well */
	ck_assert(may_be("[a= ]") && may_be("[a=1\n34 ]") && may_be("[a=1\n ]") &&
		  may_be("[a=1\n3 ]") && may_be("[a=0034 ]") && may_be("[a=1\n00 ]") &&
		  may_be("[a=0000 ]"));
}
END_TEST

START_TEST(a_later_write_may_be_there_without_an_earlier_one)
{
	int a = create_durably("a", "x");

	disk_write(d, a, 1, "12", 2);
	disk_write(d, a, 3, "34", 2);
	cut();
	ck_assert(
	    may_be("[a=x ]") && may_be("[a=x12 ]") && may_be("[a=x0034 ]") && may_be("[a=x1234 ]"));
	disk_sync(d, a);
	ck_assert_uint_eq(cut(), 1);
	disk_truncate(d, a, 1);
	ck_assert_uint_eq(cut(), 2);
	ck_assert(may_be("[a=x ]") && may_be("[a=x1234 ]"));
}
END_TEST

START_TEST(a_rename_has_one_name_or_both)
{
	create_durably("a", "text");
	disk_rename(d, DISK_ROOT, "a", DISK_ROOT, "b");
	ck_assert_uint_eq(cut(), 3);
	ck_assert(may_be("[a=text ]") && may_be("[b=text ]") && may_be("[a=text b=text ]"));
}
END_TEST

START_TEST(a_name_shows_anything_since_its_last_sync)
{
	create_durably("a", "old");
	disk_unlink(d, DISK_ROOT, "a");
	disk_sync(d, create("a", "new"));
	ck_assert_uint_eq(cut(), 3);
	ck_assert(may_be("[a=old ]") && may_be("[a=new ]") && may_be("[]"));
}
END_TEST

/* The kernel may have thrown away what it could not write, and the next sync finds nothing to do. */
START_TEST(a_failed_sync_is_not_made_good_by_the_next)
{
	int a = create_durably("a", "x");

	disk_write(d, a, 1, "1", 1);
	disk_sync_failed(d, a);
	disk_write(d, a, 2, "2", 1);
	disk_sync(d, a);
	ck_assert_uint_eq(cut(), 2);
	ck_assert(may_be("[a=x12 ]") && may_be("[a=x02 ]"));
}
END_TEST

static void
count(void *ctx, const disk_state *state)
{
	(void)state;
	++*(unsigned *)ctx;
}

START_TEST(of_very_many_states_some_are_tried)
{
	char name[] = "a";
	unsigned n = 0;

	for (; name[0] <= 'z'; name[0]++)
		create(name, "text");
	disk_each_state(d, 1000, 1, count, &n);
	ck_assert_uint_ge(n, 900);
	ck_assert_uint_le(n, 1100);
	see(NULL, (disk_state[2 * 26]){0});
	ck_assert_str_eq(seen, "[]");
}
END_TEST

Suite *
suite_fault_disk(void)
{
	Suite *s = suite_create("fault_disk");
	TCase *tc = tcase_create("disk");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_synced_is_there);
	tcase_add_test(tc, a_sync_of_the_file_does_not_cover_its_name);
	tcase_add_test(tc, a_sync_of_the_directory_does_not_cover_content);
	tcase_add_test(tc, a_later_write_may_be_there_without_an_earlier_one);
	tcase_add_test(tc, a_rename_has_one_name_or_both);
	tcase_add_test(tc, a_name_shows_anything_since_its_last_sync);
	tcase_add_test(tc, a_failed_sync_is_not_made_good_by_the_next);
	tcase_add_test(tc, of_very_many_states_some_are_tried);
	suite_add_tcase(s, tc);
	return s;
}
