/*
 * ops_routes - which handler answers a request, and the answers without one
 *
 * The part of the ops module that knows no socket.  Loop's thread only.
 */
#ifndef COMMON_OPS_ROUTES_H
#define COMMON_OPS_ROUTES_H

#include "common/ops.h"

#define OPS_ROUTES_ALLOW_MAX 128 /* bytes of an Allow header's value */

struct ops_route {
	struct ops_route *next;
	const char *method;
	const char *path;
	ops_handler handler;
	void *arg;
	void (*oversized)(void *arg); /* may be NULL */
};

/* Newest first: a later route hides an earlier one for the same pair. */
struct ops_routes {
	struct ops_route *newest;
};

void ops_routes_add(struct ops_routes *routes, const char *method,
    const char *path, ops_handler handler, void *arg);
void ops_routes_fini(struct ops_routes *routes);

/* As ops_on_oversized() has it; and the call of the hook, if there is one. */
void ops_routes_on_oversized(struct ops_routes *routes, const char *method,
    const char *path, void (*hook)(void *arg));
void ops_routes_tell_oversized(
    const struct ops_routes *routes, const struct ops_request *request);

/*
 * Answer request by its route, or with 404 or 405; for 405 the methods that
 * path has are in allow, which is empty otherwise.
 */
void ops_routes_answer(const struct ops_routes *routes,
    const struct ops_request *request, struct ops_reply *reply,
    char allow[static OPS_ROUTES_ALLOW_MAX]);

/* Turn reply into {"error": why}; why is a literal that needs no escapes. */
void ops_routes_fail(struct ops_reply *reply, unsigned status, const char *why);

#endif
