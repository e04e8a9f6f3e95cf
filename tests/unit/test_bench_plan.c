#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend/cli/bench_plan.h"

#define FILE_MAX 32

static char *
key_at(const struct bench_keys *keys, uint64_t index,
    char out[static BENCH_KEY_MAX + 1])
{
	out[bench_keys_write(keys, index, out)] = '\0';
	return out;
}

static void
write_file(char path[static FILE_MAX], const char *text)
{
	int fd;

	(void)snprintf(path, FILE_MAX, "/tmp/bench-keys-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

/* --- Keys ---------------------------------------------------------------- */

static void
a_pattern_runs_over_its_range(void **state)
{
	char out[BENCH_KEY_MAX + 1];
	struct bench_keys keys;
	struct error error;

	(void)state;
	assert_true(bench_keys_pattern(&keys, "u%d@x.org", 9, 1010, &error));
	assert_int_equal(keys.count, 1002);
	assert_string_equal(key_at(&keys, 0, out), "u9@x.org");
	assert_string_equal(key_at(&keys, 1, out), "u10@x.org");
	assert_string_equal(key_at(&keys, 1001, out), "u1010@x.org");
	bench_keys_fini(&keys);
}

static void
patterns_say_what_they_mean(void **state)
{
	const struct {
		const char *pattern;
		uint64_t count; /* 0: refused */
		const char *first;
	} cases[] = {
		{ "a@b", 1, "a@b" },
		{ "", 1, "" },
		{ "%d", 10, "0" },
		{ "100%%@b", 1, "100%@b" },
		{ "%%%d", 10, "%0" },
		{ "%d%d", 0, NULL },
		{ "%s", 0, NULL },
		{ "a%", 0, NULL },
	};
	char out[BENCH_KEY_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench_keys keys;
		struct error error;
		bool ok =
		    bench_keys_pattern(&keys, cases[i].pattern, 0, 9, &error);

		assert_int_equal(ok, cases[i].count > 0);
		if (!ok) {
			assert_non_null(strstr(error.text, cases[i].pattern));
			continue;
		}
		assert_int_equal(keys.count, cases[i].count);
		assert_string_equal(key_at(&keys, 0, out), cases[i].first);
		bench_keys_fini(&keys);
	}
}

static void
a_pattern_beyond_a_key_is_refused(void **state)
{
	static char text[BENCH_KEY_MAX + 1];
	struct bench_keys keys;
	struct error error;

	(void)state;
	memset(text, 'x', BENCH_KEY_MAX);
	assert_false(bench_keys_pattern(&keys, text, 0, 1, &error));
}

static void
a_file_has_a_key_a_line(void **state)
{
	char out[BENCH_KEY_MAX + 1];
	struct bench_keys keys;
	struct error error;
	char path[FILE_MAX];

	(void)state;
	write_file(path, "first@x.org\n\n\"second one\"@x.org\nlast");
	assert_true(bench_keys_file(&keys, path, &error));
	assert_int_equal(keys.count, 3);
	assert_string_equal(key_at(&keys, 0, out), "first@x.org");
	assert_string_equal(key_at(&keys, 1, out), "\"second one\"@x.org");
	assert_string_equal(key_at(&keys, 2, out), "last");
	bench_keys_fini(&keys);
	(void)unlink(path);
}

static void
a_file_without_keys_is_named(void **state)
{
	struct bench_keys keys;
	struct error error;
	char path[FILE_MAX];

	(void)state;
	write_file(path, "\n\n");
	assert_false(bench_keys_file(&keys, path, &error));
	assert_non_null(strstr(error.text, path));
	(void)unlink(path);
	assert_false(bench_keys_file(&keys, path, &error));
	assert_non_null(strstr(error.text, "No such file"));
}

/* --- Maps ---------------------------------------------------------------- */

static void
lists_of_maps_are_read_or_refused(void **state)
{
	const struct {
		const char *text;
		size_t count; /* 0: refused */
		uint64_t weight;
	} cases[] = {
		{ "alias", 1, 1 },
		{ "alias=5,domain=3", 2, 8 },
		{ "alias=5,domain", 2, 6 },
		{ "a,b,c,d,e,f,g,h", 8, 8 },
		{ "a,b,c,d,e,f,g,h,i", 0, 0 },
		{ "", 0, 0 },
		{ "alias,", 0, 0 },
		{ "=5", 0, 0 },
		{ "alias=", 0, 0 },
		{ "alias=0", 0, 0 },
		{ "alias=-1", 0, 0 },
		{ "alias=99999999", 0, 0 },
		{ "al ias", 0, 0 },
		{ "alias,alias", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bench_plan plan = { 0 };
		struct error error;
		bool ok = bench_plan_maps(&plan, cases[i].text, &error);

		assert_int_equal(ok, cases[i].count > 0);
		if (ok) {
			assert_int_equal(plan.map_count, cases[i].count);
			assert_int_equal(plan.weight, cases[i].weight);
		}
		bench_plan_fini(&plan);
	}
}

static void
make_plan(struct bench_plan *plan, const char *maps, enum bench_order order)
{
	struct error error;

	*plan = (struct bench_plan){ 0 };
	assert_true(bench_plan_maps(plan, maps, &error));
	for (size_t i = 0; i < plan->map_count; i++)
		assert_true(bench_keys_pattern(
		    &plan->maps[i].keys, "k%d", 0, 2, &error));
	bench_plan_start(plan, order, 1, 1);
}

static const char *
next(struct bench_plan *plan, char out[static BENCH_REQUEST_MAX + 1],
    const struct bench_expected **expected)
{
	out[bench_plan_next(plan, out, expected)] = '\0';
	return out;
}

static void
keys_come_in_turn_and_again(void **state)
{
	static const char *const want[] = { "8:alias k0,", "8:alias k1,",
		"8:alias k2,", "8:alias k0," };
	const struct bench_expected *expected;
	char out[BENCH_REQUEST_MAX + 1];
	struct bench_plan plan;

	(void)state;
	make_plan(&plan, "alias", BENCH_IN_TURN);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(next(&plan, out, &expected), want[i]);
		assert_null(expected);
	}
	bench_plan_fini(&plan);
}

static void
maps_come_by_their_weight(void **state)
{
	const struct bench_expected *expected;
	char out[BENCH_REQUEST_MAX + 1];
	struct bench_plan plan;
	int domains = 0;

	(void)state;
	make_plan(&plan, "alias=3,domain=1", BENCH_AT_RANDOM);
	for (int i = 0; i < 40000; i++)
		domains +=
		    strncmp(next(&plan, out, &expected), "9:domain", 8) == 0;
	/* Five standard deviations of 40,000 draws at 1/4. */
	assert_in_range(domains, 10000 - 433, 10000 + 433);
	bench_plan_fini(&plan);
}

/* --- Expected answers ---------------------------------------------------- */

static struct bench_expect *
parse(char *text, struct error *error)
{
	return bench_expect_parse(text, strlen(text), error);
}

static bool
is_right(const struct bench_expect *e, const char *question,
    enum socketmap_status status, const char *text)
{
	const struct reply reply = { status, slice_of(text) };
	const struct bench_expected *expected =
	    bench_expect_find(e, slice_of(question));

	assert_non_null(expected);
	return bench_expected_is(expected, &reply);
}

static void
answers_are_right_or_wrong(void **state)
{
	char text[] = "alias a@x\tOK b@x,c@x\n"
		      "alias d@x\tNOTFOUND\n"
		      "\n"
		      "domain x y\tOK 1\n"
		      "alias e@x\tTEMP userli is slow\n";
	struct error error;
	struct bench_expect *e = parse(text, &error);

	(void)state;
	assert_non_null(e);
	assert_true(is_right(e, "alias a@x", SOCKETMAP_OK, "b@x,c@x"));
	assert_false(is_right(e, "alias a@x", SOCKETMAP_OK, "b@x"));
	assert_false(is_right(e, "alias a@x", SOCKETMAP_NOTFOUND, ""));
	assert_true(is_right(e, "alias d@x", SOCKETMAP_NOTFOUND, ""));
	assert_false(is_right(e, "alias d@x", SOCKETMAP_OK, ""));
	assert_true(is_right(e, "domain x y", SOCKETMAP_OK, "1"));
	assert_true(is_right(e, "alias e@x", SOCKETMAP_TEMP, "userli is slow"));
	assert_false(is_right(e, "alias e@x", SOCKETMAP_TEMP, "no"));
	assert_null(bench_expect_find(e, SLICE("alias nobody@x")));
	bench_expect_free(e);
}

static void
a_line_that_is_none_is_named(void **state)
{
	char bad[][40] = { "alias a@x\tOK 1\nalias b@x OK 1\n",
		"alias a@x\tOK 1\nalias\tOK 1\n",
		"alias a@x\tOK 1\nalias b@x\tMAYBE\n" };
	char empty[] = "\n";
	struct error error;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_null(parse(bad[i], &error));
		assert_non_null(strstr(error.text, "line 2"));
	}
	assert_null(parse(empty, &error));
}

static void
a_plan_knows_what_to_expect(void **state)
{
	char text[] = "alias k0\tOK 0\nalias k2\tOK 2\n";
	const struct bench_expected *expected;
	char out[BENCH_REQUEST_MAX + 1];
	struct bench_plan plan;
	struct error error;

	(void)state;
	make_plan(&plan, "alias", BENCH_IN_TURN);
	plan.expect = parse(text, &error);
	(void)next(&plan, out, &expected);
	assert_true(slice_equal(expected->text, SLICE("0")));
	(void)next(&plan, out, &expected);
	assert_null(expected);
	(void)next(&plan, out, &expected);
	assert_true(slice_equal(expected->text, SLICE("2")));
	bench_plan_fini(&plan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_runs_over_its_range),
		cmocka_unit_test(patterns_say_what_they_mean),
		cmocka_unit_test(a_pattern_beyond_a_key_is_refused),
		cmocka_unit_test(a_file_has_a_key_a_line),
		cmocka_unit_test(a_file_without_keys_is_named),
		cmocka_unit_test(lists_of_maps_are_read_or_refused),
		cmocka_unit_test(keys_come_in_turn_and_again),
		cmocka_unit_test(maps_come_by_their_weight),
		cmocka_unit_test(answers_are_right_or_wrong),
		cmocka_unit_test(a_line_that_is_none_is_named),
		cmocka_unit_test(a_plan_knows_what_to_expect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
