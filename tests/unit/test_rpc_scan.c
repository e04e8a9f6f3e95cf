#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc_scan.h"

static const struct rpc_scan_limits wide = { .nesting = 8, .objects = 1000 };

/* clang-format off */
#define TEXT(literal) { (literal), sizeof(literal) - 1 }

static const struct {
	struct slice text;
	bool want;
} cases[] = {
	{ TEXT(""), false },
	/* One of each type. */
	{ TEXT("\x00"), true },
	{ TEXT("\x7f"), true },
	{ TEXT("\xe0"), true },
	{ TEXT("\xff"), true },
	{ TEXT("\xc0"), true },
	{ TEXT("\xc1"), false },
	{ TEXT("\xc2"), true },
	{ TEXT("\xc3"), true },
	{ TEXT("\xc4\x02" "ab"), true },
	{ TEXT("\xc5\x00\x02" "ab"), true },
	{ TEXT("\xc6\x00\x00\x00\x02" "ab"), true },
	{ TEXT("\xc7\x02\x05" "ab"), true },
	{ TEXT("\xc8\x00\x02\x05" "ab"), true },
	{ TEXT("\xc9\x00\x00\x00\x02\x05" "ab"), true },
	{ TEXT("\xca" "1234"), true },
	{ TEXT("\xcb" "12345678"), true },
	{ TEXT("\xcc" "1"), true },
	{ TEXT("\xcd" "12"), true },
	{ TEXT("\xce" "1234"), true },
	{ TEXT("\xcf" "12345678"), true },
	{ TEXT("\xd0" "1"), true },
	{ TEXT("\xd1" "12"), true },
	{ TEXT("\xd2" "1234"), true },
	{ TEXT("\xd3" "12345678"), true },
	{ TEXT("\xd4\x05" "1"), true },
	{ TEXT("\xd5\x05" "12"), true },
	{ TEXT("\xd6\x05" "1234"), true },
	{ TEXT("\xd7\x05" "12345678"), true },
	{ TEXT("\xd8\x05" "1234567890123456"), true },
	{ TEXT("\xd9\x02" "ab"), true },
	{ TEXT("\xda\x00\x02" "ab"), true },
	{ TEXT("\xdb\x00\x00\x00\x02" "ab"), true },
	{ TEXT("\xa2" "ab"), true },
	{ TEXT("\xdc\x00\x02\x01\x02"), true },
	{ TEXT("\xdd\x00\x00\x00\x02\x01\x02"), true },
	{ TEXT("\x92\x01\x02"), true },
	{ TEXT("\xde\x00\x01\x01\x02"), true },
	{ TEXT("\xdf\x00\x00\x00\x01\x01\x02"), true },
	{ TEXT("\x81\x01\x02"), true },
	/* Empty ones. */
	{ TEXT("\xa0"), true },
	{ TEXT("\xc4\x00"), true },
	{ TEXT("\xc7\x00\x05"), true },
	{ TEXT("\x90"), true },
	{ TEXT("\x80"), true },
	{ TEXT("\x93\x90\x80\xa0"), true },
	/* More than one object. */
	{ TEXT("\x01\x01"), false },
	{ TEXT("\x90\xc0"), false },
	{ TEXT("\x92\x01\x02\x03"), false },
	/* A map with a key but no value. */
	{ TEXT("\x81\x01"), false },
	/* Claims beyond the bytes that follow. */
	{ TEXT("\xdd\xff\xff\xff\xff\x01"), false },
	{ TEXT("\xdf\xff\xff\xff\xff\x01\x01"), false },
	{ TEXT("\xdb\xff\xff\xff\xff" "a"), false },
	{ TEXT("\xc6\xff\xff\xff\xff" "a"), false },
	{ TEXT("\xc9\xff\xff\xff\xff\x05" "a"), false },
	{ TEXT("\xc7\xff\x05" "a"), false },
	{ TEXT("\xdf\x80\x00\x00\x00\x01\x01"), false }, /* 2 * 2^31 */
	/* Each array fits by itself, the two together do not. */
	{ TEXT("\x92\x92\x01\x92\x01"), false },
};
/* clang-format on */

static void
scan_judges_each_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		/* Exactly as many bytes as the text has, so that a sanitizer
		 * sees a byte read too far. */
		char *exact = malloc(cases[i].text.len);
		struct slice text = { exact, cases[i].text.len };
		bool got;

		if (text.len > 0)
			memcpy(exact, cases[i].text.ptr, text.len);
		got = rpc_scan(text, &wide);
		free(exact);
		if (got != cases[i].want)
			fail_msg("case %zu (0x%02x…): got %d, want %d", i,
			    text.len > 0 ? (uint8_t)cases[i].text.ptr[0] : 0,
			    got, cases[i].want);
	}
}

static void
scan_refuses_every_proper_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice prefix = cases[i].text;

		if (!cases[i].want)
			continue;
		while (prefix.len > 0) {
			prefix.len--;
			if (rpc_scan(prefix, &wide))
				fail_msg("case %zu: the first %zu bytes pass",
				    i, prefix.len);
		}
	}
}

static void
scan_takes_no_pointer_for_an_empty_text(void **state)
{
	(void)state;
	assert_false(rpc_scan((struct slice){ NULL, 0 }, &wide));
}

/* depth arrays or maps within each other around a nil. */
static bool
scan_nested(char head, size_t depth, unsigned limit)
{
	struct rpc_scan_limits limits = { .nesting = limit, .objects = 1000 };
	char text[128];
	size_t len = 0;

	for (size_t i = 0; i < depth; i++) {
		text[len++] = head;
		if (head == '\x81')
			text[len++] = 1; /* its key */
	}
	text[len++] = '\xc0';
	return rpc_scan((struct slice){ text, len }, &limits);
}

static void
scan_bounds_nesting(void **state)
{
	(void)state;
	for (unsigned limit = 0; limit <= RPC_SCAN_NESTING_LIMIT; limit++) {
		assert_true(scan_nested('\x91', limit, limit));
		assert_false(scan_nested('\x91', limit + 1, limit));
		assert_true(scan_nested('\x81', limit, limit));
		assert_false(scan_nested('\x81', limit + 1, limit));
	}
}

static void
scan_counts_only_open_containers_as_nesting(void **state)
{
	static const struct rpc_scan_limits limits = { 2, 1000 };

	(void)state;
	assert_true(rpc_scan(SLICE("\x93\x90\x91\x01\x81\x01\x02"), &limits));
	assert_true(rpc_scan(SLICE("\x91\x90"), &limits));
	assert_false(rpc_scan(SLICE("\x91\x91\x90"), &limits));
}

static void
scan_bounds_the_number_of_objects(void **state)
{
	struct rpc_scan_limits limits = { .nesting = 8 };
	struct slice five = SLICE("\x82\x01\x02\x03\xa3"
				  "abc");
	struct slice six = SLICE("\x92\x93\x01\x02\x03\xc0");

	(void)state;
	limits.objects = 5;
	assert_true(rpc_scan(five, &limits));
	assert_false(rpc_scan(six, &limits));
	limits.objects = 4;
	assert_false(rpc_scan(five, &limits));
	limits.objects = 6;
	assert_true(rpc_scan(six, &limits));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_judges_each_text),
		cmocka_unit_test(scan_refuses_every_proper_prefix),
		cmocka_unit_test(scan_takes_no_pointer_for_an_empty_text),
		cmocka_unit_test(scan_bounds_nesting),
		cmocka_unit_test(scan_counts_only_open_containers_as_nesting),
		cmocka_unit_test(scan_bounds_the_number_of_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
