/*
 * frontend_status - what the frontend's status page shows
 *
 * The tables of figures and of what is wrong.  A new metric gets on the page
 * by a line in frontend_status.c.
 */
#ifndef FRONTEND_FRONTEND_STATUS_H
#define FRONTEND_FRONTEND_STATUS_H

#include "common/status.h"
#include "frontend/pool.h"

/* What the tier's functions read: the arg of status_new(). */
struct frontend_status {
	const struct pool *pool; /* NULL until there is one */
	const struct metrics *metrics;
	uint64_t connections_max;
	bool draining;
	bool drained; /* by the administrator */
};

extern const struct status_tier frontend_status_tier;

#endif
