#include <check.h>

#include "base/list.h"
#include "suites.h"

struct item {
	int n;
	struct list link;
};

static struct list head;
static struct item items[5];

static void
setup(void)
{
	list_init(&head);
	for (int i = 0; i < 5; i++) {
		items[i].n = i;
		list_init(&items[i].link);
	}
}

/* The numbers on the list as decimal digits, after a 1; walked both ways. */
static int
digits(struct list *h)
{
	int forward = 1, backward = 0, scale = 1;

	list_each (l, h)
		forward = forward * 10 + list_item(l, struct item, link)->n;
	for (struct list *l = h->prev; l != h; l = l->prev, scale *= 10)
		backward += scale * list_item(l, struct item, link)->n;
	ck_assert_int_eq(forward, backward + scale);
	return forward;
}

START_TEST(adds_at_both_ends)
{
	ck_assert(list_empty(&head));
	list_add_tail(&head, &items[2].link);
	list_add_tail(&head, &items[3].link);
	list_add_head(&head, &items[1].link);
	list_insert_before(&items[3].link, &items[4].link);
	ck_assert_int_eq(digits(&head), 11243);
	ck_assert(list_linked(&items[2].link));
	ck_assert(!list_linked(&items[0].link));
}
END_TEST

START_TEST(removing_twice_is_harmless)
{
	list_add_tail(&head, &items[1].link);
	list_add_tail(&head, &items[2].link);
	list_remove(&items[1].link);
	list_remove(&items[1].link);
	ck_assert_int_eq(digits(&head), 12);
	list_remove(&items[2].link);
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(splicing_moves_all_and_empties_the_source)
{
	struct list other;

	list_init(&other);
	list_splice_tail(&head, &other);
	ck_assert(list_empty(&head));
	list_add_tail(&head, &items[1].link);
	list_add_tail(&other, &items[2].link);
	list_add_tail(&other, &items[3].link);
	list_splice_tail(&head, &other);
	ck_assert_int_eq(digits(&head), 1123);
	ck_assert(list_empty(&other));
	list_splice_tail(&other, &head);
	ck_assert_int_eq(digits(&other), 1123);
	ck_assert(list_empty(&head));
}
END_TEST

Suite *
suite_list(void)
{
	Suite *s = suite_create("list");
	TCase *tc = tcase_create("list");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, adds_at_both_ends);
	tcase_add_test(tc, removing_twice_is_harmless);
	tcase_add_test(tc, splicing_moves_all_and_empties_the_source);
	suite_add_tcase(s, tc);
	return s;
}
