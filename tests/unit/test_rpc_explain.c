#include "tests/unit/rpc_fixture.h"

static const struct rpc_call lookup = {
	.id = 7,
	.method = RPC_LOOKUP,
	.left_ms = 100,
	.map = { "alias", 5 },
	.key = { "a@x.org", 7 },
};

static const struct rpc_call *
over_the_wire(struct fixture *f, enum rpc_how how)
{
	struct rpc_call call = lookup;

	call.how = how;
	buffer_clear(&f->frame);
	assert_true(rpc_add_call(&f->writer, &call));
	assert_true(rpc_finish_calls(&f->writer, &f->frame));
	assert_int_equal(read_calls(f, buffer_slice(&f->frame)), RPC_OK);
	assert_int_equal(f->count, 1);
	return &f->calls[0];
}

static void
how_a_lookup_is_made_travels_with_it(void **state)
{
	struct fixture *f = *state;

	for (enum rpc_how how = RPC_HOW_USUAL; how <= RPC_HOW_DIRECT; how++) {
		const struct rpc_call *got = over_the_wire(f, how);

		assert_false(got->invalid);
		assert_int_equal(got->how, how);
		assert_true(slice_equal(got->key, lookup.key));
	}
}

static void
an_unknown_way_is_explained(void **state)
{
	const struct rpc_call *got = over_the_wire(*state, (enum rpc_how)77);

	assert_false(got->invalid);
	assert_int_equal(got->how, RPC_HOW_EXPLAINED);
}

static void
a_usual_lookup_looks_as_it_always_did(void **state)
{
	struct fixture *f = *state;
	size_t usual;

	(void)over_the_wire(f, RPC_HOW_USUAL);
	usual = buffer_len(&f->frame);
	(void)over_the_wire(f, RPC_HOW_EXPLAINED);
	assert_true(usual < buffer_len(&f->frame));
}

static void
send_steps(struct fixture *f, struct slice data, struct slice steps)
{
	buffer_clear(&f->frame);
	assert_true(rpc_add_result(&f->writer,
	    &(struct rpc_result){ .id = 7,
		.lookup = { .source = LOOKUP_STALE,
		    .age_ms = UINT32_MAX,
		    .data = data,
		    .steps = steps } }));
	assert_true(rpc_finish_results(&f->writer, SLICE("b1"), &f->frame));
	assert_int_equal(read_results(f, buffer_slice(&f->frame)), RPC_OK);
	assert_int_equal(f->count, 1);
}

static void
steps_travel_back(void **state)
{
	struct fixture *f = *state;

	send_steps(f, SLICE("b@x.org"), SLICE("1\tkey\tfine\n"));
	assert_true(
	    slice_equal(f->results[0].lookup.steps, SLICE("1\tkey\tfine\n")));
	assert_true(slice_equal(f->results[0].lookup.data, SLICE("b@x.org")));
	send_steps(f, SLICE("b@x.org"), SLICE(""));
	assert_int_equal(f->results[0].lookup.steps.len, 0);
}

static void
the_longest_answer_has_room_for_the_longest_steps(void **state)
{
	static const char data[LOOKUP_REPLY_MAX] = "x";
	static const char steps[RPC_STEPS_MAX + 1] = "x";
	struct fixture *f = *state;

	send_steps(f, (struct slice){ data, sizeof data },
	    (struct slice){ steps, sizeof steps });
	assert_int_equal(f->results[0].lookup.data.len, sizeof data);
	assert_int_equal(f->results[0].lookup.steps.len, RPC_STEPS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(how_a_lookup_is_made_travels_with_it),
		WITH_FIXTURE(an_unknown_way_is_explained),
		WITH_FIXTURE(a_usual_lookup_looks_as_it_always_did),
		WITH_FIXTURE(steps_travel_back),
		WITH_FIXTURE(the_longest_answer_has_room_for_the_longest_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
