/*
 * ops_fixture - an HTTP listener on a loop, and clients for it
 *
 * The listener runs on the test's own thread; a client that has to wait for
 * it is a thread, which ends the loop's run when it is done.
 */
#ifndef TESTS_UNIT_OPS_FIXTURE_H
#define TESTS_UNIT_OPS_FIXTURE_H

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ops.h"

struct fixture {
	uv_loop_t loop;
	struct log *log;
	int log_pipe[2];
	struct metrics *metrics;
	struct ops *ops;
	uint16_t port;
	uv_async_t done; /* the client thread has ended */
	uv_timer_t timer;
};

static inline void
stop_loop_async(uv_async_t *handle)
{
	uv_stop(handle->loop);
}

static inline void
stop_loop_timer(uv_timer_t *handle)
{
	uv_stop(handle->loop);
}

static inline struct endpoint_list
loopback(void)
{
	struct endpoint_list list = { .count = 1 };

	list.items[0] =
	    (struct endpoint){ .kind = ENDPOINT_TCP, .host = "127.0.0.1" };
	return list;
}

static inline void
open_loop(struct fixture *f)
{
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(pipe2(f->log_pipe, O_NONBLOCK | O_CLOEXEC), 0);
	f->log = log_new(&(struct log_options){ .level = LOG_LEVEL_INFO,
	    .format = LOG_FORMAT_JSON,
	    .fd = f->log_pipe[1] });
	assert_int_equal(uv_async_init(&f->loop, &f->done, stop_loop_async), 0);
	assert_int_equal(uv_timer_init(&f->loop, &f->timer), 0);
	f->metrics = metrics_new();
}

static inline void
start_limited(struct fixture *f, const struct ops_limits *limits)
{
	struct endpoint_list list = loopback();
	struct error error;

	open_loop(f);
	f->ops = ops_start_limited(&f->loop, &list, limits, f->log, &error);
	assert_non_null(f->ops);
	f->port = ops_port(f->ops);
	ops_route_standard(f->ops, f->metrics);
}

static inline void
start(struct fixture *f)
{
	start_limited(f,
	    &(struct ops_limits){
		OPS_CONNECTIONS_MAX, OPS_IDLE_TIMEOUT_S, OPS_LIFETIME_S });
}

static inline void
close_loop(struct fixture *f)
{
	uv_close((uv_handle_t *)&f->done, NULL);
	uv_close((uv_handle_t *)&f->timer, NULL);
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	log_free(f->log);
	(void)close(f->log_pipe[0]);
	(void)close(f->log_pipe[1]);
	metrics_free(f->metrics);
}

static inline void
stop(struct fixture *f)
{
	ops_stop(f->ops);
	close_loop(f);
}

/* Turn the loop for so long. */
static inline void
turn_for(struct fixture *f, uint64_t ms)
{
	uv_update_time(&f->loop);
	assert_int_equal(uv_timer_start(&f->timer, stop_loop_timer, ms, 0), 0);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	(void)uv_timer_stop(&f->timer);
}

static inline int
try_connect(int fd, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };

	return connect(fd, (struct sockaddr *)&to, sizeof to);
}

static inline int
connected(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(try_connect(fd, port), 0);
	return fd;
}

static inline void
send_all(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* A blocking client in a thread of its own. */
struct client {
	struct fixture *f;
	pthread_t thread;
	int fd;
	struct slice send;
	size_t repeat; /* times that send is written, until writing fails */
	size_t written;
	unsigned pause_us; /* between one write and the next, reads too */
	struct buffer got;
};

static inline void *
client_main(void *arg)
{
	struct client *c = arg;
	char chunk[65536];
	ssize_t n;

	for (size_t i = 0; i < c->repeat; i++) {
		n = send(c->fd, c->send.ptr, c->send.len, MSG_NOSIGNAL);
		if (n < 0)
			break;
		c->written += (size_t)n;
		if (c->pause_us > 0)
			(void)usleep(c->pause_us);
	}
	while ((n = recv(c->fd, chunk, sizeof chunk, 0)) > 0) {
		if (!buffer_append(&c->got, chunk, (size_t)n))
			abort();
	}
	(void)uv_async_send(&c->f->done);
	return NULL;
}

static inline void
client_run(struct client *c)
{
	buffer_init(&c->got, (size_t)32 << 20);
	assert_int_equal(pthread_create(&c->thread, NULL, client_main, c), 0);
	(void)uv_run(&c->f->loop, UV_RUN_DEFAULT);
	assert_int_equal(pthread_join(c->thread, NULL), 0);
	(void)close(c->fd);
	assert_true(buffer_append(&c->got, "", 1)); /* a string from here on */
}

/* Send bytes, read to the end; the caller frees the reply. */
static inline char *
exchange_on(struct fixture *f, int fd, struct slice bytes)
{
	struct client c = { .f = f, .fd = fd, .send = bytes, .repeat = 1 };

	client_run(&c);
	return c.got.data;
}

static inline char *
exchange(struct fixture *f, const char *request)
{
	return exchange_on(f, connected(f->port), slice_of(request));
}

static inline void
assert_starts(const char *got, const char *want)
{
	if (strncmp(got, want, strlen(want)) != 0)
		fail_msg("got \"%.60s\", want \"%s…\"", got, want);
}

static inline void
assert_has(const char *got, const char *want)
{
	if (strstr(got, want) == NULL)
		fail_msg("no \"%s\" in \"%.1000s\"", want, got);
}

static inline void
assert_body(const char *got, const char *want)
{
	const char *body = strstr(got, "\r\n\r\n");

	assert_non_null(body);
	assert_string_equal(body + 4, want);
}

static inline void
assert_healthy(struct fixture *f)
{
	char *got = exchange(f, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_starts(got, "HTTP/1.1 200 ");
	free(got);
}

/* Replies with *arg bytes, a size_t. */
static inline void
answer_big(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	size_t size = *(size_t *)arg;
	char *to = buffer_reserve(reply->body, size);

	(void)request;
	assert_non_null(to);
	memset(to, 'x', size);
	buffer_commit(reply->body, size);
}

#endif
