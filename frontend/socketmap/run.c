#include "frontend/socketmap/run.h"

#include <stdlib.h>

static void
on_done(void *arg)
{
	struct socketmap_server *s = arg;

	s->is_finished = true;
	(void)uv_timer_stop(&s->grace);
	uv_stop(s->loop);
}

static void
on_grace(uv_timer_t *timer)
{
	socketmap_server_close(timer->data);
}

static void
on_stop(uv_async_t *stopper)
{
	struct socketmap_server *s = stopper->data;

	if (s->has_shutdown || s->is_finished)
		return;
	socketmap_server_shutdown(s, on_done, s);
	(void)uv_timer_start(&s->grace, on_grace, s->grace_ms, 0);
}

int
run_init(struct socketmap_server *s)
{
	uv_loop_t *loop = malloc(sizeof *loop);
	int error = loop != NULL ? uv_loop_init(loop) : UV_ENOMEM;

	if (error != 0) {
		free(loop);
		return error;
	}
	error = uv_async_init(loop, &s->stopper, on_stop);
	if (error != 0) {
		(void)uv_loop_close(loop);
		free(loop);
		return error;
	}
	s->loop = loop;
	s->owns_loop = true;
	s->stopper.data = s;
	server_handle_opened(s);
	(void)uv_timer_init(loop, &s->grace);
	s->grace.data = s;
	server_handle_opened(s);
	return 0;
}

void
run_fini(struct socketmap_server *s)
{
	uv_close((uv_handle_t *)&s->stopper, server_on_closed);
	uv_close((uv_handle_t *)&s->grace, server_on_closed);
	while (s->handles > 0)
		(void)uv_run(s->loop, UV_RUN_ONCE);
	/* With handles of the caller's still open, the loop is theirs. */
	if (uv_loop_close(s->loop) == 0)
		free(s->loop);
	s->loop = NULL;
}

int
socketmap_server_run(struct socketmap_server *s, uint64_t grace_ms)
{
	if (!s->owns_loop)
		return UV_EINVAL;
	s->grace_ms = grace_ms;
	while (!s->is_finished)
		(void)uv_run(s->loop, UV_RUN_DEFAULT);
	return 0;
}

void
socketmap_server_stop(struct socketmap_server *s)
{
	if (s->owns_loop)
		(void)uv_async_send(&s->stopper);
}
