/*
 * ops_connections - the connections of the ops listener, oldest first
 *
 * Which of them is late, abandoned, or in the way of newer ones, and how many
 * have ended for which reason.  It shuts connections down but never closes
 * them: the HTTP library notices, and does.  Loop's thread only.
 */
#ifndef COMMON_OPS_CONNECTIONS_H
#define COMMON_OPS_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/metrics.h"

enum ops_end {
	OPS_END_UNKNOWN,   /* while it is open */
	OPS_END_ANSWERED,  /* by a handler */
	OPS_END_REFUSED,   /* answered with 4xx, or cut within its body */
	OPS_END_MALFORMED, /* what came is no HTTP, or has too long headers */
	OPS_END_LEFT,      /* closed by the client before a whole request */
	OPS_END_TIMEOUT,   /* idle or open for too long */
	OPS_END_EVICTED,   /* to make room */
	OPS_ENDS,
};

/* A connection carries one request: its reply closes it. */
struct ops_connection {
	struct ops_connection *prev, *next;
	int fd; /* the HTTP library's */
	uint64_t since_ms;
	uint64_t deadline_ms;
	enum ops_end end;
	bool shut; /* by us */
};

struct ops_connections {
	struct ops_connection *oldest, *newest;
	unsigned count;
	uint64_t idle_timeout_ms; /* the library's own */
	uint64_t lifetime_ms;
	struct metrics_counter *ends[OPS_ENDS]; /* NULL: not counted */
};

void ops_connections_init(
    struct ops_connections *l, unsigned idle_timeout_s, unsigned lifetime_s);

/* Count in ops_connections_closed_total from now on. */
void ops_connections_count(struct ops_connections *l, struct metrics *metrics);

/* Never NULL: out of memory ends the process. */
struct ops_connection *ops_connections_add(
    struct ops_connections *l, int fd, uint64_t now_ms);

/* Count why it ends, and free it; its descriptor is still open. */
void ops_connections_remove(
    struct ops_connections *l, struct ops_connection *c, uint64_t now_ms);

/* The reply to it, with this status, is queued. */
void ops_connections_answered(struct ops_connection *c, unsigned status);

/*
 * Shut down those whose client has gone before it was answered.  When a
 * client's last bytes and its end arrive together, libmicrohttpd reads the
 * former, misses the latter, and would keep the connection until it times out.
 * Half-closed ones that wait for their reply are left alone.
 */
void ops_connections_end_abandoned(struct ops_connections *l);

/* Shut down those whose deadline has come. */
void ops_connections_end_late(struct ops_connections *l, uint64_t now_ms);

/*
 * Shut down the one that is most in the way: the oldest of which no whole
 * request has come, or else the oldest that takes long to read its reply; never
 * the newest, whose request may be about to come.
 */
void ops_connections_evict(struct ops_connections *l);

#endif
