#include "common/addresses.h"

#include <stdlib.h>

#include "common/mem.h"

#define ROOM_AT_FIRST 4

void
addresses_init(struct addresses *set, size_t max)
{
	*set = (struct addresses){ .max = max };
}

void
addresses_fini(struct addresses *set)
{
	free(set->items);
	addresses_init(set, set->max);
}

bool
addresses_add(struct addresses *set, const struct address *address)
{
	if (set->count == set->max)
		return false;
	if (set->count == set->room) {
		set->room = set->room == 0 ? ROOM_AT_FIRST : set->room * 2;
		set->items =
		    mem_realloc(set->items, set->room * sizeof *set->items);
	}
	set->items[set->count] = *address;
	set->items[set->count].order = set->count;
	set->count++;
	return true;
}

static int
compare(const void *a, const void *b)
{
	const struct address *x = a;
	const struct address *y = b;
	int urls = strcmp(x->url, y->url);

	return urls != 0 ? urls : (x->order > y->order) - (x->order < y->order);
}

void
addresses_sort(struct addresses *set)
{
	size_t kept = 0;

	if (set->count == 0)
		return;
	qsort(set->items, set->count, sizeof *set->items, compare);
	for (size_t i = 1; i < set->count; i++) {
		struct address *last = &set->items[kept];
		const struct address *next = &set->items[i];

		if (strcmp(last->url, next->url) != 0)
			set->items[++kept] = *next;
		else if (next->weight > last->weight)
			last->weight = next->weight;
	}
	set->count = kept + 1;
}

static int
compare_url(const void *url, const void *address)
{
	return strcmp(url, ((const struct address *)address)->url);
}

const struct address *
addresses_find(const struct addresses *set, const char *url)
{
	if (set->count == 0)
		return NULL;
	return bsearch(
	    url, set->items, set->count, sizeof *set->items, compare_url);
}

bool
addresses_equal(const struct addresses *a, const struct addresses *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct address *x = &a->items[i];
		const struct address *y = &b->items[i];

		if (strcmp(x->url, y->url) != 0 ||
		    strcmp(x->name, y->name) != 0 || x->weight < y->weight ||
		    x->weight > y->weight)
			return false;
	}
	return true;
}

void
addresses_move(struct addresses *to, struct addresses *from)
{
	free(to->items);
	*to = *from;
	addresses_init(from, from->max);
}
