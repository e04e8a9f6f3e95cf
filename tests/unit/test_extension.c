#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/extension.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void
an_extension_is_found_as_it_was_written(void **state)
{
	static const struct {
		const char *key, *delimiter, *want;
	} cases[] = {
		{ "user+ext@example.org", "+", "+ext" },
		{ "User+Ext@example.org", "+", "+Ext" },
		{ " user+ext@example.org ", "+", "+ext" },
		{ "user+a+b@example.org", "+", "+a+b" },
		{ "user+@example.org", "+", "+" },
		{ "user-ext@example.org", "-", "-ext" },
		{ "user--ext@example.org", "--", "--ext" },
		{ "userXeXt@example.org", "xe", "XeXt" },
		{ "user@example.org", "+", "" },
		{ "user@exa+mple.org", "+", "" },
		{ "user+ext@example.org", "-", "" },
		{ "user+ext@example.org", "", "" },
		{ "user+ext", "+", "" },
		/* What would make another address of it. */
		{ "user+,root@example.org", "+", "" },
		{ "user+a b@example.org", "+", "" },
		{ "user+\"a\"@example.org", "+", "" },
		{ "user+a\nb@example.org", "+", "" },
		{ "user+a\xff@example.org", "+", "" },
		{ "user+<root>@example.org", "+", "" },
		{ "user+(c)@example.org", "+", "" },
		{ "user+a:b@example.org", "+", "" },
		{ "user+a\\b@example.org", "+", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice got = extension_find(
		    slice_of(cases[i].key), slice_of(cases[i].delimiter));

		assert_int_equal(got.len, strlen(cases[i].want));
		if (got.len > 0)
			assert_memory_equal(got.ptr, cases[i].want, got.len);
	}
}

static void
it_goes_in_front_of_the_last_at_of_each_address(void **state)
{
	static const struct {
		const char *value, *want;
	} cases[] = {
		{ "a@b.example", "a+x@b.example" },
		{ "a@b.example,c@d.example", "a+x@b.example,c+x@d.example" },
		/* Postfix does not look for one that is there. */
		{ "a+y@b.example", "a+y+x@b.example" },
		{ "a@b@c.example", "a@b+x@c.example" },
		{ "\"a\"@b.example,c@d.example",
		    "\"a\"@b.example,c+x@d.example" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buffer out;

		buffer_init(&out, 100);
		assert_true(
		    extension_add(slice_of(cases[i].value), SLICE("+x"), &out));
		assert_int_equal(buffer_len(&out), strlen(cases[i].want));
		assert_memory_equal(
		    buffer_slice(&out).ptr, cases[i].want, buffer_len(&out));
		buffer_fini(&out);
	}
}

static void
a_value_that_grows_too_large_is_refused(void **state)
{
	static const char value[] = "a@b.example,c@d.example";
	const size_t size = sizeof "a+x@b.example,c+x@d.example" - 1;

	(void)state;
	for (size_t max = 0; max <= size; max++) {
		struct buffer out;

		buffer_init(&out, max);
		assert_int_equal(
		    extension_add(slice_of(value), SLICE("+x"), &out),
		    max == size);
		buffer_fini(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_extension_is_found_as_it_was_written),
		cmocka_unit_test(
		    it_goes_in_front_of_the_last_at_of_each_address),
		cmocka_unit_test(a_value_that_grows_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
