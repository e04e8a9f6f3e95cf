/*
 * tokens - userli's API token, or two of them while they are exchanged
 *
 * Written "one" or "one,two", blanks around each ignored.  One of them is in
 * use; when userli refuses it, the other may be tried and taken over.  Pure but
 * for its memory, which is wiped.  No message shows a token: they are called
 * the first and the second.
 */
#ifndef BACKEND_TOKENS_H
#define BACKEND_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

#define TOKENS_MAX 2

struct tokens {
	char *text[TOKENS_MAX]; /* NULL-padded */
	size_t count;
	size_t current;      /* the one in use */
	unsigned generation; /* how often they have been set */
};

void tokens_init(struct tokens *t);
void tokens_fini(struct tokens *t);

/*
 * Whether text can be set; if not, *error has the reason as a predicate ("has
 * an empty part: …") without any of it.
 */
bool tokens_check(const char *text, struct error *error)
    __attribute__((warn_unused_result));

/* Take over text, the first in use.  False, and nothing changed, when it
 * cannot be: see tokens_check(). */
bool tokens_set(struct tokens *t, const char *text, struct error *error)
    __attribute__((warn_unused_result));

/* What a request with token i sends; NULL when none is set. */
const char *tokens_get(const struct tokens *t, size_t i);

/*
 * Token i of that generation was refused: true when *next is worth trying, the
 * one in use or else the other one.
 */
bool tokens_other(const struct tokens *t, size_t i, unsigned generation,
    size_t *next) __attribute__((warn_unused_result));

/* Token i was accepted: true when it was not in use, and is now. */
bool tokens_accept(struct tokens *t, size_t i, unsigned generation)
    __attribute__((warn_unused_result));

/* "first" or "second" */
const char *tokens_name(size_t i);

#endif
