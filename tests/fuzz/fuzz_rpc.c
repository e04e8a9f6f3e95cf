/*
 * A peer's frame, read as a backend does or as a frontend does
 */
#include "common/rpc.h"
#include "tests/fuzz/fuzz.h"

/* What was read can be written, and is read again as the same. */
static void
check_calls_written(const struct rpc_call *calls, size_t count)
{
	struct rpc_reader *reader = rpc_reader_new();
	struct rpc_writer writer;
	struct buffer out;
	const struct rpc_call *again;
	size_t len;

	rpc_writer_init(&writer);
	buffer_init(&out, RPC_FRAME_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!rpc_add_call(&writer, &calls[i])) {
			count = i; /* ours is the longer form: no room */
			break;
		}
	}
	fuzz_check(rpc_finish_calls(&writer, &out));
	fuzz_check(
	    rpc_read_calls(reader, buffer_slice(&out), &again, &len) == RPC_OK);
	fuzz_check(len == count);
	for (size_t i = 0; i < count; i++) {
		fuzz_check(again[i].id == calls[i].id);
		if (calls[i].invalid)
			continue;
		fuzz_check(again[i].method == calls[i].method);
		fuzz_check(again[i].left_ms == calls[i].left_ms);
		fuzz_check(again[i].request_id == calls[i].request_id);
		fuzz_check(slice_equal(again[i].map, calls[i].map));
		fuzz_check(slice_equal(again[i].key, calls[i].key));
		fuzz_check(again[i].relay == calls[i].relay);
	}
	buffer_fini(&out);
	rpc_writer_fini(&writer);
	rpc_reader_free(reader);
}

static void
check_results_written(
    const struct rpc_result *results, size_t count, struct slice backend)
{
	struct rpc_reader *reader = rpc_reader_new();
	struct rpc_writer writer;
	struct buffer out;
	const struct rpc_result *again;
	struct slice name;
	size_t len;

	rpc_writer_init(&writer);
	buffer_init(&out, RPC_FRAME_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!rpc_add_result(&writer, &results[i])) {
			count = i; /* ours is the longer form: no room */
			break;
		}
	}
	fuzz_check(rpc_finish_results(&writer, backend, &out));
	fuzz_check(rpc_read_results(reader, buffer_slice(&out), &again, &len,
		       &name) == RPC_OK);
	fuzz_check(len == count && slice_equal(name, backend));
	for (size_t i = 0; i < count; i++) {
		fuzz_check(again[i].id == results[i].id);
		fuzz_check(
		    again[i].lookup.outcome == results[i].lookup.outcome);
		fuzz_check(
		    slice_equal(again[i].lookup.data, results[i].lookup.data));
	}
	buffer_fini(&out);
	rpc_writer_fini(&writer);
	rpc_reader_free(reader);
}

static void
read_calls(struct rpc_reader *reader, struct slice frame)
{
	const struct rpc_call *calls;
	size_t count;
	enum rpc_status status = rpc_read_calls(reader, frame, &calls, &count);

	fuzz_check(count <= RPC_CALLS_MAX);
	if (status == RPC_OK)
		check_calls_written(calls, count);
	else if (status != RPC_NEW_VERSION)
		fuzz_check(count == 0);
}

static void
read_results(struct rpc_reader *reader, struct slice frame)
{
	const struct rpc_result *results;
	struct slice backend = SLICE("");
	size_t count;
	enum rpc_status status =
	    rpc_read_results(reader, frame, &results, &count, &backend);

	fuzz_check(count <= RPC_CALLS_MAX);
	for (size_t i = 0; i < count; i++) {
		fuzz_check(results[i].lookup.outcome < LOOKUP_OUTCOMES);
		fuzz_check(results[i].lookup.data.len <= LOOKUP_REPLY_MAX);
	}
	if (status == RPC_OK)
		check_results_written(results, count, backend);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_reader *reader = rpc_reader_new();
	struct slice in = fuzz_input(data, size);

	fuzz_check(reader != NULL);
	if (fuzz_choice(&in) % 2 == 0)
		read_calls(reader, in);
	else
		read_results(reader, in);
	rpc_reader_free(reader);
	return 0;
}
