/* Where the limits are, and what reading and writing up to them costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/allocations.h"
#include "tests/unit/rpc_fixture.h"

#define TEXT(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

static void
bombs_within_the_frame_limit_cost_nothing(void **state)
{
	struct fixture *f = *state;
	size_t size = RPC_FRAME_MAX;
	char *text = malloc(size);
	/* Arrays in arrays; as many elements as bytes; as many pairs. */
	static const struct {
		struct slice head;
		char fill;
	} bombs[] = {
		{ TEXT(""), '\x91' },
		{ TEXT("\x83\x00\x01\x01\x90\x63\xdd\x00\x03\xff\xf5"), 0 },
		{ TEXT("\x82\x00\x01\x01\xdd\x00\x03\xff\xf7"), '\x90' },
		{ TEXT("\x83\x00\x01\x01\x90\x63\xdf\x00\x01\xff\xfa"), 0 },
	};
	size_t before = allocations;

	for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
		memset(text, bombs[i].fill, size);
		memcpy(text, bombs[i].head.ptr, bombs[i].head.len);
		assert_int_equal(
		    read_calls(f, (struct slice){ text, size }), RPC_MALFORMED);
	}
	assert_int_equal(allocations, before);
	free(text);
}

static void
a_frame_over_the_limit_is_malformed(void **state)
{
	struct fixture *f = *state;
	struct slice head =
	    SLICE("\x83\x00\x01\x01\x90\x63\xc6\x00\x03\xff\xf5");
	char *text = calloc(1, RPC_FRAME_MAX + 1);

	memcpy(text, head.ptr, head.len);
	assert_int_equal(
	    read_calls(f, (struct slice){ text, RPC_FRAME_MAX }), RPC_OK);
	text[10] = '\xf6';
	assert_int_equal(
	    read_calls(f, (struct slice){ text, RPC_FRAME_MAX + 1 }),
	    RPC_MALFORMED);
	free(text);
}

static void
a_frame_holds_256_items(void **state)
{
	struct fixture *f = *state;
	char text[5 + 2 + RPC_CALLS_MAX + 1] = "\x82\x00\x01\x01\xdc\x01\x00";

	/* Elements that are no calls count as well. */
	memset(text + 7, '\x80', RPC_CALLS_MAX + 1);
	assert_int_equal(
	    read_calls(f, (struct slice){ text, sizeof text - 1 }), RPC_OK);
	text[6] = 1;
	assert_int_equal(
	    read_calls(f, (struct slice){ text, sizeof text }), RPC_MALFORMED);

	(void)lookups_frame(f, RPC_CALLS_MAX, 1);
	assert_int_equal(read_calls(f, buffer_slice(&f->frame)), RPC_OK);
	assert_int_equal(f->count, RPC_CALLS_MAX);
	for (size_t i = 0; i < RPC_CALLS_MAX; i++)
		assert_true(rpc_add_call(
		    &f->writer, &(struct rpc_call){ .method = RPC_HEALTH }));
	assert_false(rpc_add_call(
	    &f->writer, &(struct rpc_call){ .method = RPC_HEALTH }));
}

static void
a_full_writer_makes_a_frame_that_is_read(void **state)
{
	static const char bytes[LOOKUP_REPLY_MAX];
	struct fixture *f = *state;

	for (size_t size = 1100; size <= LOOKUP_REPLY_MAX; size += size / 9) {
		struct rpc_result result = { .lookup.data = { bytes, size } };
		size_t n = 0;

		while (rpc_add_result(&f->writer, &result))
			n++;
		assert_in_range(n,
		    (RPC_FRAME_MAX - RPC_FRAME_OVERHEAD) /
			(size + RPC_ITEM_OVERHEAD),
		    RPC_CALLS_MAX);
		assert_int_equal(f->writer.count, n);
		buffer_clear(&f->frame);
		assert_true(rpc_finish_results(
		    &f->writer, (struct slice){ bytes, 64 }, &f->frame));
		assert_int_equal(
		    read_results(f, buffer_slice(&f->frame)), RPC_OK);
		assert_int_equal(f->count, n);
		assert_int_equal(f->writer.count, 0);
	}
}

static void
an_item_over_its_limit_is_sent_as_what_can_be_answered(void **state)
{
	static const char bytes[LOOKUP_REPLY_MAX + 1];
	struct fixture *f = *state;
	struct rpc_call call = { .id = 7, .method = RPC_LOOKUP };
	struct rpc_result result = { .id = 7 };

	call.map = (struct slice){ bytes, RPC_MAP_NAME_MAX };
	call.key = (struct slice){ bytes, LOOKUP_KEY_MAX };
	assert_true(rpc_add_call(&f->writer, &call));
	call.key.len++;
	assert_true(rpc_add_call(&f->writer, &call));
	call.key.len--;
	call.map.len++;
	assert_true(rpc_add_call(&f->writer, &call));
	assert_true(rpc_finish_calls(&f->writer, &f->frame));
	assert_int_equal(read_calls(f, buffer_slice(&f->frame)), RPC_OK);
	assert_int_equal(f->count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(f->calls[i].invalid, i > 0);

	buffer_clear(&f->frame);
	result.lookup.data = (struct slice){ bytes, sizeof bytes };
	assert_true(rpc_add_result(&f->writer, &result));
	result.lookup.outcome = LOOKUP_TEMP;
	assert_true(rpc_add_result(&f->writer, &result));
	assert_true(rpc_finish_results(
	    &f->writer, (struct slice){ bytes, 65 }, &f->frame));
	assert_int_equal(read_results(f, buffer_slice(&f->frame)), RPC_OK);
	assert_int_equal(f->count, 2);
	assert_int_equal(f->results[0].lookup.outcome, LOOKUP_PERM);
	assert_int_equal(f->results[1].lookup.outcome, LOOKUP_TEMP);
	assert_int_equal(f->results[1].lookup.data.len, LOOKUP_REPLY_MAX);
	assert_int_equal(f->backend.len, RPC_BACKEND_NAME_MAX);
}

static void
a_frame_that_does_not_fit_leaves_the_writer_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct buffer small;

	buffer_init(&small, RPC_FRAME_OVERHEAD);
	assert_true(rpc_add_call(
	    &f->writer, &(struct rpc_call){ .id = 7, .method = RPC_HEALTH }));
	assert_false(rpc_finish_calls(&f->writer, &small));
	assert_int_equal(buffer_len(&small), 0);
	assert_true(rpc_finish_calls(&f->writer, &f->frame));
	assert_int_equal(read_calls(f, buffer_slice(&f->frame)), RPC_OK);
	assert_int_equal(f->count, 1);
	buffer_fini(&small);
}

static void
the_steady_state_allocates_nothing(void **state)
{
	struct fixture *f = *state;
	size_t before = 0;

	/* The first round makes the buffers grow to what is needed. */
	for (int round = 0; round < 100; round++) {
		if (round == 1)
			before = allocations;
		(void)lookups_frame(f, RPC_CALLS_MAX, 700);
		assert_int_equal(
		    read_calls(f, buffer_slice(&f->frame)), RPC_OK);
		(void)results_frame(f, RPC_CALLS_MAX, 700);
		assert_int_equal(
		    read_results(f, buffer_slice(&f->frame)), RPC_OK);
	}
	assert_int_equal(allocations, before);
}

static void
a_frame_of_as_many_objects_as_allowed_allocates_nothing(void **state)
{
	struct fixture *f = *state;
	/* Seven objects, the last an array of all others. */
	struct slice head = SLICE("\x83\x00\x01\x01\x90\x63\xdc\x3f\xf9");
	struct slice frame = { NULL, head.len + 0x3ff9 };
	char *text = calloc(1, frame.len);
	size_t before = allocations;

	memcpy(text, head.ptr, head.len);
	frame.ptr = text;
	assert_int_equal(read_calls(f, frame), RPC_OK);
	assert_int_equal(allocations, before);
	text[8]++;
	frame.len++;
	text = realloc(text, frame.len);
	text[frame.len - 1] = 0;
	frame.ptr = text;
	assert_int_equal(read_calls(f, frame), RPC_MALFORMED);
	free(text);
}

static void
allocations_are_counted(void **state)
{
	size_t before = allocations;
	size_t bytes = allocated_bytes;
	struct rpc_reader *r = rpc_reader_new();

	(void)state;
	assert_non_null(r);
	rpc_reader_free(r);
	assert_true(allocations > before);
	/* What a reader keeps, in msgpack-c's memory too. */
	assert_in_range(allocated_bytes - bytes, RPC_OBJECTS_MAX, 1 << 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_frame_over_the_limit_is_malformed),
		WITH_FIXTURE(a_frame_holds_256_items),
		WITH_FIXTURE(a_full_writer_makes_a_frame_that_is_read),
		WITH_FIXTURE(
		    an_item_over_its_limit_is_sent_as_what_can_be_answered),
		WITH_FIXTURE(
		    a_frame_that_does_not_fit_leaves_the_writer_as_it_was),
		WITH_FIXTURE(the_steady_state_allocates_nothing),
		WITH_FIXTURE(
		    a_frame_of_as_many_objects_as_allowed_allocates_nothing),
		WITH_FIXTURE(bombs_within_the_frame_limit_cost_nothing),
		cmocka_unit_test(allocations_are_counted),
	};

	allocations_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
