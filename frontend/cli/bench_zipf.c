#include "frontend/cli/bench_zipf.h"

#include <math.h>

#define SMALL 1e-8 /* where the quotients below are replaced by their limit */

static double
density(const struct bench_zipf *z, double x)
{
	return exp(-z->s * log(x));
}

/* The integral of the density; for s = 1 it is log(x). */
static double
integral(const struct bench_zipf *z, double x)
{
	double t = (1 - z->s) * log(x);

	return (fabs(t) > SMALL ? expm1(t) / t : 1 + t / 2) * log(x);
}

static double
inverse(const struct bench_zipf *z, double y)
{
	double t = y * (1 - z->s);

	if (t < -1) /* rounding */
		t = -1;
	return exp((fabs(t) > SMALL ? log1p(t) / t : 1 - t / 2) * y);
}

void
bench_zipf_init(struct bench_zipf *z, uint64_t n, double s)
{
	*z = (struct bench_zipf){ .n = n, .s = s };
	z->h_first = integral(z, 1.5) - 1;
	z->h_last = integral(z, (double)n + 0.5);
	z->shortcut = 2 - inverse(z, integral(z, 2.5) - density(z, 2));
}

uint64_t
bench_zipf_next(const struct bench_zipf *z, struct bench_random *r)
{
	for (;;) {
		double u =
		    z->h_last + bench_random_unit(r) * (z->h_first - z->h_last);
		double x = inverse(z, u);
		double k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		if (k > (double)z->n)
			k = (double)z->n;
		if (k - x <= z->shortcut ||
		    u >= integral(z, k + 0.5) - density(z, k))
			return (uint64_t)k - 1;
	}
}
