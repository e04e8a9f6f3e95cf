#include "common/lookup.h"

static const char *const map_names[LOOKUP_MAPS + 1] = {
	[LOOKUP_ALIAS] = "alias",
	[LOOKUP_DOMAIN] = "domain",
	[LOOKUP_MAILBOX] = "mailbox",
	[LOOKUP_SENDERS] = "senders",
	[LOOKUP_MAPS] = "unknown",
};

static const char *const outcome_names[LOOKUP_OUTCOMES] = {
	[LOOKUP_OK] = "OK",
	[LOOKUP_NOTFOUND] = "NOTFOUND",
	[LOOKUP_TEMP] = "TEMP",
	[LOOKUP_TIMEOUT] = "TIMEOUT",
	[LOOKUP_PERM] = "PERM",
	[LOOKUP_BUSY] = "BUSY",
	[LOOKUP_DRAINING] = "DRAINING",
	[LOOKUP_UNIMPLEMENTED] = "UNIMPLEMENTED",
};

static const char *const source_names[] = {
	[LOOKUP_FRESH] = "fresh",
	[LOOKUP_CACHED] = "cached",
	[LOOKUP_STALE] = "stale",
	[LOOKUP_RULE] = "rule",
};

enum lookup_map
lookup_map_of(struct slice name)
{
	for (int map = 0; map < LOOKUP_MAPS; map++) {
		if (slice_equal(name, slice_of(map_names[map])))
			return (enum lookup_map)map;
	}
	return LOOKUP_MAPS;
}

const char *
lookup_map_name(enum lookup_map map)
{
	return map_names[map];
}

const char *
lookup_outcome_name(enum lookup_outcome outcome)
{
	return outcome_names[outcome];
}

const char *
lookup_source_name(enum lookup_source source)
{
	return source_names[source];
}
