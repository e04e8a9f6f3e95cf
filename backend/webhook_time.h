/*
 * webhook_time - a time as RFC 3339 writes it
 *
 * "2026-01-02T03:04:05+01:00", where the offset may also be "Z" or without its
 * colon, as older ISO 8601 has it, and the second may have a fraction, which is
 * dropped.  Pure; any thread.
 */
#ifndef BACKEND_WEBHOOK_TIME_H
#define BACKEND_WEBHOOK_TIME_H

#include <stdint.h>

#include "common/slice.h"

/* Seconds since 1970; false, *out undefined, for any other text. */
bool webhook_time_read(struct slice text, int64_t *out)
    __attribute__((warn_unused_result));

#endif
