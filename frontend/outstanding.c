#include "frontend/outstanding.h"

#include <stdlib.h>

#include "common/mem.h"

#define FIRST_SIZE 64
#define NO_SLOT UINT32_MAX

void
outstanding_init(struct outstanding *o)
{
	*o = (struct outstanding){ .first_free = NO_SLOT };
}

void
outstanding_fini(struct outstanding *o)
{
	free(o->slots);
	outstanding_init(o);
}

static bool
grow(struct outstanding *o)
{
	uint32_t size = o->size == 0 ? FIRST_SIZE : o->size * 2;

	if (size > OUTSTANDING_MAX)
		return false;
	o->slots = mem_realloc(o->slots, size * sizeof *o->slots);
	for (uint32_t i = size; i-- > o->size;) {
		o->slots[i] = (struct outstanding_slot){ .generation = 1,
			.next_free = o->first_free };
		o->first_free = i;
	}
	o->size = size;
	return true;
}

static uint64_t
id_of(const struct outstanding *o, uint32_t slot)
{
	return (uint64_t)o->slots[slot].generation << 32 | slot;
}

uint64_t
outstanding_next_id(struct outstanding *o)
{
	if (o->first_free == NO_SLOT && !grow(o))
		return 0;
	return id_of(o, o->first_free);
}

void
outstanding_add(struct outstanding *o, struct link_call *call)
{
	uint32_t i = o->first_free;

	o->first_free = o->slots[i].next_free;
	o->slots[i].call = call;
	o->count++;
	call->slot = i;
}

static struct link_call *
release(struct outstanding *o, uint32_t i)
{
	struct outstanding_slot *slot = &o->slots[i];
	struct link_call *call = slot->call;

	slot->call = NULL;
	slot->generation++;
	if (slot->generation == 0)
		slot->generation = 1;
	slot->next_free = o->first_free;
	o->first_free = i;
	o->count--;
	call->link = NULL;
	return call;
}

struct link_call *
outstanding_take(struct outstanding *o, uint64_t id)
{
	uint64_t i = id & UINT32_MAX;

	if (i >= o->size || o->slots[i].call == NULL ||
	    id_of(o, (uint32_t)i) != id)
		return NULL;
	return release(o, (uint32_t)i);
}

void
outstanding_remove(struct outstanding *o, struct link_call *call)
{
	(void)release(o, call->slot);
}

struct link_call *
outstanding_take_next(struct outstanding *o, uint32_t *cursor)
{
	while (*cursor < o->size && o->count > 0) {
		uint32_t i = (*cursor)++;

		if (o->slots[i].call != NULL)
			return release(o, i);
	}
	return NULL;
}

bool
outstanding_had(const struct outstanding *o, uint64_t id)
{
	uint64_t i = id & UINT32_MAX;
	uint64_t generation = id >> 32;

	/* Generations that have come round to 1 are not told apart. */
	return i < o->size && generation > 0 &&
	    generation < o->slots[i].generation;
}
