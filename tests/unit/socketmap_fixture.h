/*
 * socketmap_fixture - a socketmap server and its clients in one thread
 *
 * The server runs on a loop that the test turns; clients are plain sockets.
 * Whatever a test waits for is waited for with fixture_wait() or a read, which
 * turn the loop and fail the test after WAIT_MS.
 */
#ifndef SOCKETMAP_FIXTURE_H
#define SOCKETMAP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend/socketmap/socketmap.h"

#define WAIT_MS 10000
#define HELD_MAX 2000
#define CLOSED(f, reason) ((f)->closed[SOCKETMAP_CLOSED_##reason])

struct fixture {
	uv_loop_t loop;
	uv_timer_t guard; /* wakes the loop when something never comes */
	bool is_late;
	struct socketmap_options options;
	struct socketmap_server *server; /* NULL once freed */
	uint16_t port;

	struct socketmap_request *held[HELD_MAX]; /* by the map "hold" */
	size_t held_count;
	size_t calls; /* of any handler */

	int opened;
	int closed[SOCKETMAP_CLOSE_REASONS];
	int answered;
	int invalid;
	int accept_failed;
	int accept_error;
	int done;
	char peer[64];
	char last_map[64];
	enum socketmap_status last_status;
};

static inline void
fixture_on_opened(void *arg)
{
	((struct fixture *)arg)->opened++;
}

static inline void
fixture_on_closed(
    void *arg, enum socketmap_close_reason reason, const char *peer)
{
	struct fixture *f = arg;

	f->closed[reason]++;
	(void)snprintf(f->peer, sizeof f->peer, "%s", peer);
}

static inline void
fixture_on_answered(void *arg, const char *map, size_t map_len,
    enum socketmap_status status, uint64_t duration_us)
{
	struct fixture *f = arg;

	f->answered++;
	f->last_status = status;
	(void)snprintf(
	    f->last_map, sizeof f->last_map, "%.*s", (int)map_len, map);
	assert_true(duration_us < WAIT_MS * 1000);
}

static inline void
fixture_on_invalid(void *arg)
{
	((struct fixture *)arg)->invalid++;
}

static inline void
fixture_on_accept_failed(void *arg, int error)
{
	struct fixture *f = arg;

	f->accept_failed++;
	f->accept_error = error;
}

static inline void
fixture_on_done(void *arg)
{
	((struct fixture *)arg)->done++;
}

/* --- Handlers ----------------------------------------------------------- */

static inline void
handle_echo(struct socketmap_request *request, void *arg)
{
	size_t len;
	const char *key = socketmap_request_key(request, &len);

	((struct fixture *)arg)->calls++;
	socketmap_reply(request, SOCKETMAP_OK, key, len);
}

static inline void
handle_hold(struct socketmap_request *request, void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	assert_true(f->held_count < HELD_MAX);
	f->held[f->held_count++] = request;
}

/* The key is a number: answer with that many bytes. */
static inline void
handle_bytes(struct socketmap_request *request, void *arg)
{
	static char data[SOCKETMAP_REPLY_BYTES_MAX + 1];
	size_t len;
	const char *key = socketmap_request_key(request, &len);
	size_t n = 0;

	((struct fixture *)arg)->calls++;
	for (size_t i = 0; i < len; i++)
		n = n * 10 + (size_t)(key[i] - '0');
	assert_true(n <= sizeof data);
	memset(data, 'x', n);
	socketmap_reply(request, SOCKETMAP_OK, data, n);
}

/* Answer a held request with its own key. */
static inline void
fixture_answer(struct fixture *f, size_t index)
{
	size_t len;
	const char *key = socketmap_request_key(f->held[index], &len);

	socketmap_reply(f->held[index], SOCKETMAP_OK, key, len);
	f->held[index] = NULL;
}

/* --- Life --------------------------------------------------------------- */

static inline void
fixture_on_guard(uv_timer_t *timer)
{
	((struct fixture *)timer->data)->is_late = true;
}

static inline void
fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(uv_timer_init(&f->loop, &f->guard), 0);
	f->guard.data = f;
	socketmap_options_init(&f->options);
	f->options.observer = (struct socketmap_observer){
		fixture_on_opened,
		fixture_on_closed,
		fixture_on_answered,
		fixture_on_invalid,
		fixture_on_accept_failed,
	};
	f->options.observer_arg = f;
}

/* Serve the maps echo, hold and bytes on a free port. */
static inline void
fixture_start(struct fixture *f)
{
	assert_int_equal(
	    socketmap_server_new(&f->server, &f->loop, &f->options), 0);
	assert_int_equal(
	    socketmap_server_map(f->server, "echo", handle_echo, f), 0);
	assert_int_equal(
	    socketmap_server_map(f->server, "hold", handle_hold, f), 0);
	assert_int_equal(
	    socketmap_server_map(f->server, "bytes", handle_bytes, f), 0);
	assert_int_equal(
	    socketmap_server_listen_tcp(f->server, "127.0.0.1:0", &f->port), 0);
}

/* Release everything; what the server left on the loop fails the test. */
static inline void
fixture_fini(struct fixture *f)
{
	socketmap_server_free(f->server);
	for (size_t i = 0; i < f->held_count; i++)
		if (f->held[i] != NULL)
			fixture_answer(f, i);
	uv_close((uv_handle_t *)&f->guard, NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

/* --- Waiting ------------------------------------------------------------ */

static inline void
fixture_turn(struct fixture *f, const char *what)
{
	if (!uv_is_active((uv_handle_t *)&f->guard))
		assert_int_equal(
		    uv_timer_start(&f->guard, fixture_on_guard, WAIT_MS, 0), 0);
	(void)uv_run(&f->loop, UV_RUN_ONCE);
	if (f->is_late)
		fail_msg("waited in vain: %s", what);
}

/* Turn the loop until the condition holds. */
#define fixture_wait(f, condition)                     \
	do {                                           \
		while (!(condition))                   \
			fixture_turn((f), #condition); \
		(void)uv_timer_stop(&(f)->guard);      \
	} while (0)

/* Do all that can be done without waiting. */
static inline void
fixture_settle(struct fixture *f)
{
	for (int i = 0; i < 5; i++)
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* --- Clients ------------------------------------------------------------ */

static inline int
client_connect(struct fixture *f)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(f->port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static inline void
client_send(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

/* One request as a netstring. */
static inline void
client_ask(int fd, const char *text)
{
	char frame[1024];
	int n = snprintf(frame, sizeof frame, "%zu:%s,", strlen(text), text);

	client_send(fd, frame, (size_t)n);
}

static inline void
client_on_readable(uv_poll_t *poll, int status, int events)
{
	(void)events;
	(void)status;
	*(bool *)poll->data = true;
}

static inline void
client_on_poll_closed(uv_handle_t *handle)
{
	*(bool *)handle->data = true;
}

/* Read up to len bytes as soon as some are there; 0 at the end, -1 reset. */
static inline ssize_t
client_read(struct fixture *f, int fd, char *out, size_t len)
{
	ssize_t n = recv(fd, out, len, MSG_DONTWAIT);
	bool is_readable = false;
	bool is_closed = false;
	uv_poll_t poll;

	if (n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		return n;
	assert_int_equal(uv_poll_init(&f->loop, &poll, fd), 0);
	poll.data = &is_readable;
	assert_int_equal(
	    uv_poll_start(&poll, UV_READABLE, client_on_readable), 0);
	fixture_wait(f, is_readable);
	poll.data = &is_closed;
	uv_close((uv_handle_t *)&poll, client_on_poll_closed);
	fixture_wait(f, is_closed);
	return recv(fd, out, len, MSG_DONTWAIT);
}

/* The next bytes are exactly these. */
static inline void
client_expect(struct fixture *f, int fd, const char *want)
{
	size_t len = strlen(want);
	char *got = malloc(len + 1);
	size_t have = 0;

	assert_non_null(got);
	while (have < len) {
		ssize_t n = client_read(f, fd, got + have, len - have);

		if (n <= 0)
			fail_msg("end after \"%.*s\", want \"%s\"", (int)have,
			    got, want);
		have += (size_t)n;
	}
	got[len] = '\0';
	assert_string_equal(got, want);
	free(got);
}

/* The server has closed, having sent nothing more. */
static inline void
client_expect_end(struct fixture *f, int fd)
{
	char byte;

	assert_true(client_read(f, fd, &byte, 1) <= 0);
}

static inline void
client_reset(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	(void)close(fd);
}

#endif
