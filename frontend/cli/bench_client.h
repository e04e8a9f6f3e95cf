/*
 * bench_client - one connection of a benchmark: requests out, answers in
 *
 * Keeps up to a number of requests on their way.  In steady state it allocates
 * nothing: what it writes and reads lies in memory that all clients share,
 * unless a request or an answer comes in pieces.  Runs on the loop's thread.
 */
#ifndef FRONTEND_CLI_BENCH_CLIENT_H
#define FRONTEND_CLI_BENCH_CLIENT_H

#include <uv.h>

#include "common/buffer.h"
#include "frontend/cli/bench_figures.h"
#include "frontend/cli/bench_plan.h"
#include "frontend/socketmap/list.h"

#define BENCH_READ_BYTES 65536

struct bench_client;

/* What all clients of a run have in common. */
struct bench_shared {
	uv_loop_t *loop;
	struct bench_plan *plan;
	struct bench_figures *figures;
	size_t pipeline;
	size_t in_flight; /* requests of all clients */
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
	} to;
	const char *path; /* of a UNIX socket; NULL: to */
	/* Connected, or room for another request, or both. */
	void (*room)(void *arg, struct bench_client *c);
	/* The connection has ended, or could not be made, for this libuv
	 * error; bench_client_connect() may be called. */
	void (*down)(void *arg, struct bench_client *c, int error);
	void *arg;
	struct buffer out; /* requests being written */
	char read_buffer[BENCH_READ_BYTES];
};

enum bench_client_state {
	BENCH_CLIENT_OFF,
	BENCH_CLIENT_CONNECTING,
	BENCH_CLIENT_UP,
	BENCH_CLIENT_CLOSING,
};

struct bench_request {
	uint64_t due_ns;  /* when it should have been asked */
	uint64_t sent_ns; /* when it was */
	const struct bench_expected *expected;
};

struct bench_client {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	uv_connect_t connect;
	uv_write_t write;
	struct bench_shared *shared;
	struct list link; /* the owner's */
	enum bench_client_state state;
	int ended;   /* CLOSING: why */
	bool was_up; /* the owner's */
	bool is_writing;
	struct buffer in;      /* part of an answer */
	struct buffer sending; /* what the socket did not take */
	/* On their way, in order: a ring of shared->pipeline. */
	struct bench_request *ring;
	size_t first, count;
};

void bench_client_init(struct bench_client *c, struct bench_shared *shared);
void bench_client_fini(struct bench_client *c); /* only when OFF */

/* Only when OFF; room() or down() tells what came of it. */
void bench_client_connect(struct bench_client *c);

/* How many requests may be asked now. */
size_t bench_client_room(const struct bench_client *c);

/* Ask n (up to bench_client_room()) requests that are due at that time. */
void bench_client_ask(
    struct bench_client *c, size_t n, uint64_t due_ns, uint64_t now_ns);

/* Asked before that time and not answered yet. */
bool bench_client_is_overdue(const struct bench_client *c, uint64_t sent_ns);

/* Close; down() follows, with that error.  What is on its way is lost. */
void bench_client_close(struct bench_client *c, int error);

#endif
