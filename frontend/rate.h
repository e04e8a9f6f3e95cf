/*
 * rate - events a second, the recent ones counting most
 *
 * Pure.  An exponentially weighted mean, brought up to date at regular ticks;
 * what is RATE_SPAN_S seconds old counts about a third.
 */
#ifndef FRONTEND_RATE_H
#define FRONTEND_RATE_H

#define RATE_SPAN_S 5.0

struct rate {
	double since; /* counted since the last tick */
	double per_second;
};

static inline void
rate_add(struct rate *r, double n)
{
	r->since += n;
}

/* A tick, so many seconds after the last one; much less than RATE_SPAN_S. */
static inline void
rate_tick(struct rate *r, double seconds)
{
	double part = seconds / RATE_SPAN_S;

	r->per_second += part * (r->since / seconds - r->per_second);
	r->since = 0;
}

#endif
