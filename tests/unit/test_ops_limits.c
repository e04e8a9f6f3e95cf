#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

#include "tests/unit/ops_fixture.h"

/* True when the peer has closed or reset the connection without a word. */
static bool
is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static uint64_t
ended(struct fixture *f, const char *reason)
{
	static const char *const labels[] = { "reason", NULL };

	return metrics_counter(metrics_counters(f->metrics,
				   "ops_connections_closed_total", "", labels),
	    (const char *const[]){ reason, NULL })
	    ->value;
}

static void
at_the_limit_the_oldest_that_asks_for_nothing_makes_room(void **state)
{
	enum {
		LIMIT = 4,
		IDLE = 40,
		/* The health check was the last to come, and had its place. */
		EVICTED = IDLE - (LIMIT - 2)
	};
	struct fixture f;
	int held[IDLE];

	(void)state;
	start_limited(&f, &(struct ops_limits){ LIMIT, 30, 60 });
	ops_count(f.ops, f.metrics);
	for (int i = 0; i < IDLE; i++) {
		held[i] = connected(f.port);
		send_all(held[i], "GET /hea");
	}
	assert_healthy(&f);
	for (int i = 0; i < 500 && !is_closed(held[EVICTED - 1]); i++)
		turn_for(&f, 10);
	for (int i = 0; i < IDLE; i++)
		assert_int_equal(is_closed(held[i]), i < EVICTED);
	assert_int_equal(ended(&f, "evicted"), EVICTED);
	assert_int_equal(ended(&f, "answered"), 1);
	for (int i = 0; i < IDLE; i++)
		(void)close(held[i]);
	stop(&f);
}

/* Those that take their time to read a reply are worth more than that. */
static void
a_slow_reader_makes_room_only_when_nobody_else_can(void **state)
{
	static const char request[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
	size_t size = 7 << 20;
	struct fixture f;
	int readers[3];
	int idle;

	(void)state;
	start_limited(&f, &(struct ops_limits){ 4, 30, 60 });
	ops_count(f.ops, f.metrics);
	ops_route(f.ops, "GET", "/big", answer_big, &size);
	for (int i = 0; i < 2; i++) {
		readers[i] = connected(f.port);
		send_all(readers[i], request);
		turn_for(&f, 20);
	}
	idle = connected(f.port);
	readers[2] = connected(f.port);
	send_all(readers[2], request);
	for (int i = 0; i < 500 && !is_closed(idle); i++)
		turn_for(&f, 10);
	assert_true(is_closed(idle));
	turn_for(&f, 20);
	assert_int_equal(ended(&f, "evicted"), 1);
	assert_healthy(&f);
	assert_int_equal(ended(&f, "evicted"), 2);
	(void)close(idle);
	for (int i = 0; i < 3; i++)
		(void)close(readers[i]);
	stop(&f);
}

static void
each_end_is_counted_under_its_reason(void **state)
{
	static const struct {
		const char *request, *reason;
	} cases[] = {
		{ "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "answered" },
		{ "GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "refused" },
		{ "BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", "refused" },
		{ "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n"
		  "\r\n",
		    "refused" },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed" },
		{ "GET /health\r\n\r\n", "malformed" },
		{ "", "timeout" },
	};
	struct fixture f;
	int fd;

	(void)state;
	start_limited(&f, &(struct ops_limits){ 8, 1, 60 });
	ops_count(f.ops, f.metrics);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t before = ended(&f, cases[i].reason);

		free(exchange(&f, cases[i].request));
		for (int n = 0; n < 500 && ended(&f, cases[i].reason) == before;
		     n++)
			turn_for(&f, 10);
		if (ended(&f, cases[i].reason) != before + 1)
			fail_msg("\"%s\" is not %s", cases[i].request,
			    cases[i].reason);
	}
	fd = connected(f.port);
	send_all(fd, "GET /hea");
	(void)close(fd);
	for (int i = 0; i < 500 && ended(&f, "left") == 0; i++)
		turn_for(&f, 10);
	assert_int_equal(ended(&f, "left"), 1);
	stop(&f);
}

static void
a_client_that_leaves_frees_its_place_at_once(void **state)
{
	static const char *const left[] = { "", "GET /hea",
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe",
		"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" };
	uint64_t begin = uv_hrtime();
	struct fixture f;

	(void)state;
	start_limited(&f, &(struct ops_limits){ 1, 30, 30 });
	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
		int fd = connected(f.port);

		/* What was sent and the end are there in one turn. */
		send_all(fd, left[i]);
		(void)close(fd);
		assert_healthy(&f);
	}
	assert_true(uv_hrtime() - begin < 20000000000);
	stop(&f);
}

static void
a_client_that_only_listens_any_more_gets_its_reply(void **state)
{
	static const char request[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
	size_t size = 1 << 20;
	struct fixture f;
	char *got;
	int fd;

	(void)state;
	start(&f);
	ops_route(f.ops, "GET", "/big", answer_big, &size);
	fd = connected(f.port);
	send_all(fd, request);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	got = exchange_on(&f, fd, SLICE(""));
	assert_int_equal(strlen(strstr(got, "\r\n\r\n") + 4), size);
	free(got);
	stop(&f);
}

static void
an_idle_connection_is_closed(void **state)
{
	struct fixture f;
	char *got;

	(void)state;
	start_limited(&f, &(struct ops_limits){ 4, 1, 60 });
	got = exchange(&f, "");
	free(got);
	got = exchange(&f, "GET /health HT");
	assert_null(strstr(got, " 200 "));
	free(got);
	stop(&f);
}

static void
a_request_that_drips_is_closed(void **state)
{
	struct fixture f;
	struct client c = {
		.f = &f, .send = SLICE("a"), .repeat = 1000, .pause_us = 10000
	};
	uint64_t begin;

	(void)state;
	start_limited(&f, &(struct ops_limits){ 4, 30, 1 });
	c.fd = connected(f.port);
	send_all(c.fd, "GET /");
	begin = uv_hrtime();
	client_run(&c);
	assert_true(c.written < 1000);
	assert_true(uv_hrtime() - begin < 9000000000);
	buffer_fini(&c.got);
	assert_healthy(&f);
	stop(&f);
}

static void
count_turn(uv_prepare_t *handle)
{
	++*(unsigned *)handle->data;
}

/* How often the loop turns in so long. */
static unsigned
turns_in(struct fixture *f, uint64_t ms)
{
	unsigned turns = 0;
	uv_prepare_t prepare;

	assert_int_equal(uv_prepare_init(&f->loop, &prepare), 0);
	prepare.data = &turns;
	assert_int_equal(uv_prepare_start(&prepare, count_turn), 0);
	turn_for(f, ms);
	uv_close((uv_handle_t *)&prepare, NULL);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	return turns;
}

static void
the_loop_rests_when_nothing_happens(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	start(&f);
	assert_true(turns_in(&f, 100) < 20);
	fd = connected(f.port);
	assert_true(turns_in(&f, 100) < 20);
	send_all(fd, "GET /hea");
	assert_true(turns_in(&f, 100) < 20);
	(void)close(fd);
	assert_true(turns_in(&f, 100) < 20);
	stop(&f);
}

static void
the_loop_rests_when_descriptors_run_out(void **state)
{
	struct rlimit before;
	struct rlimit none;
	struct fixture f;
	char *got;
	int fd;

	(void)state;
	start(&f);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(try_connect(fd, f.port), 0);
	assert_true(turns_in(&f, 300) < 20);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	got = exchange_on(
	    &f, fd, SLICE("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_starts(got, "HTTP/1.1 200 ");
	free(got);
	stop(&f);
}

static void
the_loop_turns_while_bytes_wait_that_nobody_has_room_for(void **state)
{
	static char extension[1 << 16];
	uint64_t begin;
	struct fixture f;
	unsigned turns;
	int fd;

	(void)state;
	memset(extension, 'x', sizeof extension - 1);
	start_limited(&f, &(struct ops_limits){ 8, 5, 60 });
	fd = connected(f.port);
	send_all(fd,
	    "POST /x HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n5;");
	send_all(fd, extension);
	begin = uv_hrtime();
	turns = turns_in(&f, 200);
	assert_true(uv_hrtime() - begin < 4000000000);
	assert_in_range(turns, 1, 1000);
	assert_healthy(&f);
	(void)close(fd);
	stop(&f);
}

static unsigned
count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(dir);
	for (const struct dirent *e; (e = readdir(dir)) != NULL;)
		n += e->d_name[0] != '.';
	(void)closedir(dir);
	return n;
}

static void
no_thread_is_made(void **state)
{
	unsigned before = count_threads();
	struct fixture f;
	int fd;

	(void)state;
	start(&f);
	fd = connected(f.port);
	turn_for(&f, 20);
	assert_int_equal(count_threads(), before);
	(void)close(fd);
	stop(&f);
}

static void
a_taken_address_is_named(void **state)
{
	struct endpoint_list list = loopback();
	char want[64];
	struct error error;
	struct fixture f;

	(void)state;
	start(&f);
	/* One that could be bound comes first: it must be let go again. */
	list.items[1] = list.items[0];
	list.items[1].port = f.port;
	list.count = 2;
	assert_null(ops_start(&f.loop, &list, f.log, &error));
	(void)snprintf(
	    want, sizeof want, "cannot listen on 127.0.0.1:%u: ", f.port);
	assert_starts(error.text, want);
	assert_has(error.text, "in use");
	stop(&f);
}

static void
an_address_of_another_host_is_named(void **state)
{
	struct endpoint_list list = loopback();
	struct error error;
	struct fixture f;

	(void)state;
	open_loop(&f);
	strcpy(list.items[0].host, "192.0.2.1");
	assert_null(ops_start(&f.loop, &list, f.log, &error));
	assert_starts(error.text, "cannot listen on 192.0.2.1:0: ");
	strcpy(list.items[0].host, "300.1.1.1.invalid");
	assert_null(ops_start(&f.loop, &list, f.log, &error));
	assert_has(error.text, "\"300.1.1.1.invalid\"");
	close_loop(&f);
}

static void
each_address_is_logged_and_served(void **state)
{
	struct endpoint_list list = loopback();
	struct error error;
	char text[4096] = "";
	const char *line;
	struct fixture f;
	unsigned port;

	(void)state;
	open_loop(&f);
	list.items[1] = (struct endpoint){ .kind = ENDPOINT_TCP };
	list.count = 2;
	f.ops = ops_start(&f.loop, &list, f.log, &error);
	assert_non_null(f.ops);
	ops_route_standard(f.ops, f.metrics);
	assert_true(read(f.log_pipe[0], text, sizeof text - 1) > 0);
	assert_has(text, "\"msg\":\"listening\"");
	assert_has(text, "\"service\":\"metrics\"");
	line = strstr(text, "\"address\":\"127.0.0.1:");
	assert_non_null(line);
	assert_int_equal(atoi(line + 21), ops_port(f.ops));
	/* ":0" is the second line; over IPv4 it is reached either way. */
	line = strstr(line, "\"address\":\"[::]:");
	if (line != NULL)
		port = (unsigned)atoi(line + 16);
	else
		port =
		    (unsigned)atoi(strstr(text, "\"address\":\"0.0.0.0:") + 19);
	f.port = (uint16_t)port;
	assert_healthy(&f);
	f.port = ops_port(f.ops);
	assert_healthy(&f);
	stop(&f);
}

static void
localhost_is_every_loopback_address_once(void **state)
{
	struct endpoint_list list = loopback();
	struct error error;
	struct fixture f;

	(void)state;
	open_loop(&f);
	strcpy(list.items[0].host, "localhost");
	f.ops = ops_start(&f.loop, &list, f.log, &error);
	if (f.ops == NULL)
		fail_msg("%s", error.text);
	stop(&f);
}

static void
stopping_closes_connections_and_the_port(void **state)
{
	struct fixture f;
	int idle;
	int half;
	int again;

	(void)state;
	start(&f);
	idle = connected(f.port);
	half = connected(f.port);
	send_all(half, "GET /hea");
	turn_for(&f, 20);
	stop(&f);
	assert_true(is_closed(idle));
	assert_true(is_closed(half));
	again = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(try_connect(again, f.port), -1);
	assert_int_equal(errno, ECONNREFUSED);
	(void)close(idle);
	(void)close(half);
	(void)close(again);
}

static void
stop_it(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct fixture *f = arg;

	(void)request, (void)reply;
	ops_stop(f->ops);
}

static void
a_handler_may_stop_the_server(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	ops_route(f.ops, "POST", "/stop", stop_it, &f);
	free(exchange(
	    &f, "POST /stop HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
	close_loop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    at_the_limit_the_oldest_that_asks_for_nothing_makes_room),
		cmocka_unit_test(
		    a_slow_reader_makes_room_only_when_nobody_else_can),
		cmocka_unit_test(each_end_is_counted_under_its_reason),
		cmocka_unit_test(a_client_that_leaves_frees_its_place_at_once),
		cmocka_unit_test(
		    a_client_that_only_listens_any_more_gets_its_reply),
		cmocka_unit_test(an_idle_connection_is_closed),
		cmocka_unit_test(a_request_that_drips_is_closed),
		cmocka_unit_test(the_loop_rests_when_nothing_happens),
		cmocka_unit_test(the_loop_rests_when_descriptors_run_out),
		cmocka_unit_test(
		    the_loop_turns_while_bytes_wait_that_nobody_has_room_for),
		cmocka_unit_test(no_thread_is_made),
		cmocka_unit_test(a_taken_address_is_named),
		cmocka_unit_test(an_address_of_another_host_is_named),
		cmocka_unit_test(each_address_is_logged_and_served),
		cmocka_unit_test(localhost_is_every_loopback_address_once),
		cmocka_unit_test(stopping_closes_connections_and_the_port),
		cmocka_unit_test(a_handler_may_stop_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
