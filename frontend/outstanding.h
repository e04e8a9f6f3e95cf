/*
 * outstanding - the calls that wait for an answer on one link, by id
 *
 * An id is a slot and the slot's generation: finding a call is an index, and
 * the late answer to a call that has ended finds nothing.  Grows by doubling
 * to OUTSTANDING_MAX and keeps its memory.  Loop's thread only.
 */
#ifndef FRONTEND_OUTSTANDING_H
#define FRONTEND_OUTSTANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTSTANDING_MAX 65536

struct link;
struct pool_events;

/* Part of the caller's object. */
struct link_call {
	struct link *link; /* NULL when it waits on none */
	/* Who is told what comes of it; NULL for the pool's own. */
	const struct pool_events *events;
	uint32_t slot;
	uint64_t sent_ns; /* uv_hrtime(), set by whoever sends */
};

struct outstanding_slot {
	struct link_call *call; /* NULL when free */
	uint32_t generation;    /* never 0, so that no id is 0 */
	uint32_t next_free;
};

struct outstanding {
	struct outstanding_slot *slots;
	uint32_t size;
	uint32_t first_free;
	size_t count;
};

void outstanding_init(struct outstanding *o);
void outstanding_fini(struct outstanding *o);

/* The id that the next call added will have; 0 when all are taken. */
uint64_t outstanding_next_id(struct outstanding *o);

/* Add a call under that id. */
void outstanding_add(struct outstanding *o, struct link_call *call);

/* Take a call off: the one with this id, or NULL for a late answer; this one;
 * the next from *cursor (0 at first), or NULL. */
struct link_call *outstanding_take(struct outstanding *o, uint64_t id);
void outstanding_remove(struct outstanding *o, struct link_call *call);
struct link_call *outstanding_take_next(
    struct outstanding *o, uint32_t *cursor);

/* Whether a call that has been taken off had this id; false for an id that has
 * not been used yet. */
bool outstanding_had(const struct outstanding *o, uint64_t id)
    __attribute__((warn_unused_result));

#endif
