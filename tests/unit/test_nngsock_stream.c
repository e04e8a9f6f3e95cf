#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <nng/nng.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

#include "common/nngsock_private.h"

#define PATIENCE_S 20

/* A connection with nobody at its other end, and an operation. */
struct fixture {
	nng_stream_listener *listener;
	nng_stream_dialer *dialer;
	nng_stream *stream;
	nng_aio *aio;
	sem_t called;
};

static void
on_done(void *arg)
{
	struct fixture *f = arg;

	(void)sem_post(&f->called);
}

static bool
wait_call(struct fixture *f)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	return sem_timedwait(&f->called, &until) == 0;
}

static int
setup(void **state)
{
	static struct fixture f;
	char url[64];
	nng_aio *dial;
	int port = 0;

	nngsock_stream_init();
	assert_int_equal(sem_init(&f.called, 0, 0), 0);
	assert_int_equal(
	    nng_stream_listener_alloc(&f.listener, "tcp://127.0.0.1:0"), 0);
	assert_int_equal(nng_stream_listener_listen(f.listener), 0);
	assert_int_equal(nng_stream_listener_get_int(
			     f.listener, NNG_OPT_TCP_BOUND_PORT, &port),
	    0);
	(void)snprintf(url, sizeof url, "tcp://127.0.0.1:%d", port);
	assert_int_equal(nng_stream_dialer_alloc(&f.dialer, url), 0);
	assert_int_equal(nng_aio_alloc(&dial, NULL, NULL), 0);
	nng_stream_dialer_dial(f.dialer, dial);
	nng_aio_wait(dial);
	assert_int_equal(nng_aio_result(dial), 0);
	f.stream = nng_aio_get_output(dial, 0);
	nng_aio_free(dial);
	assert_int_equal(nng_aio_alloc(&f.aio, on_done, &f), 0);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	nng_aio_free(f->aio);
	nng_stream_free(f->stream);
	nng_stream_dialer_free(f->dialer);
	nng_stream_listener_free(f->listener);
	(void)sem_destroy(&f->called);
	return 0;
}

static void
what_is_refused_is_finished(void **state)
{
	static void (*const operations[])(
	    nng_stream *, nng_aio *) = { nng_stream_send, nng_stream_recv };
	struct fixture *f = *state;

	nng_aio_stop(f->aio);
	for (size_t i = 0; i < 2; i++) {
		operations[i](f->stream, f->aio);
		assert_true(wait_call(f));
		assert_int_equal(nng_aio_result(f->aio), NNG_ECLOSED);
	}
}

static void
what_is_accepted_is_finished_once(void **state)
{
	struct fixture *f = *state;
	char byte;
	nng_iov iov = { &byte, 1 };

	assert_int_equal(nng_aio_set_iov(f->aio, 1, &iov), 0);
	nng_stream_recv(f->stream, f->aio);
	nng_stream_close(f->stream);
	assert_true(wait_call(f));
	nng_aio_stop(f->aio);
	assert_int_equal(sem_trywait(&f->called), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_is_refused_is_finished, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_accepted_is_finished_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
