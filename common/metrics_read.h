/*
 * metrics_read - what a registry holds, by name
 *
 * For the status page and the like, which show what modules count without
 * knowing them.  A selector names a family, without METRICS_PREFIX as it is
 * registered, and optionally labels as they are exposed (`status="error"`);
 * every series that bears them counts.  A walk over all series: not for the
 * hot path.  Loop's thread only.
 */
#ifndef COMMON_METRICS_READ_H
#define COMMON_METRICS_READ_H

#include "common/metrics.h"

struct metrics_selector {
	const char *name;
	const char *labels; /* NULL for all series */
};

/* The counts of a histogram, by bucket; the last one is +Inf's. */
struct metrics_buckets {
	uint64_t counts[METRICS_BUCKETS_MAX + 1];
};

/* Have computed gauges set, as before an exposition. */
void metrics_collect(struct metrics *m);

/* Whether a family of this name is registered. */
bool metrics_known(const struct metrics *m, const char *name);

/* The sum of the series' values; a histogram's is its count; 0 for none. */
double metrics_sum(
    const struct metrics *m, const struct metrics_selector *what);

/* The sum of all series of a histogram; all 0 for what is none. */
void metrics_read_buckets(
    const struct metrics *m, const char *name, struct metrics_buckets *out);

/*
 * The value that a share q (0 to 1) of what was observed between two readings
 * does not exceed, interpolated within its bucket; the highest bound for what
 * is beyond it.  NaN when nothing was observed.
 */
double metrics_quantile(const struct metrics *m, const char *name,
    const struct metrics_buckets *before, const struct metrics_buckets *after,
    double q);

#endif
