#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/cli/bench_zipf.h"

#define DRAWS 200000
#define THINGS 1000

/* How often the k-th of n things is to come. */
static double
share_of(uint64_t n, double s, uint64_t k)
{
	double sum = 0;

	for (uint64_t i = 1; i <= n; i++)
		sum += pow((double)i, -s);
	return pow((double)k, -s) / sum;
}

static void
draw(uint64_t n, double s, unsigned counts[static THINGS])
{
	struct bench_random random = { 42 };
	struct bench_zipf zipf;

	for (int i = 0; i < THINGS; i++)
		counts[i] = 0;
	bench_zipf_init(&zipf, n, s);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t k = bench_zipf_next(&zipf, &random);

		assert_true(k < n);
		counts[k]++;
	}
}

static void
frequencies_follow_the_law(void **state)
{
	const double exponents[] = { 0.5, 0.99, 1, 1.2, 3 };
	unsigned counts[THINGS];

	(void)state;
	for (size_t e = 0; e < sizeof exponents / sizeof exponents[0]; e++) {
		draw(THINGS, exponents[e], counts);
		for (uint64_t k = 1; k <= 10; k++) {
			double want = DRAWS * share_of(THINGS, exponents[e], k);
			double got = counts[k - 1];

			/* Five standard deviations. */
			assert_true(fabs(got - want) <= 5 * sqrt(want) + 1);
		}
	}
}

static void
one_thing_is_always_the_first(void **state)
{
	unsigned counts[THINGS];

	(void)state;
	draw(1, 1.1, counts);
	assert_int_equal(counts[0], DRAWS);
}

static void
a_great_range_is_never_left(void **state)
{
	const uint64_t n = UINT64_C(1) << 40;
	struct bench_random random = { 7 };
	struct bench_zipf zipf;
	uint64_t greatest = 0;

	(void)state;
	bench_zipf_init(&zipf, n, 0.8);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t k = bench_zipf_next(&zipf, &random);

		assert_true(k < n);
		if (k > greatest)
			greatest = k;
	}
	assert_true(greatest > n / 2);
}

static void
equal_seeds_draw_alike_and_others_do_not(void **state)
{
	struct bench_random a = { 1 };
	struct bench_random b = { 1 };
	struct bench_random c = { 2 };
	struct bench_zipf zipf;
	int different = 0;

	(void)state;
	bench_zipf_init(&zipf, 1000000, 1);
	for (int i = 0; i < 100; i++) {
		uint64_t k = bench_zipf_next(&zipf, &a);

		assert_int_equal(k, bench_zipf_next(&zipf, &b));
		different += k != bench_zipf_next(&zipf, &c);
	}
	assert_true(different > 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frequencies_follow_the_law),
		cmocka_unit_test(one_thing_is_always_the_first),
		cmocka_unit_test(a_great_range_is_never_left),
		cmocka_unit_test(equal_seeds_draw_alike_and_others_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
