/*
 * control - what the administrator may ask of a backend, and tell it
 *
 * Adds to common/admin.h's routes
 *
 *   GET /cache        {"on":true,"entries":N,"bytes":N,"evictions":N}
 *   POST /cache-get   "MAP KEY": {"state":"fresh"|"stale"|"none","key":…,
 *                     "outcome":…,"value":…,"age":…,"good_for":…}, in seconds;
 *                     the key as userli has it, empty if it can hold none such
 *
 * These hold addresses: they are for the admin socket and nothing else.  Loop's
 * thread only.
 */
#ifndef BACKEND_CONTROL_H
#define BACKEND_CONTROL_H

#include "backend/explanation.h"
#include "backend/worker.h"
#include "common/admin.h"

/* All but admin is set by the caller, and borrowed. */
struct control {
	uv_loop_t *loop;
	struct worker *worker;
	struct resolve *resolve;
	const struct explanation_parts *explain;
	struct admin admin;
};

/* As admin_start(). */
bool control_start(struct control *c, const char *setting,
    struct metrics *metrics, struct log *log, struct error *error)
    __attribute__((warn_unused_result));
void control_stop(struct control *c);

#endif
