#include "socketmap_fixture.h"

#include <pthread.h>

/* --- The end ------------------------------------------------------------ */

static void
a_shutdown_answers_what_has_come_and_closes_the_rest(void **state)
{
	struct fixture f;
	int idle;
	int half;
	int held;
	int unread;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	idle = client_connect(&f);
	half = client_connect(&f);
	held = client_connect(&f);
	unread = client_connect(&f);
	client_send(half, "8:echo", 6);
	client_ask(held, "hold x");
	client_send(held, "8:echo", 6);
	fixture_wait(&f, f.held_count == 1);
	fixture_settle(&f);
	client_ask(unread, "echo y");
	socketmap_server_shutdown(f.server, fixture_on_done, &f);
	socketmap_server_shutdown(f.server, fixture_on_done, &f);
	client_expect_end(&f, idle);
	client_expect_end(&f, half);
	client_expect(&f, unread, "4:OK y,");
	client_expect_end(&f, unread);
	fixture_settle(&f);
	assert_int_equal(f.done, 0);
	assert_int_equal(socketmap_server_connections(f.server), 1);
	fixture_answer(&f, 0);
	client_expect(&f, held, "4:OK x,");
	client_expect_end(&f, held);
	fixture_wait(&f, f.done == 1);
	fixture_settle(&f);
	assert_int_equal(f.done, 1);
	assert_int_equal(CLOSED(&f, SHUTDOWN), 4);
	(void)close(idle);
	(void)close(half);
	(void)close(held);
	(void)close(unread);
	fixture_fini(&f);
}

static void
a_shutdown_answers_pipelined_requests_beyond_the_limit(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	f.options.pipeline_max = 1;
	fixture_start(&f);
	fd = client_connect(&f);
	client_send(fd, "6:hold 1,6:hold 2,6:hold 3,6:ho", 31);
	fixture_wait(&f, f.held_count == 1);
	socketmap_server_shutdown(f.server, fixture_on_done, &f);
	for (size_t i = 0; i < 3; i++) {
		fixture_wait(&f, f.held_count == i + 1);
		fixture_answer(&f, i);
	}
	client_expect(&f, fd, "4:OK 1,4:OK 2,4:OK 3,");
	client_expect_end(&f, fd);
	fixture_wait(&f, f.done == 1);
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_shutdown_of_an_idle_server_is_done_from_the_loop(void **state)
{
	struct fixture f;
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	socketmap_server_shutdown(f.server, fixture_on_done, &f);
	assert_int_equal(f.done, 0);
	fixture_wait(&f, f.done == 1);
	address.sin_port = htons(f.port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof address), -1);
	assert_int_equal(
	    socketmap_server_listen_tcp(f.server, "127.0.0.1:0", NULL),
	    UV_ECANCELED);
	(void)close(fd);
	fixture_fini(&f);
}

static void
closing_ends_a_shutdown_that_takes_too_long(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	client_ask(fd, "hold x");
	fixture_wait(&f, f.held_count == 1);
	socketmap_server_shutdown(f.server, fixture_on_done, &f);
	fixture_settle(&f);
	socketmap_server_close(f.server);
	assert_false(socketmap_request_wanted(f.held[0]));
	client_expect_end(&f, fd);
	fixture_wait(&f, f.done == 1);
	assert_int_equal(CLOSED(&f, SHUTDOWN), 1);
	(void)close(fd);
	fixture_fini(&f);
}

static void
handle_close(struct socketmap_request *request, void *arg)
{
	struct fixture *f = arg;

	socketmap_server_close(f->server);
	assert_false(socketmap_request_wanted(request));
	socketmap_reply(request, SOCKETMAP_OK, "x", 1);
}

static void
a_handler_may_close_the_server(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(
	    socketmap_server_map(f.server, "close", handle_close, &f), 0);
	fd = client_connect(&f);
	client_send(fd, "6:hold x,7:close x,6:hold x,", 28);
	client_expect_end(&f, fd);
	assert_int_equal(f.held_count, 1);
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_request_outlives_its_server_and_its_loop(void **state)
{
	struct socketmap_request *request;
	struct fixture f;
	size_t len;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	client_ask(fd, "hold x");
	fixture_wait(&f, f.held_count == 1);
	request = f.held[0];
	f.held[0] = NULL;
	socketmap_server_shutdown(f.server, fixture_on_done, &f);
	fixture_fini(&f);
	assert_int_equal(f.done, 0);
	assert_memory_equal(socketmap_request_map(request, &len), "hold", 4);
	assert_int_equal(len, 4);
	socketmap_reply(request, SOCKETMAP_TEMP, NULL, 0);
	(void)close(fd);
}

/* --- A loop of its own -------------------------------------------------- */

static void *
run_server(void *arg)
{
	return (void *)(intptr_t)socketmap_server_run(arg, 5000);
}

static void
a_server_runs_on_its_own_loop_until_another_thread_stops_it(void **state)
{
	struct socketmap_server *server;
	struct socketmap_client *client;
	struct socketmap_answer answer;
	struct fixture f; /* only counts */
	char address[32];
	pthread_t thread;
	uint16_t port;
	void *result;

	(void)state;
	memset(&f, 0, sizeof f);
	assert_int_equal(socketmap_server_new(&server, NULL, NULL), 0);
	assert_int_equal(
	    socketmap_server_map(server, "echo", handle_echo, &f), 0);
	assert_int_equal(
	    socketmap_server_listen_tcp(server, "127.0.0.1:0", &port), 0);
	assert_int_equal(pthread_create(&thread, NULL, run_server, server), 0);
	(void)snprintf(address, sizeof address, "127.0.0.1:%hu", port);
	assert_int_equal(socketmap_client_new(&client, address, WAIT_MS), 0);
	assert_int_equal(
	    socketmap_client_lookup(client, "echo", "key", 3, &answer), 0);
	assert_string_equal(answer.data, "key");
	socketmap_server_stop(server);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	socketmap_client_free(client);
	socketmap_server_free(server);
}

static void
a_server_on_the_callers_loop_cannot_be_run(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(socketmap_server_run(f.server, 0), UV_EINVAL);
	assert_ptr_equal(socketmap_server_loop(f.server), &f.loop);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_shutdown_answers_what_has_come_and_closes_the_rest),
		cmocka_unit_test(
		    a_shutdown_answers_pipelined_requests_beyond_the_limit),
		cmocka_unit_test(
		    a_shutdown_of_an_idle_server_is_done_from_the_loop),
		cmocka_unit_test(closing_ends_a_shutdown_that_takes_too_long),
		cmocka_unit_test(a_handler_may_close_the_server),
		cmocka_unit_test(a_request_outlives_its_server_and_its_loop),
		cmocka_unit_test(
		    a_server_runs_on_its_own_loop_until_another_thread_stops_it),
		cmocka_unit_test(a_server_on_the_callers_loop_cannot_be_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
