/*
 * cache - what userli said of a key a while ago
 *
 * A table of (map, key) → OK or NOTFOUND, bounded in bytes with everything
 * counted (entries, their keys and values, the allocator's overhead and the
 * table's own buckets).  It keeps answers and forgets them; what may still be
 * told, and when to ask again, is resolve's business.
 *
 * Eviction resists scans: an entry begins on probation and is protected once it
 * was asked for again; probation gives way first, so that a million keys
 * that are asked once cannot push out those in use.  Hashes are seeded from
 * the kernel: a client cannot choose keys that collide.  Times are uv_now()
 * milliseconds, given by the caller.  Out of memory aborts (common/mem.h).
 * Loop's thread only.
 */
#ifndef BACKEND_CACHE_H
#define BACKEND_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/lookup.h"

/*
 * An entry, owned by the cache; valid until the next cache_put(),
 * cache_remove() or cache_clear().  Whoever found it may change the fields of
 * the second group.
 */
struct cache_entry {
	enum lookup_map map;
	enum lookup_outcome outcome; /* LOOKUP_OK or LOOKUP_NOTFOUND */
	struct slice key;
	struct slice value; /* of OK; empty for NOTFOUND */
	uint64_t stored_ms; /* when userli said so */

	uint64_t fresh_until_ms;
	uint64_t retry_ms; /* after a failure: do not ask userli before */
};

/*
 * Whether a time of an entry lies before another.  To be asked so, and never
 * with <: what a warm restart brought may be older than the clock behind
 * uv_now(), which began with the host's boot, and its times then wrap.
 */
static inline bool
cache_before(uint64_t a_ms, uint64_t b_ms)
{
	return (int64_t)(a_ms - b_ms) < 0;
}

struct cache_stats {
	size_t entries;
	size_t bytes;       /* at most bytes_max */
	uint64_t evictions; /* for want of room, since the start */
};

struct cache;

/* bytes_max 0 keeps nothing: every find fails.  Never NULL. */
struct cache *cache_new(size_t bytes_max);
void cache_free(struct cache *c);

/* NULL when there is none.  A find is a use, which protects the entry; a peek
 * is none. */
struct cache_entry *cache_find(
    struct cache *c, enum lookup_map map, struct slice key);
struct cache_entry *cache_peek(
    const struct cache *c, enum lookup_map map, struct slice key);

/*
 * Remember an answer, in place of an older one for the same key, whose standing
 * it takes over.  key and value are copied; they must not be an entry's.  One
 * that is larger than an eighth of bytes_max is not kept (and the older one is
 * gone).
 */
void cache_put(struct cache *c, enum lookup_map map, struct slice key,
    enum lookup_outcome outcome, struct slice value, uint64_t stored_ms,
    uint64_t fresh_until_ms);

/* How many were there: 0 or 1. */
size_t cache_remove(struct cache *c, enum lookup_map map, struct slice key);

/* Forget a whole map, LOOKUP_MAPS for all; how many there were. */
size_t cache_clear(struct cache *c, enum lookup_map map);

void cache_stats(const struct cache *c, struct cache_stats *out);

/* Visit every entry, those in longest disuse first; visit must not change the
 * cache.  Stops when it returns false. */
typedef bool (*cache_visit)(void *arg, const struct cache_entry *entry);
void cache_each(const struct cache *c, cache_visit visit, void *arg);

/*
 * The same in slices, between which the cache may change: begin with a cursor
 * of zeroes; true once the end is reached.  When visit returns false, the next
 * slice begins with the same entry.  Each entry that stays is visited, one that
 * is moved meanwhile perhaps twice.
 */
struct cache_cursor {
	int ring;
	uint64_t position;
};
bool cache_walk(const struct cache *c, struct cache_cursor *cursor,
    cache_visit visit, void *arg);

#endif
