#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/metrics.h"
#include "frontend/cli/exposition.h"
#include "frontend/cli/figures.h"

#define P METRICS_PREFIX

static struct exposition
parsed(const char *text)
{
	struct exposition e;

	exposition_parse(&e, slice_of(text));
	return e;
}

static void
assert_near(double got, double want)
{
	assert_true(fabs(got - want) < 1e-9);
}

static void
series_are_summed_by_their_labels(void **state)
{
	static const struct {
		const char *metric, *labels;
		double want; /* NaN: none */
	} cases[] = {
		{ "requests_total", "", 111 },
		{ "requests_total", "status=\"ok\"", 11 },
		{ "requests_total", "handler=\"a\",status=\"ok\"", 1 },
		{ "requests_total", "handler=\"a\"|status=\"bad\"", 101 },
		{ "requests_total", "handler=\"c\"", NAN },
		/* A part of a pair is none, and no more is a part of a name. */
		{ "requests_total", "tatus=\"ok\"", NAN },
		{ "requests", "", NAN },
		{ "plain", "", 2.5 },
		{ "process_open_fds", "", 7 },
		{ "absent", "", NAN },
	};
	struct exposition e =
	    parsed("# HELP " P "requests_total Requests.\n"
		   "# TYPE " P "requests_total counter\n" P
		   "requests_total{handler=\"a\",status=\"ok\"} 1\n" P
		   "requests_total{handler=\"b\",status=\"ok\"} 10\n" P
		   "requests_total{handler=\"a\",status=\"bad\"} 100\n" P
		   "plain 2.5\nprocess_open_fds 7\n");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct exposition_selector s = { cases[i].metric,
			cases[i].labels };
		double got = exposition_sum(&e, &s);

		if (isnan(cases[i].want))
			assert_true(isnan(got));
		else
			assert_near(got, cases[i].want);
	}
	exposition_fini(&e);
}

static void
what_is_no_sample_is_passed_over(void **state)
{
	static const struct exposition_selector good = { "good", "" };
	struct exposition e =
	    parsed("\n\n# x\nx\n{} 1\nx y\nx 1z\n x\nx{ 1\n" P "good 3");

	(void)state;
	assert_near(exposition_sum(&e, &good), 3);
	exposition_fini(&e);
	e = parsed("");
	assert_int_equal(e.count, 0);
	exposition_fini(&e);
}

#define H "h_bucket{map=\"a\",le="

static void
a_quantile_is_that_of_what_came_since(void **state)
{
	static const struct exposition_selector h = { "h", "" };
	static const struct exposition_selector none = { "h", "map=\"z\"" };
	struct exposition before = parsed(
	    P H "\"0.1\"} 1000\n" P H "\"1\"} 1000\n" P H "\"+Inf\"} 1000\n");
	struct exposition now = parsed(
	    P H "\"0.1\"} 1050\n" P H "\"1\"} 1090\n" P H "\"+Inf\"} 1100\n");

	(void)state;
	assert_near(exposition_quantile(&now, &before, &h, 0.5), 0.1);
	assert_near(exposition_quantile(&now, &before, &h, 0.25), 0.05);
	assert_near(exposition_quantile(&now, &before, &h, 0.7), 0.55);
	assert_near(exposition_quantile(&now, &before, &h, 0.99), 1);
	assert_true(isnan(exposition_quantile(&now, &now, &h, 0.5)));
	assert_true(isnan(exposition_quantile(&now, &before, &none, 0.5)));
	exposition_fini(&before);
	exposition_fini(&now);
}

static const struct figure rate = { "g", "n", FIGURE_RATE, 0,
	{ { "requests_total", "" }, { NULL, NULL } }, { NULL, NULL } };

static void
a_rate_counts_from_nothing_after_a_restart(void **state)
{
	struct exposition before = parsed(P "requests_total 1000\n");
	struct exposition now = parsed(P "requests_total 1020\n");
	struct exposition anew = parsed(P "requests_total 6\n");

	(void)state;
	assert_near(figure_value(&rate, FIGURE_FRONTEND, &before, &now, 2), 10);
	assert_near(figure_value(&rate, FIGURE_FRONTEND, &before, &anew, 2), 3);
	assert_true(
	    isnan(figure_value(&rate, FIGURE_BACKEND, &before, &now, 2)));
	assert_int_equal(figure_tier_of(&now), FIGURE_FRONTEND);
	exposition_fini(&before);
	exposition_fini(&now);
	exposition_fini(&anew);
	now = parsed(P "backend_calls_total 1\n");
	assert_int_equal(figure_tier_of(&now), FIGURE_BACKEND);
	exposition_fini(&now);
	now = parsed("node_load1 1\n");
	assert_int_equal(figure_tier_of(&now), FIGURE_TIERS);
	exposition_fini(&now);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(series_are_summed_by_their_labels),
		cmocka_unit_test(what_is_no_sample_is_passed_over),
		cmocka_unit_test(a_quantile_is_that_of_what_came_since),
		cmocka_unit_test(a_rate_counts_from_nothing_after_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
