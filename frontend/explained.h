/*
 * explained - one lookup that is told step by step while it is made
 *
 * Goes the way that Postfix's go (see explain.h, which owns these).  Loop's
 * thread only.
 */
#ifndef FRONTEND_EXPLAINED_H
#define FRONTEND_EXPLAINED_H

#include "common/steps.h"
#include "frontend/pool.h"

/* Before the names of a backend's steps. */
#define EXPLAINED_BACKEND "backend."

enum explained_phase {
	EXPLAINED_FREE,
	EXPLAINED_SENT,   /* a backend has it */
	EXPLAINED_PARKED, /* it waits for a backend */
	EXPLAINED_DONE,   /* may be fetched, and be forgotten for the next */
};

/* What all share. */
struct explained_context {
	uv_loop_t *loop;
	struct pool *pool;
	struct log *log;
	const uint64_t *lookup_timeout_ms; /* a reload may change it */
};

struct explained {
	struct link_call call; /* first: the pool hands it back */
	const struct explained_context *context;
	enum explained_phase phase;
	uint64_t id;
	uint64_t request_id;
	enum lookup_map map;
	struct slice key; /* owned */
	enum rpc_how how;
	uint64_t deadline; /* uv_now() ms, as is the next */
	uint64_t parked_until;
	struct pool_tries tries;
	struct steps steps;
	struct lookup_result result; /* data is owned, with a NUL after it */
	char backend[RPC_BACKEND_NAME_MAX + 1];
};

/* Look up, from EXPLAINED_FREE with context set. */
void explained_begin(struct explained *l, uint64_t id, struct slice map,
    struct slice key, enum rpc_how how);

/* What is due by now; call it every EXPLAINED_TICK_MS.  True while it is not
 * done. */
#define EXPLAINED_TICK_MS 50
bool explained_advance(struct explained *l);

/* Back to EXPLAINED_FREE, from any phase. */
void explained_forget(struct explained *l);

#endif
