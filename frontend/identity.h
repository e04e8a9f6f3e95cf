/*
 * identity - who a backend says it is
 *
 * Learned from what it answers: its name from any frame, version and build from
 * a health call's result.  What no such text can be is left out.  Pure.
 */
#ifndef FRONTEND_IDENTITY_H
#define FRONTEND_IDENTITY_H

#include "common/rpc.h"

struct identity {
	char name[RPC_BACKEND_NAME_MAX + 1];
	char version[RPC_BUILD_MAX + 1]; /* "" from older backends */
	char build[RPC_BUILD_MAX + 1];
};

void identity_learn_name(struct identity *id, struct slice name);

/* build is "VERSION BUILD", or empty. */
void identity_learn_build(struct identity *id, struct slice build);

/* Both, from a frame whose health call has the id health. */
void identity_learn(struct identity *id, struct slice name,
    const struct rpc_result *results, size_t count, uint64_t health);

#endif
