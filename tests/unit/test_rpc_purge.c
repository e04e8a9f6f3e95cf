/* The purge call: its bytes, and that nothing by accident means everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/rpc_fixture.h"

#define TEXT(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}
#define HEAD "\x83\x00\x01\x04\x01\x01\x91" /* a frame of one call */

/* clang-format off */
static const struct {
	struct rpc_call call;
	struct slice frame;
} purges[] = {
	{ { .id = 7, .method = RPC_PURGE, .left_ms = 9 },
	    TEXT(HEAD "\x84\x01\x07\x02\x03\x03\x09\x04\x80") },
	{ { .id = 7, .method = RPC_PURGE, .map = TEXT("alias") },
	    TEXT(HEAD "\x84\x01\x07\x02\x03\x03\x00"
		"\x04\x81\x01\xa5" "alias") },
	{ { .id = 7, .method = RPC_PURGE, .key = TEXT("a@b"), .relay = true },
	    TEXT(HEAD "\x84\x01\x07\x02\x03\x03\x00"
		"\x04\x82\x02\xc4\x03" "a@b" "\x03\x01") },
	{ { .id = 7, .method = RPC_PURGE, .request_id = 1,
		.map = TEXT("alias"), .key = TEXT("a@b"), .relay = true },
	    TEXT(HEAD "\x85\x01\x07\x02\x03\x03\x00"
		"\x04\x83\x01\xa5" "alias" "\x02\xc4\x03" "a@b" "\x03\x01"
		"\x05\x01") },
};
/* clang-format on */

#define PURGES (sizeof purges / sizeof purges[0])

static void
assert_slice(struct slice got, struct slice want)
{
	assert_int_equal(got.len, want.len);
	if (want.len > 0)
		assert_memory_equal(got.ptr, want.ptr, want.len);
}

static void
writer_keeps_to_the_bytes_of_the_contract(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PURGES; i++) {
		buffer_clear(&f->frame);
		assert_true(rpc_add_call(&f->writer, &purges[i].call));
		assert_true(rpc_finish_calls(&f->writer, &f->frame));
		assert_slice(buffer_slice(&f->frame), purges[i].frame);
	}
}

static void
reader_understands_the_bytes_of_the_contract(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PURGES; i++) {
		const struct rpc_call *want = &purges[i].call;

		assert_int_equal(read_calls(f, purges[i].frame), RPC_OK);
		assert_int_equal(f->count, 1);
		assert_int_equal(f->calls[0].method, RPC_PURGE);
		assert_false(f->calls[0].invalid);
		assert_slice(f->calls[0].map, want->map);
		assert_slice(f->calls[0].key, want->key);
		assert_int_equal(f->calls[0].relay, want->relay);
		assert_int_equal(f->calls[0].request_id, want->request_id);
	}
}

static void
every_proper_prefix_is_malformed(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PURGES; i++) {
		for (size_t n = 0; n < purges[i].frame.len; n++) {
			struct slice cut = { purges[i].frame.ptr, n };

			assert_int_equal(read_calls(f, cut), RPC_MALFORMED);
			assert_int_equal(f->count, 0);
		}
	}
}

/* An argument that is lost or spoilt would turn one key into all of them. */
static void
what_is_wrong_with_one_is_no_purge_of_everything(void **state)
{
	/* clang-format off */
	static const struct slice wrong[] = {
		TEXT(HEAD "\x82\x01\x07\x02\x03"),                 /* none */
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\xc0"),
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\x90"),
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\x81\x01\xa0"), /* "" */
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\x81\x02\xc4\x00"),
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\x81\x01\x05"),
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\x81\x02\xc0"),
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\x81\x03\xff"),
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\x81\x03\xa1" "1"),
		TEXT(HEAD "\x83\x01\x07\x02\x03\x04\x82\x02\xc0\x02\xa1" "k"),
	};
	/* clang-format on */
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(read_calls(f, wrong[i]), RPC_OK);
		assert_int_equal(f->count, 1);
		assert_int_equal(f->calls[0].id, 7);
		assert_true(f->calls[0].invalid);
		assert_int_equal(f->calls[0].key.len, 0);
		assert_false(f->calls[0].relay);
	}
}

static void
an_argument_over_its_limit_makes_it_invalid(void **state)
{
	static const char bytes[LOOKUP_KEY_MAX + 1];
	static const struct {
		size_t map, key;
		bool fits;
	} cases[] = {
		{ RPC_MAP_NAME_MAX, LOOKUP_KEY_MAX, true },
		{ RPC_MAP_NAME_MAX + 1, 1, false },
		{ 1, LOOKUP_KEY_MAX + 1, false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		struct rpc_call call = { .id = UINT64_MAX,
			.method = RPC_PURGE,
			.left_ms = UINT32_MAX,
			.request_id = UINT64_MAX,
			.relay = true,
			.map = { bytes, cases[i].map },
			.key = { bytes, cases[i].key } };

		buffer_clear(&f->frame);
		assert_true(rpc_add_call(&f->writer, &call));
		assert_true(rpc_finish_calls(&f->writer, &f->frame));
		assert_int_equal(
		    read_calls(f, buffer_slice(&f->frame)), RPC_OK);
		assert_int_equal(f->count, 1);
		assert_int_equal(f->calls[0].invalid, !cases[i].fits);
	}
}

static void
what_a_newer_one_adds_is_ignored(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_calls(f,
			     SLICE(HEAD "\x83\x01\x07\x02\x03\x04\x83\x09\x90"
					"\xa1"
					"x\xc0\x02\xa1"
					"k")),
	    RPC_OK);
	assert_int_equal(f->count, 1);
	assert_false(f->calls[0].invalid);
	assert_slice(f->calls[0].key, SLICE("k"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(writer_keeps_to_the_bytes_of_the_contract),
		WITH_FIXTURE(reader_understands_the_bytes_of_the_contract),
		WITH_FIXTURE(every_proper_prefix_is_malformed),
		WITH_FIXTURE(what_is_wrong_with_one_is_no_purge_of_everything),
		WITH_FIXTURE(an_argument_over_its_limit_makes_it_invalid),
		WITH_FIXTURE(what_a_newer_one_adds_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
