/*
 * bench_random - random numbers that a seed repeats
 *
 * SplitMix64 (Steele, Lea, Flood 2014).  Not for secrets.  No hidden state.
 */
#ifndef FRONTEND_CLI_BENCH_RANDOM_H
#define FRONTEND_CLI_BENCH_RANDOM_H

#include <stdint.h>

struct bench_random {
	uint64_t state; /* any value is a seed */
};

static inline uint64_t
bench_random_next(struct bench_random *r)
{
	uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* In [0, 1). */
static inline double
bench_random_unit(struct bench_random *r)
{
	return (double)(bench_random_next(r) >> 11) * 0x1p-53;
}

/* In [0, n), n > 0; fair enough for n far below 2^64. */
static inline uint64_t
bench_random_below(struct bench_random *r, uint64_t n)
{
	return bench_random_next(r) % n;
}

#endif
