/* What a peer can do wrong, and that it costs nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/allocations.h"
#include "tests/unit/rpc_fixture.h"

/* --- Frames that are none ----------------------------------------------- */

/* clang-format off */
#define TEXT(literal) { (literal), sizeof(literal) - 1 }

static const struct slice malformed_calls[] = {
	TEXT(""),
	TEXT("\x01"),
	TEXT("\x90"),
	TEXT("\x80"),
	TEXT("\xa3" "abc"),
	TEXT("GET / HTTP/1.1\r\n\r\n"),
	TEXT("\x81\x01\x90"),                 /* no version */
	TEXT("\x81\x00\x01"),                 /* no list */
	TEXT("\x82\x00\x00\x01\x90"),         /* version 0 */
	TEXT("\x82\x00\xff\x01\x90"),         /* version -1 */
	TEXT("\x82\x00\xa1" "1" "\x01\x90"),  /* version "1" */
	TEXT("\x82\x00\x01\x01\x80"),         /* the list is a map */
	TEXT("\x82\x00\x01\x01\xc0"),         /* the list is nil */
	TEXT("\x82\x00\x01\x02\x90"),         /* results where calls belong */
	TEXT("\x82\x00\x01\x01\x90\x00"),     /* a byte too many */
	TEXT("\x82\x00\x01\x01\x91\xc1"),     /* no msgpack */
	/* Too deep, in a key that would be skipped. */
	TEXT("\x83\x00\x01\x01\x90\x63\x91\x91\x91\x91\x91\x91\x91\x91\x90"),
	/* Claims of 2^32 - 1 elements or bytes. */
	TEXT("\x82\x00\x01\x01\xdd\xff\xff\xff\xff"),
	TEXT("\x82\x00\x01\x01\xdf\xff\xff\xff\xff"),
	TEXT("\x82\x00\x01\x01\xdb\xff\xff\xff\xff"),
	TEXT("\x82\x00\x01\x01\xc6\xff\xff\xff\xff"),
	TEXT("\x82\x00\x01\x01\xc9\xff\xff\xff\xff\x05"),
	TEXT("\x82\x00\x01\x01\x91\x82\x01\x07\xdf\xff\xff\xff\xff\x01\x01"),
	TEXT("\xdf\xff\xff\xff\xff\x00\x01\x01\x90"),
	TEXT("\xdd\xff\xff\xff\xff\x00\x01\x01\x90"),
};
/* clang-format on */

static void
frames_that_are_none_are_malformed_and_cost_nothing(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0;
	     i < sizeof malformed_calls / sizeof malformed_calls[0]; i++) {
		size_t before = allocations;
		enum rpc_status got = read_calls(f, malformed_calls[i]);

		if (got != RPC_MALFORMED || f->count != 0)
			fail_msg(
			    "case %zu: got %d and %zu calls", i, got, f->count);
		if (allocations != before)
			fail_msg("case %zu: %zu allocations", i,
			    allocations - before);
	}
	assert_int_equal(
	    read_results(f, SLICE("\x82\x00\x01\x01\x90")), RPC_MALFORMED);
}

static void
every_changed_byte_is_survived(void **state)
{
	struct fixture *f = *state;
	struct slice frames[2];
	char calls[512];
	char results[512];

	frames[0] = lookups_frame(f, 3, 16);
	memcpy(calls, frames[0].ptr, frames[0].len);
	frames[0].ptr = calls;
	frames[1] = results_frame(f, 3, 16);
	memcpy(results, frames[1].ptr, frames[1].len);
	frames[1].ptr = results;
	for (size_t at = 0; at < frames[0].len + frames[1].len; at++) {
		bool second = at >= frames[0].len;
		struct slice whole = frames[second];
		size_t i = second ? at - frames[0].len : at;
		/* An exact copy, so that a sanitizer sees reads beyond it. */
		char *copy = malloc(whole.len);
		struct slice frame = { copy, whole.len };

		memcpy(copy, whole.ptr, whole.len);
		for (int value = 0; value < 256; value++) {
			copy[i] = (char)value;
			if (read_calls(f, frame) != RPC_OK)
				assert_true(
				    f->count == 0 || !f->calls[0].invalid);
			for (size_t n = 0; n < f->count; n++) {
				struct slice key = f->calls[n].key;
				struct slice map = f->calls[n].map;

				assert_true(key.len == 0 ||
				    (key.ptr >= copy &&
					key.ptr + key.len <= copy + whole.len));
				assert_true(map.len == 0 ||
				    (map.ptr >= copy &&
					map.ptr + map.len <= copy + whole.len));
			}
			if (read_results(f, frame) == RPC_MALFORMED)
				assert_int_equal(f->count, 0);
			for (size_t n = 0; n < f->count; n++) {
				struct lookup_result got = f->results[n].lookup;

				assert_in_range(
				    got.outcome, 0, LOOKUP_OUTCOMES - 1);
				assert_in_range(got.source, 0, LOOKUP_RULE);
				assert_true(got.data.len == 0 ||
				    (got.data.ptr >= copy &&
					got.data.ptr + got.data.len <=
					    copy + whole.len));
			}
		}
		free(copy);
	}
}

/* --- Calls and results that are wrong in themselves --------------------- */

/* clang-format off */
static const struct {
	struct slice call;
	bool delivered; /* with id 7 and invalid */
} wrong_calls[] = {
	{ TEXT("\xc0"), false },
	{ TEXT("\x07"), false },
	{ TEXT("\x80"), false },
	{ TEXT("\x82\x01\xff\x02\x02"), false },              /* id -1 */
	{ TEXT("\x82\x01\xa1" "7" "\x02\x02"), false },       /* id "7" */
	{ TEXT("\x81\x01\x07"), true },                       /* no method */
	{ TEXT("\x82\x01\x07\x02\xc0"), true },               /* method nil */
	{ TEXT("\x82\x01\x07\x02\xff"), true },               /* method -1 */
	{ TEXT("\x83\x01\x07\x02\x02\x03\xa0"), true },       /* ms "" */
	{ TEXT("\x83\x01\x07\x02\x02\x05\xcb" "12345678"), true },
	{ TEXT("\x82\x01\x07\x02\x01"), true },               /* no arguments */
	{ TEXT("\x83\x01\x07\x02\x01\x04\xc0"), true },
	{ TEXT("\x83\x01\x07\x02\x01\x04\x80"), true },
	{ TEXT("\x83\x01\x07\x02\x01\x04\x81\x01\xa1" "m"), true },
	{ TEXT("\x83\x01\x07\x02\x01\x04\x81\x02\xa1" "k"), true },
	{ TEXT("\x83\x01\x07\x02\x01\x04\x82\x01\x05\x02\xa1" "k"), true },
	{ TEXT("\x83\x01\x07\x02\x01\x04\x82\x01\xa1" "m" "\x02\x90"), true },
	{ TEXT("\x83\x01\x07\x02\x01\x04\x82\x01\xd9\x41"
	    "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
	    "\x02\xa1" "k"), true },                          /* 65 bytes */
};
/* clang-format on */

static void
a_wrong_call_spoils_itself_alone(void **state)
{
	static const struct slice before = TEXT("\x82\x00\x01\x01\x93"
						"\x82\x01\x05\x02\x02");
	static const struct slice after = TEXT("\x82\x01\x06\x02\x02");
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof wrong_calls / sizeof wrong_calls[0];
	     i++) {
		size_t wrong = wrong_calls[i].delivered ? 1 : 0;

		buffer_clear(&f->frame);
		assert_true(buffer_append_slice(&f->frame, before));
		assert_true(
		    buffer_append_slice(&f->frame, wrong_calls[i].call));
		assert_true(buffer_append_slice(&f->frame, after));
		assert_int_equal(
		    read_calls(f, buffer_slice(&f->frame)), RPC_OK);
		if (f->count != 2 + wrong)
			fail_msg("case %zu: %zu calls", i, f->count);
		assert_int_equal(f->calls[0].id, 5);
		assert_false(f->calls[0].invalid);
		assert_int_equal(f->calls[1 + wrong].id, 6);
		assert_false(f->calls[1 + wrong].invalid);
		if (wrong == 0)
			continue;
		if (f->calls[1].id != 7 || !f->calls[1].invalid)
			fail_msg("case %zu: id %d, invalid %d", i,
			    (int)f->calls[1].id, f->calls[1].invalid);
		assert_int_equal(f->calls[1].map.len, 0);
		assert_int_equal(f->calls[1].key.len, 0);
	}
}

/* clang-format off */
static const struct {
	struct slice result;
	enum lookup_outcome outcome;
	enum lookup_source source;
	size_t data;
} odd_results[] = {
	{ TEXT("\x81\x01\x07"), LOOKUP_UNIMPLEMENTED, LOOKUP_FRESH, 0 },
	{ TEXT("\x82\x01\x07\x03\xa1" "x"), LOOKUP_UNIMPLEMENTED, 0, 0 },
	{ TEXT("\x83\x01\x07\x02\x08\x03\xa1" "x"), LOOKUP_UNIMPLEMENTED, 0, 0 },
	{ TEXT("\x82\x01\x07\x02\xff"), LOOKUP_UNIMPLEMENTED, 0, 0 },
	{ TEXT("\x82\x01\x07\x02\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
	    LOOKUP_UNIMPLEMENTED, 0, 0 },
	{ TEXT("\x83\x01\x07\x02\x00\x03\xc0"), LOOKUP_UNIMPLEMENTED, 0, 0 },
	{ TEXT("\x83\x01\x07\x02\x01\x04\xa0"), LOOKUP_UNIMPLEMENTED, 0, 0 },
	{ TEXT("\x83\x01\x07\x02\x01\x05\x90"), LOOKUP_UNIMPLEMENTED, 0, 0 },
	{ TEXT("\x83\x01\x07\x02\x01\x04\x63"), LOOKUP_NOTFOUND, 0, 0 },
	{ TEXT("\x83\x01\x07\x02\x01\x04\x02"), LOOKUP_NOTFOUND,
	    LOOKUP_STALE, 0 },
	{ TEXT("\x83\x01\x07\x02\x00\x03\xa1" "x"), LOOKUP_OK, 0, 1 },
};
/* clang-format on */

static void
a_result_that_is_not_understood_is_never_an_answer(void **state)
{
	static const struct slice head = TEXT("\x82\x00\x01\x02\x92\xc0");
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof odd_results / sizeof odd_results[0];
	     i++) {
		struct lookup_result got;

		buffer_clear(&f->frame);
		assert_true(buffer_append_slice(&f->frame, head));
		assert_true(
		    buffer_append_slice(&f->frame, odd_results[i].result));
		assert_int_equal(
		    read_results(f, buffer_slice(&f->frame)), RPC_OK);
		assert_int_equal(f->count, 1);
		assert_int_equal(f->results[0].id, 7);
		got = f->results[0].lookup;
		if (got.outcome != odd_results[i].outcome ||
		    got.source != odd_results[i].source ||
		    got.data.len != odd_results[i].data)
			fail_msg("case %zu: got %s, %s, %zu bytes", i,
			    lookup_outcome_name(got.outcome),
			    lookup_source_name(got.source), got.data.len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(
		    frames_that_are_none_are_malformed_and_cost_nothing),
		WITH_FIXTURE(every_changed_byte_is_survived),
		WITH_FIXTURE(a_wrong_call_spoils_itself_alone),
		WITH_FIXTURE(
		    a_result_that_is_not_understood_is_never_an_answer),
	};

	allocations_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
