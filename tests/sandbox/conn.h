/*
 * conn - one accepted connection: bytes in, requests out, answers back
 *
 * Requests of a connection are answered one after the other; what a client
 * pipelines waits in the input.  Everything that waits (delay, drip, hang, an
 * endless body) waits on a timer or on the peer, never in the loop.  On the
 * loop's thread only.
 */
#ifndef SANDBOX_CONN_H
#define SANDBOX_CONN_H

#include <uv.h>

#include "delivery.h"

struct server;
struct tls;

enum conn_state {
	CONN_READING,  /* waits for a whole request */
	CONN_DELAYED,  /* waits before answering */
	CONN_HUNG,     /* answers when the faults are cleared */
	CONN_SENDING,  /* the body goes out bit by bit */
	CONN_LEAVING,  /* sends what is left, then `after` happens */
	CONN_DRAINING, /* nothing more to say; the peer is to close */
	CONN_CLOSED,
};

struct conn {
	struct conn *prev;
	struct conn *next;
	struct server *server;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	uv_timer_t timer;
	uv_write_t write;
	uv_shutdown_t shutdown;
	int handles; /* not yet closed */
	enum conn_state state;
	struct tls *tls; /* NULL in clear text */
	struct buffer in;
	struct buffer out;    /* to be written */
	struct buffer flight; /* being written */
	struct delivery delivery;
	enum delivery_after after; /* when LEAVING */
	bool writing;
	bool paused; /* not reading: too much input waits */
	bool eof;
	bool continued;    /* 100 Continue was sent for this request */
	bool has_requests; /* counted as a connection of the API */
};

/* Accept from a listener; tls may be NULL and is handed over. */
void conn_accept(struct server *server, uv_stream_t *listener, struct tls *tls);

/* Answer now, if it hangs. */
void conn_release(struct conn *c);

/* Close at once; the memory goes when libuv lets go of it. */
void conn_close(struct conn *c);

#endif
