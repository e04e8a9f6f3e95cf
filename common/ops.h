/*
 * ops - the HTTP listener for metrics, probes and webhooks
 *
 * libmicrohttpd, polled from the loop through its epoll descriptor: no thread
 * of its own, bounded connections, timeouts, bounded bodies.  Handlers run on
 * the loop's thread and answer at once.  HEAD is answered as GET without the
 * body; an unknown path is 404, a wrong method 405.  Each reply closes its
 * connection, so that none is closed just when its next request arrives.
 * At the limit the oldest connection that has not sent its request yet is
 * closed for the next: whoever holds all places keeps no probe out.
 */
#ifndef COMMON_OPS_H
#define COMMON_OPS_H

#include <uv.h>

#include "common/buffer.h"
#include "common/endpoint.h"
#include "common/error.h"
#include "common/log.h"
#include "common/metrics.h"

#define OPS_CONNECTIONS_MAX 64
#define OPS_IDLE_TIMEOUT_S 10 /* without a byte either way */
#define OPS_LIFETIME_S 30     /* of a connection: its request and reply */
#define OPS_BODY_MAX 65536    /* bytes of a request's body; over it 413 */
#define OPS_POLICY_MAX 384    /* bytes of a Content-Security-Policy */

struct ops;

struct ops_request {
	const char *method;
	const char *path; /* as sent, percent-encoded, without the query */
	struct slice body;
	void *connection; /* for ops_header() only */
};

struct ops_reply {
	unsigned status;          /* 200 unless the handler sets another */
	const char *content_type; /* a literal; application/json by default */
	struct buffer *body;      /* empty; up to 8 MiB */
	/* A page's Content-Security-Policy; "" sends none. */
	char policy[OPS_POLICY_MAX];
};

typedef void (*ops_handler)(
    void *arg, const struct ops_request *request, struct ops_reply *reply);

/*
 * Write a probe's body, {"status":status} or, with an error that is not NULL,
 * {"status":status,"error":error}.
 */
void ops_reply_status(
    struct ops_reply *reply, const char *status, const char *error);

/* A request header's value, or NULL; valid during the handler. */
const char *ops_header(const struct ops_request *request, const char *name);

/*
 * Bind every address of the list and serve on the loop.  NULL with the reason
 * (naming the address) in *error; the caller then exits 69.
 */
struct ops *ops_start(uv_loop_t *loop, const struct endpoint_list *listen,
    struct log *log, struct error *error) __attribute__((warn_unused_result));

/* The same with limits of one's own, for tests that cannot wait so long. */
struct ops_limits {
	unsigned connections_max;
	unsigned idle_timeout_s;
	unsigned lifetime_s;
};
struct ops *ops_start_limited(uv_loop_t *loop,
    const struct endpoint_list *listen, const struct ops_limits *limits,
    struct log *log, struct error *error) __attribute__((warn_unused_result));

/* method and path are literals; a later route for the same pair wins. */
void ops_route(struct ops *ops, const char *method, const char *path,
    ops_handler handler, void *arg);

/*
 * Tell hook, with the route's arg, of each request for that pair that is
 * refused since its body is too large: its handler never sees it.
 */
void ops_on_oversized(struct ops *ops, const char *method, const char *path,
    void (*hook)(void *arg));

/* GET /metrics from a registry; GET /health: 200 {"status":"ok"}. */
void ops_route_standard(struct ops *ops, struct metrics *metrics);

/* Count the connections that end, by reason, in a registry; once for each. */
void ops_count(struct ops *ops, struct metrics *metrics);

/* Count in ops_accept_failures_total what cannot be accepted. */
void ops_count_failures(struct ops *ops, struct metrics *metrics);

/* The port that the first address was bound to, for port 0. */
uint16_t ops_port(const struct ops *ops);

/*
 * Stop serving at once, cutting replies that are under way; frees when the
 * loop has closed the handles.  A handler may call it.
 */
void ops_stop(struct ops *ops);

#endif
