/*
 * slow - which lookups are slow enough for a line in the log
 *
 * SLOW_LOOKUP is the limit; 0 turns it off.  When everything is slow, only the
 * first SLOW_LINES_MAX of each second are told, with the number of those that
 * were not.  Loop's thread only.
 */
#ifndef COMMON_SLOW_H
#define COMMON_SLOW_H

#include <stdbool.h>
#include <stdint.h>

#define SLOW_LINES_MAX 10

struct slow {
	uint64_t limit_ms;
	uint64_t second; /* of the lines counted */
	unsigned lines;
	uint64_t untold;
};

/*
 * Whether to log one that took so long; now_ms is of a monotonic clock.  Then
 * *untold is how many were not logged since the last one that was.
 */
static inline bool
slow_tell(struct slow *s, double seconds, uint64_t now_ms, uint64_t *untold)
{
	if (s->limit_ms == 0 || seconds * 1000 < (double)s->limit_ms)
		return false;
	if (s->second != now_ms / 1000) {
		s->second = now_ms / 1000;
		s->lines = 0;
	}
	if (s->lines >= SLOW_LINES_MAX) {
		s->untold++;
		return false;
	}
	s->lines++;
	*untold = s->untold;
	s->untold = 0;
	return true;
}

#endif
