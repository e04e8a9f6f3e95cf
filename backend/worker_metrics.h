/*
 * worker_metrics - what a worker tells Prometheus
 *
 * Loop's thread only.
 */
#ifndef BACKEND_WORKER_METRICS_H
#define BACKEND_WORKER_METRICS_H

#include "common/lookup.h"
#include "common/metrics.h"
#include "common/nngsock.h"

/* Why a message is not served. */
enum worker_rejection {
	WORKER_REJECTED_MALFORMED,
	WORKER_REJECTED_VERSION,
	WORKER_REJECTED_HOPS, /* came over more devices than we allow */
	WORKER_REJECTIONS,
};

struct worker_metrics {
	struct metrics_counter *calls[LOOKUP_MAPS + 1][LOOKUP_OUTCOMES];
	struct metrics_histogram *duration[LOOKUP_MAPS + 1];
	struct metrics_counter *expired;
	struct metrics_counter *frames_received;
	struct metrics_counter *frames_sent;
	struct metrics_counter *rejected[WORKER_REJECTIONS];
	struct metrics_counter *useless[NNGSOCK_USELESS];
	struct metrics_counter *results_dropped;
	struct metrics_gauge *in_progress;
	struct metrics_gauge *frontends;
};

void worker_metrics_init(struct worker_metrics *wm, struct metrics *m);

#endif
