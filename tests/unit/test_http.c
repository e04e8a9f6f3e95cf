#include "tests/unit/http_fixture.h"

static void
a_request_carries_the_token_and_nothing_it_should_not(void **state)
{
	struct fixture *f = *state;
	char host[64];

	start(f, on_hold);
	get(f, "/api/%2e%2E/../x", LONG_MS);
	run_until_held(f, 1);
	assert_string_equal(f->paths[0], "/api/%2e%2E/../x");
	snprintf(host, sizeof host, "Host: 127.0.0.1:%d", f->stub.port);
	assert_true(stub_has_header(f->held[0], host));
	assert_true(
	    stub_has_header(f->held[0], "Authorization: Bearer the-token"));
	assert_true(stub_has_header(f->held[0], "Accept: application/json"));
	assert_true(stub_has_header(f->held[0], "User-Agent: test/1"));
	assert_null(strcasestr(f->held[0]->request, "Accept-Encoding"));
	assert_null(strcasestr(f->held[0]->request, "Cookie"));
	assert_memory_equal(f->held[0]->request, "GET ", 4);
	assert_non_null(strstr(f->held[0]->request, " HTTP/1.1\r\n"));
}

static void
the_prefix_comes_before_the_path(void **state)
{
	struct fixture *f = *state;
	char url[64];
	struct http_options options;

	stub_http_init(&f->stub, &f->loop, on_hold, f);
	snprintf(url, sizeof url, "http://localhost:%d/a/b/", f->stub.port);
	options = options_for(url);
	f->bearer = NULL;
	start_http(f, &options);
	get(f, "/x", LONG_MS);
	run_until_held(f, 1);
	assert_string_equal(f->paths[0], "/a/b/x");
	assert_null(strstr(f->held[0]->request, "Authorization"));
}

static void
an_answer_comes_whole(void **state)
{
	struct fixture *f = *state;

	f->raw = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		 "Content-Length: 4\r\n\r\ntrue";
	start(f, on_raw);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_DONE);
	assert_int_equal(f->results[0].code, 200);
	assert_string_equal(f->results[0].body, "true");
	assert_string_equal(f->results[0].content_type, "application/json");
	assert_string_equal(f->results[0].reason, "");
	assert_true(f->results[0].sent);
	assert_true(f->results[0].seconds > 0);
	assert_true(f->results[0].seconds < LONG_MS / 1000.0);
}

static void
one_connection_serves_request_after_request(void **state)
{
	struct fixture *f = *state;

	start(f, on_ok);
	for (size_t i = 0; i < 8; i++) {
		get(f, "/x", LONG_MS);
		run_until_answered(f, i + 1);
		assert_int_equal(f->results[i].status, HTTP_DONE);
	}
	assert_int_equal(f->stub.connections, 1);
	assert_int_equal(f->stub.requests, 8);
}

static void
each_raw_answer_is_judged(void **state)
{
	static const struct {
		const char *raw;
		bool then_hang_up;
		enum http_status want;
		unsigned code;
		const char *body;
	} cases[] = {
		{ "", true, HTTP_BROKEN, 0, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Le", true, HTTP_BROKEN, 0, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", true,
		    HTTP_BROKEN, 0, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "2\r\n[]\r\n",
		    true, HTTP_BROKEN, 0, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r"
		  "\n",
		    false, HTTP_BROKEN, 0, "" },
		{ "220 mail.example ESMTP\r\n", true, HTTP_BROKEN, 0, "" },
		{ "[]", true, HTTP_BROKEN, 0, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n[]", true,
		    HTTP_BROKEN, 0, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\n[\r\n1\r\n]\r\n0\r\n\r\n",
		    false, HTTP_DONE, 200, "[]" },
		{ "HTTP/1.0 200 OK\r\n\r\n[]", true, HTTP_DONE, 200, "[]" },
		{ "HTTP/1.1 100 Continue\r\n\r\n"
		  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
		    false, HTTP_DONE, 200, "[]" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", false, HTTP_DONE, 204,
		    "" },
		{ "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
		  "Content-Length: 3\r\n\r\n\x1F\x8B\x08",
		    false, HTTP_DONE, 200, "\x1F\x8B\x08" },
		{ "HTTP/1.1 302 Found\r\nLocation: /login\r\n"
		  "Content-Length: 0\r\n\r\n",
		    false, HTTP_DONE, 302, "" },
		{ "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n"
		  "Content-Length: 0\r\n\r\n",
		    false, HTTP_DONE, 401, "" },
	};
	struct fixture *f = *state;

	start(f, on_raw);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct result *got = &f->results[0];

		f->raw = cases[i].raw;
		f->then_hang_up = cases[i].then_hang_up;
		f->answered = 0;
		f->stub.requests = 0;
		get(f, "/x", LONG_MS);
		run_until_answered(f, 1);
		if (got->status != cases[i].want || got->code != cases[i].code)
			fail_msg("case %zu: got %d, %u, %s", i, got->status,
			    got->code, got->reason);
		assert_string_equal(got->body, cases[i].body);
		assert_int_equal(
		    got->reason[0] == '\0', cases[i].want == HTTP_DONE);
		/* Once, but for a reused connection that died. */
		assert_in_range(f->stub.requests, 1, 2);
		if (cases[i].want == HTTP_DONE)
			assert_int_equal(f->stub.requests, 1);
	}
}

static void
a_cookie_is_not_sent_back(void **state)
{
	struct fixture *f = *state;

	start(f, on_hold);
	get(f, "/x", LONG_MS);
	run_until_held(f, 1);
	stub_reply(f->held[0], "200 OK", "Set-Cookie: a=b\r\n", "");
	run_until_answered(f, 1);
	get(f, "/x", LONG_MS);
	run_until_held(f, 2);
	assert_null(strcasestr(f->held[1]->request, "Cookie"));
}

static void
retry_after_is_read_as_seconds_or_as_a_date(void **state)
{
	struct fixture *f = *state;
	time_t later = time(NULL) + 100;
	struct tm utc;
	char date[64];
	static const struct {
		const char *value; /* NULL for a date in 100 s */
		uint32_t least, most;
	} cases[] = {
		{ "7", 7, 7 },
		{ "0", 0, 0 },
		{ "-5", 0, 0 },
		{ "soon", 0, 0 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 0, 0 },
		{ "99999999999999", UINT32_MAX, UINT32_MAX },
		{ NULL, 90, 100 },
	};

	gmtime_r(&later, &utc);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
	start(f, on_raw);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char raw[256];

		snprintf(raw, sizeof raw,
		    "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\n"
		    "Content-Length: 0\r\n\r\n",
		    cases[i].value != NULL ? cases[i].value : date);
		f->raw = raw;
		f->answered = 0;
		get(f, "/x", LONG_MS);
		run_until_answered(f, 1);
		if (f->results[0].retry_after_s < cases[i].least ||
		    f->results[0].retry_after_s > cases[i].most)
			fail_msg("case %zu: got %u", i,
			    (unsigned)f->results[0].retry_after_s);
	}
}

static void
on_endless_body(void *arg, struct stub_connection *c)
{
	static const char spaces[2 * BODY_MAX] = { ' ' };

	(void)arg;
	stub_send_text(c, "HTTP/1.1 200 OK\r\n\r\n");
	stub_send(c, spaces, sizeof spaces);
}

static void
on_announced_body(void *arg, struct stub_connection *c)
{
	(void)arg;
	stub_send_text(
	    c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n");
	stub_send_text(c, "[");
	for (int i = 0; i < BODY_MAX; i++)
		stub_send_text(c, " ");
}

static void
on_endless_headers(void *arg, struct stub_connection *c)
{
	(void)arg;
	stub_send_text(c, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 2 * HTTP_HEADERS_MAX / 64; i++)
		stub_send_text(c,
		    "X-Header: 0123456789012345678901234567890123"
		    "4567890123456789\r\n");
}

static void
on_endless_interim(void *arg, struct stub_connection *c)
{
	(void)arg;
	for (int i = 0; i < HTTP_HEADERS_MAX / 16; i++)
		stub_send_text(c, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void
what_has_no_end_is_too_large(void **state)
{
	static const stub_request endless[] = { on_endless_body,
		on_announced_body, on_endless_headers, on_endless_interim };
	struct fixture *f = *state;

	start(f, on_ok);
	for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
		f->stub.on_request = endless[i];
		f->answered = 0;
		get(f, "/x", LONG_MS);
		run_until_answered(f, 1);
		if (f->results[0].status != HTTP_TOO_LARGE)
			fail_msg("case %zu: got %d, %s", i,
			    f->results[0].status, f->results[0].reason);
	}
}

static void
a_body_of_exactly_the_maximum_is_read(void **state)
{
	struct fixture *f = *state;
	char raw[BODY_MAX + 128];
	int head = snprintf(raw, sizeof raw,
	    "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY_MAX);

	memset(raw + head, 'x', BODY_MAX);
	raw[head + BODY_MAX] = '\0';
	f->raw = raw;
	start(f, on_raw);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_DONE);
	assert_int_equal(strlen(f->results[0].body), BODY_MAX);
}

struct drip {
	uv_timer_t timer;
	struct stub_connection *connection;
};

static void
on_drip(uv_timer_t *timer)
{
	struct drip *d = timer->data;

	stub_send_text(d->connection, " ");
}

static void
a_dripping_body_ends_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct drip drip;

	start(f, on_hold);
	get(f, "/x", 3 * SHORT_MS);
	run_until_held(f, 1);
	stub_send_text(f->held[0], "HTTP/1.1 200 OK\r\n\r\n");
	drip.connection = f->held[0];
	drip.timer.data = &drip;
	uv_timer_init(&f->loop, &drip.timer);
	uv_timer_start(&drip.timer, on_drip, 0, 5);
	/* The stub's connection goes with it: stop before it is freed. */
	while (f->answered < 1) {
		uv_run(&f->loop, UV_RUN_ONCE);
		if (f->answered > 0)
			uv_timer_stop(&drip.timer);
	}
	assert_int_equal(f->results[0].status, HTTP_TIMED_OUT);
	uv_close((uv_handle_t *)&drip.timer, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void
proxies_of_the_environment_are_ignored(void **state)
{
	static const char *const names[] = { "http_proxy", "all_proxy",
		"ALL_PROXY", "HTTP_PROXY" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		setenv(names[i], "http://127.0.0.1:1", 1);
	start(f, on_ok);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unsetenv(names[i]);
	assert_int_equal(f->results[0].status, HTTP_DONE);
}

static void
on_ok_then_hang_up(void *arg, struct stub_connection *c)
{
	(void)arg;
	/* The connection's second request finds it dying. */
	if (c->requests == 1)
		stub_reply(c, "200 OK", "", "[]");
	else
		stub_hang_up(c);
}

static void
a_kept_connection_that_died_is_replaced(void **state)
{
	struct fixture *f = *state;

	start(f, on_ok_then_hang_up);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	/* Dies as the request arrives. */
	get(f, "/x", LONG_MS);
	run_until_answered(f, 2);
	assert_int_equal(f->results[1].status, HTTP_DONE);
	assert_true(f->results[1].retried);
	assert_int_equal(f->stub.requests, 3);
	/* Dies while nothing is asked. */
	stub_hang_up(f->stub.open);
	while (f->stub.open != NULL)
		uv_run(&f->loop, UV_RUN_ONCE);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 3);
	assert_int_equal(f->results[2].status, HTTP_DONE);
	assert_false(f->results[2].retried);
	assert_int_equal(f->stub.requests, 4);
}

/* Two connections are kept, and whoever is asked anything more hangs up. */
static void
on_ok_twice_then_hang_up(void *arg, struct stub_connection *c)
{
	struct fixture *f = arg;

	if (f->stub.requests > 2) {
		stub_hang_up(c);
		return;
	}
	on_hold(arg, c);
	if (f->stub.requests == 2) {
		stub_reply(f->held[0], "200 OK", "", "[]");
		stub_reply(f->held[1], "200 OK", "", "[]");
	}
}

static void
a_request_is_sent_again_once_and_over_a_new_connection(void **state)
{
	struct fixture *f = *state;

	start(f, on_ok_twice_then_hang_up);
	get(f, "/x", LONG_MS);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 2);
	assert_int_equal(f->stub.connections, 2);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 3);
	assert_int_equal(f->results[2].status, HTTP_BROKEN);
	assert_true(f->results[2].retried);
	assert_int_equal(f->stub.requests, 4);
	assert_false(f->results[1].retried);
}

static void
a_new_connection_that_dies_is_no_reason_to_send_again(void **state)
{
	struct fixture *f = *state;

	f->raw = "";
	f->then_hang_up = true;
	start(f, on_raw);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_BROKEN);
	assert_false(f->results[0].retried);
	assert_int_equal(f->stub.requests, 1);
}

static void
on_ok_then_half_an_answer(void *arg, struct stub_connection *c)
{
	(void)arg;
	if (c->requests == 1) {
		stub_reply(c, "200 OK", "", "[]");
		return;
	}
	stub_send_text(c, "HTTP/1.1 200 OK\r\n");
	stub_hang_up(c);
}

static void
half_an_answer_is_no_reason_to_send_again(void **state)
{
	struct fixture *f = *state;

	start(f, on_ok_then_half_an_answer);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 2);
	assert_int_equal(f->results[1].status, HTTP_BROKEN);
	assert_int_equal(f->stub.requests, 2);
}

static void
on_ok_then_wait(void *arg, struct stub_connection *c)
{
	struct fixture *f = arg;

	if (f->stub.requests == 1)
		stub_reply(c, "200 OK", "", "[]");
	else
		on_hold(arg, c);
}

static void
the_second_sending_has_the_time_that_is_left(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ms;

	start(f, on_ok_then_wait);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	start_ms = uv_now(&f->loop);
	get(f, "/x", 20 * SHORT_MS);
	run_until_held(f, 1);
	while (uv_now(&f->loop) < start_ms + 10 * SHORT_MS)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	stub_hang_up(f->held[0]);
	run_until_held(f, 2);
	run_until_answered(f, 2);
	assert_int_equal(f->results[1].status, HTTP_TIMED_OUT);
	assert_true(f->results[1].retried);
	assert_true(f->results[1].seconds >= 20 * SHORT_MS / 1000.0 - 0.01);
	assert_true(f->results[1].seconds < 30 * SHORT_MS / 1000.0);
}

static void
each_request_carries_its_own_token(void **state)
{
	static const char *const wrong[] = { "secret\r\nX: y", "secret\xC3\xBC",
		"a b" };
	struct fixture *f = *state;

	start(f, on_hold);
	f->bearer = "one";
	get(f, "/x", LONG_MS);
	run_until_held(f, 1);
	assert_true(stub_has_header(f->held[0], "Authorization: Bearer one"));
	stub_reply(f->held[0], "200 OK", "", "[]");
	run_until_answered(f, 1);
	f->bearer = "another";
	get(f, "/x", LONG_MS);
	run_until_held(f, 2);
	assert_true(
	    stub_has_header(f->held[1], "Authorization: Bearer another"));
	assert_null(strstr(f->held[1]->request, "one"));
	assert_true(stub_has_header(f->held[1], "Accept: application/json"));
	for (size_t i = 0; i < 3; i++) {
		f->bearer = wrong[i];
		get(f, "/x", LONG_MS);
		run_until_answered(f, i + 2);
		assert_int_equal(f->results[i + 1].status, HTTP_BROKEN);
		assert_false(f->results[i + 1].sent);
		assert_null(strstr(f->results[i + 1].reason, "secret"));
	}
	assert_int_equal(f->stub.requests, 2);
}

static void
an_idle_connection_that_closed_does_not_wake_the_loop(void **state)
{
	struct fixture *f = *state;
	int turns = 0;

	start(f, on_ok);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	stub_hang_up(f->stub.open);
	/* Two events may come of it; a spinning loop never waits. */
	uv_timer_start(&f->watchdog, on_watchdog, WATCHDOG_MS, 0);
	while (turns < 100 && uv_run(&f->loop, UV_RUN_NOWAIT) != 0 &&
	    uv_backend_timeout(&f->loop) == 0)
		turns++;
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_true(uv_backend_timeout(&f->loop) > 0);
}

static void
nobody_listening_is_unreachable(void **state)
{
	struct fixture *f = *state;
	char url[64];
	struct http_options options;

	/* A port that was free a moment ago. */
	stub_http_init(&f->stub, &f->loop, on_ok, f);
	snprintf(url, sizeof url, "http://127.0.0.1:%d", f->stub.port);
	stub_http_close(&f->stub);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	f->stub.loop = NULL;
	options = options_for(url);
	start_http(f, &options);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_UNREACHABLE);
	assert_string_equal(f->results[0].reason, "connection refused");
	assert_true(f->results[0].sent);
}

static void
a_missing_unix_socket_is_unreachable(void **state)
{
	struct fixture *f = *state;
	struct http_options options = options_for("unix:/nonexistent/x.sock");

	start_http(f, &options);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_UNREACHABLE);
}

static void
a_unix_socket_is_asked_as_localhost(void **state)
{
	struct fixture *f = *state;
	char directory[] = "/tmp/test_http.XXXXXX";
	char path[64];
	char url[128];
	struct http_options options;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/s", directory);
	snprintf(url, sizeof url, "unix:%s:/prefix", path);
	stub_http_init_unix(&f->stub, &f->loop, path, on_hold, f);
	options = options_for(url);
	start_http(f, &options);
	get(f, "/x", LONG_MS);
	run_until_held(f, 1);
	unlink(path);
	rmdir(directory);
	assert_string_equal(f->paths[0], "/prefix/x");
	assert_true(stub_has_header(f->held[0], "Host: localhost"));
	stub_reply(f->held[0], "200 OK", "", "true");
	run_until_answered(f, 1);
	assert_string_equal(f->results[0].body, "true");
}

static void
a_name_without_address_is_unresolved(void **state)
{
	struct fixture *f = *state;
	/* A label of 64 bytes: no resolver needs to be asked. */
	struct http_options options = options_for(
	    "http://"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaa.invalid");

	start_http(f, &options);
	get(f, "/x", LONG_MS); /* waits for the first attempt */
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_UNRESOLVED);
	assert_false(f->results[0].sent);
	get(f, "/x", LONG_MS); /* knows of it */
	run_until_answered(f, 2);
	assert_int_equal(f->results[1].status, HTTP_UNRESOLVED);
}

static void
on_not_tls(void *arg, struct stub_connection *c)
{
	(void)arg;
	stub_reply(c, "400 Bad Request", "", "");
}

static void
a_server_without_tls_fails_the_handshake(void **state)
{
	struct fixture *f = *state;
	char url[64];
	struct http_options options;

	stub_http_init(&f->stub, &f->loop, on_not_tls, f);
	snprintf(url, sizeof url, "https://127.0.0.1:%d", f->stub.port);
	options = options_for(url);
	start_http(f, &options);
	get(f, "/x", LONG_MS);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].status, HTTP_TLS_FAILED);
}

static void
close_answers_all_that_is_outstanding(void **state)
{
	struct fixture *f = *state;

	start(f, on_hold);
	for (int i = 0; i < 5; i++)
		get(f, "/x", LONG_MS);
	run_until_held(f, 2);
	http_close(f->http);
	f->http = NULL;
	assert_int_equal(f->answered, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(f->results[i].status, HTTP_CLOSED);
}

static void
close_may_come_from_an_answer(void **state)
{
	struct fixture *f = *state;

	start(f, on_hold);
	for (int i = 0; i < 5; i++)
		get(f, "/x", LONG_MS);
	run_until_held(f, 2);
	f->close_on_answer = true;
	stub_reply(f->held[0], "200 OK", "", "[]");
	run_until_answered(f, 5);
	assert_null(f->http);
	assert_int_equal(f->results[0].status, HTTP_DONE);
	for (size_t i = 1; i < 5; i++)
		assert_int_equal(f->results[i].status, HTTP_CLOSED);
}

static void
new_refuses_what_cannot_work(void **state)
{
	struct fixture *f = *state;
	struct http_options good = options_for("https://127.0.0.1");
	struct http_options bad[4];
	static const char *const want[4] = { "base URL", "/nonexistent",
		"no certificate", "transfers" };

	for (size_t i = 0; i < 4; i++)
		bad[i] = good;
	bad[0].base_url = "ftp://x";
	bad[1].ca_file = "/nonexistent";
	bad[2].ca_file = "/dev/null";
	bad[3].transfers_max = 0;
	for (size_t i = 0; i < 4; i++) {
		struct error error = { "" };

		assert_null(http_new(&f->loop, &bad[i], f->log, &error));
		if (strstr(error.text, want[i]) == NULL)
			fail_msg("case %zu: %s", i, error.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_carries_the_token_and_nothing_it_should_not),
		TEST(the_prefix_comes_before_the_path),
		TEST(an_answer_comes_whole),
		TEST(one_connection_serves_request_after_request),
		TEST(each_raw_answer_is_judged),
		TEST(a_cookie_is_not_sent_back),
		TEST(retry_after_is_read_as_seconds_or_as_a_date),
		TEST(what_has_no_end_is_too_large),
		TEST(a_body_of_exactly_the_maximum_is_read),
		TEST(a_dripping_body_ends_at_the_deadline),
		TEST(proxies_of_the_environment_are_ignored),
		TEST(a_kept_connection_that_died_is_replaced),
		TEST(a_request_is_sent_again_once_and_over_a_new_connection),
		TEST(a_new_connection_that_dies_is_no_reason_to_send_again),
		TEST(half_an_answer_is_no_reason_to_send_again),
		TEST(the_second_sending_has_the_time_that_is_left),
		TEST(each_request_carries_its_own_token),
		TEST(an_idle_connection_that_closed_does_not_wake_the_loop),
		TEST(nobody_listening_is_unreachable),
		TEST(a_missing_unix_socket_is_unreachable),
		TEST(a_unix_socket_is_asked_as_localhost),
		TEST(a_name_without_address_is_unresolved),
		TEST(a_server_without_tls_fails_the_handshake),
		TEST(close_answers_all_that_is_outstanding),
		TEST(close_may_come_from_an_answer),
		TEST(new_refuses_what_cannot_work),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
