#include "table.h"

#include <stdlib.h>

#include "common/mem.h"

/* NOLINTBEGIN(readability-function-size): what uthash's macros expand to. */

struct table_entry *
table_find(const struct table *t, struct slice key)
{
	struct table_entry *found = NULL;

	if (key.len > 0)
		HASH_FIND(hh, t->entries, key.ptr, key.len, found);
	return found;
}

void
table_add(struct table *t, struct table_entry *entry, struct slice key)
{
	entry->key = mem_dup(key.ptr, key.len);
	entry->len = key.len;
	HASH_ADD_KEYPTR(hh, t->entries, entry->key, entry->len, entry);
}

/* NOLINTEND(readability-function-size) */

unsigned
table_count(const struct table *t)
{
	return HASH_COUNT(t->entries);
}

struct table_entry *
table_first(const struct table *t)
{
	return t->entries;
}

struct table_entry *
table_next(const struct table_entry *entry)
{
	return entry->hh.next;
}

void
table_clear(struct table *t, void (*drop)(struct table_entry *entry))
{
	struct table_entry *entry = t->entries;
	struct table_entry *next;

	/* The index goes first: the list through the entries then is plain. */
	HASH_CLEAR(hh, t->entries);
	for (; entry != NULL; entry = next) {
		next = entry->hh.next;
		free(entry->key);
		drop(entry);
	}
}
