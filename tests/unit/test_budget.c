#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/budget.h"

static void
moves_settle_at_a_fifth_of_the_traffic(void **state)
{
	struct budget b;
	int moved = 0;

	(void)state;
	budget_init(&b);
	while (budget_spend(&b))
		;
	for (int i = 0; i < 10000; i++) {
		budget_earn(&b);
		moved += budget_spend(&b);
	}
	assert_in_range(moved, 1990, 2001);
}

static void
savings_have_a_limit(void **state)
{
	struct budget b;
	int spent = 0;

	(void)state;
	budget_init(&b);
	for (int i = 0; i < 1000000; i++)
		budget_earn(&b);
	while (budget_spend(&b))
		spent++;
	assert_int_equal(spent, (int)BUDGET_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_settle_at_a_fifth_of_the_traffic),
		cmocka_unit_test(savings_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
