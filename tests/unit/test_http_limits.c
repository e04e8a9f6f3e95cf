#include "tests/unit/http_fixture.h"

static void
no_more_than_the_allowed_run_at_once_and_the_rest_in_order(void **state)
{
	struct fixture *f = *state;
	struct http_stats stats;

	start(f, on_hold);
	for (int i = 0; i < 6; i++) {
		char path[8];

		snprintf(path, sizeof path, "/%d", i);
		get(f, path, LONG_MS);
	}
	http_stats(f->http, &stats);
	assert_int_equal(stats.active, 2);
	assert_int_equal(stats.queued, 4);
	for (size_t i = 0; i < 6; i++) {
		run_until_held(f, i + 1);
		stub_reply(f->held[i], "200 OK", "", "[]");
		run_until_answered(f, i + 1);
		http_stats(f->http, &stats);
		assert_in_range(stats.active, 0, 2);
	}
	assert_int_equal(stats.active, 0);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.active_highest, 2);
	assert_int_equal(f->stub.connections, 2);
	/* The first two race each other on two connections. */
	for (size_t i = 2; i < 6; i++)
		assert_int_equal(f->paths[i][1] - '0', (int)i);
}

static void
the_urgent_wait_before_all_others_and_beyond_the_limit(void **state)
{
	static const char *const want[] = { "/0", "/1", "/9", "/8", "/2", "/3",
		"/4", "/5" };
	struct fixture *f = *state;

	start(f, on_hold); /* two at once, four that wait */
	for (int i = 0; i < 6; i++) {
		char path[16];

		snprintf(path, sizeof path, "/%d", i);
		get(f, path, LONG_MS);
	}
	f->urgent = true;
	get(f, "/8", LONG_MS);
	get(f, "/9", LONG_MS);
	run_until_held(f, 2);
	for (size_t i = 0; i < 8; i++) {
		run_until_held(f, i + 1);
		assert_string_equal(f->paths[i], want[i]);
		stub_reply(f->held[i], "200 OK", "", "[]");
		run_until_answered(f, i + 1);
		assert_int_equal(f->results[i].status, HTTP_DONE);
	}
}

/* The caller may not want another one to be sent then. */
static void
after_a_failure_the_next_starts_only_when_it_has_been_told(void **state)
{
	struct fixture *f = *state;

	start(f, on_hold);
	for (int i = 0; i < 3; i++)
		get(f, "/x", LONG_MS);
	run_until_held(f, 2);
	f->drop_on_answer = true;
	stub_reply(f->held[0], "500 No", "", "");
	run_until_answered(f, 2);
	assert_int_equal(f->results[0].code, 500);
	assert_int_equal(f->results[1].status, HTTP_DROPPED);
	assert_false(f->results[1].sent);
	stub_reply(f->held[1], "200 OK", "", "[]");
	run_until_answered(f, 3);
	assert_int_equal(f->stub.requests, 2);
}

static void
a_full_queue_refuses_at_once(void **state)
{
	struct fixture *f = *state;

	start(f, on_hold);
	for (int i = 0; i < 7; i++)
		get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_QUEUE_FULL);
	assert_false(f->results[0].sent);
	assert_int_equal(f->answered, 1);
}

static void
a_deadline_ends_an_active_and_a_waiting_request(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ms;

	start(f, on_hold);
	start_ms = uv_now(&f->loop);
	get(f, "/active", 2 * SHORT_MS);
	get(f, "/active", 2 * SHORT_MS);
	get(f, "/waits", SHORT_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_TIMED_OUT);
	assert_false(f->results[0].sent);
	run_until_answered(f, 3);
	assert_int_equal(f->results[1].status, HTTP_TIMED_OUT);
	assert_true(f->results[1].sent);
	assert_int_equal(f->results[2].status, HTTP_TIMED_OUT);
	assert_true(uv_now(&f->loop) - start_ms >= SHORT_MS);
	assert_true(uv_now(&f->loop) - start_ms < LONG_MS);
	for (size_t i = 0; i < f->held_count; i++)
		assert_string_equal(f->paths[i], "/active");
}

static void
the_wait_for_a_turn_is_told_apart(void **state)
{
	struct fixture *f = *state;

	start(f, on_hold);
	get(f, "/active", SHORT_MS);
	get(f, "/active", SHORT_MS);
	get(f, "/waits", LONG_MS);
	run_until_held(f, 3);
	stub_reply(f->held[2], "200 OK", "", "[]");
	run_until_answered(f, 3);
	for (size_t i = 0; i < 2; i++)
		assert_true(f->results[i].waited_seconds == 0);
	assert_int_equal(f->results[2].status, HTTP_DONE);
	/* Timers count whole milliseconds, from the turn's beginning. */
	assert_true(f->results[2].waited_seconds >= (SHORT_MS - 2) / 1000.0);
	assert_true(f->results[2].waited_seconds < LONG_MS / 1000.0);
}

static void
a_deadline_that_has_passed_is_not_sent(void **state)
{
	struct fixture *f = *state;

	start(f, on_ok);
	get(f, "/x", 0);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_TIMED_OUT);
	assert_false(f->results[0].sent);
	assert_int_equal(f->stub.connections, 0);
}

static void
the_timeout_holds_under_a_later_deadline(void **state)
{
	struct fixture *f = *state;
	char url[64];
	struct http_options options;

	stub_http_init(&f->stub, &f->loop, on_hold, f);
	snprintf(url, sizeof url, "http://127.0.0.1:%d", f->stub.port);
	options = options_for(url);
	options.timeout_ms = SHORT_MS;
	start_http(f, &options);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_TIMED_OUT);
	/* The place that it took is free again. */
	f->stub.on_request = on_ok;
	for (size_t i = 1; i < 4; i++)
		get(f, "/x", LONG_MS);
	run_until_answered(f, 4);
	assert_int_equal(f->results[3].status, HTTP_DONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(
		    no_more_than_the_allowed_run_at_once_and_the_rest_in_order),
		TEST(the_urgent_wait_before_all_others_and_beyond_the_limit),
		TEST(
		    after_a_failure_the_next_starts_only_when_it_has_been_told),
		TEST(a_full_queue_refuses_at_once),
		TEST(a_deadline_ends_an_active_and_a_waiting_request),
		TEST(the_wait_for_a_turn_is_told_apart),
		TEST(a_deadline_that_has_passed_is_not_sent),
		TEST(the_timeout_holds_under_a_later_deadline),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
