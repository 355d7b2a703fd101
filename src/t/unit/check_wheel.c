#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/wheel.h"
#include "suites.h"

/* --- a fixed stream of numbers, the same on every machine --- */

static uint64_t seed;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* --- the model: an array that is searched --- */

enum { NODES = 300 };

static struct wheel w;
static struct wheel_node nodes[NODES];
static struct {
	bool armed;
	int64_t at_ms;
	uint64_t order;
} model[NODES];
static uint64_t arms;

static void
model_init(int64_t now_ms)
{
	wheel_init(&w, now_ms);
	for (int i = 0; i < NODES; i++) {
		wheel_node_init(&nodes[i]);
		model[i].armed = false;
	}
}

/* The armed node that is due first, -1: none. */
static int
model_first(void)
{
	int first = -1;

	for (int i = 0; i < NODES; i++) {
		if (!model[i].armed)
			continue;
		if (first == -1 || model[i].at_ms < model[first].at_ms ||
		    (model[i].at_ms == model[first].at_ms && model[i].order < model[first].order))
			first = i;
	}
	return first;
}

static void
both_arm(int i, int64_t at_ms)
{
	wheel_arm(&w, &nodes[i], at_ms);
	if (at_ms < w.now_ms)
		at_ms = w.now_ms;
	if (at_ms == INT64_MAX)
		at_ms--;
	model[i].armed = true;
	model[i].at_ms = at_ms;
	model[i].order = arms++;
}

static void
both_disarm(int i)
{
	wheel_disarm(&w, &nodes[i]);
	model[i].armed = false;
	if (wheel_armed(&nodes[i]))
		ck_abort_msg("still armed");
}

/* Advances both and compares what falls due, in order. Returns how many did. */
static int
both_advance(int64_t now_ms)
{
	struct list due;
	int count = 0, first;

	list_init(&due);
	wheel_advance(&w, now_ms, &due);
	while (!list_empty(&due)) {
		struct wheel_node *n = list_item(due.next, struct wheel_node, link);
		int i = (int)(n - nodes);

		if (i != model_first() || model[i].at_ms > now_ms)
			ck_abort_msg("node %d of time %lld is not next", i, (long long)n->at_ms);
		list_remove(&n->link);
		model[i].armed = false;
		count++;
	}
	first = model_first();
	ck_assert(first == -1 || model[first].at_ms > w.now_ms);
	return count;
}

static void
assert_next(void)
{
	int first = model_first();
	int64_t next = wheel_next(&w);

	if (first == -1)
		ck_assert_int_eq(next, INT64_MAX);
	else
		ck_assert_int_le(next, model[first].at_ms);
	ck_assert(wheel_ok(&w));
}

/* Anything from a millisecond to millennia, small ones as likely as large ones; may be negative. */
static int64_t
some_delta(void)
{
	int64_t d = (int64_t)(rnd() >> (16 + rnd() % 47));

	return rnd() % 8 == 0 ? -d : d;
}

static int64_t
later(int64_t now_ms, int64_t delta)
{
	return delta > INT64_MAX - now_ms ? INT64_MAX : now_ms + delta;
}

static const int64_t starts[] = {0, 1, 63, 64, 4095, 1000000, 1764000000000, (1LL << 36) - 1,
    (1LL << 48) - 1, 1LL << 60, INT64_MAX - 100000};

START_TEST(agrees_with_a_search_of_everything)
{
	int64_t now = starts[_i];

	seed = 88172645463325252u + (uint64_t)_i;
	model_init(now);
	for (int batch = 0; batch < 1000; batch++) {
		for (int op = 0; op < 10; op++) {
			int i = (int)(rnd() % NODES);

			if (rnd() % 3 == 0)
				both_disarm(i);
			else if (rnd() % 3 == 0)
				both_arm(i, later(now, (int64_t)(rnd() % 4))); /* many at once */
			else
				both_arm(i, later(now, some_delta()));
		}
		assert_next();
		/* To the very time that wheel_next says, a little, or anywhere. */
		if (rnd() % 2 == 0 && wheel_next(&w) != INT64_MAX)
			now = wheel_next(&w) > now ? wheel_next(&w) : now;
		else if (rnd() % 4 != 0)
			now = later(now, (int64_t)(rnd() % 100));
		else
			now = later(now, some_delta() & INT32_MAX);
		if (now > INT64_MAX - 2)
			now = INT64_MAX - 2; /* after the last time there is nothing to agree on */
		both_advance(now);
		assert_next();
	}
	for (int i = 0; i < NODES; i++)
		both_disarm(i);
	ck_assert_int_eq(wheel_next(&w), INT64_MAX);
}
END_TEST

START_TEST(following_next_reaches_any_time_in_a_few_steps)
{
	for (int bit = 0; bit < 63; bit++) {
		int64_t at = (int64_t)(UINT64_C(1) << bit);
		int steps = 0;

		model_init(0);
		both_arm(0, at);
		while (wheel_armed(&nodes[0])) {
			int64_t next = wheel_next(&w);

			ck_assert_int_le(next, at);
			ck_assert_int_le(++steps, WHEEL_LEVELS);
			both_advance(next);
		}
		ck_assert_int_eq(w.now_ms, at);
	}
}
END_TEST

START_TEST(a_jump_of_years_fires_all_in_order)
{
	model_init(1000);
	for (int i = 0; i < NODES; i++)
		both_arm(i, 1000 + (int64_t)((unsigned)i * 7919 % 300) * 86400000);
	ck_assert_int_eq(both_advance(1000 + 10LL * 365 * 86400000), NODES);
	ck_assert(wheel_ok(&w));
}
END_TEST

START_TEST(the_past_is_due_at_the_next_advance)
{
	model_init(5000);
	both_arm(0, 5000);
	both_arm(1, 4000);
	both_arm(2, 0);
	both_arm(3, -1);
	both_arm(4, INT64_MIN);
	ck_assert_int_le(wheel_next(&w), 5000);
	ck_assert_int_eq(both_advance(5000), 5);
}
END_TEST

START_TEST(nothing_is_early)
{
	model_init(0);
	both_arm(0, 1);
	both_arm(1, 64);
	both_arm(2, 4096);
	ck_assert_int_eq(both_advance(0), 0);
	ck_assert_int_eq(both_advance(1), 1);
	ck_assert_int_eq(both_advance(63), 0);
	ck_assert_int_eq(both_advance(64), 1);
	ck_assert_int_eq(both_advance(4095), 0);
	ck_assert_int_eq(both_advance(4096), 1);
}
END_TEST

START_TEST(time_does_not_go_back)
{
	model_init(1000);
	both_arm(0, 1500);
	both_advance(1200);
	ck_assert_int_eq(both_advance(100), 0);
	ck_assert_int_eq(w.now_ms, 1200);
	ck_assert(wheel_ok(&w));
	ck_assert_int_eq(both_advance(1500), 1);
}
END_TEST

START_TEST(the_end_of_time_is_a_time)
{
	model_init(0);
	both_arm(0, INT64_MAX);
	ck_assert_int_lt(wheel_next(&w), INT64_MAX);
	ck_assert_int_eq(both_advance(INT64_MAX - 2), 0);
	ck_assert_int_eq(both_advance(INT64_MAX), 1);
	both_arm(0, INT64_MAX);
	ck_assert_int_eq(both_advance(INT64_MAX), 1);
}
END_TEST

START_TEST(a_due_node_can_be_disarmed_or_armed_anew)
{
	struct list due;

	model_init(100);
	wheel_arm(&w, &nodes[0], 110);
	wheel_arm(&w, &nodes[1], 110);
	wheel_arm(&w, &nodes[2], 120);
	list_init(&due);
	wheel_advance(&w, 120, &due);
	ck_assert(wheel_armed(&nodes[0]));
	wheel_arm(&w, &nodes[3], 120);
	wheel_disarm(&w, &nodes[0]);
	wheel_disarm(&w, &nodes[0]);
	wheel_arm(&w, &nodes[1], 130);
	ck_assert(due.next == &nodes[2].link && due.prev == &nodes[2].link);
	ck_assert(wheel_ok(&w));
	ck_assert_int_eq(wheel_next(&w), 120);
	wheel_disarm(&w, &nodes[2]);
	wheel_disarm(&w, &nodes[3]);
	ck_assert_int_eq(wheel_next(&w), 128);
	ck_assert(wheel_ok(&w));
}
END_TEST

Suite *
suite_wheel(void)
{
	Suite *s = suite_create("wheel");
	TCase *tc = tcase_create("wheel");

	tcase_add_loop_test(
	    tc, agrees_with_a_search_of_everything, 0, (int)(sizeof(starts) / sizeof(starts[0])));
	tcase_add_test(tc, following_next_reaches_any_time_in_a_few_steps);
	tcase_add_test(tc, a_jump_of_years_fires_all_in_order);
	tcase_add_test(tc, the_past_is_due_at_the_next_advance);
	tcase_add_test(tc, nothing_is_early);
	tcase_add_test(tc, time_does_not_go_back);
	tcase_add_test(tc, the_end_of_time_is_a_time);
	tcase_add_test(tc, a_due_node_can_be_disarmed_or_armed_anew);
	suite_add_tcase(s, tc);
	return s;
}
