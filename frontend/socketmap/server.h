/*
 * server - what a server's parts share
 *
 * Internal; the public interface is socketmap.h.  The struct lives until its
 * owner has freed it, libuv has closed every handle and every request has been
 * answered: each of these holds a reference.  Runs on the loop's thread.
 */
#ifndef SOCKETMAP_SERVER_H
#define SOCKETMAP_SERVER_H

#include "frontend/socketmap/connection.h"
#include "frontend/socketmap/list.h"
#include "frontend/socketmap/maps.h"
#include "frontend/socketmap/socketmap.h"
#include "frontend/socketmap/spares.h"

enum server_phase {
	SERVER_OPEN,
	SERVER_STOPPED, /* shutting down: one more turn to read what came */
	SERVER_ENDING,  /* shutting down: connections end one by one */
	SERVER_CLOSED,
};

struct socketmap_server {
	uv_loop_t *loop;
	struct socketmap_options options;
	struct maps maps;
	struct spares spares;
	enum server_phase phase;
	size_t references;
	size_t handles; /* of libuv, not closed yet */

	struct {
		struct list connections; /* in order of entry */
		size_t count;
	} states[CONNECTION_STATES];
	struct list changed; /* connections to settle in this loop turn */
	struct list listeners;
	char *read_buffer; /* CONNECTION_READ_BYTES, for one callback */

	uv_timer_t timer; /* deadlines of connections */
	uint64_t timer_due_ms;
	uv_timer_t accept_timer; /* ends a pause in accepting */
	uv_idle_t waker;         /* settles; keeps the loop from blocking */
	uv_check_t drainer;      /* runs when what has come has been read */
	bool is_drain_due;

	bool has_shutdown; /* done is to be called */
	void (*done)(void *arg);
	void *done_arg;

	bool owns_loop;
	bool is_finished;   /* own loop: run may return */
	uint64_t grace_ms;  /* own loop */
	uv_async_t stopper; /* own loop */
	uv_timer_t grace;   /* own loop */
};

void server_ref(struct socketmap_server *s);
void server_unref(struct socketmap_server *s);

/* A handle with the server behind it was opened, has been closed. */
void server_handle_opened(struct socketmap_server *s);
void server_handle_closed(struct socketmap_server *s);
/* uv_close_cb for the server's own handles; data is the server. */
void server_on_closed(uv_handle_t *handle);

/* Settle the changed connections before the loop blocks. */
void server_wake(struct socketmap_server *s);

/* Close the connection that has been idle the longest, one that has never asked
 * before one that has; false if none is idle. */
bool server_reap(struct socketmap_server *s);

/* Tell the observer. */
void server_accept_failed(struct socketmap_server *s, int error);

#endif
