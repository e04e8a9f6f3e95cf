#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/socketmap/protocol.h"

static void
assert_slice(struct slice got, struct slice want)
{
	assert_int_equal(got.len, want.len);
	assert_true(slice_equal(got, want));
}

static void
a_request_splits_at_its_first_space(void **state)
{
	static const struct {
		struct slice text, map, key;
	} cases[] = {
		{ { "alias a@b", 9 }, { "alias", 5 }, { "a@b", 3 } },
		{ { "alias ", 6 }, { "alias", 5 }, { "", 0 } },
		{ { " key", 4 }, { "", 0 }, { "key", 3 } },
		{ { " ", 1 }, { "", 0 }, { "", 0 } },
		{ { "m \"a b\"@c d ", 12 }, { "m", 1 },
		    { "\"a b\"@c d ", 10 } },
		{ { "m  k", 4 }, { "m", 1 }, { " k", 2 } },
		{ { "m \0\n\xff", 5 }, { "m", 1 }, { "\0\n\xff", 3 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice map;
		struct slice key;

		assert_true(protocol_parse_request(cases[i].text, &map, &key));
		assert_slice(map, cases[i].map);
		assert_slice(key, cases[i].key);
	}
}

static void
a_request_without_a_space_is_refused(void **state)
{
	static const char *const cases[] = { "", "alias", "alias\tkey",
		"alias\nkey" };
	struct slice map;
	struct slice key;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_false(
		    protocol_parse_request(slice_of(cases[i]), &map, &key));
	assert_false(
	    protocol_parse_request((struct slice){ NULL, 0 }, &map, &key));
}

static const struct {
	struct reply reply;
	const char *frame;
} replies[] = {
	{ { SOCKETMAP_OK, { "a@b", 3 } }, "6:OK a@b," },
	{ { SOCKETMAP_OK, { NULL, 0 } }, "3:OK ," },
	{ { SOCKETMAP_NOTFOUND, { NULL, 0 } }, "9:NOTFOUND ," },
	{ { SOCKETMAP_TEMP, { "later", 5 } }, "10:TEMP later," },
	{ { SOCKETMAP_TIMEOUT, { "slow", 4 } }, "12:TIMEOUT slow," },
	{ { SOCKETMAP_PERM, { "no", 2 } }, "7:PERM no," },
};

static void
a_reply_is_encoded_with_its_space_always(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		struct slice want = slice_of(replies[i].frame);
		char got[64];

		assert_int_equal(
		    protocol_reply_size(replies[i].reply), want.len);
		assert_slice((struct slice){ got,
				 protocol_encode_reply(replies[i].reply, got) },
		    want);
	}
}

static void
encoding_may_overlap_with_the_data(void **state)
{
	char bytes[64] = "key";

	(void)state;
	assert_int_equal(
	    protocol_encode_reply(
		(struct reply){ SOCKETMAP_OK, { bytes, 3 } }, bytes),
	    9);
	assert_memory_equal(bytes, "6:OK key,", 9);
}

static void
a_reply_parses_to_what_was_encoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		struct slice frame = slice_of(replies[i].frame);
		struct reply got;
		struct slice text;
		size_t used;

		assert_int_equal(
		    netstring_decode(frame, 100, &text, &used), NETSTRING_OK);
		assert_true(protocol_parse_reply(text, &got));
		assert_int_equal(got.status, replies[i].reply.status);
		assert_slice(got.data, replies[i].reply.data);
	}
}

static void
a_reply_parses_without_its_space_but_not_without_its_word(void **state)
{
	static const char *const wrong[] = { "", "OKAY", "ok x", "FOUND x",
		"NOTFOUNDx", " OK", "O" };
	struct reply got;

	(void)state;
	assert_true(protocol_parse_reply(SLICE("NOTFOUND"), &got));
	assert_int_equal(got.status, SOCKETMAP_NOTFOUND);
	assert_int_equal(got.data.len, 0);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(protocol_parse_reply(slice_of(wrong[i]), &got));
}

static void
a_limit_turns_a_long_value_into_perm_and_cuts_a_reason(void **state)
{
	static const struct {
		struct reply reply;
		size_t max;
		struct reply want;
	} cases[] = {
		{ { SOCKETMAP_OK, { "0123456789", 10 } }, 13,
		    { SOCKETMAP_OK, { "0123456789", 10 } } },
		{ { SOCKETMAP_OK, { "0123456789", 10 } }, 0,
		    { SOCKETMAP_OK, { "0123456789", 10 } } },
		{ { SOCKETMAP_OK, { "0123456789", 10 } }, 12,
		    { SOCKETMAP_PERM, { "The rep", 7 } } },
		{ { SOCKETMAP_TEMP, { "0123456789", 10 } }, 15,
		    { SOCKETMAP_TEMP, { "0123456789", 10 } } },
		{ { SOCKETMAP_TEMP, { "0123456789", 10 } }, 14,
		    { SOCKETMAP_TEMP, { "012345678", 9 } } },
		{ { SOCKETMAP_TEMP, { "0123456789", 10 } }, 1,
		    { SOCKETMAP_TEMP, { "", 0 } } },
		/* Not within the two bytes of a character. */
		{ { SOCKETMAP_PERM, { "ab\xc3\xa4", 4 } }, 8,
		    { SOCKETMAP_PERM, { "ab", 2 } } },
		{ { SOCKETMAP_PERM, { "\xe2\x82\xac", 3 } }, 7,
		    { SOCKETMAP_PERM, { "", 0 } } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct reply got = protocol_limit(cases[i].reply, cases[i].max);

		if (got.status != cases[i].want.status ||
		    !slice_equal(got.data, cases[i].want.data))
			fail_msg("case %zu: got %d \"%.*s\"", i, got.status,
			    (int)got.data.len, got.data.ptr);
	}
}

static void
an_unknown_status_counts_as_temp(void **state)
{
	struct reply got = protocol_limit(
	    (struct reply){ (enum socketmap_status)17, SLICE("x") }, 100);

	(void)state;
	assert_int_equal(got.status, SOCKETMAP_TEMP);
	assert_string_equal(
	    socketmap_status_name((enum socketmap_status)17), "TEMP");
}

static void
a_reply_of_every_length_fits_its_limit_and_its_size(void **state)
{
	char data[300];
	char out[300 + PROTOCOL_REPLY_OVERHEAD];

	(void)state;
	memset(data, 'x', sizeof data);
	for (size_t len = 0; len <= sizeof data; len++) {
		for (int s = SOCKETMAP_OK; s <= SOCKETMAP_PERM; s++) {
			struct reply reply = protocol_limit(
			    (struct reply){
				(enum socketmap_status)s, { data, len } },
			    128);
			size_t size = protocol_encode_reply(reply, out);
			struct slice text;
			size_t used;

			assert_int_equal(size, protocol_reply_size(reply));
			assert_int_equal(
			    netstring_decode(
				(struct slice){ out, size }, 128, &text, &used),
			    NETSTRING_OK);
			assert_int_equal(used, size);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_splits_at_its_first_space),
		cmocka_unit_test(a_request_without_a_space_is_refused),
		cmocka_unit_test(a_reply_is_encoded_with_its_space_always),
		cmocka_unit_test(encoding_may_overlap_with_the_data),
		cmocka_unit_test(a_reply_parses_to_what_was_encoded),
		cmocka_unit_test(
		    a_reply_parses_without_its_space_but_not_without_its_word),
		cmocka_unit_test(
		    a_limit_turns_a_long_value_into_perm_and_cuts_a_reason),
		cmocka_unit_test(an_unknown_status_counts_as_temp),
		cmocka_unit_test(
		    a_reply_of_every_length_fits_its_limit_and_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
