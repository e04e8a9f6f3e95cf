#include "backend/cache_ring.h"

void
cache_ring_init(struct cache_ring *r, void *base, size_t size)
{
	*r = (struct cache_ring){ .base = base, .size = size };
}

static struct cache_ring_record *
record_at(const struct cache_ring *r, uint64_t position)
{
	return (void *)(r->base + position % r->size);
}

static void
mark(struct cache_ring_record *record, uint64_t bytes, uint32_t flag)
{
	record->units = (uint32_t)(bytes / CACHE_RING_UNIT) | flag;
}

/* Bytes that a filler has to take before a record of so many bytes. */
static uint64_t
gap_before(const struct cache_ring *r, size_t bytes)
{
	uint64_t left = r->size - r->head % r->size;

	return left < bytes ? left : 0;
}

bool
cache_ring_fits(const struct cache_ring *r, size_t bytes)
{
	if (r->head == r->tail)
		return bytes <= r->size;
	return gap_before(r, bytes) + bytes <= r->size - (r->head - r->tail);
}

void *
cache_ring_add(struct cache_ring *r, size_t bytes)
{
	struct cache_ring_record *record;
	uint64_t gap;

	if (!cache_ring_fits(r, bytes))
		return NULL;
	gap = gap_before(r, bytes);
	if (r->head == r->tail)
		r->tail += gap; /* nothing lies before it: no filler */
	else if (gap > 0)
		mark(record_at(r, r->head), gap, CACHE_RING_FILLER);
	r->head += gap;
	record = record_at(r, r->head);
	mark(record, bytes, 0);
	r->head += bytes;
	return record;
}

void *
cache_ring_at(const struct cache_ring *r, uint64_t *position)
{
	if (*position < r->tail)
		*position = r->tail;
	while (*position < r->head) {
		struct cache_ring_record *record = record_at(r, *position);

		if ((record->units & CACHE_RING_FILLER) == 0)
			return record;
		*position += cache_ring_bytes(record);
	}
	return NULL;
}

void *
cache_ring_oldest(struct cache_ring *r)
{
	return cache_ring_at(r, &r->tail);
}

void
cache_ring_drop(struct cache_ring *r)
{
	void *record = cache_ring_oldest(r);

	if (record != NULL)
		r->tail += cache_ring_bytes(record);
}

void
cache_ring_clear(struct cache_ring *r)
{
	r->tail = r->head;
}
