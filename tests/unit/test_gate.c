#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/gate.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct answers_options options = { .ttl_ms = 300000,
	.stale_ttl_ms = 1000 };

static void
the_domain_is_what_stands_behind_the_at(void **state)
{
	static const struct {
		enum lookup_map map;
		const char *key;
		const char *want;
	} cases[] = {
		{ LOOKUP_ALIAS, "a@example.org", "example.org" },
		{ LOOKUP_MAILBOX, "a@example.org", "example.org" },
		{ LOOKUP_SENDERS, "a@example.org.", "example.org." },
		{ LOOKUP_ALIAS, "a@xn--bcher-kva.example",
		    "xn--bcher-kva.example" },
		{ LOOKUP_ALIAS,
		    "a@b\xc3\xbc"
		    "cher.example",
		    "b\xc3\xbc"
		    "cher.example" },
		/* A domain is trimmed, the middle of an address is not. */
		{ LOOKUP_ALIAS,
		    "a@\xe2\x80\x8b"
		    "example.org",
		    "" },
		{ LOOKUP_ALIAS, "a@\xe2\x80\x8b", "" },
		{ LOOKUP_DOMAIN, "example.org", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice got =
		    gate_domain(cases[i].map, slice_of(cases[i].key));

		assert_int_equal(got.len, strlen(cases[i].want));
		if (got.len > 0)
			assert_memory_equal(got.ptr, cases[i].want, got.len);
	}
}

static void
only_an_unexpired_notfound_closes_the_gate(void **state)
{
	static const struct {
		enum lookup_outcome outcome;
		uint64_t now;
		enum gate_verdict want;
	} cases[] = {
		{ LOOKUP_NOTFOUND, 1999, GATE_CLOSED },
		{ LOOKUP_NOTFOUND, 2000, GATE_ASK },
		{ LOOKUP_OK, 1999, GATE_OPEN },
		{ LOOKUP_OK, 2999, GATE_OPEN },
		{ LOOKUP_OK, 3000, GATE_ASK },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct cache_entry e = { .outcome = cases[i].outcome,
			.stored_ms = 1000,
			.fresh_until_ms = 2000 };

		assert_int_equal(
		    gate_judge(&options, &e, cases[i].now), cases[i].want);
	}
	assert_int_equal(gate_judge(&options, NULL, 0), GATE_ASK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_domain_is_what_stands_behind_the_at),
		cmocka_unit_test(only_an_unexpired_notfound_closes_the_gate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
