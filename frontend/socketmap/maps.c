#include "frontend/socketmap/maps.h"

#include <stdlib.h>

void
maps_init(struct maps *m)
{
	*m = (struct maps){ 0 };
}

void
maps_fini(struct maps *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->sorted[i].name);
	free(m->sorted);
	maps_init(m);
}

static int
compare(struct slice name, const struct map *map)
{
	if (name.len != map->name_len)
		return name.len < map->name_len ? -1 : 1;
	return name.len == 0 ? 0 : memcmp(name.ptr, map->name, name.len);
}

/* The index of the name, or where it would go. */
static size_t
search(const struct maps *m, struct slice name, bool *found)
{
	size_t low = 0;
	size_t high = m->count;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(name, &m->sorted[middle]);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int
maps_set(
    struct maps *m, struct slice name, socketmap_handler handler, void *arg)
{
	bool found;
	size_t at = search(m, name, &found);
	struct map *grown;
	char *copy;

	if (found) {
		m->sorted[at].handler = handler;
		m->sorted[at].arg = arg;
		return 0;
	}
	grown = realloc(m->sorted, (m->count + 1) * sizeof *grown);
	if (grown == NULL)
		return UV_ENOMEM;
	m->sorted = grown;
	copy = malloc(name.len + 1); /* never of size 0 */
	if (copy == NULL)
		return UV_ENOMEM;
	if (name.len > 0)
		memcpy(copy, name.ptr, name.len);
	memmove(grown + at + 1, grown + at, (m->count - at) * sizeof *grown);
	grown[at] = (struct map){ copy, name.len, handler, arg };
	m->count++;
	return 0;
}

const struct map *
maps_find(const struct maps *m, struct slice name)
{
	bool found;
	size_t at = search(m, name, &found);

	if (found)
		return &m->sorted[at];
	return m->fallback.handler != NULL ? &m->fallback : NULL;
}
