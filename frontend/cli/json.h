/*
 * json - what the tool reads of the daemons' JSON
 *
 * The only place of the tool that includes jansson.  Whatever is missing or of
 * another type reads as empty or 0: daemons of other versions may say more or
 * less.  Strings are borrowed from the object.
 */
#ifndef FRONTEND_CLI_JSON_H
#define FRONTEND_CLI_JSON_H

#include <jansson.h>

#include "common/slice.h"

/* NULL for what is no JSON object or array; json_decref() it. */
static inline json_t *
json_read(struct slice text)
{
	return json_loadb(text.ptr != NULL ? text.ptr : "", text.len,
	    JSON_REJECT_DUPLICATES, NULL);
}

static inline const char *
json_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static inline double
json_figure(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

#endif
