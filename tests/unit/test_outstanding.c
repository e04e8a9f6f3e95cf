#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frontend/outstanding.h"

static int
setup(void **state)
{
	struct outstanding *o = malloc(sizeof *o);

	outstanding_init(o);
	*state = o;
	return 0;
}

static int
teardown(void **state)
{
	outstanding_fini(*state);
	free(*state);
	return 0;
}

static uint64_t
add(struct outstanding *o, struct link_call *call)
{
	uint64_t id = outstanding_next_id(o);

	assert_true(id != 0);
	outstanding_add(o, call);
	return id;
}

static void
a_call_is_found_once_by_its_id(void **state)
{
	struct link_call a = { 0 };
	struct link_call b = { 0 };
	uint64_t id_a = add(*state, &a);
	uint64_t id_b = add(*state, &b);

	assert_ptr_equal(outstanding_take(*state, id_b), &b);
	assert_null(outstanding_take(*state, id_b));
	assert_ptr_equal(outstanding_take(*state, id_a), &a);
	assert_int_equal(((struct outstanding *)*state)->count, 0);
}

static void
a_late_answer_misses_the_slots_next_call(void **state)
{
	struct link_call a = { 0 };
	struct link_call b = { 0 };
	uint64_t id_a = add(*state, &a);
	uint64_t id_b;

	outstanding_remove(*state, &a);
	id_b = add(*state, &b);
	assert_int_equal(a.slot, b.slot);
	assert_true(id_a != id_b);
	assert_null(outstanding_take(*state, id_a));
	assert_ptr_equal(outstanding_take(*state, id_b), &b);
}

static void
an_id_is_known_once_its_call_has_ended(void **state)
{
	struct link_call a = { 0 };
	struct link_call b = { 0 };
	uint64_t id_a = add(*state, &a);
	uint64_t id_b;

	assert_false(outstanding_had(*state, id_a));
	outstanding_remove(*state, &a);
	assert_true(outstanding_had(*state, id_a));
	id_b = outstanding_next_id(*state);
	assert_false(outstanding_had(*state, id_b));
	assert_int_equal(add(*state, &b), id_b);
	assert_ptr_equal(outstanding_take(*state, id_b), &b);
	assert_true(outstanding_had(*state, id_a));
	assert_true(outstanding_had(*state, id_b));
	assert_false(outstanding_had(*state, 0));
	assert_false(outstanding_had(*state, UINT64_MAX));
	assert_false(outstanding_had(*state, id_b + 1));
}

static void
an_id_from_elsewhere_finds_nothing(void **state)
{
	struct link_call a = { 0 };
	uint64_t id = add(*state, &a);

	assert_null(outstanding_take(*state, 0));
	assert_null(outstanding_take(*state, UINT64_MAX));
	assert_null(outstanding_take(*state, id + 1));
	assert_null(outstanding_take(*state, id + (UINT64_C(1) << 32)));
	assert_ptr_equal(outstanding_take(*state, id), &a);
}

static void
it_grows_to_its_maximum_and_no_further(void **state)
{
	struct link_call *calls = calloc(OUTSTANDING_MAX, sizeof *calls);
	uint32_t cursor = 0;
	size_t taken = 0;

	for (size_t i = 0; i < OUTSTANDING_MAX; i++)
		(void)add(*state, &calls[i]);
	assert_int_equal(outstanding_next_id(*state), 0);
	outstanding_remove(*state, &calls[5]);
	assert_true(outstanding_next_id(*state) != 0);
	while (outstanding_take_next(*state, &cursor) != NULL)
		taken++;
	assert_int_equal(taken, OUTSTANDING_MAX - 1);
	free(calls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_call_is_found_once_by_its_id, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_late_answer_misses_the_slots_next_call, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_id_is_known_once_its_call_has_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_id_from_elsewhere_finds_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    it_grows_to_its_maximum_and_no_further, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
