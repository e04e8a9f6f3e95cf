/*
 * stub_http - a few lines of HTTP server, on a test's own loop
 *
 * Listens on a free port of 127.0.0.1, or on a UNIX socket; hands each request
 * to the test, which answers with whatever bytes it likes, now or later, or
 * not at all.  Everything it cannot do aborts the test.
 */
#ifndef TESTS_SUPPORT_STUB_HTTP_H
#define TESTS_SUPPORT_STUB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define STUB_REQUEST_MAX 16384

struct stub_http;

struct stub_connection {
	struct stub_connection *prev, *next;
	struct stub_http *stub;
	union {
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} handle;
	unsigned requests; /* that came over it */
	size_t len;
	char request[STUB_REQUEST_MAX]; /* the last head, NUL-terminated */
};

/* A whole request head has come. */
typedef void (*stub_request)(void *arg, struct stub_connection *connection);

struct stub_http {
	uv_loop_t *loop;
	union {
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} listener;
	int port;
	stub_request on_request;
	void *arg;
	struct stub_connection *open;
	unsigned connections; /* ever */
	unsigned requests;    /* ever */
	bool closing;
};

void stub_http_init(
    struct stub_http *s, uv_loop_t *loop, stub_request f, void *arg);
void stub_http_init_unix(struct stub_http *s, uv_loop_t *loop, const char *path,
    stub_request f, void *arg);

/* Close the listener and all connections; the loop must then run. */
void stub_http_close(struct stub_http *s);

/* The path of the connection's last request; cut at size. */
void stub_path(const struct stub_connection *c, char *out, size_t size);

/* True when the last request has this header line, "Name: value". */
bool stub_has_header(const struct stub_connection *c, const char *line);

/* Send bytes as they are. */
void stub_send(struct stub_connection *c, const void *bytes, size_t len);
void stub_send_text(struct stub_connection *c, const char *text);

/* A whole response: status as "200 OK", extra header lines with CRLF, body. */
void stub_reply(struct stub_connection *c, const char *status,
    const char *headers, const char *body);

/* Close the connection after what has been sent. */
void stub_hang_up(struct stub_connection *c);

#endif
