/*
 * flight - equal lookups that are under way share one
 *
 * The first to ask for a key leads: it does the work.  Those who ask meanwhile
 * wait for it, in order.  Items are part of the caller's objects and nothing
 * is allocated for them; the table's own buckets grow by doubling and stay,
 * unlike uthash's, which go with the last item: with one lookup at a time that
 * was two allocations each.  Hashes are seeded from the kernel: a client cannot
 * choose keys that collide.  Loop's thread only.
 */
#ifndef COMMON_FLIGHT_H
#define COMMON_FLIGHT_H

#include <stdint.h>

#include "common/lookup.h"

struct flight_item {
	struct flight_item *chain; /* leaders in the same bucket */
	uint64_t hash;
	enum lookup_map map;             /* less than LOOKUP_MAPS */
	struct slice key;                /* borrowed while the item leads */
	struct flight_item *prev, *next; /* among those who wait */
	struct flight_item *waiters;     /* of a leader: the first to come */
};

struct flight_bucket {
	struct flight_item *first;
};

struct flight {
	struct flight_bucket *buckets; /* of leaders */
	size_t size;                   /* a power of two */
	size_t count;
	uint64_t seed;
};

void flight_init(struct flight *f);
void flight_fini(struct flight *f); /* items are their owners' */

/* Join; NULL when the item leads now, else its leader. */
struct flight_item *flight_join(struct flight *f, struct flight_item *item,
    enum lookup_map map, struct slice key);

/* Who leads for a key, or NULL. */
struct flight_item *flight_find(
    const struct flight *f, enum lookup_map map, struct slice key);

/* Stop waiting for leader. */
void flight_leave(struct flight_item *leader, struct flight_item *item);

/* The flight is over: take the leader out and return those who waited for it,
 * a utlist. */
struct flight_item *flight_land(struct flight *f, struct flight_item *leader);

/* The leader gives up: the first who waits leads from now on, for the others;
 * NULL when nobody waits.  The old leader is out. */
struct flight_item *flight_hand_over(
    struct flight *f, struct flight_item *leader);

#endif
