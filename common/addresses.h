/*
 * addresses - where backends are, as names turned out to say
 *
 * A set grows by addresses_add() to its maximum; addresses_sort() puts it in
 * order, and only then may it be searched or compared.  It owns its memory.
 * No I/O, safe from any thread that has the set for itself.
 */
#ifndef COMMON_ADDRESSES_H
#define COMMON_ADDRESSES_H

#include "common/endpoint.h"

struct address {
	char url[ENDPOINT_TEXT_MAX]; /* numeric, "tcp://127.0.0.1:10010" */
	/* The host that named it, as a certificate has it: the one configured,
	 * or an SRV record's target.  Empty for a UNIX socket. */
	char name[ENDPOINT_HOST_MAX + 1];
	double weight; /* > 0; 1 for what no SRV record names */
	size_t order;  /* the set's own: when it was added */
};

struct addresses {
	struct address *items;
	size_t count;
	size_t room; /* allocated */
	size_t max;
};

void addresses_init(struct addresses *set, size_t max);
void addresses_fini(struct addresses *set);

/* Copy one in; false when the set is full. */
bool addresses_add(struct addresses *set, const struct address *address)
    __attribute__((warn_unused_result));

/*
 * Sort by url.  Of several with the same url one is left, with the name of the
 * first added and the greatest of their weights.
 */
void addresses_sort(struct addresses *set);

/* In a sorted set; NULL when it is not there. */
const struct address *addresses_find(
    const struct addresses *set, const char *url);

/* Two sorted sets: the same urls, names and weights. */
bool addresses_equal(const struct addresses *a, const struct addresses *b);

/* from becomes empty, and can be used again. */
void addresses_move(struct addresses *to, struct addresses *from);

#endif
