#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/answers.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct answers_options options = {
	.ttl_ms = 300000,
	.negative_ttl_ms = { [LOOKUP_ALIAS] = 10000,
	    [LOOKUP_DOMAIN] = 60000,
	    [LOOKUP_MAILBOX] = 0,
	    [LOOKUP_SENDERS] = 20000 },
	.stale_ttl_ms = 1000000,
};

static void
only_ok_and_notfound_are_kept_each_for_its_time(void **state)
{
	static const struct {
		enum lookup_map map;
		enum lookup_outcome outcome;
		uint64_t want;
	} cases[] = {
		{ LOOKUP_ALIAS, LOOKUP_OK, 300000 },
		{ LOOKUP_MAILBOX, LOOKUP_OK, 300000 },
		{ LOOKUP_ALIAS, LOOKUP_NOTFOUND, 10000 },
		{ LOOKUP_DOMAIN, LOOKUP_NOTFOUND, 60000 },
		{ LOOKUP_MAILBOX, LOOKUP_NOTFOUND, 0 },
		{ LOOKUP_SENDERS, LOOKUP_NOTFOUND, 20000 },
		{ LOOKUP_ALIAS, LOOKUP_TEMP, 0 },
		{ LOOKUP_ALIAS, LOOKUP_TIMEOUT, 0 },
		{ LOOKUP_ALIAS, LOOKUP_PERM, 0 },
		{ LOOKUP_ALIAS, LOOKUP_BUSY, 0 },
		{ LOOKUP_ALIAS, LOOKUP_DRAINING, 0 },
		{ LOOKUP_ALIAS, LOOKUP_UNIMPLEMENTED, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t want = cases[i].want;
		uint64_t least = want - want * ANSWERS_JITTER_PERCENT / 100;

		assert_int_equal(answers_life_ms(&options, cases[i].map,
				     cases[i].outcome, 0),
		    want);
		for (uint64_t random = 1; random < 1000000; random += 999)
			assert_in_range(answers_life_ms(&options, cases[i].map,
					    cases[i].outcome, random),
			    least, want);
	}
}

static void
an_expired_ok_is_stale_for_a_while_and_an_expired_notfound_is_nothing(
    void **state)
{
	static const struct {
		enum lookup_outcome outcome;
		uint64_t now;
		enum answers_state want;
	} cases[] = {
		{ LOOKUP_OK, 1000, ANSWERS_FRESH },
		{ LOOKUP_OK, 300999, ANSWERS_FRESH },
		{ LOOKUP_OK, 301000, ANSWERS_STALE },
		{ LOOKUP_OK, 1300999, ANSWERS_STALE },
		{ LOOKUP_OK, 1301000, ANSWERS_NONE },
		{ LOOKUP_NOTFOUND, 300999, ANSWERS_FRESH },
		{ LOOKUP_NOTFOUND, 301000, ANSWERS_NONE },
	};

	(void)state;
	/* Also where times wrap: stored before the host's boot. */
	for (int wrap = 0; wrap < 2; wrap++) {
		for (size_t i = 0; i < COUNT(cases); i++) {
			uint64_t shift = wrap ? UINT64_C(0) - 301000 : 0;
			struct cache_entry e = { .outcome = cases[i].outcome,
				.stored_ms = 1000 + shift,
				.fresh_until_ms = 301000 + shift };

			assert_int_equal(
			    answers_state(&options, &e, cases[i].now + shift),
			    cases[i].want);
		}
	}
	assert_int_equal(answers_state(&options, NULL, 0), ANSWERS_NONE);
}

static void
the_last_tenth_of_a_life_is_ageing(void **state)
{
	const struct cache_entry e = { .stored_ms = 1000,
		.fresh_until_ms = 11000 };

	(void)state;
	assert_false(answers_ageing(&e, 1000));
	assert_false(answers_ageing(&e, 9999));
	assert_true(answers_ageing(&e, 10000));
	assert_true(answers_ageing(&e, 10999));
	assert_true(answers_ageing(&e, 50000));
}

static void
a_failure_holds_until_its_time_has_passed(void **state)
{
	struct cache_entry e = { .stored_ms = 1000, .fresh_until_ms = 11000 };

	(void)state;
	assert_false(answers_held(&e, 5000));
	e.retry_ms = 5000;
	assert_true(answers_held(&e, 4999));
	assert_false(answers_held(&e, 5000));
}

static void
a_result_tells_its_source_and_age(void **state)
{
	const struct cache_entry e = { .outcome = LOOKUP_OK,
		.value = SLICE("a@b.example"),
		.stored_ms = UINT64_C(0) - 500,
		.fresh_until_ms = 1000 };
	struct lookup_result got = answers_result(&e, ANSWERS_FRESH, 500);

	(void)state;
	assert_int_equal(got.outcome, LOOKUP_OK);
	assert_int_equal(got.source, LOOKUP_CACHED);
	assert_int_equal(got.age_ms, 1000);
	assert_true(slice_equal(got.data, e.value));
	got = answers_result(&e, ANSWERS_STALE, 4000);
	assert_int_equal(got.source, LOOKUP_STALE);
	assert_int_equal(got.age_ms, 4500);
	got = answers_result(&e, ANSWERS_STALE, UINT64_C(1) << 40);
	assert_int_equal(got.age_ms, UINT32_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    only_ok_and_notfound_are_kept_each_for_its_time),
		cmocka_unit_test(
		    an_expired_ok_is_stale_for_a_while_and_an_expired_notfound_is_nothing),
		cmocka_unit_test(the_last_tenth_of_a_life_is_ageing),
		cmocka_unit_test(a_failure_holds_until_its_time_has_passed),
		cmocka_unit_test(a_result_tells_its_source_and_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
