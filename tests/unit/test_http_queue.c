#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/http_queue.h"

#define TOLD_MAX 8
#define NEVER UINT64_MAX

struct fixture {
	uv_loop_t loop;
	struct http_queue queue;
	size_t told;
	enum http_status statuses[TOLD_MAX];
	uint64_t times[TOLD_MAX]; /* since the start */
	uint64_t began;
};

static void
on_failed(void *arg, struct http_request *request)
{
	struct fixture *f = arg;

	assert_true(f->told < TOLD_MAX);
	f->statuses[f->told] = request->status;
	f->times[f->told++] = uv_now(&f->loop) - f->began;
	free(request);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (f == NULL || uv_loop_init(&f->loop) != 0)
		return -1;
	f->began = uv_now(&f->loop);
	http_queue_init(&f->queue, &f->loop, on_failed, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	struct http_request *request;

	while ((request = http_queue_pop(&f->queue)) != NULL)
		free(request);
	http_queue_close(&f->queue, NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&f->loop) != 0)
		return -1;
	free(f);
	return 0;
}

/* Both in ms from now, or NEVER. */
static void
push(struct fixture *f, uint64_t deadline, uint64_t patience)
{
	struct http_request *request = calloc(1, sizeof *request + 1);
	uint64_t now = uv_now(&f->loop);

	assert_non_null(request);
	request->deadline = deadline == NEVER ? NEVER : now + deadline;
	request->patience_until = patience == NEVER ? NEVER : now + patience;
	http_queue_push(&f->queue, request);
}

static void
run_until_told(struct fixture *f, size_t count)
{
	bool alive = true;

	while (f->told < count && alive)
		alive = uv_run(&f->loop, UV_RUN_ONCE) != 0;
	assert_int_equal(f->told, count);
}

static void
whichever_of_deadline_and_patience_is_first_ends_the_wait(void **state)
{
	static const struct {
		uint64_t deadline, patience;
		enum http_status want;
	} cases[] = {
		{ 30, NEVER, HTTP_TIMED_OUT },
		{ 30, 60000, HTTP_TIMED_OUT },
		{ 60000, 30, HTTP_QUEUE_TIMEOUT },
		{ NEVER, 30, HTTP_QUEUE_TIMEOUT },
		{ 30, 30, HTTP_TIMED_OUT }, /* its time is up in any case */
		{ 30, 10, HTTP_QUEUE_TIMEOUT },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t wait = cases[i].deadline < cases[i].patience
		    ? cases[i].deadline
		    : cases[i].patience;

		f->told = 0;
		uv_update_time(&f->loop);
		f->began = uv_now(&f->loop);
		push(f, cases[i].deadline, cases[i].patience);
		run_until_told(f, 1);
		if (f->statuses[0] != cases[i].want || f->times[0] < wait ||
		    f->times[0] > 30000)
			fail_msg("%zu: status %d after %llu ms", i,
			    (int)f->statuses[0],
			    (unsigned long long)f->times[0]);
		assert_int_equal(f->queue.count, 0);
	}
}

static void
each_ends_in_its_own_time(void **state)
{
	struct fixture *f = *state;

	push(f, NEVER, 90);
	push(f, 30, NEVER);
	push(f, NEVER, NEVER);
	push(f, NEVER, 60);
	run_until_told(f, 3);
	assert_int_equal(f->statuses[0], HTTP_TIMED_OUT);
	assert_int_equal(f->statuses[1], HTTP_QUEUE_TIMEOUT);
	assert_int_equal(f->statuses[2], HTTP_QUEUE_TIMEOUT);
	assert_true(f->times[0] >= 30);
	assert_true(f->times[1] >= 60);
	assert_true(f->times[2] >= 90);
	assert_int_equal(f->queue.count, 1);
}

static void
whose_turn_has_come_is_not_told_of_impatience(void **state)
{
	struct fixture *f = *state;
	struct http_request *first;

	push(f, NEVER, 20);
	push(f, NEVER, 40);
	first = http_queue_pop(&f->queue);
	assert_non_null(first);
	run_until_told(f, 1);
	assert_true(f->times[0] >= 40);
	free(first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    whichever_of_deadline_and_patience_is_first_ends_the_wait,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    each_ends_in_its_own_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    whose_turn_has_come_is_not_told_of_impatience, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
