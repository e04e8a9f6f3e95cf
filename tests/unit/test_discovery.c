#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/discovery.h"
#include "tests/unit/fake_dns.h"

#define PATIENCE_MS 20000
#define INTERVAL_MS 10
#define NEVER_MS 3600000
#define TEXT_MAX 4096
#define FIXTURES_MAX 80
#define SERVICE "_userli-bridge._tcp.b"

struct fixture {
	uv_loop_t loop;
	uv_timer_t expiry, look;
	bool expired;
	struct fake_dns dns;
	struct dns_calls calls;
	struct endpoint_list endpoints;
	int log_fd;
	struct log *log;
	struct discovery *discovery;
	unsigned told;
	char now[TEXT_MAX]; /* the urls, as they are known now */
};

/* --- Fixture -------------------------------------------------------------- */

static void
on_found(void *arg, const struct addresses *all)
{
	struct fixture *f = arg;
	size_t len = 0;

	f->told++;
	f->now[0] = '\0';
	for (size_t i = 0; i < all->count; i++)
		len += (size_t)snprintf(f->now + len, TEXT_MAX - len, "%s%s",
		    i > 0 ? " " : "", all->items[i].url);
}

static void
on_expiry(uv_timer_t *timer)
{
	((struct fixture *)timer->data)->expired = true;
}

static void
on_look(uv_timer_t *timer)
{
	(void)timer;
}

/* Each is used once, and stays, as a fake_dns does.  The timer that makes the
 * loop turn is for what threads do unseen. */
static struct fixture *
begin(void)
{
	static struct fixture fixtures[FIXTURES_MAX];
	static size_t used;
	struct fixture *f = &fixtures[used++];

	assert_true(used <= FIXTURES_MAX);
	fake_dns_init(&f->dns);
	f->calls = fake_dns_calls(&f->dns);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	(void)uv_timer_init(&f->loop, &f->expiry);
	(void)uv_timer_init(&f->loop, &f->look);
	f->expiry.data = f;
	f->log_fd = memfd_create("log", 0);
	f->log = log_new(&(struct log_options){ .fd = f->log_fd });
	return f;
}

static void
start(struct fixture *f, const char *urls, uint64_t interval_ms, size_t max)
{
	struct discovery_options options = { .endpoints = &f->endpoints,
		.setting = "BACKEND_URLS",
		.interval_ms = interval_ms,
		.addresses_max = max,
		.dns = &f->calls,
		.log = f->log,
		.found = on_found,
		.arg = f };
	struct error error;

	if (!endpoint_list_parse(
		slice_of(urls), ENDPOINT_POOL, &f->endpoints, &error))
		fail_msg("%s", error.text);
	f->discovery = discovery_new(&f->loop, &options);
}

static void
end(struct fixture *f)
{
	discovery_close(f->discovery);
	uv_close((uv_handle_t *)&f->expiry, NULL);
	uv_close((uv_handle_t *)&f->look, NULL);
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	log_free(f->log);
	(void)close(f->log_fd);
}

static void
turn_until(struct fixture *f, bool (*holds)(struct fixture *f, const void *arg),
    const void *arg, const char *what)
{
	f->expired = false;
	(void)uv_timer_start(&f->expiry, on_expiry, PATIENCE_MS, 0);
	(void)uv_timer_start(&f->look, on_look, 1, 1);
	while (!holds(f, arg)) {
		if (f->expired)
			fail_msg("not in time: %s; now: %s", what, f->now);
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	}
	(void)uv_timer_stop(&f->expiry);
	(void)uv_timer_stop(&f->look);
}

static bool
knows(struct fixture *f, const void *urls)
{
	return strcmp(f->now, urls) == 0;
}

static void
wait_for(struct fixture *f, const char *urls)
{
	turn_until(f, knows, urls, urls);
}

static bool
has_asked(struct fixture *f, const void *count)
{
	return fake_dns_asked(&f->dns) >= *(const unsigned *)count;
}

/* So many more questions, each with the answer to the one before it used. */
static void
wait_asked(struct fixture *f, unsigned more)
{
	unsigned count = fake_dns_asked(&f->dns) + more;

	turn_until(f, has_asked, &count, "questions");
}

/* How often a text is in the log. */
static unsigned
logged(const struct fixture *f, const char *text)
{
	static char all[65536];
	ssize_t len = pread(f->log_fd, all, sizeof all - 1, 0);
	unsigned count = 0;

	assert_true(len >= 0);
	all[len] = '\0';
	for (const char *p = all; (p = strstr(p, text)) != NULL; p++)
		count++;
	return count;
}

/* --- What is known -------------------------------------------------------- */

static void
what_needs_no_dns_is_known_at_once(void **state)
{
	struct fixture *f = begin();

	(void)state;
	start(f,
	    "tcp://127.0.0.1:2, tls+tcp://[::1]:1, ipc:///run/b, "
	    "tcp://127.0.0.1:1",
	    INTERVAL_MS, 100);
	assert_int_equal(f->told, 1);
	assert_string_equal(f->now,
	    "ipc:///run/b tcp://127.0.0.1:1 tcp://127.0.0.1:2 "
	    "tls+tcp://[::1]:1");
	assert_int_equal(fake_dns_asked(&f->dns), 0);
	end(f);
}

static void
a_name_is_followed(void **state)
{
	struct fixture *f = begin();

	(void)state;
	fake_dns_set(&f->dns, "b", "127.0.0.1 127.0.0.2", 0);
	start(f, "tcp://b:1", INTERVAL_MS, 100);
	assert_int_equal(f->told, 0);
	wait_for(f, "tcp://127.0.0.1:1 tcp://127.0.0.2:1");
	fake_dns_set(&f->dns, "b", "127.0.0.2 127.0.0.1", 0);
	wait_asked(f, 3);
	assert_int_equal(f->told, 1); /* another order is no change */
	fake_dns_set(&f->dns, "b", "127.0.0.3 127.0.0.2", 0);
	wait_for(f, "tcp://127.0.0.2:1 tcp://127.0.0.3:1");
	assert_int_equal(f->told, 2);
	end(f);
}

static void
an_address_stays_until_no_name_has_it(void **state)
{
	struct fixture *f = begin();

	(void)state;
	fake_dns_set(&f->dns, "a", "127.0.0.1 127.0.0.9", 0);
	fake_dns_set(&f->dns, "b", "127.0.0.2 127.0.0.9", 0);
	start(f, "tcp://a:1,tcp://127.0.0.1:1,tcp://b:1", INTERVAL_MS, 100);
	wait_for(f, "tcp://127.0.0.1:1 tcp://127.0.0.2:1 tcp://127.0.0.9:1");
	fake_dns_set(&f->dns, "a", "127.0.0.3", 0);
	wait_for(f,
	    "tcp://127.0.0.1:1 tcp://127.0.0.2:1 tcp://127.0.0.3:1 "
	    "tcp://127.0.0.9:1");
	fake_dns_set(&f->dns, "b", "127.0.0.2", 0);
	wait_for(f, "tcp://127.0.0.1:1 tcp://127.0.0.2:1 tcp://127.0.0.3:1");
	end(f);
}

static void
all_names_together_have_a_maximum(void **state)
{
	struct fixture *f = begin();

	(void)state;
	fake_dns_set(&f->dns, "a", "127.0.0.1 127.0.0.2", 0);
	fake_dns_set(&f->dns, "b", "127.0.0.3 127.0.0.4", 0);
	start(f, "tcp://a:1,tcp://b:1", INTERVAL_MS, 3);
	wait_for(f, "tcp://127.0.0.1:1 tcp://127.0.0.2:1 tcp://127.0.0.3:1");
	fake_dns_set(&f->dns, "b", "127.0.0.4 127.0.0.5", 0);
	wait_for(f, "tcp://127.0.0.1:1 tcp://127.0.0.2:1 tcp://127.0.0.4:1");
	assert_int_equal(logged(f, "more backends than can be used"), 1);
	end(f);
}

/* --- Failures ------------------------------------------------------------- */

static void
a_failed_or_empty_answer_changes_nothing(void **state)
{
	static const int errors[] = { EAI_NONAME, EAI_NODATA, EAI_AGAIN,
		EAI_FAIL, EAI_SYSTEM, EAI_MEMORY };
	struct fixture *f = begin();

	(void)state;
	fake_dns_set(&f->dns, "b", "127.0.0.1 127.0.0.2", 0);
	start(f, "tcp://b:1", INTERVAL_MS, 100);
	wait_for(f, "tcp://127.0.0.1:1 tcp://127.0.0.2:1");
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		fake_dns_set(&f->dns, "b", NULL, errors[i]);
		wait_asked(f, 3);
	}
	fake_dns_set(&f->dns, "b", "", 0);
	wait_asked(f, 3);
	assert_int_equal(f->told, 1);
	assert_int_equal(logged(f, "has no address"), 1);
	assert_int_equal(logged(f, "\"kept\":2"), 1);
	assert_int_equal(logged(f, "has addresses"), 0);
	fake_dns_set(&f->dns, "b", "127.0.0.3", 0);
	wait_for(f, "tcp://127.0.0.3:1");
	wait_asked(f, 3);
	assert_int_equal(logged(f, "has addresses"), 1);
	end(f);
}

static void
set_srv(struct fixture *f, const char *first, const char *second)
{
	struct answer a;

	answer_begin(&a, SERVICE);
	answer_add_srv(&a, 0, 1, 1, first);
	if (second != NULL)
		answer_add_srv(&a, 0, 1, 1, second);
	fake_dns_set_srv(&f->dns, &a);
}

static void
a_service_withdrawn_changes_nothing(void **state)
{
	struct fixture *f = begin();
	struct answer garbage = { .len = 5 };

	(void)state;
	fake_dns_set(&f->dns, "x", "127.0.0.1", 0);
	fake_dns_set(&f->dns, "y", "127.0.0.2", 0);
	set_srv(f, "x", NULL);
	start(f, "srv+tcp://b", INTERVAL_MS, 100);
	wait_for(f, "tcp://127.0.0.1:1");
	set_srv(f, "", NULL);
	wait_asked(f, 3);
	fake_dns_set_srv(&f->dns, &garbage);
	wait_asked(f, 3);
	set_srv(f, "nowhere", NULL);
	wait_asked(f, 5);
	assert_int_equal(f->told, 1);
	set_srv(f, "y", NULL);
	wait_for(f, "tcp://127.0.0.2:1");
	end(f);
}

static void
an_answer_in_part_adds_and_takes_nothing_away(void **state)
{
	struct fixture *f = begin();

	(void)state;
	fake_dns_set(&f->dns, "x", "127.0.0.1", 0);
	fake_dns_set(&f->dns, "y", "127.0.0.2", 0);
	set_srv(f, "x", NULL);
	start(f, "srv+tcp://b", INTERVAL_MS, 100);
	wait_for(f, "tcp://127.0.0.1:1");
	fake_dns_set(&f->dns, "x", NULL, EAI_AGAIN);
	set_srv(f, "x", "y");
	wait_for(f, "tcp://127.0.0.1:1 tcp://127.0.0.2:1");
	wait_asked(f, 6);
	assert_int_equal(logged(f, "addresses that are not known"), 1);
	fake_dns_set(&f->dns, "x", NULL, EAI_NONAME);
	wait_for(f, "tcp://127.0.0.2:1");
	end(f);
}

/* --- When DNS is asked ---------------------------------------------------- */

static void
a_name_unknown_at_start_is_asked_for_soon_and_then_less_often(void **state)
{
	static const uint64_t gaps_ms[] = { 250, 500, 700, 700 };
	struct fixture *f = begin();

	(void)state;
	start(f, "tcp://b:1", 700, 100);
	wait_asked(f, 5);
	for (size_t i = 0; i < 4; i++) {
		uint64_t gap = f->dns.asked_ms[i + 1] - f->dns.asked_ms[i];

		/* A timer may fire within the millisecond before. */
		if (gap + 2 < gaps_ms[i])
			fail_msg("gap %zu: %u ms", i, (unsigned)gap);
	}
	assert_int_equal(logged(f, "has no address"), 1);
	end(f);
}

static void
a_name_that_appears_is_used_long_before_the_interval(void **state)
{
	struct fixture *f = begin();

	(void)state;
	start(f, "tcp://b:1", NEVER_MS, 100);
	wait_asked(f, 2);
	fake_dns_set(&f->dns, "b", "127.0.0.1", 0);
	wait_for(f, "tcp://127.0.0.1:1");
	end(f);
}

static void
a_silent_server_keeps_no_other_name_waiting(void **state)
{
	struct fixture *f = begin();

	(void)state;
	fake_dns_set_silent(&f->dns, true);
	start(f,
	    "tcp://a:1,tcp://b:1,tcp://c:1,tcp://d:1,srv+tcp://b,tcp://e:1",
	    INTERVAL_MS, 100);
	wait_asked(f, 6); /* all at once, though none is answered */
	fake_dns_set(&f->dns, "e", "127.0.0.1", 0);
	fake_dns_set_silent(&f->dns, false);
	wait_for(f, "tcp://127.0.0.1:1");
	end(f);
}

static void
the_end_waits_for_no_server(void **state)
{
	struct fixture *f = begin();

	(void)state;
	fake_dns_set(&f->dns, "b", "127.0.0.1", 0);
	fake_dns_set_silent(&f->dns, true);
	start(f, "tcp://b:1,srv+tcp://b", INTERVAL_MS, 100);
	wait_asked(f, 2);
	end(f);
	/* The loop is gone: what is answered now is answered to nobody. */
	assert_int_equal(f->dns.inside, 2);
	fake_dns_set_silent(&f->dns, false);
	fake_dns_wait_answered(&f->dns, 2);
	assert_int_equal(f->told, 0);
}

static void
an_end_with_an_answer_on_its_way_tells_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct fixture *f = begin();
		unsigned before;

		fake_dns_set(&f->dns, "b", "127.0.0.1", 0);
		start(f, "tcp://b:1", INTERVAL_MS, 100);
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		if (i % 2 == 0)
			fake_dns_wait_answered(&f->dns, 1);
		before = f->told;
		end(f);
		assert_int_equal(f->told, before);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_needs_no_dns_is_known_at_once),
		cmocka_unit_test(a_name_is_followed),
		cmocka_unit_test(an_address_stays_until_no_name_has_it),
		cmocka_unit_test(all_names_together_have_a_maximum),
		cmocka_unit_test(a_failed_or_empty_answer_changes_nothing),
		cmocka_unit_test(a_service_withdrawn_changes_nothing),
		cmocka_unit_test(an_answer_in_part_adds_and_takes_nothing_away),
		cmocka_unit_test(
		    a_name_unknown_at_start_is_asked_for_soon_and_then_less_often),
		cmocka_unit_test(
		    a_name_that_appears_is_used_long_before_the_interval),
		cmocka_unit_test(a_silent_server_keeps_no_other_name_waiting),
		cmocka_unit_test(the_end_waits_for_no_server),
		cmocka_unit_test(
		    an_end_with_an_answer_on_its_way_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
