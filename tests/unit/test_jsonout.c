#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/jsonout.h"

static void
assert_text(const struct buffer *b, const char *want)
{
	struct slice got = buffer_slice(b);

	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len);
}

static void
commas_stand_between_and_nowhere_else(void **state)
{
	struct buffer b;
	struct jsonout j;

	(void)state;
	buffer_init(&b, 1024);
	jsonout_init(&j, &b);
	jsonout_object(&j, NULL);
	jsonout_array(&j, "none");
	jsonout_end_array(&j);
	jsonout_array(&j, "two");
	jsonout_integer(&j, NULL, UINT64_MAX);
	jsonout_object(&j, NULL);
	jsonout_end_object(&j);
	jsonout_end_array(&j);
	jsonout_bool(&j, "yes", true);
	jsonout_string(&j, "text", "x");
	jsonout_end_object(&j);
	assert_true(jsonout_ok(&j));
	assert_text(&b,
	    "{\"none\":[],\"two\":[18446744073709551615,{}],\"yes\":true,"
	    "\"text\":\"x\"}");
	buffer_fini(&b);
}

static void
strings_are_escaped(void **state)
{
	struct buffer b;
	struct jsonout j;

	(void)state;
	buffer_init(&b, 1024);
	jsonout_init(&j, &b);
	jsonout_string(&j, NULL, "a\"b\\c\n\x01\xc3\xa4");
	assert_text(&b, "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa4\"");
	buffer_fini(&b);
}

static void
numbers_that_json_lacks_are_null(void **state)
{
	struct buffer b;
	struct jsonout j;

	(void)state;
	buffer_init(&b, 1024);
	jsonout_init(&j, &b);
	jsonout_number(&j, NULL, 0.25);
	jsonout_number(&j, NULL, (double)NAN);
	jsonout_number(&j, NULL, (double)INFINITY);
	assert_text(&b, "0.25,null,null");
	buffer_fini(&b);
}

static void
what_does_not_fit_is_told_once_at_the_end(void **state)
{
	struct buffer b;
	struct jsonout j;

	(void)state;
	for (size_t max = 0; max < 12; max++) {
		buffer_init(&b, max);
		jsonout_init(&j, &b);
		jsonout_array(&j, NULL);
		jsonout_string(&j, NULL, "abcdefgh");
		jsonout_end_array(&j);
		assert_false(jsonout_ok(&j));
		assert_true(buffer_len(&b) <= max);
		buffer_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_between_and_nowhere_else),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(numbers_that_json_lacks_are_null),
		cmocka_unit_test(what_does_not_fit_is_told_once_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
