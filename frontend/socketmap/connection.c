#include "frontend/socketmap/connection.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/watch.h"
#include "frontend/socketmap/deadlines.h"
#include "frontend/socketmap/netstring.h"
#include "frontend/socketmap/request.h"
#include "frontend/socketmap/server.h"
#include "frontend/socketmap/sockaddrs.h"

/* With more replies than this waiting, a connection is not read. */
#define UNSENT_BYTES_MAX 262144
/* Of what a client sent beyond its end, this much is read and dropped. */
#define DISCARD_READS 4

static enum socketmap_close_reason
reason_of(int error)
{
	return error == UV_EOF || error == UV_EPIPE || error == UV_ECONNRESET
	    ? SOCKETMAP_CLOSED_BY_CLIENT
	    : SOCKETMAP_CLOSED_ERROR;
}

/* The most bytes of one request's text; without limit, still a number that
 * can be added to. */
static size_t
query_max(const struct connection *c)
{
	size_t max = c->server->options.query_bytes_max;

	return max > 0 && max < SIZE_MAX / 4 ? max : SIZE_MAX / 4;
}

size_t
connection_unsent(const struct connection *c)
{
	size_t sending =
	    c->is_writing ? uv_stream_get_write_queue_size(&c->uv.stream) : 0;

	return buffer_len(&c->out) + sending + c->kept_bytes;
}

static bool
is_blocked(const struct connection *c)
{
	size_t pipeline_max = c->server->options.pipeline_max;

	return (pipeline_max > 0 && c->pending >= pipeline_max) ||
	    connection_unsent(c) > UNSENT_BYTES_MAX;
}

char *
connection_reserve(struct connection *c, size_t n)
{
	/* Replies stop when their requests do, so that pipeline_max and the
	 * reply limit are the bound; this one guards the arithmetic. */
	if (c->out.data == NULL)
		spares_take_buffer(&c->server->spares, &c->out, SIZE_MAX / 4);
	return buffer_reserve(&c->out, n);
}

void
connection_changed(struct connection *c)
{
	if (!c->is_parsing && list_is_empty(&c->changed_link)) {
		list_append(&c->server->changed, &c->changed_link);
		server_wake(c->server);
	}
}

static void
on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct socketmap_server *s = c->server;

	spares_give_buffer(&s->spares, &c->sending);
	list_remove(&c->state_link);
	s->states[CONNECTION_CLOSING].count--;
	free(c);
	server_handle_closed(s);
}

void
connection_close(struct connection *c, enum socketmap_close_reason reason)
{
	struct socketmap_server *s = c->server;
	const struct socketmap_observer *o = &s->options.observer;
	char peer[PEER_TEXT_MAX];

	if (c->state == CONNECTION_CLOSING)
		return;
	deadlines_enter(c, CONNECTION_CLOSING);
	list_remove(&c->changed_link);
	request_abandon_all(c);
	spares_give_buffer(&s->spares, &c->in);
	spares_give_buffer(&s->spares, &c->out);
	if (o->closed != NULL) {
		peer_format(&c->peer, peer);
		o->closed(s->options.observer_arg, reason, peer);
	}
	uv_close(&c->uv.handle, on_closed);
}

/*
 * Bytes that were never read turn close(2) into a reset, which can overtake
 * the last replies: read what has come.
 */
static void
discard_input(struct connection *c)
{
	uv_os_fd_t fd;

	if (uv_fileno(&c->uv.handle, &fd) != 0)
		return;
	for (int i = 0; i < DISCARD_READS; i++)
		if (read(fd, c->server->read_buffer, CONNECTION_READ_BYTES) <=
		    0)
			return;
}

void
connection_end(struct connection *c, enum socketmap_close_reason reason)
{
	if (c->is_ending || c->state == CONNECTION_CLOSING)
		return;
	c->is_ending = true;
	c->end_reason = reason;
}

/*
 * Dispatch the whole requests in bytes; returns how many bytes are done with.
 * After a fault in them that is all: nothing behind it can be understood.
 */
static size_t
parse(struct connection *c, struct slice in)
{
	size_t max = query_max(c);
	size_t used = 0;

	c->is_parsing = true;
	c->has_unparsed = false;
	while (used < in.len && c->state != CONNECTION_CLOSING) {
		struct slice rest = { in.ptr + used, in.len - used };
		enum netstring_status status;
		struct slice text;
		size_t n;

		if (is_blocked(c)) {
			c->has_unparsed = true;
			break;
		}
		status = netstring_decode(rest, max, &text, &n);
		if (status == NETSTRING_PARTIAL)
			break;
		if (status == NETSTRING_OK) {
			used += n;
			c->is_restarted = true;
			c->has_asked = true;
			if (!request_dispatch(c, text))
				connection_close(c, SOCKETMAP_CLOSED_ERROR);
		} else {
			used = in.len;
			connection_end(c,
			    status == NETSTRING_INVALID
				? SOCKETMAP_CLOSED_MALFORMED
				: SOCKETMAP_CLOSED_TOO_LONG);
		}
	}
	c->is_parsing = false;
	return used;
}

static void
parse_kept(struct connection *c)
{
	size_t used = parse(c, buffer_slice(&c->in));

	if (c->state == CONNECTION_CLOSING)
		return;
	buffer_consume(&c->in, used);
	if (buffer_len(&c->in) == 0)
		spares_give_buffer(&c->server->spares, &c->in);
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	const struct connection *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->server->read_buffer, CONNECTION_READ_BYTES);
}

/* Keep bytes in `in`; false when memory is out. */
static bool
keep_input(struct connection *c, struct slice bytes)
{
	if (c->in.data == NULL)
		spares_take_buffer(&c->server->spares, &c->in,
		    query_max(c) + NETSTRING_OVERHEAD + CONNECTION_READ_BYTES);
	return buffer_append_slice(&c->in, bytes);
}

static void
on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	struct slice bytes = { buf->base, nread > 0 ? (size_t)nread : 0 };
	size_t used;

	if (nread == 0)
		return;
	if (nread == UV_EOF) {
		/* It may have closed its sending side only, as nc -N does. */
		connection_end(c, SOCKETMAP_CLOSED_BY_CLIENT);
	} else if (nread < 0) {
		connection_close(c, reason_of((int)nread));
		return;
	} else if (c->in.data != NULL) {
		if (!keep_input(c, bytes)) {
			connection_close(c, SOCKETMAP_CLOSED_ERROR);
			return;
		}
		parse_kept(c);
	} else {
		used = parse(c, bytes);
		bytes.ptr += used;
		bytes.len -= used;
		if (bytes.len > 0 && c->state != CONNECTION_CLOSING &&
		    !keep_input(c, bytes))
			connection_close(c, SOCKETMAP_CLOSED_ERROR);
	}
	connection_settle(c);
}

static void
on_written(uv_write_t *write, int status)
{
	struct connection *c = write->data;

	c->is_writing = false;
	if (c->state == CONNECTION_CLOSING)
		return;
	spares_give_buffer(&c->server->spares, &c->sending);
	if (status < 0)
		connection_close(c, reason_of(status));
	else
		connection_settle(c);
}

/* Write `out`; what the socket does not take goes to libuv. */
static void
send_out(struct connection *c)
{
	struct slice out = buffer_slice(&c->out);
	uv_buf_t buf;
	int n;

	if (out.len == 0 || c->is_writing)
		return;
	/* libuv does not change the bytes that it writes. */
	buf.base = c->out.data + c->out.start;
	buf.len = out.len;
	n = uv_try_write(&c->uv.stream, &buf, 1);
	if (n < 0 && n != UV_EAGAIN) {
		connection_close(c, reason_of(n));
		return;
	}
	if (n > 0)
		buffer_consume(&c->out, (size_t)n);
	if (buffer_len(&c->out) == 0) {
		spares_give_buffer(&c->server->spares, &c->out);
		return;
	}
	c->sending = c->out;
	buffer_init(&c->out, c->sending.max);
	buf.base = c->sending.data + c->sending.start;
	buf.len = buffer_len(&c->sending);
	c->write.data = c;
	n = uv_write(&c->write, &c->uv.stream, &buf, 1, on_written);
	if (n < 0) {
		connection_close(c, reason_of(n));
		return;
	}
	c->is_writing = true;
	if (c->state == CONNECTION_WRITING)
		deadlines_enter(c, CONNECTION_WRITING);
}

bool
connection_is_unread(struct connection *c)
{
	size_t max = c->server->options.unread_bytes_max;

	if (max == 0 || connection_unsent(c) <= max)
		return false;
	if (!c->is_parsing)
		send_out(c);
	return c->state != CONNECTION_CLOSING && connection_unsent(c) > max;
}

static enum connection_state
state_now(const struct connection *c)
{
	if (c->is_writing)
		return CONNECTION_WRITING;
	if (c->in.data != NULL && !c->has_unparsed)
		return CONNECTION_READING;
	if (c->pending > 0)
		return CONNECTION_WAITING;
	return c->has_asked ? CONNECTION_IDLE : CONNECTION_NEW;
}

/* Read or do not read, and let the right deadline run. */
static void
settle_state(struct connection *c)
{
	bool want = !c->is_ending && !is_blocked(c);
	enum connection_state state = state_now(c);

	if (want && !c->is_reading) {
		if (uv_read_start(&c->uv.stream, on_alloc, on_read) < 0) {
			connection_close(c, SOCKETMAP_CLOSED_ERROR);
			return;
		}
	} else if (!want && c->is_reading) {
		(void)uv_read_stop(&c->uv.stream);
	}
	c->is_reading = want;
	if (state != c->state ||
	    (c->is_restarted && state != CONNECTION_WRITING))
		deadlines_enter(c, state);
}

void
connection_settle(struct connection *c)
{
	list_remove(&c->changed_link);
	if (c->state == CONNECTION_CLOSING)
		return;
	send_out(c);
	while (c->state != CONNECTION_CLOSING && c->has_unparsed &&
	    !is_blocked(c)) {
		parse_kept(c);
		if (c->state != CONNECTION_CLOSING)
			send_out(c);
	}
	if (c->state == CONNECTION_CLOSING)
		return;
	if (c->is_ending && !c->has_unparsed) /* part of a request at most */
		spares_give_buffer(&c->server->spares, &c->in);
	if (c->is_ending && !c->has_unparsed && c->pending == 0 &&
	    !c->is_writing) {
		if (c->end_reason != SOCKETMAP_CLOSED_BY_CLIENT)
			discard_input(c);
		connection_close(c, c->end_reason);
		return;
	}
	settle_state(c);
}

static int
open_handle(struct connection *c, int fd)
{
	uv_loop_t *loop = c->server->loop;
	int error;

	if (c->peer.family == AF_INET || c->peer.family == AF_INET6) {
		(void)uv_tcp_init(loop, &c->uv.tcp); /* cannot fail so */
		error = uv_tcp_open(&c->uv.tcp, fd);
		if (error == 0) {
			(void)uv_tcp_nodelay(&c->uv.tcp, 1);
			/* Finds the clients that vanished without a word. */
			(void)uv_tcp_keepalive(&c->uv.tcp, 1, 60);
		}
	} else {
		(void)uv_pipe_init(loop, &c->uv.pipe, 0);
		error = uv_pipe_open(&c->uv.pipe, fd);
	}
	return error;
}

void
connection_accept(struct socketmap_server *s, int fd, const union peer *peer)
{
	const struct socketmap_observer *o = &s->options.observer;
	size_t max = s->options.connections_max;
	struct connection *c = calloc(1, sizeof *c);
	bool is_refused;
	int error;

	if (c == NULL) {
		(void)close(fd);
		server_accept_failed(s, UV_ENOMEM);
		return;
	}
	is_refused = max > 0 && socketmap_server_connections(s) >= max &&
	    !(s->options.reap_idle && server_reap(s));
	c->server = s;
	c->peer = *peer;
	list_init(&c->state_link);
	list_init(&c->changed_link);
	error = open_handle(c, fd);
	if (error != 0)
		(void)close(fd);
	else
		error = watch_add(s->loop, fd);
	c->uv.handle.data = c;
	server_handle_opened(s);
	s->states[c->state].count++;
	deadlines_enter(c, CONNECTION_NEW);
	if (o->opened != NULL)
		o->opened(s->options.observer_arg);
	if (error != 0)
		connection_close(c, SOCKETMAP_CLOSED_ERROR);
	else if (is_refused)
		connection_close(c, SOCKETMAP_CLOSED_REFUSED);
	else
		settle_state(c);
}
