#include "frontend/cli/bench_histogram.h"

#include <string.h>

#define SUB ((size_t)1 << BENCH_HISTOGRAM_BITS)

void
bench_histogram_init(struct bench_histogram *h)
{
	memset(h, 0, sizeof *h);
}

/* The first SUB buckets hold one value each, every SUB after them a power of
 * two. */
static size_t
bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < SUB)
		return (size_t)ns;
	shift = 63u - (unsigned)__builtin_clzll(ns) - BENCH_HISTOGRAM_BITS;
	return (shift + 1) * SUB + (size_t)((ns >> shift) & (SUB - 1));
}

/* The greatest value in a bucket. */
static uint64_t
end_of(size_t bucket)
{
	size_t shift;

	if (bucket < SUB)
		return bucket;
	shift = bucket / SUB - 1;
	return ((SUB + bucket % SUB + 1) << shift) - 1;
}

void
bench_histogram_add(struct bench_histogram *h, uint64_t ns)
{
	if (ns > BENCH_HISTOGRAM_MAX)
		ns = BENCH_HISTOGRAM_MAX;
	h->buckets[bucket_of(ns)]++;
	h->count++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

void
bench_histogram_merge(
    struct bench_histogram *h, const struct bench_histogram *from)
{
	for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
	h->count += from->count;
	if (from->max_ns > h->max_ns)
		h->max_ns = from->max_ns;
}

uint64_t
bench_histogram_at(const struct bench_histogram *h, double share)
{
	double wanted = share * (double)h->count;
	uint64_t seen = 0;

	for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > 0 && (double)seen >= wanted)
			return end_of(i) < h->max_ns ? end_of(i) : h->max_ns;
	}
	return h->max_ns;
}
