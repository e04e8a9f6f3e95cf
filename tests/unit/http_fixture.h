/*
 * http_fixture - a stub server and an http client on one loop, for the tests
 */
#ifndef TESTS_UNIT_HTTP_FIXTURE_H
#define TESTS_UNIT_HTTP_FIXTURE_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/http.h"
#include "common/mem.h"
#include "tests/support/stub_http.h"

#define BODY_MAX 4096
#define RESULTS_MAX 16
#define WATCHDOG_MS 20000
/* Far beyond what a test takes, and short of the watchdog. */
#define LONG_MS 10000
#define SHORT_MS 60

struct result {
	enum http_status status;
	unsigned code;
	uint32_t retry_after_s;
	bool sent;
	bool retried;
	double seconds;
	double waited_seconds;
	char body[BODY_MAX + 1];
	char reason[128];
	char content_type[128];
};

struct fixture {
	uv_loop_t loop;
	uv_timer_t watchdog;
	struct log *log;
	struct stub_http stub;
	struct stub_connection *held[RESULTS_MAX]; /* not answered so far */
	char paths[RESULTS_MAX][64];               /* in order of arrival */
	size_t held_count;
	const char *raw; /* what on_raw sends */
	bool then_hang_up;
	struct http *http;
	struct result results[RESULTS_MAX];
	size_t answered;
	bool inside; /* http_get() is running */
	bool close_on_answer;
	bool drop_on_answer;
	const char *bearer; /* of further requests */
	bool urgent;        /* the same */
};

static inline void
on_answer(void *arg, const struct http_response *r)
{
	struct fixture *f = arg;
	struct result *to = &f->results[f->answered++];

	uv_stop(&f->loop);
	assert_false(f->inside);
	assert_non_null(r->reason);
	assert_in_range(r->body.len, 0, BODY_MAX);
	*to = (struct result){ .status = r->status,
		.code = r->code,
		.retry_after_s = r->retry_after_s,
		.sent = r->sent,
		.retried = r->retried,
		.seconds = r->seconds,
		.waited_seconds = r->waited_seconds };
	if (r->body.len > 0)
		memcpy(to->body, r->body.ptr, r->body.len);
	(void)snprintf(to->reason, sizeof to->reason, "%s", r->reason);
	(void)snprintf(
	    to->content_type, sizeof to->content_type, "%s", r->content_type);
	if (f->drop_on_answer) {
		f->drop_on_answer = false;
		http_drop_waiting(f->http);
	}
	if (f->close_on_answer) {
		f->close_on_answer = false;
		http_close(f->http);
		f->http = NULL;
	}
}

/* The stub's answers: hold the request, or send f->raw. */
static inline void
on_hold(void *arg, struct stub_connection *c)
{
	struct fixture *f = arg;

	stub_path(c, f->paths[f->held_count], sizeof f->paths[0]);
	f->held[f->held_count++] = c;
	uv_stop(&f->loop);
}

static inline void
on_raw(void *arg, struct stub_connection *c)
{
	struct fixture *f = arg;

	stub_send_text(c, f->raw);
	if (f->then_hang_up)
		stub_hang_up(c);
}

static inline void
on_ok(void *arg, struct stub_connection *c)
{
	(void)arg;
	stub_reply(c, "200 OK", "", "[]");
}

static inline void
on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("nothing has happened for %d ms", WATCHDOG_MS);
}

static inline struct http_options
options_for(const char *url)
{
	return (struct http_options){ .base_url = url,
		.ca_file = "",
		.user_agent = "test/1",
		.timeout_ms = LONG_MS,
		.transfers_max = 2,
		.queue_max = 4,
		.body_max = BODY_MAX };
}

static inline void
start_http(struct fixture *f, const struct http_options *options)
{
	struct error error;

	f->http = http_new(&f->loop, options, f->log, &error);
	if (f->http == NULL)
		fail_msg("%s", error.text);
}

static inline void
start(struct fixture *f, stub_request on_request)
{
	char url[64];
	struct http_options options;

	stub_http_init(&f->stub, &f->loop, on_request, f);
	snprintf(url, sizeof url, "http://127.0.0.1:%d", f->stub.port);
	options = options_for(url);
	start_http(f, &options);
}

static inline void
get(struct fixture *f, const char *path, uint64_t limit_ms)
{
	uv_update_time(&f->loop);
	f->inside = true;
	http_get(f->http,
	    &(struct http_ask){ .path = path,
		.bearer = f->bearer,
		.deadline = uv_now(&f->loop) + limit_ms,
		.urgent = f->urgent,
		.done = on_answer,
		.arg = f });
	f->inside = false;
}

static inline void
run_until_answered(struct fixture *f, size_t count)
{
	while (f->answered < count)
		uv_run(&f->loop, UV_RUN_DEFAULT);
}

static inline void
run_until_held(struct fixture *f, size_t count)
{
	while (f->held_count < count)
		uv_run(&f->loop, UV_RUN_DEFAULT);
}

static inline int
set_up(void **state)
{
	static const struct log_options quiet = { .level = LOG_LEVEL_ERROR,
		.fd = STDERR_FILENO };
	struct fixture *f = mem_calloc(1, sizeof *f);

	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->watchdog);
	uv_timer_start(&f->watchdog, on_watchdog, WATCHDOG_MS, 0);
	f->log = log_new(&quiet);
	f->bearer = "the-token";
	*state = f;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->http != NULL)
		http_close(f->http);
	if (f->stub.loop != NULL)
		stub_http_close(&f->stub);
	uv_close((uv_handle_t *)&f->watchdog, NULL);
	while (uv_run(&f->loop, UV_RUN_DEFAULT) != 0)
		; /* the last answer has stopped it */
	assert_int_equal(uv_loop_close(&f->loop), 0);
	log_free(f->log);
	free(f);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
