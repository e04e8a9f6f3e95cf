/*
 * stats - what the sandbox has been asked, for tests to look at
 *
 * Requests to the control API are not counted.
 */
#ifndef SANDBOX_STATS_H
#define SANDBOX_STATS_H

#include <stdint.h>

#include "api.h"
#include "common/buffer.h"
#include "table.h"

/* Bounds on what is kept of targets; more of them are only counted. */
#define STATS_PATHS_MAX 200000
#define STATS_PATH_BYTES_MAX ((size_t)64 << 20)

/* Outcomes other than an HTTP status. */
#define STATS_RAW 1     /* a fault's bytes instead of an HTTP response */
#define STATS_DROPPED 2 /* closed before any byte */
#define STATS_STATUS_MAX 600

struct stats_path {
	struct table_entry entry; /* the raw target */
	uint64_t count;
};

struct stats {
	uint64_t requests;
	uint64_t unauthorized;
	uint64_t connections;     /* accepted in total */
	uint64_t api_connections; /* of those, with at least one request */
	uint64_t faults;          /* requests that a rule was applied to */
	uint64_t paths_dropped;
	unsigned active;
	unsigned active_highest;
	unsigned connections_open;
	size_t path_bytes;
	struct table by_path;
	uint64_t by_endpoint[API_ENDPOINTS];
	uint64_t by_status[STATS_STATUS_MAX];
	struct buffer last_headers; /* a JSON object; names in lower case */
};

void stats_init(struct stats *s);
void stats_fini(struct stats *s);

/* Start counting anew; what is in flight and connected stays so. */
void stats_reset(struct stats *s);

/* A request has arrived; stats_end() must follow. */
void stats_begin(struct stats *s, const struct http_request *req,
    enum api_endpoint endpoint);
void stats_end(struct stats *s);

/* How it is answered: a status, STATS_RAW or STATS_DROPPED. */
void stats_status(struct stats *s, int status);

/* Append all as a JSON object. */
void stats_write(const struct stats *s, struct buffer *out);

#endif
