#include "socketmap_fixture.h"

#include <sys/resource.h>

/* --- Time limits -------------------------------------------------------- */

static void
half_a_request_is_closed_after_the_read_timeout(void **state)
{
	struct fixture f;
	int slow;
	int idle;

	(void)state;
	fixture_init(&f);
	f.options.read_timeout_ms = 50;
	f.options.idle_timeout_ms = 0;
	fixture_start(&f);
	idle = client_connect(&f);
	slow = client_connect(&f);
	client_ask(slow, "echo x");
	client_send(slow, "8:ec", 4);
	client_expect(&f, slow, "4:OK x,");
	client_expect_end(&f, slow);
	assert_int_equal(CLOSED(&f, READ_TIMEOUT), 1);
	client_ask(idle, "echo y");
	client_expect(&f, idle, "4:OK y,");
	(void)close(slow);
	(void)close(idle);
	fixture_fini(&f);
}

static void
bytes_that_trickle_in_do_not_extend_the_read_timeout(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	f.options.read_timeout_ms = 60;
	fixture_start(&f);
	fd = client_connect(&f);
	client_send(fd, "90000:", 6);
	/* Each turn that the timer or a byte causes sends the next byte. */
	fixture_wait(&f,
	    (send(fd, "x", 1, MSG_NOSIGNAL), CLOSED(&f, READ_TIMEOUT) == 1));
	(void)close(fd);
	fixture_fini(&f);
}

static void
an_idle_connection_is_closed_after_the_idle_timeout(void **state)
{
	struct fixture f;
	uint64_t start;
	int fd;

	(void)state;
	fixture_init(&f);
	f.options.idle_timeout_ms = 60;
	fixture_start(&f);
	fd = client_connect(&f);
	client_ask(fd, "echo x");
	client_expect(&f, fd, "4:OK x,");
	start = uv_now(&f.loop);
	client_expect_end(&f, fd);
	assert_int_equal(CLOSED(&f, IDLE), 1);
	assert_true(uv_now(&f.loop) - start >= 50);
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_request_that_a_handler_holds_is_not_idle(void **state)
{
	struct fixture f;
	int held;
	int idle;

	(void)state;
	fixture_init(&f);
	f.options.idle_timeout_ms = 30;
	f.options.read_timeout_ms = 30;
	f.options.write_timeout_ms = 30;
	fixture_start(&f);
	held = client_connect(&f);
	client_ask(held, "hold x");
	fixture_wait(&f, f.held_count == 1);
	for (int i = 1; i <= 3; i++) { /* each takes 30 ms to be closed */
		idle = client_connect(&f);
		fixture_wait(&f, CLOSED(&f, IDLE) == i);
		(void)close(idle);
	}
	fixture_answer(&f, 0);
	client_expect(&f, held, "4:OK x,");
	client_expect_end(&f, held);
	assert_int_equal(CLOSED(&f, IDLE), 4);
	(void)close(held);
	fixture_fini(&f);
}

static void
a_client_that_takes_no_reply_is_closed_after_the_write_timeout(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	f.options.write_timeout_ms = 60;
	f.options.idle_timeout_ms = 0;
	fixture_start(&f);
	fd = client_connect(&f);
	for (int i = 0; i < 200; i++)
		client_ask(fd, "bytes 90000");
	fixture_wait(&f, CLOSED(&f, WRITE_TIMEOUT) == 1);
	assert_int_equal(socketmap_server_connections(f.server), 0);
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_zero_means_no_time_limit(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	f.options.idle_timeout_ms = 0;
	f.options.read_timeout_ms = 0;
	f.options.write_timeout_ms = 0;
	fixture_start(&f);
	fd = client_connect(&f);
	client_ask(fd, "echo x");
	client_expect(&f, fd, "4:OK x,");
	/* No timer is left that could close it. */
	assert_int_equal(uv_backend_timeout(&f.loop), -1);
	(void)close(fd);
	fixture_fini(&f);
}

/* --- How many ----------------------------------------------------------- */

static void
beyond_the_limit_a_connection_is_refused(void **state)
{
	struct fixture f;
	int first;
	int second;

	(void)state;
	fixture_init(&f);
	f.options.connections_max = 1;
	fixture_start(&f);
	first = client_connect(&f);
	fixture_wait(&f, f.opened == 1);
	second = client_connect(&f);
	client_expect_end(&f, second);
	assert_int_equal(CLOSED(&f, REFUSED), 1);
	assert_int_equal(f.opened, 2);
	assert_int_equal(socketmap_server_connections(f.server), 1);
	client_ask(first, "echo x");
	client_expect(&f, first, "4:OK x,");
	(void)close(first);
	(void)close(second);
	fixture_fini(&f);
}

static void
the_longest_idle_connection_makes_room_for_a_new_one(void **state)
{
	struct fixture f;
	int busy;
	int idle[2];
	int fresh;

	(void)state;
	fixture_init(&f);
	f.options.connections_max = 3;
	f.options.reap_idle = true;
	fixture_start(&f);
	busy = client_connect(&f);
	client_ask(busy, "hold x");
	fixture_wait(&f, f.held_count == 1);
	idle[0] = client_connect(&f);
	fixture_wait(&f, f.opened == 2);
	idle[1] = client_connect(&f);
	fixture_wait(&f, f.opened == 3);
	/* The first one's idle time begins anew. */
	client_ask(idle[0], "echo y");
	client_expect(&f, idle[0], "4:OK y,");
	fresh = client_connect(&f);
	client_ask(fresh, "hold z");
	fixture_wait(&f, f.held_count == 2);
	client_expect_end(&f, idle[1]);
	assert_int_equal(CLOSED(&f, REAPED), 1);
	client_ask(idle[0], "hold y");
	fixture_wait(&f, f.held_count == 3);
	(void)close(idle[1]);
	/* None is idle now. */
	idle[1] = client_connect(&f);
	client_expect_end(&f, idle[1]);
	assert_int_equal(CLOSED(&f, REFUSED), 1);
	assert_int_equal(socketmap_server_connections(f.server), 3);
	(void)close(busy);
	(void)close(idle[0]);
	(void)close(idle[1]);
	(void)close(fresh);
	fixture_fini(&f);
}

/* Allow as many descriptors as are open now. */
static struct rlimit
forbid_descriptors(void)
{
	struct rlimit old;
	struct rlimit tight;
	int next = dup(0);

	assert_true(next >= 0);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	return old;
}

static void
without_descriptors_clients_wait_and_the_loop_does_not_spin(void **state)
{
	struct fixture f;
	struct rlimit old;
	int turns = 0;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	old = forbid_descriptors();
	fixture_wait(&f, (turns++, f.accept_failed == 3));
	assert_int_equal(f.accept_error, UV_EMFILE);
	assert_true(turns < 20);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	client_ask(fd, "echo x");
	client_expect(&f, fd, "4:OK x,");
	(void)close(fd);
	fixture_fini(&f);
}

static void
without_descriptors_the_longest_idle_connection_makes_room(void **state)
{
	struct fixture f;
	struct rlimit old;
	int idle;
	int fd;

	(void)state;
	fixture_init(&f);
	f.options.reap_idle = true;
	fixture_start(&f);
	idle = client_connect(&f);
	fixture_wait(&f, f.opened == 1);
	fd = client_connect(&f);
	old = forbid_descriptors();
	fixture_wait(&f, f.opened == 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(CLOSED(&f, REAPED), 1);
	assert_int_equal(f.accept_failed, 1);
	client_ask(fd, "echo x");
	client_expect(&f, fd, "4:OK x,");
	(void)close(fd);
	(void)close(idle);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    half_a_request_is_closed_after_the_read_timeout),
		cmocka_unit_test(
		    bytes_that_trickle_in_do_not_extend_the_read_timeout),
		cmocka_unit_test(
		    an_idle_connection_is_closed_after_the_idle_timeout),
		cmocka_unit_test(a_request_that_a_handler_holds_is_not_idle),
		cmocka_unit_test(
		    a_client_that_takes_no_reply_is_closed_after_the_write_timeout),
		cmocka_unit_test(a_zero_means_no_time_limit),
		cmocka_unit_test(beyond_the_limit_a_connection_is_refused),
		cmocka_unit_test(
		    the_longest_idle_connection_makes_room_for_a_new_one),
		cmocka_unit_test(
		    without_descriptors_clients_wait_and_the_loop_does_not_spin),
		cmocka_unit_test(
		    without_descriptors_the_longest_idle_connection_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
