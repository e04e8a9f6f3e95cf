#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/tokens.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void
set(struct tokens *t, const char *text)
{
	struct error error;

	tokens_init(t);
	if (!tokens_set(t, text, &error))
		fail_msg("%s: %s", text, error.text);
}

static void
one_or_two_are_read(void **state)
{
	static const struct {
		const char *text, *first, *second;
	} cases[] = {
		{ "one", "one", NULL },
		{ "one,two", "one", "two" },
		{ " one , two ", "one", "two" },
		{ "\tone\t,\ttwo", "one", "two" },
		{ "a", "a", NULL },
		{ "!#$%&'()*+-./:;<=>?@[]^_`{|}~",
		    "!#$%&'()*+-./:;<=>?@[]^_`{|}~", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tokens t;

		set(&t, cases[i].text);
		assert_string_equal(tokens_get(&t, 0), cases[i].first);
		if (cases[i].second == NULL)
			assert_null(tokens_get(&t, 1));
		else
			assert_string_equal(tokens_get(&t, 1), cases[i].second);
		assert_null(tokens_get(&t, 2));
		assert_int_equal(t.current, 0);
		tokens_fini(&t);
	}
}

static void
anything_else_is_refused_and_never_shown(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "empty part" },
		{ "  ", "empty part" },
		{ ",", "empty part" },
		{ "hush,", "empty part" },
		{ ",hush", "empty part" },
		{ "hush, ,hush", "empty part" },
		{ "hush,hush2,hush3", "more than two" },
		{ "hush,hush2,", "more than two" },
		{ "hush hush", "no HTTP header" },
		{ "hush\r\nX: y", "no HTTP header" },
		{ "hush\n", "no HTTP header" },
		{ "hush\xC3\xBC", "no HTTP header" },
		{ "hush,hu\177sh", "no HTTP header" },
	};
	struct tokens t;

	(void)state;
	set(&t, "kept");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error checked = { "" };
		struct error got = { "" };

		assert_false(tokens_check(cases[i].text, &checked));
		assert_false(tokens_set(&t, cases[i].text, &got));
		assert_string_equal(got.text, checked.text);
		if (strstr(got.text, cases[i].want) == NULL)
			fail_msg("case %zu: %s", i, got.text);
		assert_null(strstr(got.text, "hush"));
		assert_string_equal(tokens_get(&t, 0), "kept");
	}
	tokens_fini(&t);
}

static void
the_other_one_is_tried_for_the_one_in_use(void **state)
{
	struct tokens t;
	size_t next;

	(void)state;
	set(&t, "one,two");
	assert_true(tokens_other(&t, 0, t.generation, &next));
	assert_int_equal(next, 1);
	assert_false(tokens_accept(&t, 0, t.generation));
	assert_true(tokens_accept(&t, 1, t.generation));
	assert_false(tokens_accept(&t, 1, t.generation));
	assert_int_equal(t.current, 1);
	/* Sent before that. */
	assert_true(tokens_other(&t, 0, t.generation, &next));
	assert_int_equal(next, 1);
	/* And back. */
	assert_true(tokens_other(&t, 1, t.generation, &next));
	assert_int_equal(next, 0);
	assert_true(tokens_accept(&t, 0, t.generation));
	tokens_fini(&t);
}

static void
a_single_one_has_no_other(void **state)
{
	struct tokens t;
	size_t next;

	(void)state;
	set(&t, "one");
	assert_false(tokens_other(&t, 0, t.generation, &next));
	assert_false(tokens_accept(&t, 1, t.generation));
	tokens_fini(&t);
}

static void
what_was_sent_with_old_ones_is_sent_with_the_new_ones_and_decides_nothing(
    void **state)
{
	struct tokens t;
	struct error error;
	unsigned before;
	size_t next;

	(void)state;
	set(&t, "one,two");
	before = t.generation;
	assert_true(tokens_accept(&t, 1, before));
	assert_true(tokens_set(&t, "three,four", &error));
	assert_int_equal(t.current, 0);
	assert_true(tokens_other(&t, 0, before, &next));
	assert_int_equal(next, 0);
	assert_false(tokens_accept(&t, 1, before));
	assert_string_equal(tokens_get(&t, 0), "three");
	tokens_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_or_two_are_read),
		cmocka_unit_test(anything_else_is_refused_and_never_shown),
		cmocka_unit_test(the_other_one_is_tried_for_the_one_in_use),
		cmocka_unit_test(a_single_one_has_no_other),
		cmocka_unit_test(
		    what_was_sent_with_old_ones_is_sent_with_the_new_ones_and_decides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
