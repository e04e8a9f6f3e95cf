#include "backend/resolve.h"

#include "common/keyrules.h"

void
resolve_lookup(const struct resolve *r, enum lookup_map map, struct slice key,
    uint64_t deadline, uint64_t request_id, resolve_done done, void *arg)
{
	char normal[KEYRULES_KEY_MAX];
	size_t len;

	if (map == LOOKUP_MAPS) {
		done(arg,
		    &(struct lookup_result){ .outcome = LOOKUP_PERM,
			.source = LOOKUP_RULE,
			.data = SLICE("Unknown map name") });
		return;
	}
	if (keyrules_apply(map, key, r->delimiter, normal, &len) ==
	    KEYRULES_ABSENT) {
		done(arg,
		    &(struct lookup_result){
			.outcome = LOOKUP_NOTFOUND, .source = LOOKUP_RULE });
		return;
	}
	userli_lookup(r->userli, map, (struct slice){ normal, len }, deadline,
	    request_id, done, arg);
}
