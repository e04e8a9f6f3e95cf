/*
 * dispatch - one request's life
 *
 *   arrived → by rule, or
 *           → waits for an equal one that is under way, or
 *           → sent to a backend → answered, with all that waited for it
 *             ↑ parked: none can be asked at the moment
 *
 * Each request sits on exactly one list, and whoever takes it off answers it.
 * Loop's thread only.
 */
#ifndef FRONTEND_DISPATCH_H
#define FRONTEND_DISPATCH_H

#include <uv.h>

#include "common/log.h"
#include "common/metrics.h"
#include "frontend/dispatch_report.h"
#include "frontend/pool.h"
#include "frontend/socketmap/socketmap.h"

/*
 * How long a lookup waits for a backend to become usable before it is
 * answered TEMP: long enough for one that is being restarted, short enough
 * for Postfix's single-threaded trivial-rewrite.
 */
#define DISPATCH_PARK_MS 500

/*
 * Lookups not answered yet, at the most; what comes on top is answered TEMP at
 * once.  Postfix asks one at a time per process, so that this is far beyond
 * what hosts have; a client that pipelines could otherwise fill the memory.
 */
#define DISPATCH_WAITING_MAX 100000

struct dispatch;

/* Never NULL.  The pool is borrowed and set before the first request; so is
 * limits. */
struct dispatch *dispatch_new(uv_loop_t *loop,
    const struct dispatch_limits *limits, struct metrics *metrics,
    struct log *log);
void dispatch_set_pool(struct dispatch *d, struct pool *pool);

/* A socketmap_handler for every map; arg is the dispatch. */
void dispatch_request(struct socketmap_request *request, void *arg);

/* pool_events; arg is the dispatch. */
void dispatch_answered(void *arg, struct link_call *call,
    const struct lookup_result *result, struct slice backend);
void dispatch_lost(void *arg, struct link_call *call, enum link_loss why);
void dispatch_usable(void *arg);

/* Requests not answered yet. */
size_t dispatch_waiting(const struct dispatch *d);

/* Answer all that wait TEMP, now. */
void dispatch_give_up(struct dispatch *d, const char *reason);

/* Give up what is left, then free once the loop has closed the handles. */
void dispatch_close(struct dispatch *d);

#endif
