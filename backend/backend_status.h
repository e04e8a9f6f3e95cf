/*
 * backend_status - what the backend's status page shows
 *
 * The tables of figures and of what is wrong.  A new metric gets on the page
 * by a line in backend_status.c.
 */
#ifndef BACKEND_BACKEND_STATUS_H
#define BACKEND_BACKEND_STATUS_H

#include "backend/userli.h"
#include "backend/worker.h"
#include "common/status.h"

/* What the tier's functions read: the arg of status_new(). */
struct backend_status {
	const struct userli *userli;
	const struct worker *worker;
	const struct metrics *metrics;
};

extern const struct status_tier backend_status_tier;

#endif
