#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/userli_health.h"

#define NOW 5000

struct fixture {
	struct log *log;
	struct metrics *metrics;
	struct userli_metrics own;
	struct userli_health health;
};

static int
set_up(void **state)
{
	static const struct log_options quiet = { .level = LOG_LEVEL_ERROR,
		.fd = STDERR_FILENO };
	static struct fixture fixture;
	struct fixture *f = &fixture;

	f->log = log_new(&quiet);
	f->metrics = metrics_new();
	userli_metrics_init(&f->own, f->metrics);
	userli_health_init(&f->health, f->log, &f->own, 1);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	metrics_free(f->metrics);
	log_free(f->log);
	return 0;
}

static struct userli_verdict
verdict(enum userli_failure failure)
{
	struct userli_verdict v = { .outcome = LOOKUP_TEMP,
		.failure = failure };

	if (failure == USERLI_FAILURE_NONE)
		v.outcome = LOOKUP_NOTFOUND;
	if (failure == USERLI_FAILURE_TIMEOUT)
		v.outcome = LOOKUP_TIMEOUT;
	if (failure == USERLI_FAILURE_QUEUE_FULL ||
	    failure == USERLI_FAILURE_QUEUE_TIMEOUT)
		v.outcome = LOOKUP_BUSY;
	if (failure != USERLI_FAILURE_NONE)
		(void)snprintf(v.reason, sizeof v.reason, "because of %s",
		    userli_failure_name(failure));
	return v;
}

static void
learn(struct fixture *f, enum userli_asker asker, enum userli_failure failure,
    bool tried, int times)
{
	struct userli_verdict v = verdict(failure);

	for (int i = 0; i < times; i++)
		(void)userli_health_learn(&f->health, NOW, asker, &v, tried);
}

/* What five failures of a kind in a row do: to lookups, to checks. */
static void
each_failure_says_something_about_userli_or_about_a_key(void **state)
{
	static const struct {
		enum userli_failure failure;
		bool lookups_open, checks_open;
	} cases[] = {
		{ USERLI_FAILURE_NONE, false, false },
		{ USERLI_FAILURE_TOKEN, true, true },
		{ USERLI_FAILURE_BASE_URL, false, true },
		{ USERLI_FAILURE_BUSY, true, true },
		{ USERLI_FAILURE_STATUS, true, true },
		{ USERLI_FAILURE_UNREACHABLE, true, true },
		{ USERLI_FAILURE_TLS, true, true },
		{ USERLI_FAILURE_BROKEN, true, true },
		{ USERLI_FAILURE_TOO_LARGE, false, true },
		{ USERLI_FAILURE_NOT_JSON, true, true },
		{ USERLI_FAILURE_WRONG_TYPE, false, true },
		{ USERLI_FAILURE_BAD_ADDRESS, false, true },
		{ USERLI_FAILURE_TIMEOUT, true, true },
		{ USERLI_FAILURE_QUEUE_FULL, false, false },
		{ USERLI_FAILURE_QUEUE_TIMEOUT, false, false },
		{ USERLI_FAILURE_UNRESOLVED, true, true },
		{ USERLI_FAILURE_HELD, false, false },
	};

	assert_int_equal(sizeof cases / sizeof cases[0], USERLI_FAILURES);
	for (size_t i = 0; i < USERLI_FAILURES; i++) {
		for (int check = 0; check <= 1; check++) {
			struct fixture *f = *state;
			bool want = check ? cases[i].checks_open
					  : cases[i].lookups_open;

			learn(f,
			    check ? USERLI_ASKER_CHECK : USERLI_ASKER_LOOKUP,
			    cases[i].failure, true, BREAKER_FAILURES);
			if ((f->health.breaker.state == BREAKER_OPEN) != want)
				fail_msg("%s, %s: %d",
				    userli_failure_name(cases[i].failure),
				    check ? "checks" : "lookups", want);
			if (want)
				assert_false(f->health.ready);
			tear_down(state);
			set_up(state);
		}
	}
}

static void
no_answer_within_no_time_says_nothing(void **state)
{
	struct fixture *f = *state;

	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_TIMEOUT, false, 50);
	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_BROKEN, false, 50);
	assert_int_equal(f->health.breaker.state, BREAKER_CLOSED);
}

static void
a_shutdown_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct userli_verdict v = verdict(USERLI_FAILURE_BROKEN);

	v.outcome = LOOKUP_DRAINING;
	for (int i = 0; i < 50; i++)
		assert_false(userli_health_learn(
		    &f->health, NOW, USERLI_ASKER_CHECK, &v, true));
	assert_int_equal(f->health.breaker.state, BREAKER_CLOSED);
	assert_string_equal(f->health.reason, "userli has not answered yet");
}

static void
who_is_held_is_told_why_and_for_how_long(void **state)
{
	struct fixture *f = *state;
	struct userli_verdict pause = verdict(USERLI_FAILURE_BUSY);
	struct userli_verdict got;

	assert_false(userli_health_held(&f->health, NOW, &got));
	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_UNREACHABLE, true,
	    BREAKER_FAILURES);
	assert_true(userli_health_held(&f->health, NOW, &got));
	assert_int_equal(got.outcome, LOOKUP_TEMP);
	assert_int_equal(got.failure, USERLI_FAILURE_HELD);
	assert_string_equal(got.reason,
	    "userli is failing, next try in 1 s: because of unreachable");
	pause.pause_s = 7;
	(void)userli_health_learn(
	    &f->health, NOW, USERLI_ASKER_LOOKUP, &pause, true);
	assert_true(userli_health_held(&f->health, NOW, &got));
	assert_string_equal(
	    got.reason, "userli asked to be left alone for 7 s");
	assert_true(userli_health_held(&f->health, NOW + 6001, &got));
	assert_string_equal(
	    got.reason, "userli asked to be left alone for 1 s");
	/* The probe says that it is the token. */
	assert_true(breaker_probe(&f->health.breaker, NOW + 7000));
	learn(f, USERLI_ASKER_PROBE, USERLI_FAILURE_TOKEN, true, 1);
	assert_true(userli_health_held(&f->health, NOW, &got));
	assert_string_equal(got.reason, "because of token");
}

static void
one_success_of_the_probe_makes_ready(void **state)
{
	struct fixture *f = *state;
	struct userli_verdict well = verdict(USERLI_FAILURE_NONE);

	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_NONE, true, 1);
	assert_true(f->health.ready);
	/* One lookup that fails says nothing about the others. */
	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_STATUS, true, 1);
	assert_true(f->health.ready);
	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_STATUS, true, 4);
	assert_false(f->health.ready);
	assert_string_equal(f->health.reason, "because of status");
	/* What was under way. */
	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_NONE, true, 9);
	learn(f, USERLI_ASKER_CHECK, USERLI_FAILURE_NONE, true, 1);
	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_BROKEN, true, 9);
	assert_false(f->health.ready);
	assert_string_equal(f->health.reason, "because of status");
	assert_true(breaker_probe(&f->health.breaker, f->health.breaker.until));
	assert_true(userli_health_learn(
	    &f->health, NOW, USERLI_ASKER_PROBE, &well, true));
	assert_true(f->health.ready);
	assert_string_equal(f->health.reason, "");
}

static void
a_check_that_fails_once_is_not_ready_but_asked(void **state)
{
	struct fixture *f = *state;
	struct userli_verdict got;

	learn(f, USERLI_ASKER_LOOKUP, USERLI_FAILURE_NONE, true, 1);
	learn(f, USERLI_ASKER_CHECK, USERLI_FAILURE_BASE_URL, true, 1);
	assert_false(f->health.ready);
	assert_false(userli_health_held(&f->health, NOW, &got));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_failure_says_something_about_userli_or_about_a_key),
		TEST(no_answer_within_no_time_says_nothing),
		TEST(a_shutdown_says_nothing),
		TEST(who_is_held_is_told_why_and_for_how_long),
		TEST(one_success_of_the_probe_makes_ready),
		TEST(a_check_that_fails_once_is_not_ready_but_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
