#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/flight.h"

#define KEY SLICE("alice@example.org")

static void
the_first_leads_and_equal_ones_wait_in_order(void **state)
{
	struct flight f;
	struct flight_item a, b, c;
	struct flight_item *waiters;

	(void)state;
	flight_init(&f);
	assert_null(flight_join(&f, &a, LOOKUP_ALIAS, KEY));
	assert_ptr_equal(flight_join(&f, &b, LOOKUP_ALIAS, KEY), &a);
	assert_ptr_equal(flight_join(&f, &c, LOOKUP_ALIAS, KEY), &a);
	waiters = flight_land(&f, &a);
	assert_ptr_equal(waiters, &b);
	assert_ptr_equal(waiters->next, &c);
	assert_null(waiters->next->next);
	assert_null(flight_join(&f, &b, LOOKUP_ALIAS, KEY));
	assert_null(flight_land(&f, &b));
	flight_fini(&f);
}

static void
other_maps_and_other_keys_do_not_share(void **state)
{
	struct flight f;
	struct flight_item items[4];

	(void)state;
	flight_init(&f);
	assert_null(flight_join(&f, &items[0], LOOKUP_ALIAS, KEY));
	assert_null(flight_join(&f, &items[1], LOOKUP_MAILBOX, KEY));
	assert_null(flight_join(
	    &f, &items[2], LOOKUP_ALIAS, SLICE("alice@example.orgx")));
	assert_null(flight_join(
	    &f, &items[3], LOOKUP_ALIAS, SLICE("Alice@example.org")));
	for (size_t i = 0; i < 4; i++)
		assert_null(flight_land(&f, &items[i]));
	flight_fini(&f);
}

static void
whoever_waited_first_inherits_the_lead(void **state)
{
	struct flight f;
	struct flight_item a, b, c, d;
	char key_b[] = "alice@example.org";

	(void)state;
	flight_init(&f);
	assert_null(flight_join(&f, &a, LOOKUP_DOMAIN, KEY));
	(void)flight_join(
	    &f, &b, LOOKUP_DOMAIN, (struct slice){ key_b, KEY.len });
	(void)flight_join(&f, &c, LOOKUP_DOMAIN, KEY);
	assert_ptr_equal(flight_hand_over(&f, &a), &b);
	a.key = SLICE("gone");
	assert_ptr_equal(flight_join(&f, &d, LOOKUP_DOMAIN, KEY), &b);
	assert_ptr_equal(b.waiters, &c);
	assert_ptr_equal(c.next, &d);
	assert_ptr_equal(flight_land(&f, &b), &c);
	assert_null(flight_join(&f, &a, LOOKUP_DOMAIN, KEY));
	assert_null(flight_hand_over(&f, &a));
	assert_null(flight_join(&f, &a, LOOKUP_DOMAIN, KEY));
	assert_null(flight_land(&f, &a));
	flight_fini(&f);
}

static void
who_leads_can_be_found_and_who_waits_can_leave(void **state)
{
	struct flight f;
	struct flight_item a, b, c;

	(void)state;
	flight_init(&f);
	assert_null(flight_find(&f, LOOKUP_ALIAS, KEY));
	assert_null(flight_join(&f, &a, LOOKUP_ALIAS, KEY));
	assert_ptr_equal(flight_find(&f, LOOKUP_ALIAS, KEY), &a);
	assert_null(flight_find(&f, LOOKUP_SENDERS, KEY));
	(void)flight_join(&f, &b, LOOKUP_ALIAS, KEY);
	(void)flight_join(&f, &c, LOOKUP_ALIAS, KEY);
	flight_leave(&a, &b);
	assert_ptr_equal(flight_land(&f, &a), &c);
	assert_null(c.next);
	assert_null(flight_find(&f, LOOKUP_ALIAS, KEY));
	flight_fini(&f);
}

static void
many_flights_at_once_keep_apart(void **state)
{
	static struct flight_item items[5000];
	static struct flight_item again[5000];
	static char keys[5000][16];
	struct flight f;

	(void)state;
	flight_init(&f);
	for (int i = 0; i < 5000; i++) {
		int n = snprintf(keys[i], sizeof keys[i], "%d@x", i);
		struct slice key = { keys[i], (size_t)n };

		assert_null(flight_join(&f, &items[i], LOOKUP_SENDERS, key));
		assert_ptr_equal(
		    flight_join(&f, &again[i], LOOKUP_SENDERS, key), &items[i]);
	}
	for (int i = 0; i < 5000; i++)
		assert_ptr_equal(flight_land(&f, &items[i]), &again[i]);
	flight_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_leads_and_equal_ones_wait_in_order),
		cmocka_unit_test(other_maps_and_other_keys_do_not_share),
		cmocka_unit_test(whoever_waited_first_inherits_the_lead),
		cmocka_unit_test(
		    who_leads_can_be_found_and_who_waits_can_leave),
		cmocka_unit_test(many_flights_at_once_keep_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
