#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/config_number.h"
#include "common/config_option.h"
#include "common/config_value.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const choices[] = { "debug", "info", "warn", NULL };

/* One field of every type, where the options below write. */
struct settings {
	uint64_t number;
	char *string;
	bool flag;
	int choice;
	struct endpoint_list endpoints;
};

static struct config_option
option_of(enum config_type type)
{
	struct config_option option = { .name = "X_OPTION",
		.type = type,
		.fallback = "",
		.choices = choices,
		.help = "Help.",
		.offset = offsetof(struct settings, number) };

	if (type == CONFIG_STRING)
		option.offset = offsetof(struct settings, string);
	else if (type == CONFIG_BOOL)
		option.offset = offsetof(struct settings, flag);
	else if (type == CONFIG_CHOICE)
		option.offset = offsetof(struct settings, choice);
	else if (type == CONFIG_ENDPOINTS)
		option.offset = offsetof(struct settings, endpoints);
	return option;
}

static const struct {
	enum config_type type;
	const char *text;
	uint64_t want;
} accepted[] = {
	{ CONFIG_INTEGER, "0", 0 },
	{ CONFIG_INTEGER, "00032", 32 },
	{ CONFIG_INTEGER, "18446744073709551615", UINT64_MAX },
	{ CONFIG_OCTAL, "0660", 0660 },
	{ CONFIG_OCTAL, "660", 0660 },
	{ CONFIG_OCTAL, "0", 0 },
	{ CONFIG_DURATION, "0", 0 },
	{ CONFIG_DURATION, "0s", 0 },
	{ CONFIG_DURATION, "300s", 300000 },
	{ CONFIG_DURATION, "5m", 300000 },
	{ CONFIG_DURATION, "5m0s", 300000 },
	{ CONFIG_DURATION, "1h30m", 5400000 },
	{ CONFIG_DURATION, "1h2m3s4ms", 3723004 },
	{ CONFIG_DURATION, "1.5s", 1500 },
	{ CONFIG_DURATION, ".5s", 500 },
	{ CONFIG_DURATION, "5.s", 5000 },
	{ CONFIG_DURATION, "0.25h", 900000 },
	{ CONFIG_DURATION, "250ms", 250 },
	{ CONFIG_DURATION, "1.4ms", 1 },
	{ CONFIG_DURATION, "1.5ms", 2 },
	{ CONFIG_DURATION, "1500us", 2 },
	{ CONFIG_DURATION, "2000\xc2\xb5s", 2 },
	{ CONFIG_DURATION, "1ns", 1 }, /* 0 would mean something else */
	{ CONFIG_DURATION, "0.0000000001h", 1 },
	{ CONFIG_DURATION, "5000000h", UINT64_C(18000000000000) },
	{ CONFIG_SIZE, "0", 0 },
	{ CONFIG_SIZE, "65536", 65536 },
	{ CONFIG_SIZE, "64K", 65536 },
	{ CONFIG_SIZE, "64KiB", 65536 },
	{ CONFIG_SIZE, "64kib", 65536 },
	{ CONFIG_SIZE, "64M", 67108864 },
	{ CONFIG_SIZE, "64MiB", 67108864 },
	{ CONFIG_SIZE, "2G", UINT64_C(2147483648) },
	{ CONFIG_SIZE, "2GiB", UINT64_C(2147483648) },
	{ CONFIG_BOOL, "1", 1 },
	{ CONFIG_BOOL, "0", 0 },
	{ CONFIG_BOOL, "true", 1 },
	{ CONFIG_BOOL, "FALSE", 0 },
	{ CONFIG_BOOL, "yes", 1 },
	{ CONFIG_BOOL, "No", 0 },
	{ CONFIG_BOOL, "on", 1 },
	{ CONFIG_BOOL, "off", 0 },
	{ CONFIG_CHOICE, "debug", 0 },
	{ CONFIG_CHOICE, "WARN", 2 },
};

static void
each_accepted_text_becomes_its_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct config_option option = option_of(accepted[i].type);
		struct settings s = { .number = 4711, .choice = 47 };
		struct error error;
		uint64_t got;

		if (!config_value_read(&option, accepted[i].text, &s, &error))
			fail_msg("%s", error.text);
		got = option.type == CONFIG_BOOL   ? s.flag
		    : option.type == CONFIG_CHOICE ? (uint64_t)s.choice
						   : s.number;
		if (got != accepted[i].want)
			fail_msg("\"%s\": got %llu", accepted[i].text,
			    (unsigned long long)got);
	}
}

static const struct {
	enum config_type type;
	const char *text;
	const char *remedy;
} refused[] = {
	{ CONFIG_INTEGER, "", "digits only" },
	{ CONFIG_INTEGER, "-1", "digits only" },
	{ CONFIG_INTEGER, "+1", "digits only" },
	{ CONFIG_INTEGER, "1 ", "digits only" },
	{ CONFIG_INTEGER, "0x10", "digits only" },
	{ CONFIG_INTEGER, "1.5", "digits only" },
	{ CONFIG_INTEGER, "18446744073709551616", "out of range" },
	{ CONFIG_OCTAL, "", "0660" },
	{ CONFIG_OCTAL, "0668", "0660" },
	{ CONFIG_OCTAL, "rw-rw----", "0660" },
	{ CONFIG_DURATION, "", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "5", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "5 sec", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "5s ", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "-5s", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "s", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, ".s", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "1.2.3s", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "1h30", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "1d", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "5S", "5s, 1m30s or 500ms" },
	{ CONFIG_DURATION, "5200000h", "out of range" },
	{ CONFIG_DURATION, "5000000h5000000h", "out of range" },
	{ CONFIG_DURATION, "99999999999999999999s", "out of range" },
	{ CONFIG_DURATION, "99999999999999999999s x", "500ms" },
	{ CONFIG_SIZE, "", "64KiB" },
	{ CONFIG_SIZE, "K", "64KiB" },
	{ CONFIG_SIZE, "64 KiB", "64KiB" },
	{ CONFIG_SIZE, "64KB", "64KiB" },
	{ CONFIG_SIZE, "1.5G", "64KiB" },
	{ CONFIG_SIZE, "-1", "64KiB" },
	{ CONFIG_SIZE, "99999999999999999999", "out of range" },
	{ CONFIG_SIZE, "18446744073709551615K", "out of range" },
	{ CONFIG_BOOL, "", "yes or on" },
	{ CONFIG_BOOL, "2", "yes or on" },
	{ CONFIG_BOOL, "y", "yes or on" },
	{ CONFIG_CHOICE, "", "write debug, info or warn" },
	{ CONFIG_CHOICE, "loud", "write debug, info or warn" },
	{ CONFIG_CHOICE, "inf", "write debug, info or warn" },
	{ CONFIG_ENDPOINTS, "nowhere", "write it as :port" },
	{ CONFIG_STRING, "two\nlines", "write it without" },
	{ CONFIG_STRING, "\x7f", "write it without" },
};

static void
each_refused_text_is_answered_with_name_value_and_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct config_option option = option_of(refused[i].type);
		struct settings s;
		struct error error;

		if (config_value_read(&option, refused[i].text, &s, &error))
			fail_msg("\"%s\" was accepted", refused[i].text);
		assert_memory_equal(error.text, "X_OPTION: ", 10);
		if (strpbrk(refused[i].text, "\n\x7f") == NULL &&
		    strstr(error.text, refused[i].text) == NULL)
			fail_msg("\"%s\": %s", refused[i].text, error.text);
		if (strstr(error.text, refused[i].remedy) == NULL)
			fail_msg("\"%s\": %s", refused[i].text, error.text);
	}
}

static const struct {
	enum config_type type;
	uint64_t min, max;
	const char *allowed;      /* as --help shows it */
	const char *low, *high;   /* the last that are accepted */
	const char *under, *over; /* the first that are not; NULL: none */
} ranges[] = {
	{ CONFIG_INTEGER, 1, 1000, "1 to 1000", "1", "1000", "0", "1001" },
	{ CONFIG_INTEGER, 0, 0, "0 or more", "0", "18446744073709551615", NULL,
	    NULL },
	{ CONFIG_DURATION, 100, 300000, "100ms to 5m", "100ms", "5m", "99ms",
	    "300001ms" },
	{ CONFIG_DURATION, 0, 86400000, "0 to 24h", "0", "24h", NULL,
	    "24h0m1s" },
	{ CONFIG_DURATION, 1500, 90000, "1500ms to 90s", "1.5s", "1m30s", "1s",
	    "2m" },
	{ CONFIG_SIZE, 1024, UINT64_C(1) << 30, "1KiB to 1GiB", "1K", "1024M",
	    "1023", "1025M" },
	{ CONFIG_SIZE, 1, 65537, "1 to 65537", "1", "65537", "0", "65538" },
	{ CONFIG_OCTAL, 0, 0777, "0000 to 0777", "0", "0777", NULL, "01000" },
};

static void
expect(const struct config_option *option, const char *text, bool want)
{
	struct settings s;
	struct error error;

	if (text != NULL && config_value_read(option, text, &s, &error) != want)
		fail_msg("\"%s\": %s", text, want ? error.text : "accepted");
	if (text != NULL && !want) {
		char allowed[CONFIG_ALLOWED_SIZE];

		config_value_allowed(option, allowed);
		assert_non_null(strstr(error.text, text));
		assert_non_null(strstr(error.text, allowed));
	}
}

static void
ranges_hold_at_their_ends_and_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ranges); i++) {
		struct config_option option = option_of(ranges[i].type);
		char got[CONFIG_ALLOWED_SIZE];

		option.min = ranges[i].min;
		option.max = ranges[i].max;
		config_value_allowed(&option, got);
		assert_string_equal(got, ranges[i].allowed);
		expect(&option, ranges[i].low, true);
		expect(&option, ranges[i].high, true);
		expect(&option, ranges[i].under, false);
		expect(&option, ranges[i].over, false);
	}
}

static void
what_is_written_as_a_limit_reads_as_that_limit(void **state)
{
	static const enum config_type types[] = { CONFIG_DURATION,
		CONFIG_SIZE };
	char text[CONFIG_NUMBER_SIZE];
	uint64_t got;

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		for (uint64_t n = 0; n < 1000000000; n = n * 3 / 2 + 1) {
			enum config_number_status status;

			config_number_format(types[i], n, text);
			status = types[i] == CONFIG_SIZE
			    ? config_number_size(text, &got)
			    : config_number_duration(text, &got);
			assert_int_equal(status, CONFIG_NUMBER_OK);
			assert_int_equal(got, n);
		}
	}
}

static bool
refuse_all(const char *text, struct error *error)
{
	error_set(error, "%s is of no use: write another", text);
	return false;
}

static bool
refuse_in_silence(const char *text, struct error *error)
{
	(void)text;
	error_set(error, "is too short: write 32 bytes");
	return false;
}

static void
an_options_own_check_is_told_with_name_and_value(void **state)
{
	struct config_option option = option_of(CONFIG_STRING);
	struct settings s;
	struct error error;

	(void)state;
	option.check = refuse_in_silence;
	assert_false(config_value_read(&option, "abc", &s, &error));
	assert_string_equal(
	    error.text, "X_OPTION: \"abc\": is too short: write 32 bytes");
	assert_true(config_value_read(&option, "", &s, &error));
}

static void
no_error_repeats_a_secret(void **state)
{
	static bool (*const checks[])(const char *, struct error *) = { NULL,
		refuse_all, refuse_in_silence };
	static const char *const texts[] = { "hushhush", "hush\nhush" };
	struct settings s;
	struct error error;

	(void)state;
	for (size_t i = 0; i < COUNT(checks); i++) {
		for (size_t j = 0; j < COUNT(texts); j++) {
			struct config_option option = option_of(CONFIG_STRING);

			option.flags = CONFIG_SECRET | CONFIG_REQUIRED;
			option.check = checks[i];
			if (config_value_read(&option, texts[j], &s, &error))
				continue;
			assert_non_null(strstr(error.text, "X_OPTION"));
			assert_null(strstr(error.text, "hush"));
		}
	}
}

static void
what_stands_for_a_secret_is_not_taken_for_one(void **state)
{
	struct config_option option = option_of(CONFIG_STRING);
	struct settings s;
	struct error error;

	(void)state;
	assert_true(config_value_read(&option, "(set)", &s, &error));
	option.flags = CONFIG_SECRET;
	assert_false(config_value_read(&option, "(set)", &s, &error));
	assert_false(config_value_read(&option, "(not set)", &s, &error));
}

static void
what_is_required_must_not_be_empty(void **state)
{
	static const enum config_type types[] = { CONFIG_STRING,
		CONFIG_ENDPOINTS };
	struct settings s = { .endpoints.count = 0 };
	struct error error;

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		struct config_option option = option_of(types[i]);

		assert_true(config_value_read(&option, "", &s, &error));
		option.flags = CONFIG_REQUIRED;
		assert_false(config_value_read(&option, "", &s, &error));
		assert_non_null(strstr(error.text, "X_OPTION: is required"));
		assert_null(strstr(error.text, "_FILE"));
		option.flags |= CONFIG_SECRET;
		assert_false(config_value_read(&option, "", &s, &error));
		assert_non_null(strstr(error.text, "X_OPTION_FILE"));
	}
	assert_string_equal(s.string, "");
	assert_int_equal(s.endpoints.count, 0);
}

/* --- Names --------------------------------------------------------------- */

static const struct config_option named[] = {
	{ .name = "USERLI_TOKEN", .flags = CONFIG_SECRET, .fallback = "" },
	{ .name = "USERLI_TIMEOUT", .fallback = "" },
	{ .name = "LOG_LEVEL", .fallback = "" },
	{ .name = "LOG_FORMAT", .fallback = "" },
};
static const char *const foreign[] = { "BACKEND_URLS", "OTHER_SECRET", NULL };
static const struct config_program program = { .name = "program",
	.options = named,
	.count = COUNT(named),
	.foreign = foreign };

static void
options_are_found_by_name_and_by_flag_in_their_exact_spelling(void **state)
{
	static const struct {
		const char *text;
		int by_name, by_flag; /* the index, -1 for none */
		bool is_file;
	} cases[] = {
		{ "USERLI_TOKEN", 0, -1, false },
		{ "USERLI_TOKEN_FILE", 0, -1, true },
		{ "USERLI_TIMEOUT", 1, -1, false },
		{ "USERLI_TIMEOUT_FILE", -1, -1, false },
		{ "userli_timeout", -1, -1, false },
		{ "USERLI-TIMEOUT", -1, -1, false },
		{ "userli-timeout", -1, 1, false },
		{ "userli-token", -1, 0, false },
		{ "userli-token-file", -1, 0, true },
		{ "userli-token_file", -1, -1, false },
		{ "userli-toke", -1, -1, false },
		{ "userli-timeouts", -1, -1, false },
		{ "", -1, -1, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config_match name =
		    config_option_by_name(&program, slice_of(cases[i].text));
		struct config_match flag =
		    config_option_by_flag(&program, slice_of(cases[i].text));

		assert_int_equal(
		    name.is_found ? (int)name.index : -1, cases[i].by_name);
		assert_int_equal(
		    flag.is_found ? (int)flag.index : -1, cases[i].by_flag);
		assert_int_equal(
		    name.is_file || flag.is_file, cases[i].is_file);
	}
}

static void
the_nearest_name_is_suggested_only_if_it_is_near(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "USERLI_TIMOUT", "USERLI_TIMEOUT" },
		{ "USERLI_TOKN", "USERLI_TOKEN" },
		{ "LOG_LEVLE", "LOG_LEVEL" },
		{ "LOGLEVEL", "LOG_LEVEL" },
		{ "LOG_FORMATS", "LOG_FORMAT" },
		{ "SOMETHING_ELSE", NULL },
		{ "X", NULL },
		{ "", NULL },
		{ "A_NAME_THAT_IS_MUCH_LONGER_THAN_ANY_NAME_OF_A_SETTING_COULD_"
		  "EVER_BE_HERE",
		    NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *got =
		    config_option_nearest(&program, slice_of(cases[i].text));

		if (cases[i].want == NULL)
			assert_null(got);
		else
			assert_string_equal(got, cases[i].want);
	}
}

static void
the_other_tiers_names_are_foreign_with_their_files(void **state)
{
	(void)state;
	assert_true(config_option_is_foreign(&program, SLICE("BACKEND_URLS")));
	assert_true(config_option_is_foreign(&program, SLICE("OTHER_SECRET")));
	assert_true(
	    config_option_is_foreign(&program, SLICE("OTHER_SECRET_FILE")));
	assert_false(config_option_is_foreign(&program, SLICE("BACKEND_URL")));
	assert_false(config_option_is_foreign(
	    &(struct config_program){ .name = "x" }, SLICE("BACKEND_URLS")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_accepted_text_becomes_its_value),
		cmocka_unit_test(
		    each_refused_text_is_answered_with_name_value_and_remedy),
		cmocka_unit_test(ranges_hold_at_their_ends_and_are_named),
		cmocka_unit_test(
		    what_is_written_as_a_limit_reads_as_that_limit),
		cmocka_unit_test(
		    an_options_own_check_is_told_with_name_and_value),
		cmocka_unit_test(no_error_repeats_a_secret),
		cmocka_unit_test(what_stands_for_a_secret_is_not_taken_for_one),
		cmocka_unit_test(what_is_required_must_not_be_empty),
		cmocka_unit_test(
		    options_are_found_by_name_and_by_flag_in_their_exact_spelling),
		cmocka_unit_test(
		    the_nearest_name_is_suggested_only_if_it_is_near),
		cmocka_unit_test(
		    the_other_tiers_names_are_foreign_with_their_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
