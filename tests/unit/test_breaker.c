#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend/breaker.h"

#define WELL BREAKER_REPORT_WELL
#define UNWELL BREAKER_REPORT_UNWELL
#define REFUSED BREAKER_REPORT_REFUSED
#define PAUSE BREAKER_REPORT_PAUSE
#define NOTHING BREAKER_REPORT_NOTHING
#define SEVEN_S 7000
#define START 1000000

/* Each change of state as a letter: the state's first. */
struct trace {
	char changes[64];
	size_t count;
};

static void
on_trace(void *arg, const struct breaker *b, enum breaker_state from)
{
	struct trace *t = arg;

	assert_int_not_equal(from, b->state);
	assert_true(t->count < sizeof t->changes - 1);
	t->changes[t->count++] = breaker_state_name(b->state)[0];
}

static void
learn(struct breaker *b, uint64_t now, enum breaker_report report, int times)
{
	for (int i = 0; i < times; i++)
		breaker_learn(b, now, report, report == PAUSE ? SEVEN_S : 0);
}

static void
probe(struct breaker *b, uint64_t now, enum breaker_report report)
{
	assert_true(breaker_probe(b, now));
	breaker_probed(b, now, report, report == PAUSE ? SEVEN_S : 0);
}

/* What was taken off at random is a quarter at most. */
static void
assert_hold(const struct breaker *b, uint64_t now, uint64_t hold_ms)
{
	assert_int_equal(b->state, BREAKER_OPEN);
	assert_in_range(
	    breaker_left_ms(b, now), hold_ms - hold_ms / 4, hold_ms);
}

static void
only_failures_in_a_row_open_it(void **state)
{
	static const struct {
		const char *reports; /* well, unwell, nothing */
		enum breaker_state want;
	} cases[] = {
		{ "", BREAKER_CLOSED },
		{ "uuuu", BREAKER_CLOSED },
		{ "uuuuu", BREAKER_OPEN },
		{ "uuuuwu", BREAKER_CLOSED },
		{ "uuuuwuuuu", BREAKER_CLOSED },
		{ "uuuuwuuuuu", BREAKER_OPEN },
		{ "unununununu", BREAKER_OPEN },
		{ "uuuun", BREAKER_CLOSED },
		{ "nnnnnnnnnnnn", BREAKER_CLOSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct breaker b;

		breaker_init(&b, 1, NULL, NULL);
		for (const char *c = cases[i].reports; *c != '\0'; c++)
			learn(&b, START,
			    *c == 'u'       ? UNWELL
				: *c == 'w' ? WELL
					    : NOTHING,
			    1);
		if (b.state != cases[i].want)
			fail_msg("%s: %s", cases[i].reports,
			    breaker_state_name(b.state));
	}
}

static void
a_failing_upstream_is_probed_less_and_less_but_every_few_seconds(void **state)
{
	static const uint64_t holds_ms[] = { 500, 1000, 2000, 3000, 3000,
		3000 };
	uint64_t now = START;
	struct breaker b;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, now, UNWELL, BREAKER_FAILURES);
	for (size_t i = 0; i < 6; i++) {
		assert_hold(&b, now, holds_ms[i]);
		assert_int_equal(b.cause, BREAKER_FAILING);
		assert_false(breaker_probe(&b, b.until - 1));
		now = b.until;
		probe(&b, now, UNWELL);
	}
}

static void
a_probe_that_took_long_is_soon_followed_by_the_next(void **state)
{
	struct breaker b;
	uint64_t now = START;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, now, UNWELL, BREAKER_FAILURES);
	for (int i = 0; i < 6; i++) {
		now = b.until;
		assert_true(breaker_probe(&b, now));
		now += 5000; /* a timeout */
		breaker_probed(&b, now, UNWELL, 0);
		assert_int_equal(
		    breaker_left_ms(&b, now), BREAKER_FAILING_MIN_MS);
	}
	/* One that did not: the rest of the hold. */
	now = b.until;
	assert_true(breaker_probe(&b, now));
	breaker_probed(&b, now + 100, UNWELL, 0);
	assert_hold(&b, now, BREAKER_FAILING_MAX_MS);
}

static void
one_probe_decides_and_nobody_else(void **state)
{
	struct trace trace = { 0 };
	struct breaker b;

	(void)state;
	breaker_init(&b, 7, on_trace, &trace);
	learn(&b, START, UNWELL, BREAKER_FAILURES);
	assert_true(breaker_probe(&b, b.until));
	assert_false(breaker_probe(&b, b.until));
	/* Those that were under way. */
	learn(&b, b.until, WELL, 3);
	learn(&b, b.until, UNWELL, 9);
	learn(&b, b.until, REFUSED, 1);
	assert_int_equal(b.state, BREAKER_PROBING);
	breaker_probed(&b, b.until, WELL, 0);
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_string_equal(trace.changes, "opc");
	/* It starts anew. */
	learn(&b, b.until, UNWELL, BREAKER_FAILURES - 1);
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
late_answers_neither_close_nor_prolong_it(void **state)
{
	struct breaker b;
	uint64_t until;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, START, UNWELL, BREAKER_FAILURES);
	until = b.until;
	learn(&b, START + 100, WELL, 9);
	learn(&b, START + 100, UNWELL, 9);
	learn(&b, START + 100, REFUSED, 9);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(b.cause, BREAKER_FAILING);
	assert_int_equal(b.until, until);
}

static void
a_pause_is_kept_to_the_millisecond(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, START, PAUSE, 1);
	assert_int_equal(b.cause, BREAKER_ASKED);
	assert_int_equal(breaker_left_ms(&b, START), SEVEN_S);
	breaker_hurry(&b, START + 1);
	assert_false(breaker_probe(&b, START + SEVEN_S - 1));
	/* The latest to ask counts, be it a lookup from before or the probe. */
	learn(&b, START + 1000, PAUSE, 1);
	assert_false(breaker_probe(&b, START + SEVEN_S + 999));
	probe(&b, START + SEVEN_S + 1000, PAUSE);
	assert_int_equal(breaker_left_ms(&b, START + SEVEN_S + 1000), SEVEN_S);
	probe(&b, START + 2 * SEVEN_S + 1000, UNWELL);
	assert_hold(&b, START + 2 * SEVEN_S + 1000, BREAKER_FAILING_MIN_MS);
}

static void
a_pause_replaces_a_shorter_hold_and_no_longer_one(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, START, UNWELL, BREAKER_FAILURES);
	breaker_learn(&b, START, PAUSE, 1);
	assert_int_equal(b.cause, BREAKER_FAILING);
	learn(&b, START, PAUSE, 1);
	assert_int_equal(b.cause, BREAKER_ASKED);
	assert_int_equal(b.until, START + SEVEN_S);
}

static void
a_refusal_is_verified_at_once_then_slowly(void **state)
{
	static const uint64_t holds_ms[] = { 2000, 4000, 8000, 16000, 30000,
		30000 };
	uint64_t now = START;
	struct breaker b;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, now, REFUSED, 1);
	assert_int_equal(breaker_left_ms(&b, now), 0);
	for (size_t i = 0; i < 6; i++) {
		probe(&b, now, REFUSED);
		assert_int_equal(b.cause, BREAKER_REFUSED);
		assert_hold(&b, now, holds_ms[i]);
		now = b.until;
	}
	/* Somebody has mended it. */
	breaker_hurry(&b, now - 1000);
	probe(&b, now - 1000, REFUSED);
	assert_hold(&b, now - 1000, BREAKER_REFUSED_MIN_MS);
	breaker_hurry(&b, now);
	probe(&b, now, WELL);
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
another_cause_has_holds_of_its_own(void **state)
{
	struct breaker b;
	uint64_t now = START;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, now, REFUSED, 1);
	for (int i = 0; i < 5; i++) {
		probe(&b, now, REFUSED);
		now = b.until;
	}
	probe(&b, now, UNWELL);
	assert_hold(&b, now, BREAKER_FAILING_MIN_MS);
	now = b.until;
	probe(&b, now, REFUSED);
	assert_hold(&b, now, BREAKER_REFUSED_MIN_MS);
}

static void
failing_again_soon_goes_on_where_it_was(void **state)
{
	struct breaker b;
	uint64_t now;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, START, UNWELL, BREAKER_FAILURES);
	now = b.until;
	probe(&b, now, WELL);
	learn(&b, now + BREAKER_STABLE_MS - 1, UNWELL, BREAKER_FAILURES);
	now += BREAKER_STABLE_MS - 1;
	assert_hold(&b, now, 2 * BREAKER_FAILING_MIN_MS);
	now = b.until;
	probe(&b, now, WELL);
	now += BREAKER_STABLE_MS;
	learn(&b, now, UNWELL, BREAKER_FAILURES);
	assert_hold(&b, now, BREAKER_FAILING_MIN_MS);
}

static void
a_probe_that_shows_nothing_is_repeated(void **state)
{
	struct breaker b;
	uint64_t now;

	(void)state;
	breaker_init(&b, 7, NULL, NULL);
	learn(&b, START, UNWELL, BREAKER_FAILURES);
	now = b.until;
	probe(&b, now, NOTHING);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(breaker_left_ms(&b, now), BREAKER_FAILING_MIN_MS);
	/* And counts for no failure. */
	now = b.until;
	probe(&b, now, UNWELL);
	assert_hold(&b, now, 2 * BREAKER_FAILING_MIN_MS);
}

static void
holds_differ_from_one_seed_to_the_next(void **state)
{
	uint64_t seen[8];
	size_t different = 0;

	(void)state;
	for (uint32_t seed = 0; seed < 8; seed++) {
		struct breaker b;

		breaker_init(&b, seed * 2654435761u, NULL, NULL);
		learn(&b, START, UNWELL, BREAKER_FAILURES);
		seen[seed] = b.until;
		for (uint32_t i = 0; i < seed; i++)
			different += seen[i] != seen[seed];
	}
	assert_true(different > 8 * 7 / 2 / 2);
}

static void
nothing_is_to_be_probed_or_hurried_while_closed(void **state)
{
	struct trace trace = { 0 };
	struct breaker b;

	(void)state;
	breaker_init(&b, 7, on_trace, &trace);
	assert_false(breaker_probe(&b, START));
	breaker_hurry(&b, START);
	breaker_probed(&b, START, UNWELL, 0);
	assert_int_equal(breaker_left_ms(&b, START), 0);
	assert_string_equal(trace.changes, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_failures_in_a_row_open_it),
		cmocka_unit_test(
		    a_failing_upstream_is_probed_less_and_less_but_every_few_seconds),
		cmocka_unit_test(
		    a_probe_that_took_long_is_soon_followed_by_the_next),
		cmocka_unit_test(one_probe_decides_and_nobody_else),
		cmocka_unit_test(late_answers_neither_close_nor_prolong_it),
		cmocka_unit_test(a_pause_is_kept_to_the_millisecond),
		cmocka_unit_test(
		    a_pause_replaces_a_shorter_hold_and_no_longer_one),
		cmocka_unit_test(a_refusal_is_verified_at_once_then_slowly),
		cmocka_unit_test(another_cause_has_holds_of_its_own),
		cmocka_unit_test(failing_again_soon_goes_on_where_it_was),
		cmocka_unit_test(a_probe_that_shows_nothing_is_repeated),
		cmocka_unit_test(holds_differ_from_one_seed_to_the_next),
		cmocka_unit_test(
		    nothing_is_to_be_probed_or_hurried_while_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
