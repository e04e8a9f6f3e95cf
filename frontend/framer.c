#include "frontend/framer.h"

#define RETRY_MS 1 /* while nng's queue is full */

static void on_turn(uv_prepare_t *prepare);

static void
on_retry(uv_timer_t *timer)
{
	struct framer *f = timer->data;

	(void)uv_prepare_start(&f->turn, on_turn);
}

/* Send the frame in out; false while nng's queue is full. */
static bool
send_out(struct framer *f)
{
	size_t bytes = buffer_len(&f->out);

	if (bytes == 0)
		return true;
	if (nngsock_request(f->socket, f->next_request++,
		buffer_slice(&f->out)) == NNGSOCK_FULL) {
		(void)uv_timer_start(&f->retry, on_retry, RETRY_MS, 0);
		return false;
	}
	buffer_clear(&f->out);
	f->events.sent(f->events.arg, f->out_calls, bytes);
	return true;
}

/* Make a frame of what has gathered and send it. */
static bool
send_gathered(struct framer *f)
{
	if (!send_out(f))
		return false;
	if (f->writer.count == 0)
		return true;
	f->out_calls = f->writer.count;
	return rpc_finish_calls(&f->writer, &f->out) && send_out(f);
}

static void
on_turn(uv_prepare_t *prepare)
{
	struct framer *f = prepare->data;

	uv_prepare_stop(prepare);
	if (f->socket == NULL || !send_gathered(f) || !f->refused)
		return;
	f->refused = false;
	f->events.room(f->events.arg);
	/* What has gathered by it: the loop may block before the next turn. */
	if (f->socket != NULL)
		(void)send_gathered(f);
}

bool
framer_add(struct framer *f, const struct rpc_call *call)
{
	if (f->socket == NULL)
		return false;
	if (!rpc_add_call(&f->writer, call) &&
	    (!send_gathered(f) || !rpc_add_call(&f->writer, call))) {
		f->refused = true;
		return false;
	}
	(void)uv_prepare_start(&f->turn, on_turn);
	return true;
}

void
framer_set_socket(struct framer *f, struct nngsock *socket)
{
	f->socket = socket;
	f->refused = false;
	(void)uv_timer_stop(&f->retry);
	(void)uv_prepare_stop(&f->turn);
	buffer_clear(&f->out);
	rpc_writer_fini(&f->writer);
	rpc_writer_init(&f->writer);
}

void
framer_init(
    struct framer *f, uv_loop_t *loop, const struct framer_events *events)
{
	*f = (struct framer){ .events = *events };
	rpc_writer_init(&f->writer);
	buffer_init(&f->out, RPC_FRAME_MAX);
	(void)uv_prepare_init(loop, &f->turn);
	(void)uv_timer_init(loop, &f->retry);
	f->turn.data = f;
	f->retry.data = f;
}

void
framer_close(struct framer *f, uv_close_cb closed, void *data)
{
	f->turn.data = data;
	f->retry.data = data;
	uv_close((uv_handle_t *)&f->turn, closed);
	uv_close((uv_handle_t *)&f->retry, closed);
}

void
framer_fini(struct framer *f)
{
	rpc_writer_fini(&f->writer);
	buffer_fini(&f->out);
}
