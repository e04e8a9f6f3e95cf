/*
 * jsonout - JSON into a buffer, piece by piece
 *
 * Sets the commas and the quotes; the first append that does not fit makes all
 * later ones do nothing, so that only jsonout_ok() needs a look.  The caller
 * closes what it opens, and names every value within an object (name NULL
 * within an array).  What is not ASCII passes as it is.  Pure.
 */
#ifndef COMMON_JSONOUT_H
#define COMMON_JSONOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"

struct jsonout {
	struct buffer *out; /* borrowed */
	bool failed;        /* something did not fit */
	bool follows;       /* the next value needs a comma */
};

void jsonout_init(struct jsonout *j, struct buffer *out);

/* Names are literals that need no escapes. */
void jsonout_object(struct jsonout *j, const char *name);
void jsonout_array(struct jsonout *j, const char *name);
void jsonout_end_object(struct jsonout *j);
void jsonout_end_array(struct jsonout *j);

void jsonout_string(struct jsonout *j, const char *name, const char *value);
void jsonout_bool(struct jsonout *j, const char *name, bool value);
/* NaN and infinities become null. */
void jsonout_number(struct jsonout *j, const char *name, double value);
void jsonout_integer(struct jsonout *j, const char *name, uint64_t value);

static inline bool
jsonout_ok(const struct jsonout *j)
{
	return !j->failed;
}

#endif
