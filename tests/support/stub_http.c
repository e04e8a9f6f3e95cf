#include "tests/support/stub_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
			    #condition);                                   \
			abort();                                           \
		}                                                          \
	} while (0)

struct sending {
	uv_write_t request;
	char bytes[];
};

static void
on_connection_closed(uv_handle_t *handle)
{
	struct stub_connection *c = handle->data;

	DL_DELETE(c->stub->open, c);
	free(c);
}

void
stub_hang_up(struct stub_connection *c)
{
	if (!uv_is_closing((uv_handle_t *)&c->handle))
		uv_close((uv_handle_t *)&c->handle, on_connection_closed);
}

static void
on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct stub_connection *c = handle->data;

	(void)suggested;
	*out = uv_buf_init(
	    c->request + c->len, (unsigned)(STUB_REQUEST_MAX - 1 - c->len));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *ignored)
{
	struct stub_connection *c = stream->data;

	(void)ignored;
	if (n < 0) {
		stub_hang_up(c);
		return;
	}
	c->len += (size_t)n;
	c->request[c->len] = '\0';
	/* GET has no body, and a client sends one request at a time.  What
	 * starts with 0x16 is a TLS handshake, and the test's to answer. */
	if (strstr(c->request, "\r\n\r\n") == NULL && c->request[0] != 0x16)
		return;
	c->len = 0;
	c->requests++;
	c->stub->requests++;
	c->stub->on_request(c->stub->arg, c);
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct stub_http *s = listener->data;
	struct stub_connection *c = calloc(1, sizeof *c);

	CHECK(status == 0 && c != NULL);
	c->stub = s;
	if (listener->type == UV_TCP)
		CHECK(uv_tcp_init(s->loop, &c->handle.tcp) == 0);
	else
		CHECK(uv_pipe_init(s->loop, &c->handle.pipe, 0) == 0);
	c->handle.stream.data = c;
	CHECK(uv_accept(listener, &c->handle.stream) == 0);
	/* A response is several writes; none waits for an acknowledgement. */
	if (listener->type == UV_TCP)
		CHECK(uv_tcp_nodelay(&c->handle.tcp, 1) == 0);
	DL_APPEND(s->open, c);
	s->connections++;
	CHECK(uv_read_start(&c->handle.stream, on_room, on_read) == 0);
}

static void
listen_on(struct stub_http *s, uv_loop_t *loop, stub_request f, void *arg)
{
	s->loop = loop;
	s->on_request = f;
	s->arg = arg;
	s->listener.stream.data = s;
	CHECK(uv_listen(&s->listener.stream, 128, on_connection) == 0);
}

void
stub_http_init(struct stub_http *s, uv_loop_t *loop, stub_request f, void *arg)
{
	struct sockaddr_in address;
	int size = sizeof address;

	memset(s, 0, sizeof *s);
	CHECK(uv_ip4_addr("127.0.0.1", 0, &address) == 0);
	CHECK(uv_tcp_init(loop, &s->listener.tcp) == 0);
	CHECK(uv_tcp_bind(
		  &s->listener.tcp, (const struct sockaddr *)&address, 0) == 0);
	listen_on(s, loop, f, arg);
	CHECK(uv_tcp_getsockname(
		  &s->listener.tcp, (struct sockaddr *)&address, &size) == 0);
	s->port = ntohs(address.sin_port);
}

void
stub_http_init_unix(struct stub_http *s, uv_loop_t *loop, const char *path,
    stub_request f, void *arg)
{
	memset(s, 0, sizeof *s);
	CHECK(uv_pipe_init(loop, &s->listener.pipe, 0) == 0);
	CHECK(uv_pipe_bind(&s->listener.pipe, path) == 0);
	listen_on(s, loop, f, arg);
}

void
stub_http_close(struct stub_http *s)
{
	struct stub_connection *c;

	uv_close((uv_handle_t *)&s->listener, NULL);
	DL_FOREACH (s->open, c)
		stub_hang_up(c);
}

void
stub_path(const struct stub_connection *c, char *out, size_t size)
{
	const char *start = strchr(c->request, ' ');
	size_t len;

	CHECK(start != NULL);
	len = strcspn(++start, " ");
	if (len >= size)
		len = size - 1;
	memcpy(out, start, len);
	out[len] = '\0';
}

bool
stub_has_header(const struct stub_connection *c, const char *line)
{
	char whole[512];

	snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
	return strstr(c->request, whole) != NULL;
}

static void
on_sent(uv_write_t *request, int status)
{
	(void)status; /* a client that has gone is the test's to expect */
	free(request->data);
}

void
stub_send(struct stub_connection *c, const void *bytes, size_t len)
{
	struct sending *s = malloc(sizeof *s + len);
	uv_buf_t buffer;

	CHECK(s != NULL);
	memcpy(s->bytes, bytes, len);
	s->request.data = s;
	buffer = uv_buf_init(s->bytes, (unsigned)len);
	if (uv_is_closing((uv_handle_t *)&c->handle) ||
	    uv_write(&s->request, &c->handle.stream, &buffer, 1, on_sent) != 0)
		free(s);
}

void
stub_send_text(struct stub_connection *c, const char *text)
{
	stub_send(c, text, strlen(text));
}

void
stub_reply(struct stub_connection *c, const char *status, const char *headers,
    const char *body)
{
	char head[1024];

	snprintf(head, sizeof head,
	    "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
	    strlen(body), headers);
	stub_send_text(c, head);
	stub_send_text(c, body);
}
