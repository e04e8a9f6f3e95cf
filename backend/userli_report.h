/*
 * userli_report - failed lookups in the log, without a flood
 *
 * At most one line a second for each kind of failure; what was held back is
 * counted in the next line, or told by itself.  Loop's thread only.
 */
#ifndef BACKEND_USERLI_REPORT_H
#define BACKEND_USERLI_REPORT_H

#include "backend/userli_verdict.h"
#include "common/log.h"

#define USERLI_REPORT_INTERVAL_MS 1000

struct userli_report {
	struct log *log; /* borrowed */
	struct {
		uint64_t next;   /* no line before this, ms */
		uint64_t silent; /* failures since the last line */
	} kinds[USERLI_FAILURES];
};

void userli_report_init(struct userli_report *r, struct log *log);

/* A lookup has failed; http_code is 0 when there was no response. */
void userli_report_failure(struct userli_report *r, uint64_t now,
    uint64_t request_id, enum lookup_map map, struct slice key,
    const struct userli_verdict *v, unsigned http_code);

/* From time to time: tell what was held back and nothing alike has followed. */
void userli_report_silent(struct userli_report *r, uint64_t now);

#endif
