#include "backend/answers.h"

uint64_t
answers_life_ms(const struct answers_options *o, enum lookup_map map,
    enum lookup_outcome outcome, uint64_t random)
{
	uint64_t life;
	uint64_t less_max;

	if (outcome == LOOKUP_OK)
		life = o->ttl_ms;
	else if (outcome == LOOKUP_NOTFOUND)
		life = o->negative_ttl_ms[map];
	else
		return 0;
	less_max = life * ANSWERS_JITTER_PERCENT / 100;
	return life - random % (less_max + 1);
}

enum answers_state
answers_state(const struct answers_options *o, const struct cache_entry *entry,
    uint64_t now)
{
	if (entry == NULL)
		return ANSWERS_NONE;
	if (cache_before(now, entry->fresh_until_ms))
		return ANSWERS_FRESH;
	if (entry->outcome != LOOKUP_OK ||
	    now - entry->fresh_until_ms >= o->stale_ttl_ms)
		return ANSWERS_NONE;
	return ANSWERS_STALE;
}

bool
answers_ageing(const struct cache_entry *entry, uint64_t now)
{
	uint64_t life = entry->fresh_until_ms - entry->stored_ms;

	return !cache_before(now + life / 10, entry->fresh_until_ms);
}

bool
answers_held(const struct cache_entry *entry, uint64_t now)
{
	return entry->retry_ms != 0 && cache_before(now, entry->retry_ms);
}

struct lookup_result
answers_result(
    const struct cache_entry *entry, enum answers_state state, uint64_t now)
{
	uint64_t age =
	    cache_before(entry->stored_ms, now) ? now - entry->stored_ms : 0;

	return (struct lookup_result){ .outcome = entry->outcome,
		.source = state == ANSWERS_STALE ? LOOKUP_STALE : LOOKUP_CACHED,
		.age_ms = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX,
		.data = entry->value };
}
