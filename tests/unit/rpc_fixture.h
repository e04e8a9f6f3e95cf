/*
 * rpc_fixture - a writer, a reader and a frame, made for each test
 */
#ifndef TESTS_UNIT_RPC_FIXTURE_H
#define TESTS_UNIT_RPC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/rpc.h"

#define WITH_FIXTURE(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

struct fixture {
	struct rpc_writer writer;
	struct rpc_reader *reader;
	struct buffer frame;
	const struct rpc_call *calls;
	const struct rpc_result *results;
	size_t count;
	struct slice backend;
};

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (f == NULL)
		return -1;
	rpc_writer_init(&f->writer);
	buffer_init(&f->frame, RPC_FRAME_MAX);
	f->reader = rpc_reader_new();
	*state = f;
	return f->reader == NULL ? -1 : 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	rpc_writer_fini(&f->writer);
	buffer_fini(&f->frame);
	rpc_reader_free(f->reader);
	free(f);
	return 0;
}

static inline enum rpc_status
read_calls(struct fixture *f, struct slice frame)
{
	return rpc_read_calls(f->reader, frame, &f->calls, &f->count);
}

static inline enum rpc_status
read_results(struct fixture *f, struct slice frame)
{
	return rpc_read_results(
	    f->reader, frame, &f->results, &f->count, &f->backend);
}

/* A frame of n lookups, or of n results, of about bytes each. */
static inline struct slice
lookups_frame(struct fixture *f, size_t n, size_t bytes)
{
	static const char key[LOOKUP_KEY_MAX] = "user@example.org";

	for (size_t i = 0; i < n; i++)
		assert_true(rpc_add_call(&f->writer,
		    &(struct rpc_call){
			.id = UINT64_MAX - i,
			.method = RPC_LOOKUP,
			.left_ms = 9000,
			.request_id = UINT64_MAX,
			.map = SLICE("senders"),
			.key = { key, bytes },
		    }));
	buffer_clear(&f->frame);
	assert_true(rpc_finish_calls(&f->writer, &f->frame));
	return buffer_slice(&f->frame);
}

static inline struct slice
results_frame(struct fixture *f, size_t n, size_t bytes)
{
	static const char data[LOOKUP_REPLY_MAX] = "user@example.org";

	for (size_t i = 0; i < n; i++)
		assert_true(rpc_add_result(&f->writer,
		    &(struct rpc_result){
			.id = i,
			.lookup = {
				.source = LOOKUP_STALE,
				.age_ms = UINT32_MAX,
				.data = { data, bytes },
			},
		    }));
	buffer_clear(&f->frame);
	assert_true(
	    rpc_finish_results(&f->writer, SLICE("backend"), &f->frame));
	return buffer_slice(&f->frame);
}

#endif
