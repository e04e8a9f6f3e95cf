/*
 * explanation - a lookup told step by step, for whoever asked for that
 *
 * A lookup that is to be explained is looked up as any other; what it was told
 * apart from is its result.  Loop's thread only.
 */
#ifndef BACKEND_EXPLANATION_H
#define BACKEND_EXPLANATION_H

#include "backend/resolve.h"
#include "common/rpc.h"
#include "common/steps.h"

/* Whom it asks; all borrowed. */
struct explanation_parts {
	struct resolve *resolve;
	struct userli *userli;
	struct slice delimiter; /* POSTFIX_RECIPIENT_DELIMITER */
};

/*
 * The steps of a call that has just come, or NULL when nobody wants any.  What
 * is known by now is in them: the key, what the rules make of it, and what is
 * remembered.  now_ms is uv_now().
 */
struct steps *explanation_new(const struct explanation_parts *p,
    enum lookup_map map, const struct rpc_call *call, uint64_t now_ms);
void explanation_free(struct steps *s); /* may be NULL */

/* What came of it: where the answer is from, userli's part, the outcome. */
void explanation_result(struct steps *s, const struct lookup_result *result);

/* As resolve_lookup(), but nothing that is remembered answers. */
void explanation_directly(const struct explanation_parts *p,
    enum lookup_map map, struct slice key, uint64_t deadline,
    uint64_t request_id, resolve_done done, void *arg);

#endif
