/*
 * framer - one loop turn's calls as one message
 *
 * Gathers calls for one backend and sends them, at the end of the loop turn,
 * as a frame on the link's socket: no timer, no added latency when idle.
 * While nng takes no more, one frame waits and calls gather behind it, up to
 * a frame's limits.  Loop's thread only.
 */
#ifndef FRONTEND_FRAMER_H
#define FRONTEND_FRAMER_H

#include <uv.h>

#include "common/nngsock.h"
#include "common/rpc.h"

#define FRAMER_HANDLES 2

struct framer_events {
	/* A frame has been sent. */
	void (*sent)(void *arg, size_t calls, size_t bytes);
	/* There is room again after a call was refused. */
	void (*room)(void *arg);
	void *arg;
};

struct framer {
	struct nngsock *socket; /* borrowed; NULL between connections */
	uint32_t next_request;
	struct rpc_writer writer; /* what has gathered */
	struct buffer out;        /* a frame that nng would not take yet */
	size_t out_calls;
	uv_prepare_t turn; /* active while something has gathered */
	uv_timer_t retry;
	bool refused; /* a call, since there was room last */
	struct framer_events events;
};

void framer_init(
    struct framer *f, uv_loop_t *loop, const struct framer_events *events);

/* Use another socket, or none; what has gathered is forgotten. */
void framer_set_socket(struct framer *f, struct nngsock *socket);

/* Gather a call, whose strings are copied.  False without a socket, or when
 * no more fit while nng is blocked. */
bool framer_add(struct framer *f, const struct rpc_call *call)
    __attribute__((warn_unused_result));

/* Close the handles: closed is called FRAMER_HANDLES times with handle->data
 * being data; then framer_fini(). */
void framer_close(struct framer *f, uv_close_cb closed, void *data);
void framer_fini(struct framer *f);

#endif
