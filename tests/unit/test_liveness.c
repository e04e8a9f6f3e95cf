#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/liveness.h"

#define PING 100
#define EJECT 350

static struct liveness
awaiting_since(uint64_t now)
{
	struct liveness l;

	liveness_init(&l, PING, EJECT);
	assert_true(liveness_await(&l, now));
	return l;
}

static void
silence_is_pinged_once_then_ejected(void **state)
{
	struct liveness l = awaiting_since(1000);

	(void)state;
	assert_int_equal(l.due, 1000 + PING);
	assert_int_equal(liveness_judge(&l, l.due), LIVENESS_PING);
	assert_int_equal(liveness_judge(&l, l.due - 100), LIVENESS_WAIT);
	assert_int_equal(l.due, 1000 + EJECT);
	assert_int_equal(liveness_judge(&l, l.due), LIVENESS_EJECT);
}

static void
whoever_answers_the_ping_is_never_ejected(void **state)
{
	struct liveness l = awaiting_since(0);

	(void)state;
	for (int i = 0; i < 100; i++) {
		uint64_t now = l.due;

		assert_int_equal(liveness_judge(&l, now), LIVENESS_PING);
		liveness_heard(&l, now + 5);
	}
}

static void
silence_counts_only_while_something_is_awaited(void **state)
{
	struct liveness l = awaiting_since(0);

	(void)state;
	liveness_rest(&l);
	assert_int_equal(liveness_judge(&l, 5000), LIVENESS_FINE);
	assert_true(liveness_await(&l, 6000));
	assert_false(liveness_await(&l, 6010));
	assert_int_equal(l.due, 6000 + PING);
	assert_int_equal(liveness_judge(&l, 6050), LIVENESS_FINE);
	assert_int_equal(liveness_judge(&l, 6000 + PING), LIVENESS_PING);
}

static void
an_own_stall_ejects_nobody(void **state)
{
	struct liveness l = awaiting_since(0);

	(void)state;
	assert_int_equal(liveness_judge(&l, 20000), LIVENESS_FINE);
	assert_int_equal(l.due, 20000 + PING);
	assert_int_equal(liveness_judge(&l, l.due), LIVENESS_PING);
	assert_int_equal(liveness_judge(&l, 20000 + EJECT), LIVENESS_EJECT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_is_pinged_once_then_ejected),
		cmocka_unit_test(whoever_answers_the_ping_is_never_ejected),
		cmocka_unit_test(
		    silence_counts_only_while_something_is_awaited),
		cmocka_unit_test(an_own_stall_ejects_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
