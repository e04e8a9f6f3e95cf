#include "frontend/cli/bench_client.h"

#include <stdlib.h>

#include "common/mem.h"

#define UNSENT_MAX ((size_t)1 << 28) /* bytes; the pipeline is the bound */
#define ANSWER_MAX (SOCKETMAP_REPLY_BYTES_MAX + NETSTRING_OVERHEAD)

void
bench_client_init(struct bench_client *c, struct bench_shared *shared)
{
	*c = (struct bench_client){ .shared = shared };
	list_init(&c->link);
	buffer_init(&c->in, ANSWER_MAX + BENCH_READ_BYTES);
	buffer_init(&c->sending, UNSENT_MAX);
	c->ring = mem_calloc(shared->pipeline, sizeof *c->ring);
}

void
bench_client_fini(struct bench_client *c)
{
	buffer_fini(&c->in);
	buffer_fini(&c->sending);
	free(c->ring);
}

/* --- Ending -------------------------------------------------------------- */

static void
on_closed(uv_handle_t *handle)
{
	struct bench_client *c = handle->data;

	buffer_clear(&c->in);
	buffer_clear(&c->sending);
	c->is_writing = false;
	c->state = BENCH_CLIENT_OFF;
	c->shared->down(c->shared->arg, c, c->ended);
}

void
bench_client_close(struct bench_client *c, int error)
{
	struct bench_shared *s = c->shared;

	if (c->state == BENCH_CLIENT_OFF || c->state == BENCH_CLIENT_CLOSING)
		return;
	for (; c->count > 0; c->count--, s->in_flight--) {
		bench_figures_lost(s->figures, c->ring[c->first].due_ns);
		c->first = (c->first + 1) % s->pipeline;
	}
	c->state = BENCH_CLIENT_CLOSING;
	c->ended = error;
	uv_close(&c->uv.handle, on_closed);
}

/* --- Answers ------------------------------------------------------------- */

static void
take_answer(struct bench_client *c, const struct reply *reply, uint64_t now)
{
	struct bench_shared *s = c->shared;
	const struct bench_request *r = &c->ring[c->first];

	bench_figures_answer(s->figures, r->expected, reply, r->due_ns, now);
	c->first = c->first + 1 < s->pipeline ? c->first + 1 : 0;
	c->count--;
	s->in_flight--;
}

/* Take the whole answers in bytes; returns how many bytes they were. */
static size_t
parse(struct bench_client *c, struct slice in, uint64_t now)
{
	size_t used = 0;

	while (used < in.len) {
		struct slice rest = { in.ptr + used, in.len - used };
		enum netstring_status status;
		struct reply reply;
		struct slice text;
		size_t n;

		status = netstring_decode(
		    rest, SOCKETMAP_REPLY_BYTES_MAX, &text, &n);
		if (status == NETSTRING_PARTIAL)
			break;
		if (status != NETSTRING_OK || c->count == 0 ||
		    !protocol_parse_reply(text, &reply)) {
			c->shared->figures->malformed++;
			bench_client_close(c, UV_EPROTO);
			return in.len;
		}
		take_answer(c, &reply, now);
		used += n;
	}
	return used;
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct bench_client *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->shared->read_buffer, BENCH_READ_BYTES);
}

static void
on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct bench_client *c = stream->data;
	struct slice bytes = { buf->base, nread > 0 ? (size_t)nread : 0 };
	uint64_t now = uv_hrtime();
	bool in_pieces = buffer_len(&c->in) > 0;
	size_t used;

	if (nread == 0)
		return;
	if (nread < 0) {
		bench_client_close(c, (int)nread);
		return;
	}
	if (in_pieces) {
		if (!buffer_append_slice(&c->in, bytes)) {
			bench_client_close(c, UV_ENOMEM);
			return;
		}
		bytes = buffer_slice(&c->in);
	}
	used = parse(c, bytes, now);
	if (c->state != BENCH_CLIENT_UP)
		return;
	if (in_pieces) {
		buffer_consume(&c->in, used);
	} else if (used < bytes.len) {
		bytes.ptr += used;
		bytes.len -= used;
		if (!buffer_append_slice(&c->in, bytes))
			bench_client_close(c, UV_ENOMEM);
	}
	if (bench_client_room(c) > 0)
		c->shared->room(c->shared->arg, c);
}

/* --- Requests ------------------------------------------------------------ */

size_t
bench_client_room(const struct bench_client *c)
{
	if (c->state != BENCH_CLIENT_UP || c->is_writing)
		return 0;
	return c->shared->pipeline - c->count;
}

static void
on_written(uv_write_t *write, int status)
{
	struct bench_client *c = write->data;

	c->is_writing = false;
	if (c->state != BENCH_CLIENT_UP)
		return;
	buffer_clear(&c->sending);
	if (status < 0)
		bench_client_close(c, status);
	else if (bench_client_room(c) > 0)
		c->shared->room(c->shared->arg, c);
}

/* Write what is in `out`; what the socket does not take goes to libuv. */
static void
send_out(struct bench_client *c)
{
	struct buffer *out = &c->shared->out;
	struct slice bytes = buffer_slice(out);
	/* libuv does not change the bytes that it writes. */
	uv_buf_t buf = { .base = out->data + out->start, .len = bytes.len };
	int n = uv_try_write(&c->uv.stream, &buf, 1);

	if (n == (int)bytes.len) {
		buffer_clear(out);
		return;
	}
	if (n > 0)
		buffer_consume(out, (size_t)n);
	if ((n < 0 && n != UV_EAGAIN) ||
	    !buffer_append_slice(&c->sending, buffer_slice(out))) {
		buffer_clear(out);
		bench_client_close(c, n < 0 ? n : UV_ENOMEM);
		return;
	}
	buffer_clear(out);
	buf.base = c->sending.data + c->sending.start;
	buf.len = buffer_len(&c->sending);
	c->write.data = c;
	n = uv_write(&c->write, &c->uv.stream, &buf, 1, on_written);
	c->is_writing = n == 0;
	if (n < 0)
		bench_client_close(c, n);
}

void
bench_client_ask(
    struct bench_client *c, size_t n, uint64_t due_ns, uint64_t now_ns)
{
	struct bench_shared *s = c->shared;

	for (; n > 0; n--) {
		size_t last = c->first + c->count;
		struct bench_request *r =
		    &c->ring[last < s->pipeline ? last : last - s->pipeline];
		char *to = buffer_reserve(&s->out, BENCH_REQUEST_MAX);

		if (to == NULL) {
			bench_client_close(c, UV_ENOMEM);
			return;
		}
		buffer_commit(
		    &s->out, bench_plan_next(s->plan, to, &r->expected));
		r->due_ns = due_ns;
		r->sent_ns = now_ns;
		c->count++;
		s->in_flight++;
	}
	send_out(c);
}

bool
bench_client_is_overdue(const struct bench_client *c, uint64_t sent_ns)
{
	return c->count > 0 && c->ring[c->first].sent_ns < sent_ns;
}

/* --- Connecting ---------------------------------------------------------- */

static void
on_connected(uv_connect_t *connect, int status)
{
	struct bench_client *c = connect->data;

	if (c->state != BENCH_CLIENT_CONNECTING)
		return;
	if (status == 0)
		status = uv_read_start(&c->uv.stream, on_alloc, on_read);
	if (status != 0) {
		bench_client_close(c, status);
		return;
	}
	c->state = BENCH_CLIENT_UP;
	c->shared->room(c->shared->arg, c);
}

void
bench_client_connect(struct bench_client *c)
{
	struct bench_shared *s = c->shared;
	int error;

	c->state = BENCH_CLIENT_CONNECTING;
	c->first = 0;
	c->connect.data = c;
	if (s->path != NULL) {
		(void)uv_pipe_init(s->loop, &c->uv.pipe, 0);
		c->uv.handle.data = c;
		uv_pipe_connect(
		    &c->connect, &c->uv.pipe, s->path, on_connected);
		return;
	}
	(void)uv_tcp_init(s->loop, &c->uv.tcp);
	c->uv.handle.data = c;
	(void)uv_tcp_nodelay(&c->uv.tcp, 1);
	error =
	    uv_tcp_connect(&c->connect, &c->uv.tcp, &s->to.any, on_connected);
	if (error != 0)
		bench_client_close(c, error);
}
