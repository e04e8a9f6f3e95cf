/* What a peer may rely on: the bytes, the limits, and what is ignored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/rpc_fixture.h"

#define SEED 20240601

static void
assert_slice(struct slice got, struct slice want)
{
	assert_int_equal(got.len, want.len);
	if (want.len > 0)
		assert_memory_equal(got.ptr, want.ptr, want.len);
}

/* --- The bytes ---------------------------------------------------------- */

/* clang-format off */
#define GOLDEN_CALLS                                                           \
	"\x83"                     /* a frame of three entries */              \
	"\x00\x01"                 /* version: 1 */                            \
	"\x04\x01"                 /* merges: 1 */                             \
	"\x01\x92"                 /* calls: two */                            \
	"\x85"                     /* a call of five entries */                \
	"\x01\x07"                 /* id: 7 */                                 \
	"\x02\x01"                 /* method: lookup */                        \
	"\x03\xcd\x23\x28"         /* ms left: 9000 */                         \
	"\x04\x82"                 /* arguments: two entries */                \
	"\x01\xa5" "alias"         /* map name: str */                         \
	"\x02\xc4\x03" "a@b"       /* key: bin */                              \
	"\x05\xcf\x01\x23\x45\x67" /* request id: uint64 */                    \
	"\x89\xab\xcd\xef"                                                     \
	"\x83"                     /* a call of three entries */               \
	"\x01\xcf\xff\xff\xff\xff" /* id: the largest */                       \
	"\xff\xff\xff\xff"                                                     \
	"\x02\x02"                 /* method: health */                        \
	"\x03\x00"                 /* ms left: 0 */

#define GOLDEN_RESULTS                                                         \
	"\x83"                     /* a frame of three entries */              \
	"\x00\x01"                 /* version: 1 */                            \
	"\x03\xa2" "b1"            /* backend: str */                          \
	"\x02\x92"                 /* results: two */                          \
	"\x85"                     /* a result of five entries */              \
	"\x01\x07"                 /* id: 7 */                                 \
	"\x02\x00"                 /* outcome: OK */                           \
	"\x03\xc4\x07" "x@y,z@w"   /* data: bin */                             \
	"\x04\x01"                 /* source: cached */                        \
	"\x05\xcd\x03\xe8"         /* age: 1000 ms */                          \
	"\x82"                     /* a result of two entries */               \
	"\x01\xcf\xff\xff\xff\xff" /* id: the largest */                       \
	"\xff\xff\xff\xff"                                                     \
	"\x02\x06"                 /* outcome: DRAINING */
/* clang-format on */

static const struct slice golden_calls = {
	GOLDEN_CALLS,
	sizeof(GOLDEN_CALLS) - 1,
};
static const struct slice golden_results = {
	GOLDEN_RESULTS,
	sizeof(GOLDEN_RESULTS) - 1,
};

static const struct rpc_call two_calls[] = {
	{
	    .id = 7,
	    .method = RPC_LOOKUP,
	    .left_ms = 9000,
	    .request_id = 0x0123456789abcdef,
	    .map = { "alias", 5 },
	    .key = { "a@b", 3 },
	},
	{ .id = UINT64_MAX, .method = RPC_HEALTH },
};

static const struct rpc_result two_results[] = {
	{
	    .id = 7,
	    .lookup = {
		.outcome = LOOKUP_OK,
		.source = LOOKUP_CACHED,
		.age_ms = 1000,
		.data = { "x@y,z@w", 7 },
	    },
	},
	{ .id = UINT64_MAX, .lookup = { .outcome = LOOKUP_DRAINING } },
};

static void
writer_keeps_to_the_bytes_of_the_contract(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++)
		assert_true(rpc_add_call(&f->writer, &two_calls[i]));
	assert_true(rpc_finish_calls(&f->writer, &f->frame));
	assert_slice(buffer_slice(&f->frame), golden_calls);
	buffer_clear(&f->frame);
	for (size_t i = 0; i < 2; i++)
		assert_true(rpc_add_result(&f->writer, &two_results[i]));
	assert_true(rpc_finish_results(&f->writer, SLICE("b1"), &f->frame));
	assert_slice(buffer_slice(&f->frame), golden_results);
}

static void
assert_call(const struct rpc_call *got, const struct rpc_call *want)
{
	assert_int_equal(got->id, want->id);
	assert_int_equal(got->method, want->method);
	assert_int_equal(got->left_ms, want->left_ms);
	assert_int_equal(got->request_id, want->request_id);
	assert_slice(got->map, want->map);
	assert_slice(got->key, want->key);
	assert_int_equal(got->invalid, want->invalid);
}

static void
assert_result(const struct rpc_result *got, const struct rpc_result *want)
{
	assert_int_equal(got->id, want->id);
	assert_int_equal(got->lookup.outcome, want->lookup.outcome);
	assert_int_equal(got->lookup.source, want->lookup.source);
	assert_int_equal(got->lookup.age_ms, want->lookup.age_ms);
	assert_slice(got->lookup.data, want->lookup.data);
}

static void
reader_understands_the_bytes_of_the_contract(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_calls(f, golden_calls), RPC_OK);
	assert_true(rpc_reader_merges(f->reader));
	assert_int_equal(f->count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_call(&f->calls[i], &two_calls[i]);
	assert_int_equal(read_results(f, golden_results), RPC_OK);
	assert_int_equal(f->count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_result(&f->results[i], &two_results[i]);
	assert_slice(f->backend, SLICE("b1"));
}

static void
merging_is_off_unless_a_frame_says_so(void **state)
{
	const struct {
		struct slice frame;
		bool merges;
	} cases[] = {
		{ SLICE("\x82\x00\x01\x01\x90"), false },
		{ SLICE("\x83\x00\x01\x01\x90\x04\x01"), true },
		{ SLICE("\x83\x00\x01\x01\x90\x04\x00"), false },
		{ SLICE("\x83\x00\x01\x01\x90\x04\xa1x"), false },
		{ SLICE("\x83\x00\x02\x01\x90\x04\x01"), false },
		{ SLICE("\xc0"), false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		(void)read_calls(f, cases[i].frame);
		assert_int_equal(rpc_reader_merges(f->reader), cases[i].merges);
	}
}

static void
every_proper_prefix_is_malformed(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 0; n < golden_calls.len; n++) {
		assert_int_equal(
		    read_calls(f, (struct slice){ golden_calls.ptr, n }),
		    RPC_MALFORMED);
		assert_int_equal(f->count, 0);
	}
	for (size_t n = 0; n < golden_results.len; n++) {
		assert_int_equal(
		    read_results(f, (struct slice){ golden_results.ptr, n }),
		    RPC_MALFORMED);
		assert_int_equal(f->count, 0);
		assert_int_equal(f->backend.len, 0);
	}
}

/* --- Round trips -------------------------------------------------------- */

static uint64_t
random_number(void)
{
	uint64_t wide = (uint64_t)(uint32_t)rand() << 33 ^
	    (uint64_t)(uint32_t)rand() << 11 ^ (uint32_t)rand();

	/* Every size of msgpack integer is to occur. */
	return wide >> (rand() % 64);
}

static struct slice
random_bytes(const char *pool, size_t max)
{
	return (
	    struct slice){ pool + rand() % 1000, random_number() % (max + 1) };
}

static void
random_items_survive_a_round_trip(void **state)
{
	static char pool[LOOKUP_REPLY_MAX + 1000];
	struct fixture *f = *state;

	srand(SEED);
	for (size_t i = 0; i < sizeof pool; i++)
		pool[i] = (char)rand();
	for (int round = 0; round < 300; round++) {
		struct rpc_call calls[RPC_CALLS_MAX];
		struct rpc_result results[RPC_CALLS_MAX];
		size_t count = (size_t)rand() % (RPC_CALLS_MAX + 1);
		size_t n = 0;

		for (; n < count; n++) {
			calls[n] = (struct rpc_call){
				.id = random_number(),
				.method = RPC_LOOKUP,
				.left_ms = (uint32_t)random_number(),
				.request_id = random_number(),
				.map = random_bytes(pool, RPC_MAP_NAME_MAX),
				.key = random_bytes(pool, LOOKUP_KEY_MAX),
			};
			if (!rpc_add_call(&f->writer, &calls[n]))
				break;
		}
		buffer_clear(&f->frame);
		assert_true(rpc_finish_calls(&f->writer, &f->frame));
		assert_int_equal(
		    read_calls(f, buffer_slice(&f->frame)), RPC_OK);
		assert_int_equal(f->count, n);
		for (size_t i = 0; i < n; i++)
			assert_call(&f->calls[i], &calls[i]);

		for (n = 0; n < count; n++) {
			results[n].id = random_number();
			results[n].lookup = (struct lookup_result){
				.outcome = (unsigned)rand() % LOOKUP_OUTCOMES,
				.source = (unsigned)rand() % (LOOKUP_RULE + 1),
				.age_ms = (uint32_t)random_number(),
				.data = random_bytes(pool,
				    rand() % 20 == 0 ? LOOKUP_REPLY_MAX : 100),
			};
			if (!rpc_add_result(&f->writer, &results[n]))
				break;
		}
		buffer_clear(&f->frame);
		assert_true(rpc_finish_results(
		    &f->writer, random_bytes(pool, 64), &f->frame));
		assert_int_equal(
		    read_results(f, buffer_slice(&f->frame)), RPC_OK);
		assert_int_equal(f->count, n);
		for (size_t i = 0; i < n; i++)
			assert_result(&f->results[i], &results[i]);
	}
}

/* --- Versions ----------------------------------------------------------- */

static void
unknown_keys_are_ignored_at_every_level(void **state)
{
	/* Containers, strings as keys, extension types, all to be skipped. */
	struct slice calls = SLICE("\x85\x63\x92\x01\xc0\xa1"
				   "x\xc7\x01\x05"
				   "y\x00\x01\x01\x91"
				   "\x85\x09\x81\x01\x02\xff\xc3"
				   "\x01\x07\x02\x01"
				   "\x04\x84\x07\x90\x01\xa1"
				   "m\xcb"
				   "12345678\xc2\x02\xa1"
				   "k\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x00");
	struct slice results = SLICE("\x84\x63\x90\x00\x01\x02\x91"
				     "\x84\x0a\x80\x01\x07\x90\x01\x02\x01"
				     "\xa0\x01");
	struct fixture *f = *state;

	assert_int_equal(read_calls(f, calls), RPC_OK);
	assert_int_equal(f->count, 1);
	assert_call(&f->calls[0],
	    &(struct rpc_call){
		.id = 7,
		.method = RPC_LOOKUP,
		.map = SLICE("m"),
		.key = SLICE("k"),
	    });
	assert_int_equal(read_results(f, results), RPC_OK);
	assert_int_equal(f->count, 1);
	assert_result(&f->results[0],
	    &(struct rpc_result){
		.id = 7,
		.lookup = { .outcome = LOOKUP_NOTFOUND },
	    });
}

static void
an_unknown_method_is_kept(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    read_calls(f,
		SLICE("\x82\x00\x01\x01\x92"
		      "\x83\x01\x07\x02\xcd\x01\x00\x04\xa3"
		      "any"
		      "\x82\x01\x08\x02\xcf\x01\x00\x00\x00\x00\x00"
		      "\x00\x01")),
	    RPC_OK);
	assert_int_equal(f->count, 2);
	assert_call(&f->calls[0], &(struct rpc_call){ .id = 7, .method = 256 });
	assert_call(
	    &f->calls[1], &(struct rpc_call){ .id = 8, .method = UINT32_MAX });
}

static void
a_new_version_yields_the_ids(void **state)
{
	struct fixture *f = *state;
	struct slice new_calls = SLICE("\x82\x00\x02\x01\x93"
				       "\x82\x01\x07\x02\xa1"
				       "x"
				       "\x81\x02\x01"
				       "\x81\x01\xcd\x01\x00");

	assert_int_equal(read_calls(f, new_calls), RPC_NEW_VERSION);
	assert_int_equal(f->count, 2);
	assert_call(&f->calls[0], &(struct rpc_call){ .id = 7 });
	assert_call(&f->calls[1], &(struct rpc_call){ .id = 256 });
	/* The list may have become something else. */
	assert_int_equal(read_calls(f,
			     SLICE("\x82\x00\x02\x01\xa1"
				   "x")),
	    RPC_NEW_VERSION);
	assert_int_equal(f->count, 0);
	assert_int_equal(
	    read_calls(
		f, SLICE("\x81\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff")),
	    RPC_NEW_VERSION);
	assert_int_equal(f->count, 0);
	assert_int_equal(
	    read_results(f, SLICE("\x82\x00\x02\x02\x91\x82\x01\x07\x02\x00")),
	    RPC_NEW_VERSION);
	assert_int_equal(f->count, 1);
	assert_result(&f->results[0],
	    &(struct rpc_result){
		.id = 7,
		.lookup = { .outcome = LOOKUP_UNIMPLEMENTED },
	    });
}

static void
the_last_of_equal_keys_counts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_calls(f,
			     SLICE("\x83\x00\x02\x00\x01\x01\x91"
				   "\x84\x01\x07\x02\x02\x02\x05\x01\x08")),
	    RPC_OK);
	assert_int_equal(f->count, 1);
	assert_call(&f->calls[0], &(struct rpc_call){ .id = 8, .method = 5 });
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(writer_keeps_to_the_bytes_of_the_contract),
		WITH_FIXTURE(reader_understands_the_bytes_of_the_contract),
		WITH_FIXTURE(merging_is_off_unless_a_frame_says_so),
		WITH_FIXTURE(every_proper_prefix_is_malformed),
		WITH_FIXTURE(random_items_survive_a_round_trip),
		WITH_FIXTURE(unknown_keys_are_ignored_at_every_level),
		WITH_FIXTURE(an_unknown_method_is_kept),
		WITH_FIXTURE(a_new_version_yields_the_ids),
		WITH_FIXTURE(the_last_of_equal_keys_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
