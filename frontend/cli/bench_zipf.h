/*
 * bench_zipf - few things often, many seldom
 *
 * The k-th of n things comes with a probability in proportion to 1/k^s, as keys
 * of real traffic do.  Rejection-inversion (Hormann, Derflinger: "Rejection-
 * inversion to generate variates from monotone discrete distributions", 1996):
 * constant time and no table, however large n is.  No hidden state.
 */
#ifndef FRONTEND_CLI_BENCH_ZIPF_H
#define FRONTEND_CLI_BENCH_ZIPF_H

#include "frontend/cli/bench_random.h"

struct bench_zipf {
	uint64_t n;
	double s;
	double h_first, h_last; /* the integral's ends */
	double shortcut;
};

/* n > 0, s > 0. */
void bench_zipf_init(struct bench_zipf *z, uint64_t n, double s);

/* In [0, n); 0 is the most frequent. */
uint64_t bench_zipf_next(const struct bench_zipf *z, struct bench_random *r);

#endif
