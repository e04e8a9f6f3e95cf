/*
 * json_shape - how deep and how long a JSON text is, before it is parsed
 *
 * What jansson would only notice after allocating for it.  Brackets and commas
 * within strings do not count; that the rest is JSON is jansson's to judge.
 * Pure.
 */
#ifndef BACKEND_JSON_SHAPE_H
#define BACKEND_JSON_SHAPE_H

#include "common/slice.h"

struct json_shape {
	size_t depth;  /* brackets that stand open at once, at most */
	size_t commas; /* at any depth */
};

struct json_shape json_shape_of(struct slice text);

#endif
