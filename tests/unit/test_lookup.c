#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/lookup.h"

static void
each_map_is_found_by_its_own_name(void **state)
{
	static const char *const names[LOOKUP_MAPS] = { "alias", "domain",
		"mailbox", "senders" };

	(void)state;
	for (int map = 0; map < LOOKUP_MAPS; map++) {
		enum lookup_map want = (enum lookup_map)map;

		assert_string_equal(lookup_map_name(want), names[map]);
		assert_int_equal(lookup_map_of(slice_of(names[map])), want);
	}
}

static void
any_other_name_is_unknown(void **state)
{
	static const struct slice names[] = { { NULL, 0 }, { "", 0 },
		{ "a", 1 }, { "alia", 4 }, { "aliass", 6 }, { "Alias", 5 },
		{ "alias ", 6 }, { " alias", 6 }, { "alias\0", 6 },
		{ "unknown", 7 }, { "sender", 6 } };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(lookup_map_of(names[i]), LOOKUP_MAPS);
	/* A client's bytes never become a metric's label. */
	assert_string_equal(lookup_map_name(LOOKUP_MAPS), "unknown");
}

static void
a_name_is_compared_within_its_slice_alone(void **state)
{
	static const char bytes[] = "xxaliasxx";

	(void)state;
	assert_int_equal(
	    lookup_map_of((struct slice){ bytes + 2, 5 }), LOOKUP_ALIAS);
}

/* These numbers are on the wire between versions: none may change. */
static const struct {
	enum lookup_outcome outcome;
	int number;
	const char *name;
} outcomes[] = {
	{ LOOKUP_OK, 0, "OK" },
	{ LOOKUP_NOTFOUND, 1, "NOTFOUND" },
	{ LOOKUP_TEMP, 2, "TEMP" },
	{ LOOKUP_TIMEOUT, 3, "TIMEOUT" },
	{ LOOKUP_PERM, 4, "PERM" },
	{ LOOKUP_BUSY, 5, "BUSY" },
	{ LOOKUP_DRAINING, 6, "DRAINING" },
	{ LOOKUP_UNIMPLEMENTED, 7, "UNIMPLEMENTED" },
};

static void
outcomes_keep_their_numbers_and_names(void **state)
{
	(void)state;
	assert_int_equal(sizeof outcomes / sizeof outcomes[0], LOOKUP_OUTCOMES);
	for (size_t i = 0; i < LOOKUP_OUTCOMES; i++) {
		assert_int_equal(outcomes[i].outcome, outcomes[i].number);
		assert_string_equal(
		    lookup_outcome_name(outcomes[i].outcome), outcomes[i].name);
	}
}

static const struct {
	enum lookup_source source;
	int number;
	const char *name;
} sources[] = {
	{ LOOKUP_FRESH, 0, "fresh" },
	{ LOOKUP_CACHED, 1, "cached" },
	{ LOOKUP_STALE, 2, "stale" },
	{ LOOKUP_RULE, 3, "rule" },
};

static void
sources_keep_their_numbers_and_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		assert_int_equal(sources[i].source, sources[i].number);
		assert_string_equal(
		    lookup_source_name(sources[i].source), sources[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_map_is_found_by_its_own_name),
		cmocka_unit_test(any_other_name_is_unknown),
		cmocka_unit_test(a_name_is_compared_within_its_slice_alone),
		cmocka_unit_test(outcomes_keep_their_numbers_and_names),
		cmocka_unit_test(sources_keep_their_numbers_and_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
