/*
 * link_report - what a link writes into the log about its backend
 *
 * Loop's thread only.
 */
#ifndef FRONTEND_LINK_REPORT_H
#define FRONTEND_LINK_REPORT_H

#include "common/complaint.h"
#include "common/log.h"

/* A message came that is no frame; now_ms is of a monotonic clock. */
void link_report_malformed(struct log *log, struct complaint *complaint,
    uint64_t now_ms, const char *url);

#endif
