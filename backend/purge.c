#include "backend/purge.h"

#include "backend/gate.h"
#include "common/keyrules.h"

static size_t
forget(const struct purge *p, enum lookup_map map, struct slice key)
{
	char normal[KEYRULES_KEY_MAX];
	size_t len;

	if (key.len == 0) {
		(void)fetches_forget(p->fetches, map, key);
		return p->cache != NULL ? cache_clear(p->cache, map) : 0;
	}
	if (keyrules_apply(map, key, p->delimiter, normal, &len) ==
	    KEYRULES_ABSENT)
		return 0;
	key = (struct slice){ normal, len };
	(void)fetches_forget(p->fetches, map, key);
	return p->cache != NULL ? cache_remove(p->cache, map, key) : 0;
}

/* An address that may be new may be the first of a new domain. */
static size_t
forget_absent_domain(const struct purge *p, struct slice address)
{
	char normal[KEYRULES_KEY_MAX];
	const struct cache_entry *entry;
	struct slice domain;
	size_t len;

	if (p->cache == NULL ||
	    keyrules_apply(LOOKUP_MAILBOX, address, p->delimiter, normal,
		&len) == KEYRULES_ABSENT)
		return 0;
	domain = gate_domain(LOOKUP_MAILBOX, (struct slice){ normal, len });
	if (domain.len == 0)
		return 0;
	(void)fetches_forget(p->fetches, LOOKUP_DOMAIN, domain);
	entry = cache_peek(p->cache, LOOKUP_DOMAIN, domain);
	if (entry == NULL || entry->outcome != LOOKUP_NOTFOUND)
		return 0;
	return cache_remove(p->cache, LOOKUP_DOMAIN, domain);
}

size_t
purge_key(const struct purge *p, enum lookup_map map, struct slice key)
{
	size_t count = 0;

	if (map != LOOKUP_MAPS)
		return forget(p, map, key);
	for (int i = 0; i < LOOKUP_MAPS; i++)
		count += forget(p, (enum lookup_map)i, key);
	if (key.len > 0)
		count += forget_absent_domain(p, key);
	return count;
}
