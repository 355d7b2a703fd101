#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "suites.h"

enum { MANY = 100000 };

struct item {
	struct map_node node;
	char key[32];
	bool seen;
};

static struct map m;
static struct item *items;

static void
setup(void)
{
	map_init(&m);
	items = xcalloc(MANY, sizeof(*items));
	for (int i = 0; i < MANY; i++)
		snprintf(items[i].key, sizeof(items[i].key), "user%d@example.org", i);
}

static void
teardown(void)
{
	map_free(&m);
	free(items);
}

static void
put_all(void)
{
	for (int i = 0; i < MANY; i++)
		map_put(&m, &items[i].node, items[i].key);
}

START_TEST(an_empty_map_answers)
{
	ck_assert_ptr_null(map_get(&m, "a"));
	ck_assert_ptr_null(map_any(&m));
	ck_assert_ptr_null(map_next(&m, NULL));
}
END_TEST

START_TEST(finds_each_of_100000_by_content)
{
	char key[32];
	int found = 0;

	put_all();
	ck_assert_uint_eq(m.count, MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "user%d@example.org", i);
		found += map_get(&m, key) == &items[i].node;
	}
	ck_assert_int_eq(found, MANY);
	ck_assert_ptr_null(map_get(&m, "user100000@example.org"));
	ck_assert_ptr_null(map_get(&m, "User1@example.org"));
	ck_assert_ptr_null(map_get(&m, ""));
}
END_TEST

/* Keys that differ at their start, in the hash's first word, or only at their end, in its last. */
START_TEST(spreads_keys_over_its_slots)
{
	size_t longest = 0;

	for (int i = 0; i < MANY && _i == 1; i++)
		snprintf(items[i].key, sizeof(items[i].key), "example.org/user%05d", i);
	put_all();
	for (size_t i = 0; i < m.nslots; i++) {
		size_t length = 0;

		for (struct map_node *n = m.slots[i]; n != NULL; n = n->next)
			length++;
		if (length > longest)
			longest = length;
	}
	/* For a random function the longest of 2^17 chains at this load is 8 or 9. */
	ck_assert_uint_le(longest, 16);
}
END_TEST

START_TEST(removes_exactly_one)
{
	int right = 0;

	put_all();
	for (int i = 0; i < MANY; i += 2)
		map_remove(&m, &items[i].node);
	ck_assert_uint_eq(m.count, MANY / 2);
	for (int i = 0; i < MANY; i++)
		right += map_get(&m, items[i].key) == (i % 2 ? &items[i].node : NULL);
	ck_assert_int_eq(right, MANY);
	map_put(&m, &items[0].node, items[0].key);
	ck_assert_ptr_eq(map_get(&m, items[0].key), &items[0].node);
}
END_TEST

START_TEST(iterates_over_each_once)
{
	int count = 0, twice = 0;

	put_all();
	for (struct map_node *n = NULL; (n = map_next(&m, n)) != NULL; count++) {
		struct item *it = map_item(n, struct item, node);

		twice += it->seen;
		it->seen = true;
	}
	ck_assert_int_eq(twice, 0);
	ck_assert_int_eq(count, MANY);
}
END_TEST

/* Slots are never searched again, or this would take minutes. */
START_TEST(drains_in_linear_time)
{
	struct map_node *n;
	int count = 0;

	put_all();
	while ((n = map_any(&m)) != NULL) {
		map_remove(&m, n);
		count++;
	}
	ck_assert_int_eq(count, MANY);
	ck_assert_uint_eq(m.count, 0);
	/* The hint moves back for what comes anew. */
	for (int i = 0; i < 100; i++)
		map_put(&m, &items[i].node, items[i].key);
	for (count = 0; (n = map_any(&m)) != NULL; count++)
		map_remove(&m, n);
	ck_assert_int_eq(count, 100);
}
END_TEST

/* All lengths around the hash's words of eight, all different by one byte only. */
START_TEST(keys_of_every_length_are_different)
{
	static char keys[64][64];
	static struct map_node nodes[64];

	for (size_t n = 0; n < 63; n++) {
		memset(keys[n], 'a', n);
		map_put(&m, &nodes[n], keys[n]);
	}
	for (size_t n = 0; n < 63; n++)
		ck_assert_ptr_eq(map_get(&m, keys[n]), &nodes[n]);
}
END_TEST

START_TEST(putting_a_key_twice_is_a_bug)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	map_put(&m, &items[0].node, "a");
	map_put(&m, &items[1].node, "a");
}
END_TEST

START_TEST(removing_what_is_not_there_is_a_bug)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	map_put(&m, &items[0].node, "a");
	map_remove(&m, &items[1].node);
}
END_TEST

Suite *
suite_map(void)
{
	Suite *s = suite_create("map");
	TCase *tc = tcase_create("map");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_empty_map_answers);
	tcase_add_test(tc, finds_each_of_100000_by_content);
	tcase_add_loop_test(tc, spreads_keys_over_its_slots, 0, 2);
	tcase_add_test(tc, removes_exactly_one);
	tcase_add_test(tc, iterates_over_each_once);
	tcase_add_test(tc, drains_in_linear_time);
	tcase_add_test(tc, keys_of_every_length_are_different);
	tcase_add_test_raise_signal(tc, putting_a_key_twice_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, removing_what_is_not_there_is_a_bug, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}
