/*
 * list - circular, doubly linked, intrusive
 *
 * A head and its links are the same struct.  A link that is on no list points
 * to itself, so that removing it again does no harm.  One thread at a time.
 */
#ifndef SOCKETMAP_LIST_H
#define SOCKETMAP_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev;
	struct list *next;
};

/* The struct of the given type whose member is the link. */
#define LIST_ITEM(link, type, member) \
	((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void
list_init(struct list *l)
{
	l->prev = l;
	l->next = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* The link must be on no list. */
static inline void
list_append(struct list *head, struct list *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

#endif
