/*
 * explain - one lookup, told step by step, for the administrator
 *
 * The lookup goes the way that Postfix's go: the same rules, the same choice of
 * a backend, and the next one if that cannot answer.  It is no request of the
 * socketmap server's: it waits for no equal one, is in no metric of requests,
 * and counts against no budget.  Answers are fetched later, so that nothing
 * waits.  Steps hold addresses: they go to the admin socket and nowhere else.
 * Loop's thread only.
 *
 *   POST /explain          "MAP KEY"; after "direct ", userli is asked whatever
 *                          is remembered
 *                          {"id":N}; 503 when EXPLAIN_MAX are under way
 *   POST /explain-result   "N"
 *                          {"done":false}, or {"done":true,"request_id":…,
 *                          "outcome":…,"data":…,"source":…,"age_ms":…,
 *                          "backend":…,"steps":[{"at":"frontend"|"backend",
 *                          "us":…,"name":…,"text":…}]}; 410 when forgotten
 */
#ifndef FRONTEND_EXPLAIN_H
#define FRONTEND_EXPLAIN_H

#include "common/admin.h"
#include "frontend/pool.h"

#define EXPLAIN_MAX 16

struct explain;

/* Never NULL; adds the routes.  pool, log and what lookup_timeout_ms
 * points to are borrowed. */
struct explain *explain_new(uv_loop_t *loop, struct pool *pool,
    const uint64_t *lookup_timeout_ms, struct admin *admin, struct log *log);

/* Before the pool is closed. */
void explain_close(struct explain *e);

#endif
