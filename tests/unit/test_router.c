#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frontend/router.h"

#define MEMBERS 10
#define KEYS 100000

#define LOAD_FACTOR 1.25

static const size_t nothing = 0;

struct pool_of {
	struct router_member members[MEMBERS + 1];
	size_t count;
};

static struct pool_of
members_up_to(size_t count)
{
	struct pool_of pool = { .count = count };

	for (size_t i = 0; i < count; i++) {
		char url[64];
		int n =
		    snprintf(url, sizeof url, "tcp://192.0.2.%zu:10010", i + 1);

		pool.members[i] = (struct router_member){
			.id =
			    router_member_id((struct slice){ url, (size_t)n }),
			.usable = true,
			.weight = 1,
			.in_flight = &nothing,
		};
	}
	return pool;
}

static uint64_t
nth_key(size_t n)
{
	char text[64];
	int len = snprintf(text, sizeof text, "user%zu@example.org", n);

	return router_key(LOOKUP_ALIAS, (struct slice){ text, (size_t)len });
}

static size_t
pick(const struct pool_of *pool, uint64_t key)
{
	return router_pick(
	    pool->members, pool->count, key, LOAD_FACTOR, NULL, 0);
}

static void
shares_are_equal_within_a_tenth(void **state)
{
	struct pool_of pool = members_up_to(MEMBERS);
	size_t share[MEMBERS] = { 0 };

	(void)state;
	for (size_t n = 0; n < KEYS; n++)
		share[pick(&pool, nth_key(n))]++;
	for (size_t i = 0; i < MEMBERS; i++)
		assert_in_range(share[i], KEYS / MEMBERS * 9 / 10,
		    KEYS / MEMBERS * 11 / 10);
}

static void
a_new_member_takes_only_its_own_share(void **state)
{
	struct pool_of before = members_up_to(MEMBERS);
	struct pool_of after = members_up_to(MEMBERS + 1);
	size_t moved = 0;

	(void)state;
	for (size_t n = 0; n < KEYS; n++) {
		size_t had = pick(&before, nth_key(n));
		size_t got = pick(&after, nth_key(n));

		if (got != had) {
			assert_int_equal(got, MEMBERS);
			moved++;
		}
	}
	assert_in_range(moved, 1, KEYS * 12 / 10 / (MEMBERS + 1));
}

static void
a_member_that_goes_moves_only_its_own_share(void **state)
{
	struct pool_of before = members_up_to(MEMBERS);
	struct pool_of after = before;
	size_t moved = 0;

	(void)state;
	after.members[3].usable = false;
	for (size_t n = 0; n < KEYS; n++) {
		size_t had = pick(&before, nth_key(n));
		size_t got = pick(&after, nth_key(n));

		if (had == 3)
			moved++;
		else
			assert_int_equal(got, had);
		assert_int_not_equal(got, 3);
	}
	assert_in_range(moved, 1, KEYS * 12 / 10 / MEMBERS);
}

static void
the_order_of_members_does_not_matter(void **state)
{
	struct pool_of pool = members_up_to(MEMBERS);
	struct pool_of reversed = pool;

	(void)state;
	for (size_t i = 0; i < MEMBERS; i++)
		reversed.members[i] = pool.members[MEMBERS - 1 - i];
	for (size_t n = 0; n < 1000; n++)
		assert_int_equal(pick(&pool, nth_key(n)),
		    MEMBERS - 1 - pick(&reversed, nth_key(n)));
}

static void
every_member_is_tried_once_then_none(void **state)
{
	struct pool_of pool = members_up_to(MEMBERS);
	uint64_t tried[MEMBERS];
	uint64_t key = nth_key(7);

	(void)state;
	for (size_t t = 0; t < MEMBERS; t++) {
		size_t got = router_pick(
		    pool.members, pool.count, key, LOAD_FACTOR, tried, t);

		assert_in_range(got, 0, MEMBERS - 1);
		tried[t] = pool.members[got].id;
		for (size_t i = 0; i < t; i++)
			assert_true(tried[i] != tried[t]);
	}
	assert_int_equal(router_pick(pool.members, pool.count, key, LOAD_FACTOR,
			     tried, MEMBERS),
	    ROUTER_NONE);
}

static void
none_is_picked_when_none_is_usable(void **state)
{
	struct pool_of pool = members_up_to(2);

	(void)state;
	pool.members[0].usable = false;
	pool.members[1].usable = false;
	assert_int_equal(pick(&pool, 1), ROUTER_NONE);
	assert_int_equal(
	    router_pick(pool.members, 0, 1, LOAD_FACTOR, NULL, 0), ROUTER_NONE);
}

static void
weights_hold_within_a_tenth(void **state)
{
	struct pool_of pool = members_up_to(4);
	size_t share[4] = { 0 };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		pool.members[i].weight = (double)i + 1; /* 1 + 2 + 3 + 4 */
	for (size_t n = 0; n < KEYS; n++)
		share[pick(&pool, nth_key(n))]++;
	for (size_t i = 0; i < 4; i++)
		assert_in_range(share[i], KEYS / 10 * (i + 1) * 9 / 10,
		    KEYS / 10 * (i + 1) * 11 / 10);
}

static void
a_heavier_member_only_gains_keys(void **state)
{
	struct pool_of before = members_up_to(MEMBERS);
	struct pool_of after = before;

	(void)state;
	after.members[3].weight = 2;
	for (size_t n = 0; n < KEYS / 10; n++) {
		size_t had = pick(&before, nth_key(n));
		size_t got = pick(&after, nth_key(n));

		assert_true(got == had || got == 3);
	}
}

static void
an_overloaded_member_passes_keys_to_the_next_in_rank(void **state)
{
	struct pool_of pool = members_up_to(3);
	size_t in_flight[3] = { 1000, 10, 10 };
	uint64_t first = pool.members[0].id;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		pool.members[i].in_flight = &in_flight[i];
	for (size_t n = 0; n < 1000; n++) {
		uint64_t key = nth_key(n);

		assert_int_equal(pick(&pool, key),
		    router_pick(
			pool.members, pool.count, key, LOAD_FACTOR, &first, 1));
	}
}

static void
a_few_dozen_calls_are_no_overload(void **state)
{
	struct pool_of idle = members_up_to(3);
	struct pool_of pool = idle;
	size_t in_flight = ROUTER_LOAD_FLOOR - 1;

	(void)state;
	pool.members[0].in_flight = &in_flight;
	for (size_t n = 0; n < 1000; n++)
		assert_int_equal(
		    pick(&pool, nth_key(n)), pick(&idle, nth_key(n)));
}

static void
a_fallback_is_asked_only_when_no_other_is_left(void **state)
{
	struct pool_of pool = members_up_to(3);

	(void)state;
	pool.members[1].usable = false;
	pool.members[1].fallback = true;
	for (size_t n = 0; n < 1000; n++)
		assert_int_not_equal(pick(&pool, nth_key(n)), 1);
	pool.members[0].usable = false;
	pool.members[2].usable = false;
	assert_int_equal(pick(&pool, nth_key(1)), 1);
}

static void
when_all_are_overloaded_rank_decides(void **state)
{
	struct pool_of idle = members_up_to(1);
	size_t in_flight = 5000;

	(void)state;
	idle.members[0].in_flight = &in_flight;
	assert_int_equal(pick(&idle, nth_key(1)), 0);
}

/* Frontends of every version must agree on who is asked for a key. */
static void
ids_and_keys_never_change(void **state)
{
	(void)state;
	assert_true(router_key(LOOKUP_ALIAS, SLICE("a@example.org")) !=
	    router_key(LOOKUP_MAILBOX, SLICE("a@example.org")));
	assert_true(router_member_id(SLICE("tcp://127.0.0.1:10010")) ==
	    UINT64_C(0xdfbb9c645b5b2ccb));
	assert_true(router_key(LOOKUP_ALIAS, SLICE("a@example.org")) ==
	    UINT64_C(0xb72076109ee58d98));
}

static void
rank_knows_neither_state_nor_load(void **state)
{
	const size_t busy = 1000;
	struct pool_of pool = members_up_to(3);
	uint64_t key = nth_key(7);
	size_t first = pick(&pool, key);
	uint64_t taken[3];

	(void)state;
	pool.members[first].usable = false;
	pool.members[first].in_flight = &busy;
	assert_int_equal(
	    router_rank(pool.members, pool.count, key, NULL, 0), first);
	taken[0] = pool.members[first].id;
	assert_int_equal(router_rank(pool.members, pool.count, key, taken, 1),
	    pick(&pool, key));
	for (size_t i = 0; i < 3; i++)
		taken[i] = pool.members[i].id;
	assert_int_equal(
	    router_rank(pool.members, pool.count, key, taken, 3), ROUTER_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_equal_within_a_tenth),
		cmocka_unit_test(a_new_member_takes_only_its_own_share),
		cmocka_unit_test(a_member_that_goes_moves_only_its_own_share),
		cmocka_unit_test(the_order_of_members_does_not_matter),
		cmocka_unit_test(every_member_is_tried_once_then_none),
		cmocka_unit_test(none_is_picked_when_none_is_usable),
		cmocka_unit_test(weights_hold_within_a_tenth),
		cmocka_unit_test(a_heavier_member_only_gains_keys),
		cmocka_unit_test(
		    an_overloaded_member_passes_keys_to_the_next_in_rank),
		cmocka_unit_test(a_few_dozen_calls_are_no_overload),
		cmocka_unit_test(
		    a_fallback_is_asked_only_when_no_other_is_left),
		cmocka_unit_test(when_all_are_overloaded_rank_decides),
		cmocka_unit_test(rank_knows_neither_state_nor_load),
		cmocka_unit_test(ids_and_keys_never_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
