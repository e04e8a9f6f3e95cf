#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/socketmap/netstring.h"

#define MAX 16

static const struct {
	const char *in;
	enum netstring_status want;
} cases[] = {
	{ "5:hello,", NETSTRING_OK },
	{ "0:,", NETSTRING_OK },
	{ "", NETSTRING_PARTIAL },
	{ "5", NETSTRING_PARTIAL },
	{ "5:hello", NETSTRING_PARTIAL },
	{ "5:hello;", NETSTRING_INVALID },
	{ ":,", NETSTRING_INVALID },
	{ "05:hello,", NETSTRING_INVALID },
	{ "-1:,", NETSTRING_INVALID },
	{ "x", NETSTRING_INVALID },
	{ "17:", NETSTRING_TOO_LONG },
	{ "99999999999999999999999:", NETSTRING_TOO_LONG },
};

static void
decode_judges_each_input(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice in = { cases[i].in, strlen(cases[i].in) };
		struct slice payload;
		size_t used;
		enum netstring_status got =
		    netstring_decode(in, MAX, &payload, &used);

		if (got != cases[i].want)
			fail_msg("\"%s\": got %d, want %d", cases[i].in, got,
			    cases[i].want);
	}
}

static void
decode_wants_more_for_every_proper_prefix(void **state)
{
	struct slice whole = SLICE("11:hello world,");
	struct slice payload;
	size_t used;

	(void)state;
	for (size_t n = 0; n < whole.len; n++)
		assert_int_equal(
		    netstring_decode(
			(struct slice){ whole.ptr, n }, MAX, &payload, &used),
		    NETSTRING_PARTIAL);
}

static void
decode_undoes_encode_and_keeps_nul_bytes(void **state)
{
	struct slice want = SLICE("a\0b,:9");
	struct slice got;
	char frame[sizeof "6:......,"];
	size_t used;
	size_t size = netstring_encode(want, frame, sizeof frame);

	(void)state;
	assert_int_equal(netstring_encode(want, frame, size - 1), 0);
	assert_int_equal(
	    netstring_decode((struct slice){ frame, size }, MAX, &got, &used),
	    NETSTRING_OK);
	assert_int_equal(used, size);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.ptr, want.ptr, want.len);
}

static void
head_and_frame_agree_at_every_length(void **state)
{
	static const size_t lengths[] = { 0, 1, 9, 10, 99, 100, 12345 };
	char data[12345];
	char frame[sizeof data + NETSTRING_OVERHEAD];

	(void)state;
	memset(data, ':', sizeof data);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		char head[NETSTRING_OVERHEAD];
		char want[NETSTRING_OVERHEAD + 1];
		size_t n = netstring_head(lengths[i], head);
		struct slice got;
		size_t used;
		size_t size = netstring_encode(
		    (struct slice){ data, lengths[i] }, frame, sizeof frame);

		assert_int_equal(
		    n, snprintf(want, sizeof want, "%zu:", lengths[i]));
		assert_memory_equal(head, want, n);
		assert_memory_equal(frame, want, n);
		assert_int_equal(netstring_decode((struct slice){ frame, size },
				     lengths[i], &got, &used),
		    NETSTRING_OK);
		assert_int_equal(got.len, lengths[i]);
		assert_int_equal(used, size);
	}
	assert_int_equal(netstring_head(SIZE_MAX, frame), 21);
	assert_memory_equal(frame, "18446744073709551615:", 21);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode_judges_each_input),
		cmocka_unit_test(decode_wants_more_for_every_proper_prefix),
		cmocka_unit_test(decode_undoes_encode_and_keeps_nul_bytes),
		cmocka_unit_test(head_and_frame_agree_at_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
