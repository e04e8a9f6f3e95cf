/*
 * router - which backend is asked for a key
 *
 * Pure.  Weighted rendezvous hashing (highest random weight) over (map, key):
 * every frontend ranks the members alike, so that equal keys meet in one
 * backend's cache, and a member that comes or goes moves only its own share.
 * The load is bounded: a member with much more in flight than its share of the
 * whole passes the key to the next in rank (Mirrokni, Thorup, Zadimoghaddam:
 * Consistent Hashing with Bounded Loads).
 */
#ifndef FRONTEND_ROUTER_H
#define FRONTEND_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/lookup.h"

#define ROUTER_NONE SIZE_MAX

/* A member with fewer calls in flight than this is never overloaded: small
 * numbers say nothing. */
#define ROUTER_LOAD_FLOOR 32

struct router_member {
	uint64_t id; /* router_member_id() of its address */
	bool usable;
	bool fallback; /* not usable, but asked when no other is left */
	double weight; /* share of the keys; > 0 */
	const size_t *in_flight; /* calls now, counted by the member's owner */
};

/* The same on every host and in every version. */
uint64_t router_member_id(struct slice address);
uint64_t router_key(enum lookup_map map, struct slice key);

/*
 * Of the members that are not among the tried ids, the one that ranks highest
 * for key among the usable ones without overload; if there is none, among the
 * overloaded ones; if there is none, among the fallbacks; else ROUTER_NONE.
 * load_factor (> 1) is how much more than its share a member may have in
 * flight.  O(count × tried).
 */
size_t router_pick(const struct router_member *members, size_t count,
    uint64_t key, double load_factor, const uint64_t *tried,
    size_t tried_count);

/*
 * Of the members that are not among the taken ids, the one that ranks highest
 * for key, whatever its state and its load; ROUTER_NONE when none is left.
 */
size_t router_rank(const struct router_member *members, size_t count,
    uint64_t key, const uint64_t *taken, size_t taken_count);

#endif
