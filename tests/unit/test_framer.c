#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend/framer.h"

#define PATIENCE_MS 20000

struct fixture {
	uv_loop_t loop;
	uv_timer_t timer;
	struct framer framer;
	struct nngsock *dialer, *listener;
	char folder[32];
	char url[64];
	bool expired;
	unsigned rooms;
	uint64_t sent; /* calls */
	uint64_t id;
	uint64_t added_for_room;
};

static void
on_message(void *arg, struct slice header, struct slice body)
{
	(void)arg;
	(void)header;
	(void)body;
}

static bool
add(struct fixture *f)
{
	const struct rpc_call call = { .id = ++f->id,
		.method = RPC_LOOKUP,
		.map = SLICE("alias"),
		.key = SLICE("a@example.org") };

	return framer_add(&f->framer, &call);
}

static void
on_sent(void *arg, size_t calls, size_t bytes)
{
	struct fixture *f = arg;

	(void)bytes;
	f->sent += calls;
}

static void
on_room(void *arg)
{
	struct fixture *f = arg;

	f->rooms++;
	f->added_for_room += add(f);
}

static void
on_expired(uv_timer_t *timer)
{
	((struct fixture *)timer->data)->expired = true;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const struct framer_events events = { on_sent, on_room, f };
	const struct nngsock_events ignored = { on_message, NULL, f };
	struct error error;

	assert_non_null(f);
	*state = f;
	(void)snprintf(f->folder, sizeof f->folder, "/tmp/framer-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	(void)snprintf(f->url, sizeof f->url, "ipc://%s/rpc", f->folder);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	(void)uv_timer_init(&f->loop, &f->timer);
	f->timer.data = f;
	(void)uv_timer_start(&f->timer, on_expired, PATIENCE_MS, 0);
	framer_init(&f->framer, &f->loop, &events);
	f->dialer = nngsock_dial(
	    &f->loop, f->url, NULL, RPC_FRAME_MAX, &ignored, &error);
	assert_non_null(f->dialer);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	nngsock_close(f->dialer);
	if (f->listener != NULL)
		nngsock_close(f->listener);
	framer_close(&f->framer, NULL, f);
	uv_close((uv_handle_t *)&f->timer, NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	framer_fini(&f->framer);
	(void)unlink(f->url + sizeof "ipc://" - 1);
	(void)rmdir(f->folder);
	free(f);
	return 0;
}

static void
without_a_socket_every_call_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_false(add(f));
	framer_set_socket(&f->framer, f->dialer);
	assert_true(add(f));
}

/* Nobody listens yet: nng's queue fills, then the framer. */
static void
who_was_refused_hears_of_room(void **state)
{
	const char *const url = ((struct fixture *)*state)->url;
	const struct nngsock_events ignored = { on_message, NULL, NULL };
	struct fixture *f = *state;
	struct error error;
	uint64_t taken = 0;

	framer_set_socket(&f->framer, f->dialer);
	while (add(f))
		taken++;
	/* All of nng's queue, a frame that waits and one that gathers. */
	assert_in_range(taken, NNGSOCK_QUEUE * RPC_CALLS_MAX, 1000000);
	assert_int_equal(f->rooms, 0);
	f->listener = nngsock_listen(
	    &f->loop, &url, 1, NULL, RPC_FRAME_MAX, &ignored, &error);
	assert_non_null(f->listener);
	while (f->sent <= taken && !f->expired)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->rooms, 1);
	assert_int_equal(f->added_for_room, 1);
	assert_int_equal(f->sent, taken + 1);
}

static int
fini_library(void **state)
{
	(void)state;
	nngsock_fini_library();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    without_a_socket_every_call_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    who_was_refused_hears_of_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, fini_library);
}
