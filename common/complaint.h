/*
 * complaint - a log line about one kind of trouble, once a second at most
 *
 * Whoever causes the trouble must not fill the log, too.  Pure; all zeros is a
 * complaint that has never been made.
 */
#ifndef COMMON_COMPLAINT_H
#define COMMON_COMPLAINT_H

#include <stdbool.h>
#include <stdint.h>

#define COMPLAINT_MS 1000 /* between two lines */

struct complaint {
	uint64_t after; /* when the next line may be written */
	uint64_t count; /* of the trouble since the last one; cleared by whoever
	                   writes it */
};

/* It has come again; whether to write a line.  now_ms is of a monotonic
 * clock. */
static inline bool
complaint_due(struct complaint *c, uint64_t now_ms)
{
	c->count++;
	if (now_ms < c->after)
		return false;
	c->after = now_ms + COMPLAINT_MS;
	return true;
}

#endif
