/*
 * resolve - from a query to its outcome
 *
 * The stations of a lookup in a backend, in order: the map's name, the key
 * rules, userli.  Loop's thread only.
 */
#ifndef BACKEND_RESOLVE_H
#define BACKEND_RESOLVE_H

#include "backend/userli.h"
#include "common/lookup.h"

/*
 * Called exactly once for each resolve_lookup(), maybe from within it.  The
 * result's data is borrowed for the call.
 */
typedef void (*resolve_done)(void *arg, const struct lookup_result *result);

struct resolve {
	struct userli *userli;  /* borrowed */
	struct slice delimiter; /* borrowed: POSTFIX_RECIPIENT_DELIMITER */
};

/*
 * Answer one query.  key is borrowed for the call only; deadline in uv_now()
 * ms; request_id is for logs.
 */
void resolve_lookup(const struct resolve *r, enum lookup_map map,
    struct slice key, uint64_t deadline, uint64_t request_id, resolve_done done,
    void *arg);

#endif
