/*
 * members - JSON objects whose members are known by name and type
 *
 * One table describes an object: what may be in it, of what type, where the
 * value goes.  The first thing wrong ends the reading with an error that names
 * the member, as in `users[3].quota.per_day: must be a number from 0 to …`.
 */
#ifndef SANDBOX_MEMBERS_H
#define SANDBOX_MEMBERS_H

#include <stdint.h>

#include <jansson.h>

#include "common/error.h"
#include "common/slice.h"

#define MEMBER_PATH_MAX 128

enum member_type {
	MEMBER_STRING, /* const char **, borrowed from the JSON */
	MEMBER_BOOL,   /* bool * */
	MEMBER_NUMBER, /* int64_t *, min to max */
	MEMBER_ARRAY,  /* json_t **, borrowed */
	MEMBER_OBJECT, /* json_t **, borrowed */
};

struct member {
	const char *name;
	void *to; /* left alone when the member is absent */
	int64_t min;
	int64_t max;
	enum member_type type;
	bool required;
};

/* A member that may be absent, one that may not, and a number. */
#define MEMBER(member_name, member_type, target)                             \
	{                                                                    \
		.name = (member_name), .type = (member_type), .to = (target) \
	}
#define MEMBER_REQUIRED(member_name, member_type, target)                     \
	{                                                                     \
		.name = (member_name), .type = (member_type), .to = (target), \
		.required = true                                              \
	}
#define MEMBER_RANGE(member_name, target, lowest, highest)                    \
	{                                                                     \
		.name = (member_name), .type = MEMBER_NUMBER, .to = (target), \
		.min = (lowest), .max = (highest)                             \
	}

/*
 * Read object; where is how errors call it ("users[3]", or "" for the whole).
 * Unknown members are an error.
 */
bool members_read(json_t *object, const char *where,
    const struct member *members, size_t count, struct error *error)
    __attribute__((warn_unused_result));

#endif
