/*
 * table - entries found by a key of any bytes
 *
 * An entry is embedded as the first member of what it finds, so that a pointer
 * to the one is a pointer to the other.  Entries keep the order in which they
 * came.  The only file that expands uthash's macros.
 */
#ifndef SANDBOX_TABLE_H
#define SANDBOX_TABLE_H

#include <uthash.h>

#include "common/slice.h"

struct table_entry {
	UT_hash_handle hh;
	char *key; /* owned, with a NUL after it */
	size_t len;
};

struct table {
	struct table_entry *entries; /* NULL when empty; starts zeroed */
};

/* NULL unless there. */
struct table_entry *table_find(const struct table *t, struct slice key);

/* Add an entry under a copy of key, which must not be there yet. */
void table_add(struct table *t, struct table_entry *entry, struct slice key);

unsigned table_count(const struct table *t);

/* Walk: the first entry, and the one after another; NULL at the end. */
struct table_entry *table_first(const struct table *t);
struct table_entry *table_next(const struct table_entry *entry);

/* Free every key, hand every entry to drop(), leave the table empty. */
void table_clear(struct table *t, void (*drop)(struct table_entry *entry));

#endif
