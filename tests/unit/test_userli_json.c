#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/userli_json.h"

#define OUT_MAX 64
#define ROUNDS 100000
/* As SLICE(), for objects of static storage. */
#define BODY(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

static const struct {
	enum lookup_map map;
	struct slice body;
	enum userli_json_verdict want;
	const char *value;
} cases[] = {
	/* What userli answers. */
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\"]"), USERLI_JSON_FOUND, "a@x.org" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\",\"b@y.org\"]"), USERLI_JSON_FOUND,
	    "a@x.org,b@y.org" },
	{ LOOKUP_SENDERS, BODY(" [ \"a@x.org\" ]\r\n"), USERLI_JSON_FOUND,
	    "a@x.org" },
	{ LOOKUP_ALIAS, BODY("[]"), USERLI_JSON_ABSENT, "" },
	{ LOOKUP_SENDERS, BODY("[]"), USERLI_JSON_ABSENT, "" },
	{ LOOKUP_DOMAIN, BODY("true"), USERLI_JSON_FOUND, "1" },
	{ LOOKUP_DOMAIN, BODY("false"), USERLI_JSON_ABSENT, "" },
	{ LOOKUP_MAILBOX, BODY("true\n"), USERLI_JSON_FOUND, "1" },
	{ LOOKUP_MAILBOX, BODY("\t false"), USERLI_JSON_ABSENT, "" },

	/* Symfony's escapes. */
	{ LOOKUP_ALIAS, BODY("[\"a\\/b@x.org\"]"), USERLI_JSON_FOUND,
	    "a/b@x.org" },
	{ LOOKUP_ALIAS, BODY("[\"o\\u0027neill\\u0026co@x.org\"]"),
	    USERLI_JSON_FOUND, "o'neill&co@x.org" },
	{ LOOKUP_ALIAS, BODY("[\"j\\u00fcrgen@x.org\"]"), USERLI_JSON_FOUND,
	    "j\xC3\xBCrgen@x.org" },
	{ LOOKUP_ALIAS, BODY("[\"\\ud83d\\udcee@x.org\"]"), USERLI_JSON_FOUND,
	    "\xF0\x9F\x93\xAE@x.org" },
	{ LOOKUP_ALIAS, BODY("[\"j\xC3\xBCrgen@x.org\"]"), USERLI_JSON_FOUND,
	    "j\xC3\xBCrgen@x.org" },

	/* userli up to 5.x, once duplicates were removed. */
	{ LOOKUP_SENDERS, BODY("{\"0\":\"a@x.org\",\"2\":\"b@x.org\"}"),
	    USERLI_JSON_FOUND, "a@x.org,b@x.org" },
	{ LOOKUP_SENDERS, BODY("{\"9\":\"b@x.org\",\"10\":\"a@x.org\"}"),
	    USERLI_JSON_FOUND, "b@x.org,a@x.org" },
	{ LOOKUP_SENDERS, BODY("{}"), USERLI_JSON_ABSENT, "" },
	{ LOOKUP_SENDERS, BODY("{\"error\":\"a@x.org\"}"),
	    USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_SENDERS, BODY("{\"\":\"a@x.org\"}"), USERLI_JSON_WRONG_TYPE,
	    "" },
	{ LOOKUP_SENDERS, BODY("{\"0\":{\"0\":\"a@x.org\"}}"),
	    USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_SENDERS, BODY("{\"0\":\"a@x.org\",\"0\":\"b@x.org\"}"),
	    USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("{\"0\":\"a@x.org\"}"), USERLI_JSON_WRONG_TYPE,
	    "" },
	{ LOOKUP_ALIAS, BODY("{}"), USERLI_JSON_WRONG_TYPE, "" },

	/* Another type than the map's. */
	{ LOOKUP_ALIAS, BODY("true"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("false"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("null"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("\"a@x.org\""), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("[1]"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("[null]"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("[true]"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("[[\"a@x.org\"]]"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\",7]"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("{\"error\":\"no\"}"), USERLI_JSON_WRONG_TYPE,
	    "" },
	{ LOOKUP_DOMAIN, BODY("[]"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_DOMAIN, BODY("[true]"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_DOMAIN, BODY("{}"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_DOMAIN, BODY("null"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_DOMAIN, BODY("1"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_DOMAIN, BODY("0"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_DOMAIN, BODY("\"true\""), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("[[[[[]]]]]"), USERLI_JSON_WRONG_TYPE, "" },
	{ LOOKUP_ALIAS, BODY("[[[[["), USERLI_JSON_WRONG_TYPE, "" },

	/* Not one JSON text. */
	{ LOOKUP_ALIAS, BODY(""), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY(" \n"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("["), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\""), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\",]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[] []"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[]x"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[]\0"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[]]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("\xEF\xBB\xBF[]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("<html>Bad Gateway</html>"), USERLI_JSON_NOT_JSON,
	    "" },
	{ LOOKUP_ALIAS, BODY("['a@x.org']"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\\\"]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("\"\\"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"a\n@x.org\"]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"a\0@x.org\"]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"a\xFF@x.org\"]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"a\xC0\xAF@x.org\"]"), USERLI_JSON_NOT_JSON,
	    "" },
	{ LOOKUP_ALIAS, BODY("[\"\\ud83d@x.org\"]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"\\udcee@x.org\"]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[\"\\ud83d\\u0041@x.org\"]"),
	    USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[99999999999999999999999999]"),
	    USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_ALIAS, BODY("[1e9999]"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_DOMAIN, BODY("TRUE"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_DOMAIN, BODY("tru"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_DOMAIN, BODY("truefalse"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_DOMAIN, BODY("true false"), USERLI_JSON_NOT_JSON, "" },
	{ LOOKUP_DOMAIN, BODY("\x1F\x8B\x08"), USERLI_JSON_NOT_JSON, "" },

	/* Elements that cannot be addresses. */
	{ LOOKUP_ALIAS, BODY("[\"\"]"), USERLI_JSON_BAD_ADDRESS, "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\",\"\"]"), USERLI_JSON_BAD_ADDRESS,
	    "" },
	{ LOOKUP_ALIAS, BODY("[\"x.org\"]"), USERLI_JSON_BAD_ADDRESS, "" },
	{ LOOKUP_ALIAS, BODY("[\"@\"]"), USERLI_JSON_BAD_ADDRESS, "" },
	{ LOOKUP_ALIAS, BODY("[\"@x.org\"]"), USERLI_JSON_BAD_ADDRESS, "" },
	{ LOOKUP_ALIAS, BODY("[\"a@\"]"), USERLI_JSON_BAD_ADDRESS, "" },
	{ LOOKUP_ALIAS, BODY("[\"a,b@x.org\"]"), USERLI_JSON_BAD_ADDRESS, "" },
	{ LOOKUP_ALIAS, BODY("[\"a\\u002cb@x.org\"]"), USERLI_JSON_BAD_ADDRESS,
	    "" },
	{ LOOKUP_SENDERS, BODY("[\"root a@x.org\"]"), USERLI_JSON_BAD_ADDRESS,
	    "" },
	{ LOOKUP_ALIAS, BODY("[\"a\\n@x.org\"]"), USERLI_JSON_BAD_ADDRESS, "" },
	{ LOOKUP_ALIAS, BODY("[\"a\\u0000@x.org\"]"), USERLI_JSON_BAD_ADDRESS,
	    "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\\u0000\"]"), USERLI_JSON_BAD_ADDRESS,
	    "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\\u007f\"]"), USERLI_JSON_BAD_ADDRESS,
	    "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\\u0085\"]"), USERLI_JSON_BAD_ADDRESS,
	    "" },
	{ LOOKUP_ALIAS, BODY("[\"a@x.org\\u00a1\"]"), USERLI_JSON_FOUND,
	    "a@x.org\xC2\xA1" },
	{ LOOKUP_SENDERS, BODY("{\"0\":\"x\"}"), USERLI_JSON_BAD_ADDRESS, "" },
};

static void
read_judges_each_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buffer out;
		enum userli_json_verdict got;

		buffer_init(&out, OUT_MAX);
		got = userli_json_read(cases[i].map, cases[i].body, &out);
		if (got != cases[i].want)
			fail_msg("case %zu, %s: got \"%s\", want \"%s\"", i,
			    cases[i].body.ptr, userli_json_verdict_name(got),
			    userli_json_verdict_name(cases[i].want));
		if (!slice_equal(buffer_slice(&out), slice_of(cases[i].value)))
			fail_msg("case %zu: got \"%.*s\", want \"%s\"", i,
			    (int)buffer_len(&out), buffer_slice(&out).ptr,
			    cases[i].value);
		buffer_fini(&out);
	}
}

static void
a_value_fits_up_to_the_last_byte(void **state)
{
	struct slice body = SLICE("[\"a@x.org\",\"b@y.org\"]");
	size_t size = strlen("a@x.org,b@y.org");
	struct buffer out;

	(void)state;
	buffer_init(&out, size);
	assert_int_equal(
	    userli_json_read(LOOKUP_ALIAS, body, &out), USERLI_JSON_FOUND);
	assert_int_equal(buffer_len(&out), size);
	assert_int_equal(userli_json_read(LOOKUP_DOMAIN, SLICE("true"), &out),
	    USERLI_JSON_TOO_LARGE);
	buffer_fini(&out);

	buffer_init(&out, size - 1);
	assert_int_equal(
	    userli_json_read(LOOKUP_ALIAS, body, &out), USERLI_JSON_TOO_LARGE);
	assert_int_equal(buffer_len(&out), 0);
	buffer_fini(&out);
}

static void
a_value_is_appended_to_what_is_there(void **state)
{
	struct buffer out;

	(void)state;
	buffer_init(&out, OUT_MAX);
	assert_true(buffer_append(&out, "OK ", 3));
	assert_int_equal(userli_json_read(LOOKUP_DOMAIN, SLICE("true"), &out),
	    USERLI_JSON_FOUND);
	assert_true(slice_equal(buffer_slice(&out), SLICE("OK 1")));
	buffer_fini(&out);
}

/* A list of count times element. */
static struct buffer
list_of(const char *element, size_t count)
{
	struct buffer body;

	buffer_init(&body, SIZE_MAX / 2);
	for (size_t i = 0; i < count; i++)
		assert_true(
		    buffer_printf(&body, "%c%s", i == 0 ? '[' : ',', element));
	assert_true(buffer_append(&body, "]", 1));
	return body;
}

static void
a_full_reply_of_escapes_is_read(void **state)
{
	struct buffer body = list_of("\"\\u0061\\u0040\\u0061\"", 24999);
	struct buffer out;

	(void)state;
	assert_in_range(buffer_len(&body), 1, USERLI_JSON_BODY_MAX);
	buffer_init(&out, LOOKUP_REPLY_MAX - 3);
	assert_int_equal(
	    userli_json_read(LOOKUP_ALIAS, buffer_slice(&body), &out),
	    USERLI_JSON_FOUND);
	assert_int_equal(buffer_len(&out), 24999 * 4 - 1);
	buffer_fini(&out);
	buffer_fini(&body);
}

static void
too_many_elements_or_bytes_are_refused_unread(void **state)
{
	struct buffer many = list_of("{}", USERLI_JSON_ELEMENTS_MAX + 1);
	struct buffer large;
	struct buffer out;

	(void)state;
	buffer_init(&out, LOOKUP_REPLY_MAX);
	assert_int_equal(
	    userli_json_read(LOOKUP_ALIAS, buffer_slice(&many), &out),
	    USERLI_JSON_TOO_LARGE);

	buffer_init(&large, USERLI_JSON_BODY_MAX + 1);
	memset(buffer_reserve(&large, large.max), ' ', large.max);
	buffer_commit(&large, large.max);
	assert_int_equal(
	    userli_json_read(LOOKUP_ALIAS, buffer_slice(&large), &out),
	    USERLI_JSON_TOO_LARGE);
	buffer_fini(&large);
	buffer_fini(&many);
	buffer_fini(&out);
}

/* Fixed seed: a failure is the same on every run. */
static uint32_t
next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

static struct slice
random_body(uint64_t *seed, char *out)
{
	static const char *const pieces[] = { "[", "]", "{", "}", "\"", ",",
		"\"a@x\"", "\"b@y\",", ":", "\"0\":", "true", "\\n", "\\u0000",
		"\\u002c", "@", "a", " ", "\xC3\xBC", "\xFF", "\n", "1" };
	size_t count = next_random(seed) % 10;
	size_t len = 0;

	/* Mostly something like a list, or nothing would ever be found. */
	if (next_random(seed) % 4 != 0)
		out[len++] = '[';
	for (size_t i = 0; i < count; i++) {
		const char *piece = pieces[next_random(seed) %
		    (sizeof pieces / sizeof pieces[0])];

		memcpy(out + len, piece, strlen(piece));
		len += strlen(piece);
	}
	if (next_random(seed) % 4 != 0)
		out[len++] = ']';
	return (struct slice){ out, len };
}

static void
assert_list_of_addresses(struct slice value)
{
	size_t start = 0;

	for (size_t i = 0; i <= value.len; i++) {
		if (i < value.len) {
			assert_true((unsigned char)value.ptr[i] > 0x20);
			if (value.ptr[i] != ',')
				continue;
		}
		assert_true(i > start);
		assert_non_null(memchr(value.ptr + start, '@', i - start));
		start = i + 1;
	}
}

static void
found_never_holds_what_is_no_address(void **state)
{
	uint64_t seed = 7;
	size_t found = 0;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		char text[256];
		struct slice body = random_body(&seed, text);
		struct buffer out;

		buffer_init(&out, OUT_MAX);
		if (userli_json_read(LOOKUP_SENDERS, body, &out) ==
		    USERLI_JSON_FOUND) {
			assert_list_of_addresses(buffer_slice(&out));
			found++;
		} else {
			assert_int_equal(buffer_len(&out), 0);
		}
		buffer_fini(&out);
	}
	assert_true(found > ROUNDS / 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_judges_each_body),
		cmocka_unit_test(a_value_fits_up_to_the_last_byte),
		cmocka_unit_test(a_value_is_appended_to_what_is_there),
		cmocka_unit_test(a_full_reply_of_escapes_is_read),
		cmocka_unit_test(too_many_elements_or_bytes_are_refused_unread),
		cmocka_unit_test(found_never_holds_what_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
