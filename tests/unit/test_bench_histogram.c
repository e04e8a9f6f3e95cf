#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frontend/cli/bench_histogram.h"

static struct bench_histogram *
new_histogram(void **state)
{
	struct bench_histogram *h = *state;

	bench_histogram_init(h);
	return h;
}

static void
nothing_counted_is_zero(void **state)
{
	struct bench_histogram *h = new_histogram(state);

	assert_int_equal(bench_histogram_at(h, 0.5), 0);
	assert_int_equal(bench_histogram_at(h, 1), 0);
}

static void
small_values_are_exact(void **state)
{
	struct bench_histogram *h = new_histogram(state);

	for (uint64_t ns = 0; ns < 64; ns++)
		bench_histogram_add(h, ns);
	assert_int_equal(bench_histogram_at(h, 0.5), 31);
	assert_int_equal(bench_histogram_at(h, 1), 63);
}

/* Each value alone: what is read is not below it and at most 1/64 above. */
static void
every_value_is_read_within_a_64th(void **state)
{
	for (uint64_t ns = 1; ns < BENCH_HISTOGRAM_MAX; ns += ns / 7 + 1) {
		struct bench_histogram *h = new_histogram(state);
		uint64_t got;

		bench_histogram_add(h, ns);
		bench_histogram_add(h, BENCH_HISTOGRAM_MAX);
		got = bench_histogram_at(h, 0.5);
		assert_true(got >= ns);
		assert_true(got <= ns + ns / 64);
	}
}

static void
percentiles_of_a_line_are_on_it(void **state)
{
	struct bench_histogram *h = new_histogram(state);
	const double shares[] = { 0.5, 0.9, 0.99, 0.999 };

	for (uint64_t i = 1; i <= 100000; i++)
		bench_histogram_add(h, i * 1000);
	for (size_t i = 0; i < 4; i++) {
		double want = shares[i] * 1e8;
		double got = (double)bench_histogram_at(h, shares[i]);

		assert_true(got >= want && got <= want * (1 + 1.0 / 60));
	}
}

static void
a_percentile_is_never_above_the_greatest_value(void **state)
{
	struct bench_histogram *h = new_histogram(state);

	bench_histogram_add(h, 1000001);
	assert_int_equal(bench_histogram_at(h, 0.999), 1000001);
	assert_int_equal(h->max_ns, 1000001);
}

static void
what_is_too_long_counts_as_the_longest(void **state)
{
	struct bench_histogram *h = new_histogram(state);

	bench_histogram_add(h, UINT64_MAX);
	assert_int_equal(h->count, 1);
	assert_int_equal(bench_histogram_at(h, 1), BENCH_HISTOGRAM_MAX);
}

static void
merged_counts_are_those_of_both(void **state)
{
	struct bench_histogram *h = new_histogram(state);
	struct bench_histogram *other = malloc(sizeof *other);

	assert_non_null(other);
	bench_histogram_init(other);
	for (int i = 0; i < 90; i++)
		bench_histogram_add(h, 10);
	for (int i = 0; i < 10; i++)
		bench_histogram_add(other, 5000);
	bench_histogram_merge(h, other);
	free(other);
	assert_int_equal(h->count, 100);
	assert_int_equal(h->max_ns, 5000);
	assert_int_equal(bench_histogram_at(h, 0.9), 10);
	assert_true(bench_histogram_at(h, 0.91) >= 5000);
}

static int
setup(void **state)
{
	*state = malloc(sizeof(struct bench_histogram));
	return *state == NULL;
}

static int
teardown(void **state)
{
	free(*state);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_counted_is_zero),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(every_value_is_read_within_a_64th),
		cmocka_unit_test(percentiles_of_a_line_are_on_it),
		cmocka_unit_test(
		    a_percentile_is_never_above_the_greatest_value),
		cmocka_unit_test(what_is_too_long_counts_as_the_longest),
		cmocka_unit_test(merged_counts_are_those_of_both),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
