/*
 * request - one request, from its last byte until its reply is handed over
 *
 * A connection's requests form a queue in the order in which they came.  Only
 * the first one's reply may be sent; a reply that is ready earlier is kept, as
 * a frame, in its request.  A request whose connection has closed is on no
 * queue and belongs to its handler until the reply.  Runs on the loop's thread.
 */
#ifndef SOCKETMAP_REQUEST_H
#define SOCKETMAP_REQUEST_H

#include "common/slice.h"
#include "frontend/socketmap/socketmap.h"

#define REQUEST_ROOM_BYTES 432 /* makes the object 512 bytes */

struct connection;

struct socketmap_request {
	struct socketmap_request *next;
	struct socketmap_server *server;
	struct connection *connection; /* NULL once the client has gone */
	uint64_t time_ms;
	uint64_t started_ns; /* 0 if nobody observes */
	char *text;          /* "map key", later the reply's frame: in room or
	                        on the heap */
	size_t text_len;
	size_t map_len;
	bool is_answered;
	char room[REQUEST_ROOM_BYTES];
};

/*
 * Queue a request with this text and hand it to its handler, which may answer
 * before this returns.  False when memory is out.
 */
bool request_dispatch(struct connection *c, struct slice text)
    __attribute__((warn_unused_result));

/* The connection closes: free what is answered, leave the rest to handlers. */
void request_abandon_all(struct connection *c);

#endif
