/*
 * webhook_route - POST /webhook on the listener for metrics and probes
 *
 *   200   {"status":"ok"}       purged, here and, soon, by the peers
 *   200   {"status":"ignored"}  of a type that changes nothing here
 *   401   no signature, a wrong one, too old, or seen before: also what userli
 *         sends again, since its answers have been forgotten already
 *   400   signed, but no webhook
 *   413   too large
 *
 * Nothing is purged but with the first.  Loop's thread only.
 */
#ifndef BACKEND_WEBHOOK_ROUTE_H
#define BACKEND_WEBHOOK_ROUTE_H

#include "backend/purger.h"
#include "common/metrics.h"
#include "common/ops.h"

struct webhook_route;

struct webhook_route_options {
	struct slice secret; /* borrowed; empty: there is no such route */
	uint64_t window_ms;
	struct purger *purger; /* borrowed */
	struct metrics *metrics;
	struct log *log;
};

/* Never NULL; serves until ops has been stopped, and is freed after. */
struct webhook_route *webhook_route_new(
    struct ops *ops, const struct webhook_route_options *options);
void webhook_route_free(struct webhook_route *route);

#endif
