/*
 * dispatch_report - what dispatch counts and logs
 *
 * A failure is logged where it is decided, at most once a second with the
 * number of those not logged.  Loop's thread only.
 */
#ifndef FRONTEND_DISPATCH_REPORT_H
#define FRONTEND_DISPATCH_REPORT_H

#include <uv.h>

#include "common/log.h"
#include "common/lookup.h"
#include "common/metrics.h"
#include "common/slow.h"
#include "frontend/socketmap/socketmap.h"

/* Why a lookup was sent once more. */
enum dispatch_moved {
	DISPATCH_MOVED_LOST,
	DISPATCH_MOVED_SILENT,
	DISPATCH_MOVED_BUSY,
	DISPATCH_MOVED_DRAINING,
	DISPATCH_MOVED_VERSION, /* the backend does not know the method */
	DISPATCH_MOVED_REASONS,
};

/* They may change while lookups are under way. */
struct dispatch_limits {
	uint64_t lookup_timeout_ms;
	uint64_t slow_lookup_ms;
};

struct dispatch_report {
	uv_loop_t *loop;
	struct log *log;
	const struct dispatch_limits *limits; /* borrowed */
	struct slow slow;
	uint64_t silent_until; /* uv_now() ms */
	uint64_t failures;     /* since the last line */
	struct metrics_counter *moved[DISPATCH_MOVED_REASONS];
	struct metrics_counter *sources[LOOKUP_RULE + 1];
	struct metrics_counter *joined;
	struct metrics_counter *over_budget;
	struct metrics_gauge *parked;
	struct metrics_gauge *waiting;
};

void dispatch_report_init(struct dispatch_report *r, uv_loop_t *loop,
    const struct dispatch_limits *limits, struct metrics *metrics,
    struct log *log);

/* One answered lookup, for the debug log, and for all that were slow; sent_ns
 * is when a backend was last asked for it (uv_hrtime()), 0 if none was. */
void dispatch_report_lookup(struct dispatch_report *r,
    const struct socketmap_request *request, enum lookup_map map, uint64_t id,
    const struct lookup_result *result, struct slice backend, uint64_t sent_ns);

/* One that failed here. */
void dispatch_report_failure(struct dispatch_report *r, enum lookup_map map,
    uint64_t id, enum lookup_outcome outcome, const char *reason);

#endif
