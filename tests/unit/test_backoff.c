#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/backoff.h"

static void
waits_double_up_to_the_maximum(void **state)
{
	static const uint64_t want[] = { 100, 200, 400, 800, 1600, 2000, 2000 };
	struct backoff b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
		assert_int_equal(backoff_fail(&b, 1000 * i), want[i]);
}

static void
only_a_success_that_lasted_starts_over(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	(void)backoff_fail(&b, 0);
	backoff_succeed(&b, 1000);
	assert_int_equal(backoff_fail(&b, 1000 + BACKOFF_STABLE_MS - 1), 200);
	backoff_succeed(&b, 9000);
	assert_int_equal(backoff_fail(&b, 9000 + BACKOFF_STABLE_MS), 100);
	assert_int_equal(backoff_fail(&b, 60000), 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_the_maximum),
		cmocka_unit_test(only_a_success_that_lasted_starts_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
