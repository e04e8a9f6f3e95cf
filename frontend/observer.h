/*
 * observer - what the socketmap server reports, as metrics and log lines
 *
 * Keeps the replaced adapter's metric names, labels and buckets.  The handler
 * label is one of the four maps, "unknown" or "invalid": never what a client
 * wrote.  Loop's thread only.
 */
#ifndef FRONTEND_OBSERVER_H
#define FRONTEND_OBSERVER_H

#include <uv.h>

#include "common/log.h"
#include "common/metrics.h"
#include "frontend/socketmap/socketmap.h"

struct observer;

/* Never NULL. */
struct observer *observer_new(
    uv_loop_t *loop, struct metrics *metrics, struct log *log);
void observer_free(struct observer *o);

/* The server's callbacks; their argument is the observer. */
struct socketmap_observer observer_callbacks(void);

#endif
