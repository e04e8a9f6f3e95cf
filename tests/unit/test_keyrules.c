#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/keyrules.h"

#define ROUNDS 200000
/* As SLICE(), for objects of static storage. */
#define KEY(literal)                           \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

static const struct {
	enum lookup_map map;
	struct slice key;
	const char *delimiter;
	const char *want; /* the key to ask for, or NULL for ABSENT */
} cases[] = {
	/* Case and trimming. */
	{ LOOKUP_ALIAS, KEY("user@example.org"), "", "user@example.org" },
	{ LOOKUP_ALIAS, KEY("USER@Example.ORG"), "", "user@example.org" },
	{ LOOKUP_ALIAS, KEY(" \t\r\nu@x.org\n\v\f "), "", "u@x.org" },
	{ LOOKUP_ALIAS, KEY("\0u@x.org\x7f\0"), "", "u@x.org" },
	{ LOOKUP_ALIAS, KEY("\xC2\x85u@x.org\xC2\xA0"), "", "u@x.org" },
	{ LOOKUP_ALIAS, KEY("\xC2\x80u@x.org\xC2\x9F"), "", "u@x.org" },
	{ LOOKUP_ALIAS, KEY("\xE2\x80\x8Bu@x.org\xE2\x80\x8C\xE2\x80\x8D"), "",
	    "u@x.org" },
	{ LOOKUP_ALIAS, KEY("\xEF\xBB\xBFu@x.org"), "", "u@x.org" },
	{ LOOKUP_ALIAS, KEY("\xE1\x9A\x80u@x.org\xE2\x80\x80"), "", "u@x.org" },
	{ LOOKUP_ALIAS, KEY("\xE2\x80\xA8\xE2\x80\xA9u@x.org\xE2\x80\xAF"), "",
	    "u@x.org" },
	{ LOOKUP_ALIAS, KEY("\xE2\x81\x9Fu@x.org\xE3\x80\x80"), "", "u@x.org" },
	{ LOOKUP_DOMAIN, KEY(" Example.ORG\n"), "", "example.org" },
	/* Not trimmed: a soft hyphen, a stray continuation byte, U+200E. */
	{ LOOKUP_DOMAIN, KEY("x.org\xC2\xAD"), "", "x.org\xC2\xAD" },
	{ LOOKUP_DOMAIN, KEY("x.org\x85"), "", NULL },
	{ LOOKUP_ALIAS, KEY("\xA0u@x.org"), "", NULL },
	{ LOOKUP_ALIAS, KEY("\xE2\x80\x8Eu@x.org"), "", NULL },

	/* One '@', and something on both sides of it. */
	{ LOOKUP_ALIAS, KEY("example.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("example.org"), "", NULL },
	{ LOOKUP_SENDERS, KEY("example.org"), "", NULL },
	{ LOOKUP_ALIAS, KEY("u@x@y"), "", NULL },
	{ LOOKUP_ALIAS, KEY("u@@y"), "", NULL },
	{ LOOKUP_ALIAS, KEY("@x.org"), "", NULL },
	{ LOOKUP_ALIAS, KEY("u@"), "", NULL },
	{ LOOKUP_ALIAS, KEY("@"), "", NULL },
	{ LOOKUP_ALIAS, KEY(""), "", NULL },
	{ LOOKUP_ALIAS, KEY(" \n"), "", NULL },
	{ LOOKUP_ALIAS, KEY("\"\""), "", NULL },
	{ LOOKUP_ALIAS, KEY("*"), "", NULL },
	{ LOOKUP_ALIAS, KEY("[127.0.0.1]"), "", NULL },

	/* Local parts. */
	{ LOOKUP_MAILBOX, KEY("a.b-c_9@x.org"), "", "a.b-c_9@x.org" },
	{ LOOKUP_MAILBOX, KEY(".@x.org"), "", ".@x.org" },
	{ LOOKUP_MAILBOX, KEY("..@x.org"), "", "..@x.org" },
	{ LOOKUP_MAILBOX, KEY("a/b@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("a%2fb@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("a?b@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("a#b@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("a b@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("a\0b@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("a\nb@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("\"a b\"@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("\"a@b\"@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("\xC3\xBC@x.org"), "", NULL },
	{ LOOKUP_MAILBOX, KEY("a+b@x.org"), "", NULL },

	/* The delimiter: the first occurrence of the whole string. */
	{ LOOKUP_ALIAS, KEY("a+b@x.org"), "+", "a@x.org" },
	{ LOOKUP_ALIAS, KEY("a+b+c@x.org"), "+", "a@x.org" },
	{ LOOKUP_ALIAS, KEY("A+\"/\xFF ?@x.org"), "+", "a@x.org" },
	{ LOOKUP_ALIAS, KEY("+b@x.org"), "+", NULL },
	{ LOOKUP_ALIAS, KEY("a+@x.org"), "+", "a@x.org" },
	{ LOOKUP_ALIAS, KEY("a-b@x.org"), "+", "a-b@x.org" },
	{ LOOKUP_ALIAS, KEY("a-b@x.org"), "-", "a@x.org" },
	{ LOOKUP_ALIAS, KEY("-b@x.org"), "-", NULL },
	{ LOOKUP_ALIAS, KEY("a+b@x.org"), "+-", NULL },
	{ LOOKUP_ALIAS, KEY("a+-b@x.org"), "+-", "a@x.org" },
	{ LOOKUP_ALIAS, KEY("a--b@x.org"), "--", "a@x.org" },
	{ LOOKUP_ALIAS, KEY("a-@x.org"), "--", "a-@x.org" },
	{ LOOKUP_ALIAS, KEY("a@x+y.org"), "+", NULL },
	{ LOOKUP_DOMAIN, KEY("x-y.org"), "-", "x-y.org" },

	/* Domains. */
	{ LOOKUP_DOMAIN, KEY("example.org."), "", "example.org." },
	{ LOOKUP_DOMAIN, KEY("localhost"), "", "localhost" },
	{ LOOKUP_DOMAIN, KEY("_x.-y-.org"), "", "_x.-y-.org" },
	{ LOOKUP_DOMAIN, KEY("xn--bcher-kva.example"), "",
	    "xn--bcher-kva.example" },
	{ LOOKUP_DOMAIN,
	    KEY("b\xC3\xBC"
		"cher.example"),
	    "",
	    "b\xC3\xBC"
	    "cher.example" },
	{ LOOKUP_DOMAIN, KEY("\xF0\x9F\x93\xAE.example"), "",
	    "\xF0\x9F\x93\xAE.example" },
	{ LOOKUP_DOMAIN, KEY("127.0.0.1"), "", "127.0.0.1" },
	{ LOOKUP_DOMAIN, KEY(""), "", NULL },
	{ LOOKUP_DOMAIN, KEY("."), "", NULL },
	{ LOOKUP_DOMAIN, KEY(".."), "", NULL },
	{ LOOKUP_DOMAIN, KEY("..."), "", NULL },
	{ LOOKUP_DOMAIN, KEY(".example.org"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a..b"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a.."), "", NULL },
	{ LOOKUP_DOMAIN, KEY("../senders/a"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("*"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("\"\""), "", NULL },
	{ LOOKUP_DOMAIN, KEY("[127.0.0.1]"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a/b"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a?b"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a#b"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a%2fb"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\\b"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a b"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\nb"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\0b"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a:25"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("u@x.org"), "", NULL },
	{ LOOKUP_ALIAS, KEY("u@.x.org"), "", NULL },
	{ LOOKUP_ALIAS, KEY("u@x..org"), "", NULL },
	{ LOOKUP_ALIAS, KEY("u@[127.0.0.1]"), "", NULL },
	{ LOOKUP_ALIAS, KEY("u@x.org."), "", "u@x.org." },
	{ LOOKUP_ALIAS, KEY("u@x.org/../y"), "", NULL },
	/* Not UTF-8: overlong, surrogate, beyond Unicode, cut short. */
	{ LOOKUP_DOMAIN, KEY("a\xC0\xAF"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\xE0\x80\xAF"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\xED\xA0\x80"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\xF4\x90\x80\x80"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\xF8\x88\x80\x80\x80"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\xC3"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\xE2\x80"), "", NULL },
	{ LOOKUP_DOMAIN, KEY("a\xFF"), "", NULL },
};

static void
apply_judges_each_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char out[KEYRULES_KEY_MAX];
		size_t len = 0;
		enum keyrules_verdict got = keyrules_apply(cases[i].map,
		    cases[i].key, slice_of(cases[i].delimiter), out, &len);
		struct slice key = { out, len };

		if (cases[i].want == NULL && got != KEYRULES_ABSENT)
			fail_msg(
			    "case %zu: \"%s\" is asked", i, cases[i].key.ptr);
		if (cases[i].want != NULL &&
		    (got != KEYRULES_ASK ||
			!slice_equal(key, slice_of(cases[i].want))))
			fail_msg("case %zu: got \"%.*s\", want \"%s\"", i,
			    (int)len, out, cases[i].want);
	}
}

static void
check_never_refuses_what_apply_asks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (cases[i].want != NULL &&
		    keyrules_check(cases[i].map, cases[i].key) != KEYRULES_ASK)
			fail_msg("case %zu is refused", i);
	}
}

static void
check_refuses_what_no_delimiter_can_help(void **state)
{
	static const struct slice keys[] = { KEY("example.org"), KEY("u@x@y"),
		KEY("\"\""), KEY("*"), KEY(""), KEY("\"a b\"@x.org"),
		KEY("+a@x.org"), KEY("u@"), KEY("u@.x"), KEY("u@[::1]"),
		KEY("/a@x.org") };

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		assert_int_equal(
		    keyrules_check(LOOKUP_ALIAS, keys[i]), KEYRULES_ABSENT);
	/* With a delimiter these may be cut to an address that exists. */
	assert_int_equal(
	    keyrules_check(LOOKUP_ALIAS, SLICE("a+b@x.org")), KEYRULES_ASK);
	assert_int_equal(
	    keyrules_check(LOOKUP_ALIAS, SLICE("a b@x.org")), KEYRULES_ASK);
}

static void
an_unknown_map_is_left_to_the_caller(void **state)
{
	char out[KEYRULES_KEY_MAX];
	size_t len = 1;

	(void)state;
	assert_int_equal(keyrules_check(LOOKUP_MAPS, SLICE("")), KEYRULES_ASK);
	assert_int_equal(
	    keyrules_apply(LOOKUP_MAPS, SLICE("x"), SLICE(""), out, &len),
	    KEYRULES_ASK);
	assert_int_equal(len, 0);
}

/* Write n times what, then tail. */
static struct slice
repeat(char *buffer, const char *what, size_t n, const char *tail)
{
	size_t size = strlen(what);

	for (size_t i = 0; i < n; i++)
		memcpy(buffer + i * size, what, size);
	memcpy(buffer + n * size, tail, strlen(tail));
	return (struct slice){ buffer, n * size + strlen(tail) };
}

static void
keys_up_to_the_limit_are_asked_and_longer_ones_are_not(void **state)
{
	static const struct {
		enum lookup_map map;
		const char *what;
		size_t n;
		const char *tail;
		enum keyrules_verdict check, apply;
	} limits[] = {
		{ LOOKUP_DOMAIN, "a", 255, "", KEYRULES_ASK, KEYRULES_ASK },
		{ LOOKUP_DOMAIN, "a", 256, "", KEYRULES_ABSENT,
		    KEYRULES_ABSENT },
		/* Characters count, not bytes. */
		{ LOOKUP_DOMAIN, "\xF0\x9F\x93\xAE", 255, "", KEYRULES_ASK,
		    KEYRULES_ASK },
		{ LOOKUP_DOMAIN, "\xF0\x9F\x93\xAE", 256, "", KEYRULES_ABSENT,
		    KEYRULES_ABSENT },
		{ LOOKUP_ALIAS, "a", 249, "@x.org", KEYRULES_ASK,
		    KEYRULES_ASK },
		/* An extension may be what makes it too long. */
		{ LOOKUP_ALIAS, "a", 250, "@x.org", KEYRULES_ASK,
		    KEYRULES_ABSENT },
		{ LOOKUP_ALIAS, "a", 9000, "@x.org", KEYRULES_ASK,
		    KEYRULES_ABSENT },
		{ LOOKUP_ALIAS, "a", 249, "+long@x.org", KEYRULES_ASK,
		    KEYRULES_ASK },
	};
	static char buffer[LOOKUP_KEY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct slice key =
		    repeat(buffer, limits[i].what, limits[i].n, limits[i].tail);
		char out[KEYRULES_KEY_MAX];
		size_t len;

		if (keyrules_check(limits[i].map, key) != limits[i].check)
			fail_msg("limit %zu: check", i);
		if (keyrules_apply(limits[i].map, key, SLICE("+"), out, &len) !=
		    limits[i].apply)
			fail_msg("limit %zu: apply", i);
	}
}

static void
the_longest_domain_leaves_room_for_one_letter(void **state)
{
	char buffer[300] = "a@";
	struct slice key = { buffer, 255 };

	(void)state;
	memset(buffer + 2, 'x', sizeof buffer - 2);
	assert_int_equal(keyrules_check(LOOKUP_ALIAS, key), KEYRULES_ASK);
	key.len++;
	assert_int_equal(keyrules_check(LOOKUP_ALIAS, key), KEYRULES_ABSENT);
}

/* Fixed seed: a failure is the same on every run. */
static uint32_t
next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

static size_t
random_text(uint64_t *seed, char *out, size_t max)
{
	static const char *const pieces[] = { "a", "Z", "9", ".", "-", "_", "@",
		"+", "/", "\"", " ", "\n", "%", "\xC3\xBC", "\xC2\x85",
		"\xE2\x80\x8B", "\xFF", "\xF0\x9F\x93\xAE", "*", "x.org" };
	size_t count = next_random(seed) % max;
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		const char *piece = pieces[next_random(seed) %
		    (sizeof pieces / sizeof pieces[0])];

		memcpy(out + len, piece, strlen(piece));
		len += strlen(piece);
	}
	return len;
}

/* What the rest of the backend relies on when it builds a path. */
static void
assert_fit_to_ask(enum lookup_map map, struct slice key)
{
	struct slice local = { key.ptr, 0 };

	assert_in_range(key.len, 1, KEYRULES_KEY_MAX);
	assert_false(slice_equal(key, SLICE(".")));
	assert_false(slice_equal(key, SLICE("..")));
	for (size_t i = 0; i < key.len; i++) {
		assert_null(strchr("/?#%\\ \"*:[]+", key.ptr[i]));
		assert_false((unsigned char)key.ptr[i] < 0x20);
		assert_false(key.ptr[i] >= 'A' && key.ptr[i] <= 'Z');
		if (key.ptr[i] == '@') {
			assert_int_equal(local.len, 0);
			local.len = i;
		}
	}
	assert_int_equal(map == LOOKUP_DOMAIN, local.len == 0);
}

static void
absent_to_check_is_absent_to_apply_for_every_delimiter(void **state)
{
	static const char *const delimiters[] = { "", "+", "-", ".", "a", "+-",
		"--", "@", "/", " ", "\xC3\xBC", "a9", "\"" };
	uint64_t seed = 42;
	size_t asked = 0;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		enum lookup_map map =
		    (enum lookup_map)(next_random(&seed) % LOOKUP_MAPS);
		const char *delimiter = delimiters[next_random(&seed) %
		    (sizeof delimiters / sizeof delimiters[0])];
		char text[128];
		char out[KEYRULES_KEY_MAX];
		size_t len;
		struct slice key = { text, random_text(&seed, text, 16) };
		enum keyrules_verdict check = keyrules_check(map, key);
		enum keyrules_verdict apply =
		    keyrules_apply(map, key, slice_of(delimiter), out, &len);

		if (check == KEYRULES_ABSENT && apply != KEYRULES_ABSENT)
			fail_msg("\"%.*s\", delimiter \"%s\"", (int)key.len,
			    key.ptr, delimiter);
		if (apply == KEYRULES_ASK) {
			assert_fit_to_ask(map, (struct slice){ out, len });
			asked++;
		}
	}
	assert_true(asked > ROUNDS / 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apply_judges_each_key),
		cmocka_unit_test(check_never_refuses_what_apply_asks),
		cmocka_unit_test(check_refuses_what_no_delimiter_can_help),
		cmocka_unit_test(an_unknown_map_is_left_to_the_caller),
		cmocka_unit_test(
		    keys_up_to_the_limit_are_asked_and_longer_ones_are_not),
		cmocka_unit_test(the_longest_domain_leaves_room_for_one_letter),
		cmocka_unit_test(
		    absent_to_check_is_absent_to_apply_for_every_delimiter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
