#include "members.h"

#include <inttypes.h>
#include <stdio.h>

static bool
wrong(
    struct error *error, const char *where, const char *name, const char *what)
{
	error_set(error, "%s%s%s: %s", where,
	    *where != '\0' && *name != '\0' ? "." : "", name, what);
	return false;
}

static bool
read_number(json_t *value, const char *where, const struct member *m,
    struct error *error)
{
	int64_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < m->min || n > m->max) {
		char what[96];

		(void)snprintf(what, sizeof what,
		    "must be a whole number from %" PRId64 " to %" PRId64,
		    m->min, m->max);
		return wrong(error, where, m->name, what);
	}
	*(int64_t *)m->to = n;
	return true;
}

static bool
read_one(json_t *value, const char *where, const struct member *m,
    struct error *error)
{
	switch (m->type) {
	case MEMBER_STRING:
		if (!json_is_string(value))
			return wrong(error, where, m->name, "must be a string");
		*(const char **)m->to = json_string_value(value);
		return true;
	case MEMBER_BOOL:
		if (!json_is_boolean(value))
			return wrong(
			    error, where, m->name, "must be true or false");
		*(bool *)m->to = json_is_true(value);
		return true;
	case MEMBER_NUMBER:
		return read_number(value, where, m, error);
	case MEMBER_ARRAY:
		if (!json_is_array(value))
			return wrong(error, where, m->name, "must be a list");
		*(json_t **)m->to = value;
		return true;
	case MEMBER_OBJECT:
		if (!json_is_object(value))
			return wrong(
			    error, where, m->name, "must be an object");
		*(json_t **)m->to = value;
		return true;
	}
	return false;
}

bool
members_read(json_t *object, const char *where, const struct member *members,
    size_t count, struct error *error)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return wrong(error, *where == '\0' ? "the whole" : where, "",
		    "must be an object");
	for (size_t i = 0; i < count; i++) {
		value = json_object_get(object, members[i].name);
		if (value == NULL && members[i].required)
			return wrong(
			    error, where, members[i].name, "is missing");
		if (value != NULL &&
		    !read_one(value, where, &members[i], error))
			return false;
	}
	json_object_foreach(object, name, value)
	{
		size_t i = 0;

		while (i < count && strcmp(members[i].name, name) != 0)
			i++;
		if (i == count) {
			char what[MEMBER_PATH_MAX];

			(void)snprintf(what, sizeof what,
			    "unknown member \"%.64s\"", name);
			return wrong(error,
			    *where == '\0' ? "the whole" : where, "", what);
		}
	}
	return true;
}
