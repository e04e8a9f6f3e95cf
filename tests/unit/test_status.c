#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/status.h"

static void
assert_near(double got, double want)
{
	assert_true(fabs(got - want) < 1e-9);
}

#define JSON_MAX ((size_t)1 << 20)

static const struct status_item items[] = {
	{ "Things", "now", "now", "", { "gauge", NULL }, STATUS_NOW },
	{ "Things", "red", "red", "share",
	    { "colours_total", "colour=\"red\"" }, STATUS_SHARE },
	{ "Things", "grown", "grown", "", { "colours_total", NULL },
	    STATUS_GROWTH },
	{ "Others", "absent", "absent", "", { "no_such_metric", NULL },
	    STATUS_NOW },
};

static const struct status_rule rules[] = {
	{ .what = { "gauge", NULL },
	    .limit = 5,
	    .text = "gauge is #, too much",
	    .remedy = "turn it down" },
	{ .what = { "end", NULL },
	    .kind = STATUS_LEFT,
	    .is_below = true,
	    .limit = 14 * 86400,
	    .text = "ends in #",
	    .remedy = "" },
	{ .what = { "end", NULL },
	    .is_error = true,
	    .kind = STATUS_LEFT,
	    .is_below = true,
	    .text = "has ended",
	    .remedy = "" },
	{ .what = { "no_such_metric", NULL },
	    .is_below = true,
	    .limit = 1,
	    .text = "is not there",
	    .remedy = "" },
};

static const struct status_tier tier = {
	.name = "test",
	.durations = "seconds",
	.all = { "answers_total", NULL },
	.success = { "answers_total", "outcome=\"ok\"" },
	.notfound = { "answers_total", "outcome=\"absent\"" },
	.items = items,
	.item_count = sizeof items / sizeof items[0],
	.rules = rules,
	.rule_count = sizeof rules / sizeof rules[0],
};

struct fixture {
	uv_loop_t loop;
	struct metrics *metrics;
	struct status *status;
	struct metrics_gauge *gauge, *end;
	struct metrics_counter *red, *blue, *ok, *absent, *failed;
	struct metrics_histogram *seconds;
};

static struct metrics_counter *
counter(
    struct metrics *m, const char *name, const char *label, const char *value)
{
	return metrics_counter(metrics_counters(m, name, "help",
				   (const char *const[]){ label, NULL }),
	    (const char *const[]){ value, NULL });
}

static int
setup(void **state)
{
	static const double bounds[] = { 1, 2, 4 };
	struct fixture *f = calloc(1, sizeof *f);
	struct metrics *m = metrics_new();

	assert_non_null(f);
	(void)uv_loop_init(&f->loop);
	f->metrics = m;
	f->gauge =
	    metrics_gauge(metrics_gauges(m, "gauge", "help", NULL), NULL);
	f->end = metrics_gauge(metrics_gauges(m, "end", "help", NULL), NULL);
	f->red = counter(m, "colours_total", "colour", "red");
	f->blue = counter(m, "colours_total", "colour", "blue");
	f->ok = counter(m, "answers_total", "outcome", "ok");
	f->absent = counter(m, "answers_total", "outcome", "absent");
	f->failed = counter(m, "answers_total", "outcome", "failed");
	f->seconds = metrics_histogram(
	    metrics_histograms(m, "seconds", "help", NULL, bounds, 3), NULL);
	f->status = status_new(&f->loop, m, &tier, "it", NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	status_close(f->status);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	metrics_free(f->metrics);
	free(f);
	return 0;
}

static json_t *
read_status(struct fixture *f)
{
	struct buffer out;
	json_t *got;

	buffer_init(&out, JSON_MAX);
	assert_true(status_write(f->status, &out));
	got = json_loadb(buffer_slice(&out).ptr, buffer_len(&out),
	    JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(got);
	buffer_fini(&out);
	return got;
}

static void
assert_problem(struct fixture *f, const char *state, const char *text)
{
	json_t *got = read_status(f);
	json_t *problems = json_object_get(got, "problems");

	assert_string_equal(
	    json_string_value(json_object_get(got, "state")), state);
	assert_int_equal(json_array_size(problems), text == NULL ? 0 : 1);
	if (text != NULL)
		assert_string_equal(json_string_value(json_object_get(
					json_array_get(problems, 0), "text")),
		    text);
	json_decref(got);
}

/* The figure of the first section. */
static double
figure(struct fixture *f, size_t i)
{
	json_t *got = read_status(f);
	json_t *section = json_array_get(json_object_get(got, "sections"), 0);
	double value = json_number_value(json_object_get(
	    json_array_get(json_object_get(section, "items"), i), "value"));

	json_decref(got);
	return value;
}

static void
a_rule_speaks_above_its_limit_only(void **state)
{
	struct fixture *f = *state;

	metrics_set(f->gauge, 5);
	assert_problem(f, "ok", NULL);
	metrics_set(f->gauge, 5.5);
	assert_problem(f, "degraded", "gauge is 5.5, too much");
}

static void
a_time_that_draws_near_is_told_in_words(void **state)
{
	struct fixture *f = *state;
	double now = (double)time(NULL);

	metrics_set(f->end, 0);
	assert_problem(f, "ok", NULL);
	metrics_set(f->end, now + 15 * 86400.0);
	assert_problem(f, "ok", NULL);
	metrics_set(f->end, now + 3 * 86400.0);
	assert_problem(f, "degraded", "ends in 3 days");
	metrics_set(f->end, now + 5 * 3600.0);
	assert_problem(f, "degraded", "ends in 5 hours");
	metrics_set(f->end, now - 60);
	assert_problem(f, "failing", "has ended");
}

static void
a_metric_that_nobody_registered_is_left_out(void **state)
{
	json_t *got = read_status(*state);
	json_t *sections = json_object_get(got, "sections");

	assert_int_equal(json_array_size(sections), 1);
	assert_int_equal(json_array_size(json_object_get(
			     json_array_get(sections, 0), "items")),
	    3);
	json_decref(got);
}

static void
figures_follow_their_kind(void **state)
{
	struct fixture *f = *state;

	metrics_set(f->gauge, 3);
	metrics_add(f->red, 1);
	metrics_add(f->blue, 3);
	assert_near(figure(f, 0), 3);
	assert_near(figure(f, 1), 0.25);
	assert_near(figure(f, 2), 4);
}

static void
growth_forgets_what_is_older_than_the_ring(void **state)
{
	struct fixture *f = *state;

	metrics_add(f->red, 7);
	for (int i = 0; i < STATUS_SAMPLES; i++)
		status_sample(f->status);
	assert_near(figure(f, 2), 7);
	status_sample(f->status);
	assert_near(figure(f, 2), 0);
}

static void
history_holds_ten_minutes(void **state)
{
	struct fixture *f = *state;
	json_t *got;

	for (int i = 0; i < 3 * STATUS_SAMPLES; i++)
		status_sample(f->status);
	got = read_status(f);
	assert_int_equal(json_array_size(json_object_get(
			     json_object_get(got, "history"), "success")),
	    STATUS_SAMPLES);
	json_decref(got);
}

static void
quantiles_are_of_what_came_since(void **state)
{
	struct fixture *f = *state;
	json_t *got;
	json_t *rates;

	for (int i = 0; i < 100; i++)
		metrics_observe(f->seconds, 3);
	for (int i = 0; i <= STATUS_RATE_SAMPLES; i++)
		status_sample(f->status);
	for (int i = 0; i < 100; i++)
		metrics_observe(f->seconds, i < 60 ? 0.5 : 1.5);
	got = read_status(f);
	rates = json_object_get(got, "rates");
	assert_in_range(
	    1000 * json_number_value(json_object_get(rates, "p50")), 800, 850);
	assert_in_range(1000 * json_number_value(json_object_get(rates, "p99")),
	    1950, 2000);
	json_decref(got);
}

static void
failing_lookups_are_a_warning_then_an_error(void **state)
{
	struct fixture *f = *state;

	metrics_add(f->failed, STATUS_LOOKUPS_LEAST - 1);
	assert_problem(f, "ok", NULL); /* too few to say */
	metrics_add(f->ok, 200);
	metrics_add(f->absent, 161);
	assert_problem(f, "degraded",
	    "5 % of the last minute's lookups failed: Postfix defers that "
	    "mail.");
	metrics_add(f->failed, 361);
	assert_problem(f, "failing",
	    "51.3 % of the last minute's lookups failed: Postfix defers that "
	    "mail.");
}

static void
what_does_not_fit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct buffer out;

	buffer_init(&out, 64);
	assert_false(status_write(f->status, &out));
	buffer_fini(&out);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_rule_speaks_above_its_limit_only),
		TEST(a_time_that_draws_near_is_told_in_words),
		TEST(a_metric_that_nobody_registered_is_left_out),
		TEST(figures_follow_their_kind),
		TEST(growth_forgets_what_is_older_than_the_ring),
		TEST(history_holds_ten_minutes),
		TEST(quantiles_are_of_what_came_since),
		TEST(failing_lookups_are_a_warning_then_an_error),
		TEST(what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
