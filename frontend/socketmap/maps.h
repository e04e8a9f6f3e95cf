/*
 * maps - which handler answers for which map
 *
 * Names are compared byte by byte.  Belongs to one server.
 */
#ifndef SOCKETMAP_MAPS_H
#define SOCKETMAP_MAPS_H

#include "common/slice.h"
#include "frontend/socketmap/socketmap.h"

struct map {
	char *name;
	size_t name_len;
	socketmap_handler handler;
	void *arg;
};

struct maps {
	struct map *sorted; /* by length, then bytes */
	size_t count;
	struct map fallback; /* for all other names; without handler: none */
};

void maps_init(struct maps *m);
void maps_fini(struct maps *m);

/* Add or replace (name is copied); 0 or UV_ENOMEM. */
int maps_set(
    struct maps *m, struct slice name, socketmap_handler handler, void *arg);

/* The map of that name, the fallback, or NULL without one. */
const struct map *maps_find(const struct maps *m, struct slice name);

#endif
