#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/identity.h"

static void
version_and_build_are_told_apart(void **state)
{
	struct identity id = { 0 };

	(void)state;
	identity_learn_build(&id, SLICE("0.1.0 abc123"));
	assert_string_equal(id.version, "0.1.0");
	assert_string_equal(id.build, "abc123");
	identity_learn_build(&id, SLICE("0.2.0"));
	assert_string_equal(id.version, "0.2.0");
	assert_string_equal(id.build, "");
}

static void
an_older_backend_says_nothing(void **state)
{
	struct identity id = { .version = "0.1.0", .build = "abc" };

	(void)state;
	identity_learn_build(&id, SLICE(""));
	assert_string_equal(id.version, "");
	assert_string_equal(id.build, "");
	identity_learn_build(&id, (struct slice){ 0 });
	assert_string_equal(id.version, "");
}

static void
what_is_not_fit_to_be_shown_is_left_out(void **state)
{
	static const char long_name[RPC_BACKEND_NAME_MAX + 2] = "x";
	struct identity id = { 0 };

	(void)state;
	identity_learn_name(&id, SLICE("b1"));
	assert_string_equal(id.name, "b1");
	identity_learn_name(&id, SLICE("b\x1b[31m"));
	assert_string_equal(id.name, "");
	identity_learn_name(&id, SLICE("b2"));
	identity_learn_name(&id, (struct slice){ long_name, sizeof long_name });
	assert_string_equal(id.name, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_and_build_are_told_apart),
		cmocka_unit_test(an_older_backend_says_nothing),
		cmocka_unit_test(what_is_not_fit_to_be_shown_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
