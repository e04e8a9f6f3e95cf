#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/addresses.h"

#define SET_MAX 100

static bool
add(struct addresses *set, const char *url, const char *name, double weight)
{
	struct address a = { .weight = weight };

	(void)snprintf(a.url, sizeof a.url, "%s", url);
	(void)snprintf(a.name, sizeof a.name, "%s", name);
	return addresses_add(set, &a);
}

static void
a_sorted_set_finds_what_it_has_and_nothing_else(void **state)
{
	struct addresses set;
	char url[32];

	(void)state;
	addresses_init(&set, SET_MAX);
	assert_null(addresses_find(&set, "tcp://a:1"));
	addresses_sort(&set);
	for (int i = 0; i < SET_MAX; i++) {
		(void)snprintf(url, sizeof url, "tcp://a:%d", i * 37 % SET_MAX);
		assert_true(add(&set, url, "a", i + 1));
	}
	addresses_sort(&set);
	for (int i = 0; i < SET_MAX; i++) {
		const struct address *got;

		(void)snprintf(url, sizeof url, "tcp://a:%d", i * 37 % SET_MAX);
		got = addresses_find(&set, url);
		assert_non_null(got);
		assert_string_equal(got->url, url);
		assert_float_equal(got->weight, i + 1, 0);
	}
	assert_null(addresses_find(&set, "tcp://a:100"));
	addresses_fini(&set);
}

static void
a_full_set_takes_no_more(void **state)
{
	struct addresses set;

	(void)state;
	addresses_init(&set, 2);
	assert_true(add(&set, "tcp://a:1", "a", 1));
	assert_true(add(&set, "tcp://b:1", "b", 1));
	assert_false(add(&set, "tcp://c:1", "c", 1));
	assert_int_equal(set.count, 2);
	addresses_fini(&set);
	assert_true(add(&set, "tcp://c:1", "c", 1));
	addresses_fini(&set);
}

static void
of_the_same_the_first_name_and_the_greatest_weight_stay(void **state)
{
	struct addresses set;

	(void)state;
	addresses_init(&set, SET_MAX);
	assert_true(add(&set, "tcp://b:1", "z", 1));
	assert_true(add(&set, "tcp://a:1", "first", 1));
	assert_true(add(&set, "tcp://a:1", "another", 3));
	assert_true(add(&set, "tcp://c:1", "y", 1));
	assert_true(add(&set, "tcp://a:1", "a", 2));
	addresses_sort(&set);
	assert_int_equal(set.count, 3);
	assert_string_equal(set.items[0].url, "tcp://a:1");
	assert_string_equal(set.items[0].name, "first");
	assert_float_equal(set.items[0].weight, 3, 0);
	assert_string_equal(set.items[1].url, "tcp://b:1");
	assert_string_equal(set.items[2].url, "tcp://c:1");
	addresses_fini(&set);
}

static void
sets_are_equal_whatever_the_order_and_differ_in_any_field(void **state)
{
	static const struct {
		const char *url, *name;
		double weight;
	} others[] = {
		{ "tcp://b:2", "b", 1 },
		{ "tcp://b:1", "c", 1 },
		{ "tcp://b:1", "b", 1.5 },
	};
	struct addresses a;
	struct addresses b;

	(void)state;
	addresses_init(&a, SET_MAX);
	addresses_init(&b, SET_MAX);
	assert_true(addresses_equal(&a, &b));
	assert_true(add(&a, "tcp://a:1", "a", 1));
	assert_true(add(&a, "tcp://b:1", "b", 1));
	addresses_sort(&a);
	assert_true(add(&b, "tcp://b:1", "b", 1));
	assert_false(addresses_equal(&a, &b));
	assert_true(add(&b, "tcp://a:1", "a", 1));
	addresses_sort(&b);
	assert_true(addresses_equal(&a, &b));
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		addresses_fini(&b);
		assert_true(add(&b, "tcp://a:1", "a", 1));
		assert_true(
		    add(&b, others[i].url, others[i].name, others[i].weight));
		addresses_sort(&b);
		assert_false(addresses_equal(&a, &b));
	}
	addresses_fini(&a);
	addresses_fini(&b);
}

static void
a_set_that_was_moved_from_can_be_used_again(void **state)
{
	struct addresses a;
	struct addresses b;

	(void)state;
	addresses_init(&a, 1);
	addresses_init(&b, 1);
	assert_true(add(&a, "tcp://a:1", "a", 1));
	assert_true(add(&b, "tcp://b:1", "b", 1));
	addresses_move(&a, &b);
	assert_int_equal(a.count, 1);
	assert_string_equal(a.items[0].url, "tcp://b:1");
	assert_int_equal(b.count, 0);
	assert_true(add(&b, "tcp://c:1", "c", 1));
	addresses_fini(&a);
	addresses_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_sorted_set_finds_what_it_has_and_nothing_else),
		cmocka_unit_test(a_full_set_takes_no_more),
		cmocka_unit_test(
		    of_the_same_the_first_name_and_the_greatest_weight_stay),
		cmocka_unit_test(
		    sets_are_equal_whatever_the_order_and_differ_in_any_field),
		cmocka_unit_test(a_set_that_was_moved_from_can_be_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
