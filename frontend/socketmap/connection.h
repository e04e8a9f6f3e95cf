/*
 * connection - one client: bytes in, requests out, replies in their order
 *
 * The state of a connection is the list that it is on; connection_enter() is
 * the one function that moves it.  Memory for bytes is held only while there
 * are bytes to keep: part of a request, or replies that the client has not
 * taken.  An idle connection is this struct, well below 2 KiB.
 *
 * Replies gather in `out` during a loop turn and are written once: at the end
 * of the read callback, or from the server's idle handle before the loop
 * blocks again.  Runs on the loop's thread.
 */
#ifndef SOCKETMAP_CONNECTION_H
#define SOCKETMAP_CONNECTION_H

#include <netinet/in.h>

#include "common/buffer.h"
#include "frontend/socketmap/list.h"
#include "frontend/socketmap/socketmap.h"

#define CONNECTION_READ_BYTES 65536 /* the server's read buffer */

enum connection_state {
	CONNECTION_NEW,     /* has not asked anything yet */
	CONNECTION_IDLE,    /* between requests */
	CONNECTION_READING, /* part of a request has come */
	CONNECTION_WRITING, /* the client does not take its replies */
	CONNECTION_WAITING, /* handlers hold all its requests */
	CONNECTION_CLOSING, /* until libuv has closed the handle */
	CONNECTION_STATES,
};

union peer {
	sa_family_t family;
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct connection {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	uv_write_t write;
	struct socketmap_server *server;

	struct list state_link;
	enum connection_state state;
	uint64_t since_ms;  /* when it entered the state */
	size_t unsent_then; /* WRITING: bytes not taken at since_ms */

	struct list changed_link; /* on the server's list of those to settle */
	bool is_parsing;          /* will be settled when the parser returns */
	bool is_reading;          /* libuv reads from the socket */
	bool is_writing;          /* `sending` belongs to libuv */
	bool has_asked;           /* a whole request, once */
	bool is_restarted;        /* a request was completed since it entered
	                             its state */
	bool has_unparsed;        /* `in` may hold whole requests */
	bool is_ending;           /* no more requests; close when all is sent */
	enum socketmap_close_reason end_reason;

	struct socketmap_request *first; /* oldest without its reply sent */
	struct socketmap_request *last;
	size_t pending;    /* requests on that queue */
	size_t kept_bytes; /* replies that wait for their turn there */

	struct buffer in;      /* read, not yet dispatched */
	struct buffer out;     /* replies to write */
	struct buffer sending; /* replies that uv_write() is sending */
	union peer peer;
};

/*
 * Serve a connected socket.  Takes the descriptor, also on failure, and tells
 * the observer.
 */
void connection_accept(
    struct socketmap_server *s, int fd, const union peer *peer);

/* Room for n bytes of replies, to be committed to `out`, or NULL. */
char *connection_reserve(struct connection *c, size_t n)
    __attribute__((warn_unused_result));

/* Something may be sent, read or ended now: settle in this loop turn. */
void connection_changed(struct connection *c);

/* Write, parse, read on or end: whatever the connection can do now.  Must not
 * be called from a handler. */
void connection_settle(struct connection *c);

/* Take no further request and close when every reply has been sent. */
void connection_end(struct connection *c, enum socketmap_close_reason reason);

/* Close at once. */
void connection_close(struct connection *c, enum socketmap_close_reason reason);

/* Bytes of finished replies that the client has not taken. */
size_t connection_unsent(const struct connection *c);

/* Whether that is more than may be, also once the socket has taken what it
 * can. */
bool connection_is_unread(struct connection *c);

#endif
