#include "tests/unit/ops_fixture.h"

#define SMALL_WINDOW 32768 /* bytes of a receive buffer */

static void
health_and_metrics_are_served_with_their_headers(void **state)
{
	struct fixture f;
	char *got;

	(void)state;
	start(&f);
	got = exchange(&f, "GET /health?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_starts(got, "HTTP/1.1 200 OK\r\n");
	assert_has(got, "\r\nContent-Type: application/json\r\n");
	assert_has(got, "\r\nCache-Control: no-store\r\n");
	assert_has(got, "\r\nX-Content-Type-Options: nosniff\r\n");
	assert_has(got, "\r\nConnection: close\r\n");
	assert_null(strstr(got, "Server:"));
	assert_body(got, "{\"status\":\"ok\"}\n");
	free(got);

	metrics_set(
	    metrics_gauge(metrics_gauges(f.metrics, "g", "G.", NULL), NULL), 7);
	got = exchange(&f, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_starts(got, "HTTP/1.1 200 OK\r\n");
	assert_has(got,
	    "\r\nContent-Type: text/plain; version=0.0.4; "
	    "charset=utf-8\r\n");
	assert_body(got,
	    "# HELP " METRICS_PREFIX "g G.\n# TYPE " METRICS_PREFIX
	    "g gauge\n" METRICS_PREFIX "g 7\n");
	free(got);
	stop(&f);
}

static void
head_is_get_without_the_body(void **state)
{
	struct fixture f;
	char *got;

	(void)state;
	start(&f);
	got = exchange(&f, "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_starts(got, "HTTP/1.1 200 OK\r\n");
	assert_has(got, "\r\nContent-Length: 16\r\n");
	assert_body(got, "");
	free(got);
	stop(&f);
}

static const struct {
	const char *request;
	const char *want; /* how the reply starts; "" for a mere close */
} hostile[] = {
	{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /Health HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /health/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET //health HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /%41 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /% HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /health%00 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
	    "HTTP/1.1 404 " },
	{ "GET /h\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /health?%&=&&%00=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
	    "HTTP/1.1 200 " },
	{ "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
	    "HTTP/1.1 405 " },
	{ "BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 " },
	{ "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
	    "HTTP/1.1 4" },
	{ "POST /x HTTP/1.1\r\nHost: x\r\n"
	  "Content-Length: 99999999999999999999999\r\n\r\n",
	    "HTTP/1.1 4" },
	{ "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "zz\r\n",
	    "HTTP/1.1 4" },
	{ "GET /health HTTP/1.0\r\n\r\n", "HTTP/1.1 200 " },
	{ "GET /health HTTP/9.9\r\nHost: x\r\n\r\n", "HTTP/1.1 505 " },
};

static void
odd_requests_are_answered_and_harm_nobody(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
		char *got = exchange(&f, hostile[i].request);

		if (strncmp(got, hostile[i].want, strlen(hostile[i].want)) != 0)
			fail_msg("\"%s\": got \"%.40s\", want \"%s…\"",
			    hostile[i].request, got, hostile[i].want);
		free(got);
	}
	assert_healthy(&f);
	stop(&f);
}

static void
not_found_and_not_allowed_say_so_in_json(void **state)
{
	struct fixture f;
	char *got;

	(void)state;
	start(&f);
	got = exchange(&f, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_has(got, "\r\nContent-Type: application/json\r\n");
	assert_null(strstr(got, "Allow:"));
	assert_body(got, "{\"error\":\"not found\"}\n");
	free(got);
	got = exchange(&f, "DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_has(got, "\r\nAllow: GET, HEAD\r\n");
	assert_body(got, "{\"error\":\"method not allowed\"}\n");
	free(got);
	stop(&f);
}

/* Bytes that are no HTTP, and requests that never end within the limits. */
static void
bytes_that_are_not_http_harm_nobody(void **state)
{
	struct fixture f;
	uint32_t seed = 1;
	char *got;

	(void)state;
	start_limited(&f, &(struct ops_limits){ 8, 1, 1 });
	for (int round = 0; round < 60; round++) {
		char bytes[4096];

		for (size_t i = 0; i < sizeof bytes; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (char)(seed >> 24);
		}
		/* Ends in lines and an empty one: nothing to wait for. */
		memcpy(bytes + sizeof bytes - 6, "\r\n\r\n\r\n", 6);
		free(exchange_on(&f, connected(f.port),
		    (struct slice){ bytes, sizeof bytes }));
	}
	got = exchange(&f, "\x16\x03\x01\x02\x00\x01\r\n\r\n");
	free(got);
	assert_healthy(&f);
	stop(&f);
}

static void
request_lines_and_headers_are_bounded(void **state)
{
	enum {
		HUGE_LINE = 1 << 20
	};
	char *huge = malloc(HUGE_LINE + 64);
	struct fixture f;
	char *got;

	(void)state;
	assert_non_null(huge);
	start(&f);
	memset(huge, 'a', HUGE_LINE);
	memcpy(huge, "GET /", 5);
	strcpy(huge + HUGE_LINE, " HTTP/1.1\r\nHost: x\r\n\r\n");
	got = exchange(&f, huge);
	assert_true(got[0] == '\0' || strncmp(got, "HTTP/1.1 4", 10) == 0);
	free(got);
	memset(huge, 'a', HUGE_LINE);
	memcpy(huge, "GET /health HTTP/1.1\r\nX: ", 25);
	got = exchange(&f, huge);
	assert_true(got[0] == '\0' || strncmp(got, "HTTP/1.1 4", 10) == 0);
	free(got);
	assert_healthy(&f);
	stop(&f);
	free(huge);
}

static void
echo(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	const char *header = ops_header(request, "x-test");

	(void)arg;
	assert_null(ops_header(request, "X-Absent"));
	reply->status = 202;
	reply->content_type = "text/plain";
	assert_true(buffer_printf(reply->body, "%s %s %s %zu ", request->method,
	    request->path, header == NULL ? "-" : header, request->body.len));
	assert_true(buffer_append_slice(reply->body, request->body));
}

static void
other(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	(void)request, (void)reply;
	++*(int *)arg;
}

static void
a_route_gets_the_whole_request_and_the_latest_route_wins(void **state)
{
	struct fixture f;
	int others = 0;
	char *got;

	(void)state;
	start(&f);
	ops_route(f.ops, "POST", "/echo", other, &others);
	ops_route(f.ops, "PUT", "/echo", other, &others);
	ops_route(f.ops, "POST", "/echo", echo, NULL);
	got = exchange(&f,
	    "POST /echo?q HTTP/1.1\r\nHost: x\r\nX-Test: t\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_starts(got, "HTTP/1.1 202 ");
	assert_body(got, "POST /echo t 5 abcde");
	free(got);
	got = exchange(&f, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_starts(got, "HTTP/1.1 405 ");
	assert_has(got, "\r\nAllow: POST, PUT\r\n");
	free(got);
	assert_int_equal(others, 0);
	got = exchange(
	    &f, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	assert_starts(got, "HTTP/1.1 200 ");
	free(got);
	assert_int_equal(others, 1);
	stop(&f);
}

static void
bodies_up_to_the_limit_pass_and_longer_ones_are_413(void **state)
{
	static const size_t over[] = { 1, 1000, OPS_BODY_MAX, 900000 };
	size_t room = 1200000;
	char *request = malloc(room);
	struct fixture f;
	size_t head;
	char *got;

	(void)state;
	assert_non_null(request);
	start(&f);
	ops_route(f.ops, "POST", "/echo", echo, NULL);
	memset(request, 'b', room);
	head = (size_t)snprintf(request, room,
	    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
	    OPS_BODY_MAX);
	request[head] = 'b';
	got = exchange_on(&f, connected(f.port),
	    (struct slice){ request, head + OPS_BODY_MAX });
	assert_has(got, "POST /echo - 65536 bbbb");
	free(got);
	for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
		head = (size_t)snprintf(request, room,
		    "POST /echo HTTP/1.1\r\nHost: x\r\n"
		    "Content-Length: %zu\r\n\r\n",
		    OPS_BODY_MAX + over[i]);
		request[head] = 'b';
		got = exchange_on(&f, connected(f.port),
		    (struct slice){ request, head + OPS_BODY_MAX + over[i] });
		assert_starts(got, "HTTP/1.1 413 ");
		assert_body(got, "{\"error\":\"body too large\"}\n");
		free(got);
	}
	free(request);
	stop(&f);
}

static void
a_body_announced_too_large_is_refused_unread(void **state)
{
	static const char *const heads[] = {
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n"
		"\r\n",
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n"
		"Expect: 100-continue\r\n\r\n",
	};
	struct fixture f;

	(void)state;
	start(&f);
	for (size_t i = 0; i < 2; i++) {
		char *got = exchange(&f, heads[i]);

		assert_starts(got, "HTTP/1.1 413 ");
		free(got);
	}
	stop(&f);
}

static void
a_body_without_end_is_cut(void **state)
{
	static const char head[] = "POST /x HTTP/1.1\r\nHost: x\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	static char chunk[7 + 0xffff + 2];
	struct fixture f;
	struct client c = {
		.f = &f, .send = { chunk, sizeof chunk }, .repeat = 10000
	};

	(void)state;
	start(&f);
	memset(chunk, 'z', sizeof chunk);
	memcpy(chunk, "0ffff\r\n", 7);
	memcpy(chunk + sizeof chunk - 2, "\r\n", 2);
	c.fd = connected(f.port);
	send_all(c.fd, head);
	client_run(&c);
	/* What is read in vain, and what fits the kernel's buffers. */
	assert_in_range(c.written, 1 << 20, 32 << 20);
	assert_string_equal(c.got.data, "");
	buffer_fini(&c.got);
	assert_healthy(&f);
	stop(&f);
}

static void
large_replies_arrive_whole_through_a_small_window(void **state)
{
	static const size_t sizes[] = { 0, 1, 200 << 10, 4 << 20 };
	size_t size;
	struct fixture f;

	(void)state;
	start(&f);
	ops_route(f.ops, "GET", "/big", answer_big, &size);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		int small = SMALL_WINDOW;
		int fd = connected(f.port);
		char *got;

		size = sizes[i];
		assert_int_equal(
		    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small),
		    0);
		got = exchange_on(
		    &f, fd, SLICE("GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
		assert_int_equal(strlen(strstr(got, "\r\n\r\n") + 4), sizes[i]);
		free(got);
	}
	stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    health_and_metrics_are_served_with_their_headers),
		cmocka_unit_test(head_is_get_without_the_body),
		cmocka_unit_test(odd_requests_are_answered_and_harm_nobody),
		cmocka_unit_test(not_found_and_not_allowed_say_so_in_json),
		cmocka_unit_test(bytes_that_are_not_http_harm_nobody),
		cmocka_unit_test(request_lines_and_headers_are_bounded),
		cmocka_unit_test(
		    a_route_gets_the_whole_request_and_the_latest_route_wins),
		cmocka_unit_test(
		    bodies_up_to_the_limit_pass_and_longer_ones_are_413),
		cmocka_unit_test(a_body_announced_too_large_is_refused_unread),
		cmocka_unit_test(a_body_without_end_is_cut),
		cmocka_unit_test(
		    large_replies_arrive_whole_through_a_small_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
