/*
 * bench_histogram - latencies, counted in a fixed size
 *
 * Nanoseconds up to BENCH_HISTOGRAM_MAX (73 minutes), in 64 buckets for each
 * power of two: a percentile is at most 1/64 too high.  Recording allocates
 * nothing.  No hidden state.
 */
#ifndef FRONTEND_CLI_BENCH_HISTOGRAM_H
#define FRONTEND_CLI_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_HISTOGRAM_BITS 6
#define BENCH_HISTOGRAM_OCTAVES 42
#define BENCH_HISTOGRAM_MAX ((UINT64_C(1) << BENCH_HISTOGRAM_OCTAVES) - 1)
#define BENCH_HISTOGRAM_BUCKETS                               \
	((BENCH_HISTOGRAM_OCTAVES - BENCH_HISTOGRAM_BITS + 1) \
	    << BENCH_HISTOGRAM_BITS)

struct bench_histogram {
	uint64_t count;
	uint64_t max_ns; /* exact */
	uint64_t buckets[BENCH_HISTOGRAM_BUCKETS];
};

void bench_histogram_init(struct bench_histogram *h);

/* A value beyond BENCH_HISTOGRAM_MAX counts as that. */
void bench_histogram_add(struct bench_histogram *h, uint64_t ns);

/* Add all that from has counted. */
void bench_histogram_merge(
    struct bench_histogram *h, const struct bench_histogram *from);

/*
 * The value that a share (0 to 1) of all does not exceed: the upper end of its
 * bucket, never above max_ns; 0 when nothing was counted.
 */
uint64_t bench_histogram_at(const struct bench_histogram *h, double share);

#endif
