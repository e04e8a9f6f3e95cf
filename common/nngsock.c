#include "common/nngsock.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/nngsock_private.h"
#include "common/watch.h"

#if defined(__SANITIZE_ADDRESS__)
#define NNGSOCK_LEAK_CHECK
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NNGSOCK_LEAK_CHECK
#endif
#endif
#ifdef NNGSOCK_LEAK_CHECK
#include <sanitizer/lsan_interface.h>
#endif

#define RECONNECT_MIN_MS 20
#define RECONNECT_MAX_MS 2000
/* Messages taken per loop turn, so that a flood starves no other handle. */
#define MESSAGES_PER_TURN 64
#define REQUEST_ID_BIT 0x80000000u

/*
 * Runs on nng's threads.  ADD_PRE and REM_POST come in pairs for every pipe,
 * even for one that is refused between them; ADD_POST does not.
 */
static void
on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct nngsock *s = arg;
	uint32_t id = (uint32_t)nng_pipe_id(pipe);

	if (event == NNG_PIPE_EV_ADD_POST) {
		nngsock_note_accepted(s, id);
		return;
	}
	if (event == NNG_PIPE_EV_ADD_PRE) {
		nngsock_note_added(s, id);
		atomic_fetch_add(&s->pipes, 1);
	} else {
		nngsock_note_ended(s, id);
		atomic_fetch_sub(&s->pipes, 1);
		/* Or nng would dial again, half of the times at once, while
		 * the owner closes the socket: a connection that ends in the
		 * middle of the handshake kills the listener. */
		if (s->dials)
			(void)nng_dialer_close(s->dialer);
	}
	uv_async_send(&s->pipes_changed);
}

static void
on_pipes_changed(uv_async_t *async)
{
	struct nngsock *s = async->data;
	unsigned count = atomic_load(&s->pipes);

	if (s->closed || count == s->pipes_told)
		return;
	s->pipes_told = count;
	if (s->events.pipes != NULL)
		s->events.pipes(s->events.arg, count);
}

/* Whether another message is there.  To ask nng for one in vain takes 2,700
 * instructions, a getrandom(2) among them, for an aio made and destroyed. */
static bool
has_message(const struct nngsock *s)
{
	struct pollfd fd = { .fd = s->receive_fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/* Take messages until there is none; by nng's descriptor, if that is to be
 * believed. */
static void
receive(struct nngsock *s, bool believe)
{
	for (int i = 0; i < MESSAGES_PER_TURN && !s->closed; i++) {
		nng_msg *message;

		if (nng_recvmsg(s->socket, &message, NNG_FLAG_NONBLOCK) != 0)
			return;
		nngsock_note_spoken(
		    s, (uint32_t)nng_pipe_id(nng_msg_get_pipe(message)));
		s->events.message(s->events.arg,
		    (struct slice){
			nng_msg_header(message), nng_msg_header_len(message) },
		    (struct slice){
			nng_msg_body(message), nng_msg_len(message) });
		nng_msg_free(message);
		/* One is the rule while there is little to do. */
		if (i == 0 && believe && !s->closed && !has_message(s))
			return;
	}
}

void
nngsock_receive(struct nngsock *s)
{
	receive(s, false);
}

static void
on_readable(uv_poll_t *readable, int status, int events)
{
	(void)status;
	(void)events;
	receive(readable->data, true);
}

void
nngsock_release(struct nngsock *s)
{
	if (--s->handles > 0)
		return;
	nngsock_listeners_fini(s);
	free(s);
}

static void
on_handle_closed(uv_handle_t *handle)
{
	nngsock_release(handle->data);
}

static int
set_options(nng_socket socket, size_t message_max)
{
	int rv;

	if ((rv = nng_socket_set_size(
		 socket, NNG_OPT_RECVMAXSZ, message_max)) != 0 ||
	    (rv = nng_socket_set_int(socket, NNG_OPT_RECVBUF, NNGSOCK_QUEUE)) !=
		0 ||
	    (rv = nng_socket_set_int(socket, NNG_OPT_SENDBUF, NNGSOCK_QUEUE)) !=
		0 ||
	    (rv = nng_socket_set_ms(
		 socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
	    (rv = nng_socket_set_ms(
		 socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0 ||
	    (rv = nng_socket_set_bool(socket, NNG_OPT_TCP_KEEPALIVE, true)) !=
		0)
		return rv;
	return 0;
}

/*
 * nng watches each connection that it makes, and 1.5.2 panics where that fails:
 * so there must be room for one more descriptor than the loop's own.
 * Returns 0 or a UV_ error.
 */
static int
has_room(uv_loop_t *loop, int fd)
{
	int trial = dup(fd);
	int rv;

	if (trial < 0)
		return uv_translate_sys_error(errno);
	rv = watch_add(loop, trial);
	if (rv == 0)
		watch_remove(loop, trial);
	(void)close(trial);
	return rv;
}

/* Returns 0 or a UV_ error. */
static int
start_polling(struct nngsock *s, int fd)
{
	int rv = uv_poll_init(s->loop, &s->readable, fd);

	if (rv != 0)
		return rv;
	s->receive_fd = fd;
	s->readable.data = s;
	s->handles++;
	if ((rv = watch_add(s->loop, fd)) == 0 &&
	    (rv = has_room(s->loop, fd)) == 0)
		return uv_poll_start(&s->readable, UV_READABLE, on_readable);
	uv_close((uv_handle_t *)&s->readable, on_handle_closed);
	return rv;
}

struct nngsock *
nngsock_open(uv_loop_t *loop, int (*open_raw)(nng_socket *), size_t message_max,
    const struct nngsock_events *events, struct error *error)
{
	struct nngsock *s = mem_calloc(1, sizeof *s);
	int fd = -1;
	int rv;

	nngsock_sendmsg_init();
	nngsock_stream_init();
	s->loop = loop;
	s->events = *events;
	if ((rv = open_raw(&s->socket)) != 0) {
		error_set(
		    error, "nng cannot open a socket: %s", nng_strerror(rv));
		free(s);
		return NULL;
	}
	if ((rv = set_options(s->socket, message_max)) != 0 ||
	    (rv = nng_pipe_notify(
		 s->socket, NNG_PIPE_EV_ADD_PRE, on_pipe, s)) != 0 ||
	    (rv = nng_pipe_notify(
		 s->socket, NNG_PIPE_EV_ADD_POST, on_pipe, s)) != 0 ||
	    (rv = nng_pipe_notify(
		 s->socket, NNG_PIPE_EV_REM_POST, on_pipe, s)) != 0 ||
	    (rv = nng_socket_get_int(s->socket, NNG_OPT_RECVFD, &fd)) != 0) {
		error_set(
		    error, "nng cannot set a socket up: %s", nng_strerror(rv));
		(void)nng_close(s->socket);
		free(s);
		return NULL;
	}
	if ((rv = start_polling(s, fd)) != 0) {
		error_set(error, "cannot watch a socket: %s", uv_strerror(rv));
		(void)nng_close(s->socket);
		if (s->handles == 0)
			free(s);
		return NULL;
	}
	/* Only a loop's first one can fail, and that is libuv's own. */
	(void)uv_async_init(loop, &s->pipes_changed, on_pipes_changed);
	s->pipes_changed.data = s;
	s->handles++;
	return s;
}

struct nngsock *
nngsock_dial(uv_loop_t *loop, const char *url, const struct nngsock_tls *tls,
    size_t message_max, const struct nngsock_events *events,
    struct error *error)
{
	nng_tls_config *config = NULL;
	struct nngsock *s;
	int rv;

	if (nngsock_tls_needed(url) &&
	    !nngsock_tls_config(NNG_TLS_MODE_CLIENT, url, tls, &config, error))
		return NULL;
	s = nngsock_open(loop, nng_req0_open_raw, message_max, events, error);
	if (s == NULL)
		goto cleanup;
	rv = nng_dialer_create(&s->dialer, s->socket, url);
	s->dials = rv == 0;
	if (rv == 0 && config != NULL)
		rv = nng_dialer_set_ptr(s->dialer, NNG_OPT_TLS_CONFIG, config);
	if (rv == 0)
		rv = nng_dialer_start(s->dialer, NNG_FLAG_NONBLOCK);
	if (rv != 0) {
		error_set(error, "cannot dial %s: %s", url, nng_strerror(rv));
		nngsock_close(s);
		s = NULL;
	}

cleanup:
	if (config != NULL)
		nng_tls_config_free(config); /* the dialer has its own hold */
	return s;
}

static enum nngsock_sent
send_message(struct nngsock *s, nng_msg *message)
{
	int rv = nng_sendmsg(s->socket, message, NNG_FLAG_NONBLOCK);

	if (rv == 0)
		return NNGSOCK_SENT;
	nng_msg_free(message);
	return rv == NNG_EAGAIN ? NNGSOCK_FULL : NNGSOCK_DEAD;
}

/* A message with room for body, which is copied; NULL when memory is out. */
static nng_msg *
message_of(struct slice body)
{
	nng_msg *message;

	if (nng_msg_alloc(&message, body.len) != 0)
		return NULL;
	if (body.len > 0)
		memcpy(nng_msg_body(message), body.ptr, body.len);
	return message;
}

enum nngsock_sent
nngsock_request(struct nngsock *s, uint32_t request_id, struct slice body)
{
	nng_msg *message = message_of(body);

	if (message == NULL)
		return NNGSOCK_DEAD;
	if (nng_msg_header_append_u32(message, request_id | REQUEST_ID_BIT) !=
	    0) {
		nng_msg_free(message);
		return NNGSOCK_DEAD;
	}
	return send_message(s, message);
}

enum nngsock_sent
nngsock_reply(struct nngsock *s, struct slice header, struct slice body)
{
	nng_msg *message = message_of(body);

	if (message == NULL)
		return NNGSOCK_DEAD;
	if (nng_msg_header_append(message, header.ptr, header.len) != 0) {
		nng_msg_free(message);
		return NNGSOCK_DEAD;
	}
	return send_message(s, message);
}

/* nng puts the pipe's id in front of what the peer has sent. */
uint32_t
nngsock_connection(struct slice header)
{
	uint32_t pipe = 0;

	if (header.len >= sizeof pipe)
		memcpy(&pipe, header.ptr, sizeof pipe);
	return pipe;
}

void
nngsock_close(struct nngsock *s)
{
	s->closed = true;
	uv_poll_stop(&s->readable);
	/* Closes every pipe and waits for its REM_POST, so that no callback
	 * of nng's threads finds the handles below closed. */
	(void)nng_close(s->socket);
	nngsock_listeners_close(s);
	uv_close((uv_handle_t *)&s->readable, on_handle_closed);
	uv_close((uv_handle_t *)&s->pipes_changed, on_handle_closed);
}

void
nngsock_exit(int status)
{
	(void)fflush(NULL);
#ifdef NNGSOCK_LEAK_CHECK
	__lsan_do_leak_check();
#endif
	_exit(status);
}
