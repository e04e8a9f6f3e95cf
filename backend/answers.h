/*
 * answers - how long an answer may be told, and when to ask again
 *
 * After RFC 8767: an answer is fresh for its time to live; an expired OK may
 * still be told for a while when userli fails, an expired NOTFOUND never.  Pure
 * functions of a cache entry and the time, in uv_now() ms.
 */
#ifndef BACKEND_ANSWERS_H
#define BACKEND_ANSWERS_H

#include "backend/cache.h"

/* After a failure userli is not asked again for the same key. */
#define ANSWERS_HOLD_MS 5000
/* Answers that came together do not expire together: each lives up to so much
 * less than it may. */
#define ANSWERS_JITTER_PERCENT 5

struct answers_options {
	uint64_t ttl_ms;                       /* of OK */
	uint64_t negative_ttl_ms[LOOKUP_MAPS]; /* of NOTFOUND */
	uint64_t stale_ttl_ms;                 /* of an expired OK */
};

enum answers_state {
	ANSWERS_NONE, /* nothing that could be told */
	ANSWERS_FRESH,
	ANSWERS_STALE, /* to be told only when userli fails */
};

/* How long a new answer is fresh, 0 = it is not to be kept; random is any
 * number. */
uint64_t answers_life_ms(const struct answers_options *o, enum lookup_map map,
    enum lookup_outcome outcome, uint64_t random);

/* entry may be NULL. */
enum answers_state answers_state(const struct answers_options *o,
    const struct cache_entry *entry, uint64_t now);

/* Whether an entry is in the last tenth of its life, or beyond. */
bool answers_ageing(const struct cache_entry *entry, uint64_t now);

/* Whether userli failed for it and is not to be asked yet. */
bool answers_held(const struct cache_entry *entry, uint64_t now);

/* What to tell; data is borrowed from the entry. */
struct lookup_result answers_result(
    const struct cache_entry *entry, enum answers_state state, uint64_t now);

#endif
