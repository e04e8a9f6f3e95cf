/*
 * worker_report - what the worker logs of its lookups
 *
 * Every one at debug; those that were slow with where their time went.  Loop's
 * thread only.
 */
#ifndef BACKEND_WORKER_REPORT_H
#define BACKEND_WORKER_REPORT_H

#include "common/log.h"
#include "common/lookup.h"
#include "common/slow.h"

/* now_ms is uv_now(); slow may be NULL. */
void worker_report_lookup(struct log *log, struct slow *slow, uint64_t now_ms,
    uint64_t request_id, enum lookup_map map,
    const struct lookup_result *result, double seconds);

#endif
