#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/trace.h"
#include "common/slow.h"

static void
both_lines_have_their_standard_form(void **state)
{
	char id[TRACE_ID_LINE];
	char parent[TRACE_PARENT_LINE];

	(void)state;
	trace_write(0xabc, 0x0123456789abcdef, 1, id, parent);
	assert_string_equal(id, "X-Request-Id: 0123456789abcdef");
	assert_int_equal(strlen(parent), strlen("traceparent: ") + 55);
	assert_memory_equal(
	    parent, "traceparent: 00-0000000000000abc0123456789abcdef-", 49);
	assert_string_equal(parent + strlen(parent) - 3, "-00");
}

static void
each_span_is_another_parent(void **state)
{
	char id[TRACE_ID_LINE];
	char one[TRACE_PARENT_LINE];
	char other[TRACE_PARENT_LINE];

	(void)state;
	trace_write(1, 2, 3, id, one);
	trace_write(1, 2, 4, id, other);
	assert_string_not_equal(one, other);
	trace_write(1, 2, 3, id, other);
	assert_string_equal(one, other);
}

static void
slow_is_what_reaches_the_limit(void **state)
{
	struct slow s = { .limit_ms = 1000 };
	uint64_t untold;

	(void)state;
	assert_false(slow_tell(&s, 0.999, 5, &untold));
	assert_true(slow_tell(&s, 1.0, 5, &untold));
	assert_int_equal(untold, 0);
	s.limit_ms = 0;
	assert_false(slow_tell(&s, 1e9, 5, &untold));
}

static void
a_flood_is_counted_instead(void **state)
{
	struct slow s = { .limit_ms = 1 };
	uint64_t untold;

	(void)state;
	for (int i = 0; i < SLOW_LINES_MAX; i++)
		assert_true(slow_tell(&s, 1, 1000, &untold));
	for (int i = 0; i < 7; i++)
		assert_false(slow_tell(&s, 1, 1999, &untold));
	assert_true(slow_tell(&s, 1, 2000, &untold));
	assert_int_equal(untold, 7);
	assert_true(slow_tell(&s, 1, 2000, &untold));
	assert_int_equal(untold, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_lines_have_their_standard_form),
		cmocka_unit_test(each_span_is_another_parent),
		cmocka_unit_test(slow_is_what_reaches_the_limit),
		cmocka_unit_test(a_flood_is_counted_instead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
