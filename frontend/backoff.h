/*
 * backoff - how long to wait before trying again
 *
 * Pure.  Doubles from one failure to the next, and starts over after a success
 * that lasted.  Times are ms of a monotonic clock.
 */
#ifndef FRONTEND_BACKOFF_H
#define FRONTEND_BACKOFF_H

#include <stdint.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 2000
#define BACKOFF_STABLE_MS 5000 /* a success that lasted so long counts */

struct backoff {
	uint64_t next_ms;
	uint64_t success_since; /* 0 = not now */
};

static inline void
backoff_succeed(struct backoff *b, uint64_t now)
{
	b->success_since = now;
}

/* It has failed: the time to wait. */
static inline uint64_t
backoff_fail(struct backoff *b, uint64_t now)
{
	uint64_t wait_ms;

	if (b->next_ms == 0 ||
	    (b->success_since != 0 &&
		now >= b->success_since + BACKOFF_STABLE_MS))
		b->next_ms = BACKOFF_MIN_MS;
	b->success_since = 0;
	wait_ms = b->next_ms;
	b->next_ms =
	    wait_ms * 2 < BACKOFF_MAX_MS ? wait_ms * 2 : BACKOFF_MAX_MS;
	return wait_ms;
}

#endif
