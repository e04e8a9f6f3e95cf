#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/steps.h"

static void
assert_slice(struct slice got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len);
}

static void
what_was_added_is_read_back_in_order(void **state)
{
	struct steps s;
	struct slice rest;
	struct step step;

	(void)state;
	steps_init(&s, 4096, 1000000);
	steps_add(&s, 1000000, "key", "asked as \"%s\"", "ü@example.org");
	steps_add(&s, 3500999, "userli", "HTTP %d", 200);
	rest = buffer_slice(&s.text);
	assert_true(steps_next(&rest, &step));
	assert_int_equal(step.us, 0);
	assert_slice(step.name, "key");
	assert_slice(step.text, "asked as \"ü@example.org\"");
	assert_true(steps_next(&rest, &step));
	assert_int_equal(step.us, 2500);
	assert_slice(step.name, "userli");
	assert_slice(step.text, "HTTP 200");
	assert_false(steps_next(&rest, &step));
	steps_fini(&s);
}

static void
nothing_that_a_client_wrote_breaks_a_line(void **state)
{
	struct steps s;
	struct slice rest;
	struct step step;

	(void)state;
	steps_init(&s, 4096, 0);
	steps_add(&s, 0, "key", "%s", "a\tb\nc\x1b[31m\xff\xc2\x9bz\xc3");
	rest = buffer_slice(&s.text);
	assert_true(steps_next(&rest, &step));
	assert_true(step.text.len > 0);
	for (size_t i = 0; i < step.text.len; i++) {
		assert_true((unsigned char)step.text.ptr[i] >= 0x20);
		assert_true((unsigned char)step.text.ptr[i] < 0x80 ||
		    (unsigned char)step.text.ptr[i] == 0x9b);
	}
	assert_slice((struct slice){ step.text.ptr, 6 }, "a?b?c?");
	assert_false(steps_next(&rest, &step));
	steps_fini(&s);
}

static void
a_step_that_does_not_fit_is_left_out(void **state)
{
	struct steps s;
	struct slice rest;
	struct step step;
	size_t count = 0;

	(void)state;
	steps_init(&s, 100, 0);
	for (int i = 0; i < 50; i++)
		steps_add(&s, 0, "step", "number %d", i);
	rest = buffer_slice(&s.text);
	assert_true(rest.len <= 100);
	while (steps_next(&rest, &step))
		count++;
	assert_true(count >= 5);
	assert_int_equal(rest.len, 0);
	steps_fini(&s);
}

static void
a_long_sentence_is_cut(void **state)
{
	char text[2000];
	struct steps s;
	struct slice rest;
	struct step step;

	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	steps_init(&s, 4096, 0);
	steps_add(&s, 0, "key", "%s", text);
	rest = buffer_slice(&s.text);
	assert_true(steps_next(&rest, &step));
	assert_int_equal(step.text.len, STEPS_TEXT_MAX - 1);
	steps_fini(&s);
}

static void
nobody_need_want_to_know(void **state)
{
	(void)state;
	steps_add(NULL, 0, "key", "nothing");
}

static void
what_is_no_step_is_refused(void **state)
{
	static const char *const texts[] = { "", "\n", "1\n", "1\tx\n",
		"x\ty\tz\n", "\ty\tz\n", "1\ty\tz", "-1\ty\tz\n",
		"1234567890123456\ty\tz\n" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct slice rest = slice_of(texts[i]);
		struct step step;

		assert_false(steps_next(&rest, &step));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_read_back_in_order),
		cmocka_unit_test(nothing_that_a_client_wrote_breaks_a_line),
		cmocka_unit_test(a_step_that_does_not_fit_is_left_out),
		cmocka_unit_test(a_long_sentence_is_cut),
		cmocka_unit_test(nobody_need_want_to_know),
		cmocka_unit_test(what_is_no_step_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
