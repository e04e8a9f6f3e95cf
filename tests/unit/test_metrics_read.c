#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/metrics_read.h"

static void
assert_near(double got, double want)
{
	assert_true(fabs(got - want) < 1e-9);
}

static void
labels_are_matched_whole(void **state)
{
	static const char *const names[] = { "map", "outcome", NULL };
	static const struct {
		const char *labels;
		double want;
	} cases[] = {
		{ NULL, 15 },
		{ "outcome=\"OK\"", 3 },
		{ "map=\"alias\"", 5 },
		{ "map=\"alias\",outcome=\"OK\"", 1 },
		{ "come=\"OK\"", 0 },
		{ "outcome=\"O\"", 0 },
	};
	struct metrics *m = metrics_new();
	struct metrics_family *f = metrics_counters(m, "x_total", "h", names);

	(void)state;
	metrics_add(
	    metrics_counter(f, (const char *const[]){ "alias", "OK", NULL }),
	    1);
	metrics_add(
	    metrics_counter(f, (const char *const[]){ "domain", "OK", NULL }),
	    2);
	metrics_add(
	    metrics_counter(f, (const char *const[]){ "alias", "OKAY", NULL }),
	    4);
	metrics_add(metrics_counter(f,
			(const char *const[]){
			    "a\",outcome=\"OK", "x\",outcome=\"OK", NULL }),
	    8);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_near(metrics_sum(m,
				&(struct metrics_selector){
				    "x_total", cases[i].labels }),
		    cases[i].want);
	metrics_free(m);
}

static void
names_are_matched_whole(void **state)
{
	struct metrics *m = metrics_new();

	(void)state;
	metrics_add_process(m);
	(void)metrics_gauges(m, "long_enough_a_name", "h", NULL);
	assert_true(metrics_known(m, "process_open_fds"));
	assert_true(metrics_known(m, "long_enough_a_name"));
	assert_false(metrics_known(m, "enough_a_name"));
	assert_false(metrics_known(m, ""));
	assert_false(metrics_known(m, "open_fds"));
	metrics_free(m);
}

static void
a_quantile_is_found_within_its_bucket(void **state)
{
	static const double bounds[] = { 1, 2, 4 };
	struct metrics *m = metrics_new();
	struct metrics_histogram *h = metrics_histogram(
	    metrics_histograms(m, "s", "h", NULL, bounds, 3), NULL);
	struct metrics_buckets none;
	struct metrics_buckets some;

	(void)state;
	metrics_read_buckets(m, "s", &none);
	assert_true(isnan(metrics_quantile(m, "s", &none, &none, 0.5)));
	for (int i = 0; i < 10; i++)
		metrics_observe(h, 3);
	metrics_read_buckets(m, "s", &some);
	assert_near(metrics_quantile(m, "s", &none, &some, 0.5), 3);
	metrics_observe(h, 100);
	metrics_read_buckets(m, "s", &some);
	assert_near(metrics_quantile(m, "s", &none, &some, 1), 4);
	assert_true(isnan(metrics_quantile(m, "t", &none, &some, 0.5)));
	metrics_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_matched_whole),
		cmocka_unit_test(names_are_matched_whole),
		cmocka_unit_test(a_quantile_is_found_within_its_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
