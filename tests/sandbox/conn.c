#include "conn.h"

#include <stdlib.h>

#include <utlist.h>

#include "common/mem.h"
#include "control.h"
#include "server.h"
#include "text.h"
#include "tls.h"

#define BODY_MAX ((size_t)1 << 20)           /* bytes, of the API */
#define CONTROL_BODY_MAX ((size_t)512 << 20) /* a directory may be large */
#define IN_BACKLOG ((size_t)1 << 20)         /* stop reading beyond */
#define OUT_BACKLOG ((size_t)256 << 10)      /* stop answering beyond */
#define DRAIN_MS 2000

static void process(struct conn *c);

static void
on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	if (--c->handles > 0)
		return;
	tls_free(c->tls);
	buffer_fini(&c->in);
	buffer_fini(&c->out);
	buffer_fini(&c->flight);
	delivery_fini(&c->delivery);
	free(c);
}

static void
close_with(struct conn *c, bool reset)
{
	if (c->state == CONN_CLOSED)
		return;
	if (c->delivery.counted)
		stats_end(&c->server->stats);
	c->state = CONN_CLOSED;
	c->server->stats.connections_open--;
	DL_DELETE(c->server->conns, c);
	uv_close((uv_handle_t *)&c->timer, on_closed);
	if (!reset || c->io.handle.type != UV_TCP ||
	    uv_tcp_close_reset(&c->io.tcp, on_closed) != 0)
		uv_close(&c->io.handle, on_closed);
}

void
conn_close(struct conn *c)
{
	close_with(c, false);
}

static void on_timer(uv_timer_t *timer);

/* All is written: do what was to happen then. */
static void
leave(struct conn *c)
{
	if (c->after != DELIVERY_FINISH || c->eof) {
		close_with(c, c->after == DELIVERY_RESET);
		return;
	}
	/* Closing with input unread would send a RST that can overtake the
	 * answer: let the peer go first. */
	c->state = CONN_DRAINING;
	buffer_clear(&c->in);
	if (uv_shutdown(&c->shutdown, &c->io.stream, NULL) != 0 ||
	    uv_timer_start(&c->timer, on_timer, DRAIN_MS, 0) != 0)
		conn_close(c);
}

static void
put(struct conn *c, struct slice bytes)
{
	if (c->tls == NULL)
		text_put(&c->out, bytes);
	else if (!tls_write(c->tls, bytes, &c->out))
		conn_close(c);
}

static void on_written(uv_write_t *write, int status);

static void
flush(struct conn *c)
{
	struct buffer swap = c->out;
	uv_buf_t buf;

	if (c->writing || c->state == CONN_CLOSED)
		return;
	if (buffer_len(&c->out) == 0) {
		if (c->state == CONN_LEAVING)
			leave(c);
		return;
	}
	c->out = c->flight;
	c->flight = swap;
	buf = uv_buf_init(
	    c->flight.data + c->flight.start, (unsigned)buffer_len(&c->flight));
	if (uv_write(&c->write, &c->io.stream, &buf, 1, on_written) != 0)
		conn_close(c);
	else
		c->writing = true;
}

static void
on_written(uv_write_t *write, int status)
{
	struct conn *c = write->data;

	c->writing = false;
	buffer_clear(&c->flight);
	if (c->state == CONN_CLOSED)
		return;
	if (status != 0) {
		conn_close(c);
		return;
	}
	if (c->state == CONN_SENDING && c->delivery.drip_ms == 0)
		put(c, buffer_slice(&c->delivery.again));
	process(c);
}

static void
begin_leaving(struct conn *c, enum delivery_after after)
{
	c->state = CONN_LEAVING;
	c->after = after;
	if (c->tls != NULL && after == DELIVERY_FINISH)
		tls_bye(c->tls, &c->out);
}

static void
finish(struct conn *c)
{
	enum delivery_after after = c->delivery.after;

	if (c->state == CONN_CLOSED)
		return;
	if (c->delivery.counted)
		stats_end(&c->server->stats);
	delivery_fini(&c->delivery);
	delivery_init(&c->delivery);
	if (after == DELIVERY_KEEP)
		c->state = CONN_READING;
	else
		begin_leaving(c, after);
}

/* Put the delivery's bytes up to `until` out. */
static void
advance(struct conn *c, size_t until)
{
	struct delivery *d = &c->delivery;

	if (until > d->end)
		until = d->end;
	put(c,
	    (struct slice){
		d->bytes.data + d->bytes.start + d->sent, until - d->sent });
	d->sent = until;
}

static void
deliver(struct conn *c)
{
	struct delivery *d = &c->delivery;
	bool endless = buffer_len(&d->again) > 0;
	uint64_t drip_ms = (uint64_t)d->drip_ms;

	if (d->end > 0)
		advance(c, drip_ms > 0 ? d->head : d->end);
	if (c->state == CONN_CLOSED)
		return;
	if (d->sent == d->end && !endless) {
		finish(c);
		return;
	}
	c->state = CONN_SENDING;
	if (drip_ms > 0)
		(void)uv_timer_start(&c->timer, on_timer, drip_ms, drip_ms);
}

static void
drip(struct conn *c)
{
	struct delivery *d = &c->delivery;

	if (d->sent < d->end)
		advance(c, d->sent + 1);
	else
		put(c, buffer_slice(&d->again));
	if (c->state == CONN_CLOSED)
		return;
	if (d->sent == d->end && buffer_len(&d->again) == 0) {
		uv_timer_stop(&c->timer);
		finish(c);
	}
}

static void
delay(struct conn *c)
{
	if (c->delivery.delay_ms == 0) {
		deliver(c);
		return;
	}
	c->state = CONN_DELAYED;
	(void)uv_timer_start(
	    &c->timer, on_timer, (uint64_t)c->delivery.delay_ms, 0);
}

static void
start(struct conn *c)
{
	if (c->delivery.hang)
		c->state = CONN_HUNG;
	else
		delay(c);
}

static void
on_timer(uv_timer_t *timer)
{
	struct conn *c = timer->data;

	if (c->state == CONN_DELAYED)
		deliver(c);
	else if (c->state == CONN_SENDING)
		drip(c);
	else
		conn_close(c); /* the peer does not go */
	process(c);
}

void
conn_release(struct conn *c)
{
	if (c->state != CONN_HUNG)
		return;
	delay(c);
	process(c);
}

static void
refuse(struct conn *c, int status)
{
	buffer_clear(&c->in);
	server_refuse(c->server, status, &c->delivery);
	start(c);
}

/* A head is there, its body not yet. */
static void
await_body(struct conn *c, const struct http_request *req)
{
	size_t max = control_owns(req->target) ? CONTROL_BODY_MAX : BODY_MAX;

	if (req->body_bytes > max) {
		refuse(c, 413);
	} else if (req->expect_continue && !c->continued) {
		c->continued = true;
		put(c, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
	}
}

/* Take the next request out of the input; false if there is none. */
static bool
take_request(struct conn *c)
{
	struct http_request req;
	size_t used;
	int status = http_parse(buffer_slice(&c->in), &req, &used);

	if (status == HTTP_PARTIAL) {
		if (c->eof)
			begin_leaving(c, DELIVERY_CLOSE);
		else if (req.method.len > 0)
			await_body(c, &req);
		return false;
	}
	if (status != HTTP_OK) {
		refuse(c, status);
		return true;
	}
	c->continued = false;
	server_answer(c->server, c, &req, &c->delivery);
	buffer_consume(&c->in, used);
	start(c);
	return true;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void
on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
	struct conn *c = handle->data;

	(void)hint;
	*buf = uv_buf_init(c->server->scratch, (unsigned)SERVER_SCRATCH_BYTES);
}

/* Read no more than is being worked off. */
static void
regulate(struct conn *c)
{
	bool pause = buffer_len(&c->in) > IN_BACKLOG &&
	    (c->state != CONN_READING || buffer_len(&c->out) > OUT_BACKLOG);

	if (c->state == CONN_CLOSED || c->eof || pause == c->paused)
		return;
	c->paused = pause;
	if (pause)
		(void)uv_read_stop(&c->io.stream);
	else if (uv_read_start(&c->io.stream, on_alloc, on_read) != 0)
		conn_close(c);
}

/* Go on as far as possible. */
static void
process(struct conn *c)
{
	while (c->state == CONN_READING && buffer_len(&c->out) <= OUT_BACKLOG) {
		if (!take_request(c))
			break;
	}
	/* A hung request ends with its client; nothing else would end it. */
	if (c->eof && (c->state == CONN_HUNG || c->state == CONN_DRAINING))
		conn_close(c);
	flush(c);
	regulate(c);
}

static bool
feed(struct conn *c, struct slice bytes)
{
	if (c->state == CONN_LEAVING || c->state == CONN_DRAINING)
		return true; /* nobody wants it */
	if (c->tls != NULL)
		return tls_feed(c->tls, bytes, &c->in, &c->out, &c->eof);
	text_put(&c->in, bytes);
	return true;
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;

	if (n == 0 || c->state == CONN_CLOSED)
		return;
	if (n == UV_EOF) {
		c->eof = true;
	} else if (n < 0) {
		conn_close(c);
		return;
	} else if (!feed(c, (struct slice){ buf->base, (size_t)n })) {
		begin_leaving(c, DELIVERY_CLOSE);
	}
	process(c);
}

void
conn_accept(struct server *server, uv_stream_t *listener, struct tls *tls)
{
	struct conn *c = mem_calloc(1, sizeof *c);
	bool tcp = listener->type == UV_TCP;
	int rc;

	c->server = server;
	c->tls = tls;
	c->handles = 2;
	buffer_init(&c->in, TEXT_MAX);
	buffer_init(&c->out, TEXT_MAX);
	buffer_init(&c->flight, TEXT_MAX);
	delivery_init(&c->delivery);
	if (tcp)
		rc = uv_tcp_init(server->loop, &c->io.tcp);
	else
		rc = uv_pipe_init(server->loop, &c->io.pipe, 0);
	if (rc != 0 || uv_timer_init(server->loop, &c->timer) != 0)
		abort(); /* neither can fail here */
	c->io.handle.data = c;
	c->timer.data = c;
	c->write.data = c;
	DL_APPEND(server->conns, c);
	server->stats.connections++;
	server->stats.connections_open++;
	rc = uv_accept(listener, &c->io.stream);
	if (rc == 0)
		rc = uv_read_start(&c->io.stream, on_alloc, on_read);
	if (rc == 0 && tcp)
		rc = uv_tcp_nodelay(&c->io.tcp, 1);
	if (rc != 0)
		conn_close(c);
}
