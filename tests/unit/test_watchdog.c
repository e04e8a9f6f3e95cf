#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "backend/watchdog.h"

#define TARGETS 2
#define INTERVAL_MS 20
#define TIMEOUT_MS 100
#define PATIENCE_MS 20000

/* What each target does, and what was asked of it. */
struct target {
	bool answers;
	bool at_once; /* from within start() */
	bool unwilling;
	unsigned reopen_cures; /* this many reopenings bring it back */
	unsigned reopen_refuses;
	unsigned starts, stops, reopens, give_ups;
	bool probing;
};

struct fixture {
	uv_loop_t loop;
	uv_timer_t limit;
	uv_timer_t answering;
	bool expired;
	struct watchdog *watchdog;
	bool close_on_give_up;
	struct target targets[TARGETS];
};

static bool
start_probe(void *arg, size_t i)
{
	struct fixture *f = arg;
	struct target *t = &f->targets[i];

	t->starts++;
	if (t->unwilling)
		return false;
	assert_false(t->probing);
	t->probing = true;
	if (t->at_once)
		watchdog_answered(f->watchdog, i);
	return true;
}

static void
stop_probe(void *arg, size_t i)
{
	struct fixture *f = arg;
	struct target *t = &f->targets[i];

	assert_true(t->probing);
	t->probing = false;
	t->stops++;
}

static bool
reopen(void *arg, size_t i)
{
	struct fixture *f = arg;
	struct target *t = &f->targets[i];

	assert_false(t->probing);
	if (t->reopen_refuses > 0) {
		t->reopen_refuses--;
		return false;
	}
	t->reopens++;
	if (t->reopen_cures > 0 && --t->reopen_cures == 0)
		t->answers = true;
	return true;
}

static void
give_up(void *arg, size_t i)
{
	struct fixture *f = arg;

	f->targets[i].give_ups++;
	if (!f->close_on_give_up)
		return;
	watchdog_close(f->watchdog);
	f->watchdog = NULL;
}

static uint64_t
interval(void *arg, size_t i)
{
	(void)arg;
	(void)i;
	return INTERVAL_MS;
}

/* Answers come from the loop, as they do in life. */
static void
on_answer_time(uv_timer_t *timer)
{
	struct fixture *f = timer->data;

	for (size_t i = 0; i < TARGETS; i++) {
		if (f->targets[i].probing && f->targets[i].answers)
			watchdog_answered(f->watchdog, i);
	}
}

static void
on_limit(uv_timer_t *timer)
{
	struct fixture *f = timer->data;

	f->expired = true;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct watchdog_options options = {
		.targets = TARGETS,
		.interval_ms = interval,
		.timeout_ms = TIMEOUT_MS,
		.hooks = { start_probe, stop_probe, reopen, give_up, f },
	};

	if (f == NULL || uv_loop_init(&f->loop) != 0)
		return -1;
	(void)uv_timer_init(&f->loop, &f->limit);
	(void)uv_timer_init(&f->loop, &f->answering);
	f->limit.data = f;
	f->answering.data = f;
	(void)uv_timer_start(&f->answering, on_answer_time, 2, 2);
	f->targets[0].answers = true;
	f->targets[1].answers = true;
	f->watchdog = watchdog_new(&f->loop, &options);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->watchdog != NULL)
		watchdog_close(f->watchdog);
	for (size_t i = 0; i < TARGETS; i++)
		assert_false(f->targets[i].probing);
	uv_close((uv_handle_t *)&f->limit, NULL);
	uv_close((uv_handle_t *)&f->answering, NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&f->loop) != 0)
		return -1;
	free(f);
	return 0;
}

/* Run until the counter is at least want; fails when it takes too long. */
static void
run_until(struct fixture *f, const unsigned *counter, unsigned want)
{
	f->expired = false;
	uv_update_time(&f->loop);
	(void)uv_timer_start(&f->limit, on_limit, PATIENCE_MS, 0);
	while (*counter < want && !f->expired)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&f->limit);
	if (*counter < want)
		fail_msg("got %u, want %u", *counter, want);
}

static void
run_for(struct fixture *f, uint64_t ms)
{
	f->expired = false;
	uv_update_time(&f->loop);
	(void)uv_timer_start(&f->limit, on_limit, ms, 0);
	while (!f->expired)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
}

static void
a_target_that_answers_is_probed_again_and_again(void **state)
{
	struct fixture *f = *state;

	f->targets[1].at_once = true;
	run_until(f, &f->targets[0].stops, 10);
	run_until(f, &f->targets[1].stops, 10);
	assert_int_equal(f->targets[0].reopens, 0);
	assert_int_equal(f->targets[1].reopens, 0);
}

static void
one_missing_answer_is_forgiven(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];

	run_until(f, &t->stops, 2);
	for (int i = 0; i < 3; i++) {
		unsigned starts = t->starts;

		t->answers = false;
		/* The second start says that the first was given up. */
		run_until(f, &t->starts, starts + 2);
		t->answers = true;
		run_until(f, &t->stops, t->stops + 2);
	}
	assert_int_equal(t->reopens, 0);
}

static void
two_missing_answers_have_the_target_opened_anew(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];
	uint64_t began;
	unsigned starts;

	run_until(f, &t->stops, 2);
	t->answers = false;
	t->reopen_cures = 1;
	began = uv_hrtime();
	run_until(f, &t->reopens, 1);
	assert_true((uv_hrtime() - began) / 1000000 >= 2 * TIMEOUT_MS);
	starts = t->starts;
	run_until(f, &t->starts, starts + 5);
	assert_int_equal(t->reopens, 1);
	assert_int_equal(t->give_ups, 0);
	assert_int_equal(f->targets[1].reopens, 0);
}

static void
a_reopening_that_fails_is_tried_again(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];

	run_until(f, &t->stops, 1);
	t->answers = false;
	t->reopen_cures = 1;
	t->reopen_refuses = 2;
	run_until(f, &t->reopens, 1);
	run_until(f, &t->stops, t->stops + 2);
	assert_int_equal(t->give_ups, 0);
}

static void
what_no_reopening_cures_is_given_up_once(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];
	unsigned others;

	run_until(f, &t->stops, 1);
	t->answers = false;
	run_until(f, &t->give_ups, 1);
	assert_int_equal(t->reopens, WATCHDOG_REOPENS);
	others = f->targets[1].stops;
	run_until(f, &f->targets[1].stops, others + 10);
	assert_int_equal(t->give_ups, 1);
	assert_false(t->probing);
}

static void
what_cannot_be_reopened_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];

	run_until(f, &t->stops, 1);
	t->answers = false;
	t->reopen_refuses = 1000;
	run_until(f, &t->give_ups, 1);
	assert_int_equal(t->reopens, 0);
	assert_int_equal(1000 - t->reopen_refuses, WATCHDOG_REOPEN_TRIES);
}

static void
giving_up_may_close_the_watchdog(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];

	run_until(f, &t->stops, 1);
	f->close_on_give_up = true;
	t->answers = false;
	run_until(f, &t->give_ups, 1);
	run_for(f, 3 * INTERVAL_MS);
	assert_false(f->targets[1].probing);
}

static void
an_answer_between_starts_the_count_anew(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];

	run_until(f, &t->stops, 1);
	for (unsigned i = 1; i <= 2 * WATCHDOG_REOPENS; i++) {
		t->answers = false;
		t->reopen_cures = 1;
		run_until(f, &t->reopens, i);
		run_until(f, &t->stops, t->stops + 1);
	}
	assert_int_equal(t->give_ups, 0);
}

static void
a_target_that_never_answered_is_opened_once_and_left_alone(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];

	t->answers = false;
	run_until(f, &t->stops, 3 * WATCHDOG_FAILURES * WATCHDOG_REOPENS);
	assert_int_equal(t->reopens, 1);
	assert_int_equal(t->give_ups, 0);
	t->answers = true;
	run_until(f, &t->stops, t->stops + 2);
	t->answers = false;
	run_until(f, &t->reopens, 2);
}

static void
not_being_able_to_probe_is_no_failure(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];

	run_until(f, &t->stops, 1);
	t->unwilling = true;
	run_until(f, &t->starts, t->starts + 10);
	assert_int_equal(t->reopens, 0);
}

/* As after SIGSTOP, or with a loop that stalled. */
static void
a_late_timeout_is_no_failure(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];
	const struct timespec pause = { .tv_nsec = 3 * TIMEOUT_MS * 1000000L };

	run_until(f, &t->stops, 2);
	for (int i = 0; i < 3; i++) {
		unsigned starts = t->starts;

		t->answers = false;
		run_until(f, &t->starts, starts + 1);
		(void)nanosleep(&pause, NULL);
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		assert_int_equal(t->starts, starts + 1);
		assert_true(t->probing);
		(void)nanosleep(&pause, NULL);
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		assert_true(t->probing);
		t->answers = true;
		run_until(f, &t->stops, t->stops + 1);
	}
	assert_int_equal(t->reopens, 0);
}

static void
closing_ends_the_probe_under_way(void **state)
{
	struct fixture *f = *state;
	struct target *t = &f->targets[0];

	t->answers = false;
	run_until(f, &t->starts, 1);
	assert_true(t->probing);
	watchdog_close(f->watchdog);
	f->watchdog = NULL;
	assert_false(t->probing);
}

#define WITH_FIXTURE(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_target_that_answers_is_probed_again_and_again),
		WITH_FIXTURE(one_missing_answer_is_forgiven),
		WITH_FIXTURE(two_missing_answers_have_the_target_opened_anew),
		WITH_FIXTURE(a_reopening_that_fails_is_tried_again),
		WITH_FIXTURE(what_no_reopening_cures_is_given_up_once),
		WITH_FIXTURE(what_cannot_be_reopened_is_given_up),
		WITH_FIXTURE(giving_up_may_close_the_watchdog),
		WITH_FIXTURE(an_answer_between_starts_the_count_anew),
		WITH_FIXTURE(
		    a_target_that_never_answered_is_opened_once_and_left_alone),
		WITH_FIXTURE(not_being_able_to_probe_is_no_failure),
		WITH_FIXTURE(a_late_timeout_is_no_failure),
		WITH_FIXTURE(closing_ends_the_probe_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
