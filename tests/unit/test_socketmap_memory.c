#include "socketmap_fixture.h"

#include "frontend/socketmap/connection.h"

/* The linker sends the library's allocations here (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool is_counting;
static size_t allocations;
static size_t failing; /* the number of the one that fails; 0: none */

static bool
fails(void)
{
	return is_counting && ++allocations == failing;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

/* Turn the loop with the library's allocations counted. */
static void
settle(struct fixture *f)
{
	is_counting = true;
	fixture_settle(f);
	is_counting = false;
}

/* The connection may have been closed by now, for want of memory. */
static void
ask_anyway(int fd, const char *text)
{
	char frame[1024];
	int n = snprintf(frame, sizeof frame, "%zu:%s,", strlen(text), text);

	(void)send(fd, frame, (size_t)n, MSG_NOSIGNAL);
}

/* Everything that takes memory: a new connection, part of a request, long
 * keys, replies that wait for their turn, replies that are not taken. */
static void
use_much_memory(struct fixture *f)
{
	char text[801] = "hold ";
	size_t held = f->held_count;
	int fd = client_connect(f);

	memset(text + 5, 'k', sizeof text - 6);
	ask_anyway(fd, "hold first");
	ask_anyway(fd, text);
	ask_anyway(fd, "echo third");
	settle(f);
	for (int i = 0; i < 60; i++)
		ask_anyway(fd, "bytes 90000");
	(void)send(fd, "90000:hold", 10, MSG_NOSIGNAL);
	settle(f);
	is_counting = true;
	for (size_t i = f->held_count; i-- > held;)
		fixture_answer(f, i);
	settle(f);
	(void)close(fd);
	fixture_settle(f);
}

static void
memory_that_runs_out_costs_the_connection_that_asked_for_it(void **state)
{
	size_t runs = 0;

	(void)state;
	do {
		struct fixture f;
		int bystander;

		fixture_init(&f);
		fixture_start(&f);
		bystander = client_connect(&f);
		client_ask(bystander, "hold x");
		fixture_wait(&f, f.held_count == 1);
		allocations = 0;
		failing = ++runs;
		use_much_memory(&f);
		assert_true(socketmap_request_wanted(f.held[0]));
		fixture_answer(&f, 0);
		client_expect(&f, bystander, "4:OK x,");
		assert_true(CLOSED(&f, ERROR) <= 1);
		(void)close(bystander);
		fixture_fini(&f);
	} while (allocations >= failing);
	assert_true(runs > 8);
}

static void
a_server_that_gets_no_memory_is_not_made(void **state)
{
	size_t runs = 0;

	(void)state;
	do {
		struct socketmap_server *server = NULL;
		int error;

		allocations = 0;
		failing = ++runs;
		is_counting = true;
		error = socketmap_server_new(&server, NULL, NULL);
		if (error == 0)
			error = socketmap_server_map(
			    server, "map", handle_echo, NULL);
		if (error == 0)
			error = socketmap_server_listen_tcp(
			    server, "127.0.0.1:0", NULL);
		is_counting = false;
		assert_int_equal(error, allocations >= failing ? UV_ENOMEM : 0);
		socketmap_server_free(server);
	} while (allocations >= failing);
	assert_true(runs > 5);
}

static void
a_busy_server_allocates_nothing_for_a_request(void **state)
{
	enum {
		CLIENTS = 20,
		ROUNDS = 50
	};
	struct fixture f;
	int fds[CLIENTS];

	(void)state;
	failing = 0;
	fixture_init(&f);
	fixture_start(&f);
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = client_connect(&f);
	for (int round = 0; round < ROUNDS; round++) {
		if (round == 1) { /* the first one filled the free lists */
			allocations = 0;
			is_counting = true;
		}
		for (int i = 0; i < CLIENTS; i++)
			client_send(fds[i], "6:echo 1,6:hold 2,6:ec", 22);
		fixture_wait(&f, f.held_count == CLIENTS);
		for (size_t i = CLIENTS; i-- > 0;)
			fixture_answer(&f, i);
		f.held_count = 0;
		fixture_settle(&f);
		for (int i = 0; i < CLIENTS; i++)
			client_send(fds[i], "ho 3,", 5);
		is_counting = false; /* the client's own reading allocates */
		for (int i = 0; i < CLIENTS; i++)
			client_expect(&f, fds[i], "4:OK 1,4:OK 2,4:OK 3,");
		is_counting = round > 0;
	}
	is_counting = false;
	assert_int_equal(allocations, 0);
	for (int i = 0; i < CLIENTS; i++)
		(void)close(fds[i]);
	fixture_fini(&f);
}

static void
an_idle_connection_takes_less_than_two_kib(void **state)
{
	enum {
		CLIENTS = 20
	};
	struct fixture f;
	int fds[CLIENTS];

	(void)state;
	failing = 0;
	fixture_init(&f);
	fixture_start(&f);
	allocations = 0;
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = client_connect(&f);
	settle(&f);
	assert_int_equal(socketmap_server_idle(f.server), CLIENTS);
	/* One allocation each, and that is the struct. */
	assert_int_equal(allocations, CLIENTS);
	assert_true(sizeof(struct connection) <= 1024);
	for (int i = 0; i < CLIENTS; i++)
		(void)close(fds[i]);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    memory_that_runs_out_costs_the_connection_that_asked_for_it),
		cmocka_unit_test(a_server_that_gets_no_memory_is_not_made),
		cmocka_unit_test(a_busy_server_allocates_nothing_for_a_request),
		cmocka_unit_test(an_idle_connection_takes_less_than_two_kib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
