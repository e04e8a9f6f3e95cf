/*
 * steps - what happened to one lookup, in the order in which it did
 *
 * Written as text, a step a line, so that it travels between the tiers as one
 * bounded string:
 *
 *   "120\tkey\tasked as \"user@example.org\"\n"
 *
 * that is: microseconds since the beginning, a word, a sentence.  Sentences may
 * hold addresses: they are for whoever asked, never for a log.  Pure.
 */
#ifndef COMMON_STEPS_H
#define COMMON_STEPS_H

#include <stdint.h>

#include "common/buffer.h"

#define STEPS_TEXT_MAX 600 /* bytes of one sentence; a longer one is cut */

struct steps {
	struct buffer text;
	uint64_t started_ns; /* uv_hrtime() or the like */
};

/* max bytes at most: steps that do not fit are left out. */
void steps_init(struct steps *s, size_t max, uint64_t now_ns);
void steps_fini(struct steps *s);

/*
 * Append a step; name is a word, the sentence is written as printf(3) does.
 * Control characters and what is not UTF-8 become '?'.  s may be NULL: nobody
 * wants to know.
 */
void steps_add(struct steps *s, uint64_t now_ns, const char *name,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

struct step {
	uint64_t us;
	struct slice name;
	struct slice text;
};

/* Take the first step off *rest; false when there is none, or what is there
 * was not written by steps_add(). */
bool steps_next(struct slice *rest, struct step *out)
    __attribute__((warn_unused_result));

#endif
