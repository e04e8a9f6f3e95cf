#include "backend/explanation.h"

#include <stdlib.h>
#include <time.h>

#include "common/keyrules.h"
#include "common/mem.h"

#define SHOWN 200 /* bytes of a key or a value */

static int
shown(struct slice text)
{
	return (int)(text.len < SHOWN ? text.len : SHOWN);
}

static double
seconds(uint64_t later_ms, uint64_t earlier_ms)
{
	return (double)(int64_t)(later_ms - earlier_ms) / 1000;
}

/* What is remembered of the key now. */
static void
explain_memory(struct steps *s, const struct explanation_parts *p,
    enum lookup_map map, struct slice key, uint64_t now_ms)
{
	const struct cache *cache = resolve_cache(p->resolve);
	const struct cache_entry *entry =
	    cache != NULL ? cache_peek(cache, map, key) : NULL;
	enum answers_state state =
	    answers_state(resolve_answers(p->resolve), entry, now_ms);
	uint64_t now = uv_hrtime();

	if (entry == NULL || state == ANSWERS_NONE) {
		steps_add(s, now, "cache", "%s",
		    cache != NULL ? "nothing is remembered of it"
				  : "off: LOOKUP_CACHE_TTL is 0");
		return;
	}
	switch (state) {
	case ANSWERS_FRESH:
		steps_add(s, now, "cache", "%s, %.1f s old, good for %.1f s",
		    lookup_outcome_name(entry->outcome),
		    seconds(now_ms, entry->stored_ms),
		    seconds(entry->fresh_until_ms, now_ms));
		break;
	case ANSWERS_STALE:
		steps_add(s, now, "cache",
		    "%s, %.1f s old, expired %.1f s ago: told only when userli "
		    "fails",
		    lookup_outcome_name(entry->outcome),
		    seconds(now_ms, entry->stored_ms),
		    seconds(now_ms, entry->fresh_until_ms));
		break;
	case ANSWERS_NONE:
		break;
	}
}

static void
explain_key(struct steps *s, const struct explanation_parts *p,
    enum lookup_map map, const struct rpc_call *call, uint64_t now_ms)
{
	uint64_t now = uv_hrtime();
	char normal[KEYRULES_KEY_MAX];
	size_t len;

	if (map == LOOKUP_MAPS) {
		steps_add(s, now, "rules", "there is no such map");
		return;
	}
	if (keyrules_apply(map, call->key, p->delimiter, normal, &len) ==
	    KEYRULES_ABSENT) {
		steps_add(s, now, "rules",
		    "userli can hold no such key: not found, without asking");
		return;
	}
	steps_add(s, now, "rules", "userli may hold it, as \"%.*s\"",
	    shown((struct slice){ normal, len }), normal);
	explain_memory(s, p, map, (struct slice){ normal, len }, now_ms);
}

/* By this host's clock, which may be another than the frontend's. */
static void
explain_time(struct steps *s, uint64_t now, const struct rpc_call *call)
{
	char text[sizeof "2026-01-02T03:04:05Z"];
	time_t wall = time(NULL);
	struct tm utc;

	if (gmtime_r(&wall, &utc) == NULL ||
	    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		text[0] = '\0';
	steps_add(
	    s, now, "received", "at %s, with %u ms left", text, call->left_ms);
}

struct steps *
explanation_new(const struct explanation_parts *p, enum lookup_map map,
    const struct rpc_call *call, uint64_t now_ms)
{
	uint64_t now = uv_hrtime();
	struct steps *s;

	if (call->how == RPC_HOW_USUAL)
		return NULL;
	s = mem_calloc(1, sizeof *s);
	steps_init(s, RPC_STEPS_MAX, now);
	explain_time(s, now, call);
	explain_key(s, p, map, call, now_ms);
	if (call->how == RPC_HOW_DIRECT)
		steps_add(s, now, "direct",
		    "userli is asked, whatever is remembered");
	return s;
}

void
explanation_free(struct steps *s)
{
	if (s == NULL)
		return;
	steps_fini(s);
	free(s);
}

static const char *
told(enum lookup_source source)
{
	switch (source) {
	case LOOKUP_CACHED:
		return "told from memory";
	case LOOKUP_STALE:
		return "told from memory, past its time: userli fails";
	case LOOKUP_RULE:
		return "told by rule";
	case LOOKUP_FRESH:
		break;
	}
	return "not told from memory";
}

void
explanation_result(struct steps *s, const struct lookup_result *result)
{
	uint64_t now = uv_hrtime();

	if (s == NULL)
		return;
	if (result->userli_status != 0)
		steps_add(s, now, "userli", "HTTP status %u after %.1f ms",
		    result->userli_status, result->userli_us / 1000.0);
	else if (result->source == LOOKUP_FRESH)
		steps_add(s, now, "userli", "no HTTP answer of its own");
	steps_add(s, now, "outcome", "%s %.*s, %s",
	    lookup_outcome_name(result->outcome), shown(result->data),
	    result->data.len > 0 ? result->data.ptr : "", told(result->source));
}

void
explanation_directly(const struct explanation_parts *p, enum lookup_map map,
    struct slice key, uint64_t deadline, uint64_t request_id, resolve_done done,
    void *arg)
{
	char normal[KEYRULES_KEY_MAX];
	size_t len;

	if (map == LOOKUP_MAPS ||
	    keyrules_apply(map, key, p->delimiter, normal, &len) ==
		KEYRULES_ABSENT)
		resolve_lookup(
		    p->resolve, map, key, deadline, request_id, done, arg);
	else
		userli_lookup(p->userli, map, (struct slice){ normal, len },
		    deadline, request_id, done, arg);
}
