/*
 * cache_ring - records in a circle of bytes, first in, first out
 *
 * A record lies in one piece.  Where the circle's end has no room for the next
 * one, a filler takes what is left.  Positions count up for ever, so that one
 * that somebody remembers either still names its record or lies before the
 * oldest.  The caller owns the bytes.  Loop's thread only.
 */
#ifndef BACKEND_CACHE_RING_H
#define BACKEND_CACHE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_RING_UNIT                                      \
	((size_t)16) /* bytes; sizes and addresses are whole \
	              */

#define CACHE_RING_FILLER (UINT32_C(1) << 31)

/* What each record begins with; the ring sets it. */
struct cache_ring_record {
	uint32_t units; /* of its size; with CACHE_RING_FILLER: no record */
};

struct cache_ring {
	char *base;
	uint64_t size; /* bytes */
	uint64_t tail; /* position of the oldest record */
	uint64_t head; /* where the next will be */
};

/* size in whole units; base is aligned to one. */
void cache_ring_init(struct cache_ring *r, void *base, size_t size);

/* Room for a record of so many bytes (more than 0, whole units), uninitialised
 * but for its first member; NULL when there is none in one piece now. */
void *cache_ring_add(struct cache_ring *r, size_t bytes)
    __attribute__((warn_unused_result));

/* Whether cache_ring_add() would find room. */
bool cache_ring_fits(const struct cache_ring *r, size_t bytes);

/*
 * The first record at or after *position, which is set to where it is; NULL
 * when there is none.
 */
void *cache_ring_at(const struct cache_ring *r, uint64_t *position);

/* The oldest record; NULL when there is none.  It is dropped by the second,
 * after which its bytes stay as they are until something is added. */
void *cache_ring_oldest(struct cache_ring *r);
void cache_ring_drop(struct cache_ring *r);

/* Drop all. */
void cache_ring_clear(struct cache_ring *r);

static inline size_t
cache_ring_bytes(const void *record)
{
	const struct cache_ring_record *r = record;

	return (size_t)(r->units & ~CACHE_RING_FILLER) * CACHE_RING_UNIT;
}

#endif
