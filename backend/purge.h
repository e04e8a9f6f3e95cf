/*
 * purge - forget what userli said, since it may say something else now
 *
 * From the cache, and from requests under way: who waits for one is told its
 * answer, which may be older than the purge; it is not kept, and nobody joins
 * it any more.  Loop's thread only.
 */
#ifndef BACKEND_PURGE_H
#define BACKEND_PURGE_H

#include "backend/cache.h"
#include "backend/fetch.h"

struct purge {
	struct fetches *fetches;
	struct cache *cache;    /* NULL while it is off */
	struct slice delimiter; /* POSTFIX_RECIPIENT_DELIMITER */
};

/* As resolve_purge(), which see. */
size_t purge_key(const struct purge *p, enum lookup_map map, struct slice key);

#endif
