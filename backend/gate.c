#include "backend/gate.h"

#include "common/keyrules.h"

struct slice
gate_domain(enum lookup_map map, struct slice key)
{
	const char *at = memchr(key.ptr, '@', key.len);
	char normal[KEYRULES_KEY_MAX];
	struct slice domain;
	size_t len;

	if (map == LOOKUP_DOMAIN || at == NULL)
		return (struct slice){ NULL, 0 };
	domain.ptr = at + 1;
	domain.len = key.len - (size_t)(domain.ptr - key.ptr);
	/* White space of Unicode's, say, is trimmed from a domain but not from
	 * the middle of an address: then they are not the same domain. */
	if (keyrules_apply(LOOKUP_DOMAIN, domain, (struct slice){ NULL, 0 },
		normal, &len) != KEYRULES_ASK ||
	    !slice_equal(domain, (struct slice){ normal, len }))
		domain.len = 0;
	return domain;
}

enum gate_verdict
gate_judge(const struct answers_options *o, const struct cache_entry *domain,
    uint64_t now)
{
	enum answers_state state = answers_state(o, domain, now);

	if (state == ANSWERS_NONE)
		return GATE_ASK;
	/* What is stale was there, and most likely still is. */
	return state == ANSWERS_FRESH && domain->outcome == LOOKUP_NOTFOUND
	    ? GATE_CLOSED
	    : GATE_OPEN;
}
