/*
 * pool_json - the pool's members as JSON, for the administrator's tool
 */
#ifndef FRONTEND_POOL_JSON_H
#define FRONTEND_POOL_JSON_H

#include "common/jsonout.h"
#include "common/ops.h"
#include "frontend/pool.h"

/*
 * An ops_handler; arg is the pool.  {"members":[{"url","name","version",
 * "build","state","weight","in_flight","calls","failures","rate",
 * "failure_rate","latency"}]}: rates are per second, latency in seconds and
 * null without any, name, version and build empty when not known.
 */
void pool_json_reply(
    void *arg, const struct ops_request *request, struct ops_reply *reply);

#endif
