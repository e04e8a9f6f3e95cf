#include "backend/control.h"

#include <stdlib.h>

#include "common/jsonout.h"
#include "common/keyrules.h"
#include "common/mem.h"

static bool
on_drain(void *arg, struct error *error)
{
	struct control *c = arg;

	(void)error;
	worker_set_paused(c->worker, true);
	return true;
}

static bool
on_resume(void *arg, struct error *error)
{
	struct control *c = arg;

	(void)error;
	worker_set_paused(c->worker, false);
	return true;
}

static void
on_cache(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct control *c = arg;
	const struct cache *cache = resolve_cache(c->resolve);
	struct cache_stats stats = { 0 };
	struct jsonout j;

	(void)request;
	if (cache != NULL)
		cache_stats(cache, &stats);
	jsonout_init(&j, reply->body);
	jsonout_object(&j, NULL);
	jsonout_bool(&j, "on", cache != NULL);
	jsonout_integer(&j, "entries", stats.entries);
	jsonout_integer(&j, "bytes", stats.bytes);
	jsonout_integer(&j, "evictions", stats.evictions);
	jsonout_end_object(&j);
	if (!jsonout_ok(&j))
		reply->status = 500;
}

static double
seconds(uint64_t later_ms, uint64_t earlier_ms)
{
	return (double)(int64_t)(later_ms - earlier_ms) / 1000;
}

static void
write_slice(struct jsonout *j, const char *name, struct slice text)
{
	char *copy = mem_dup(text.len > 0 ? text.ptr : "", text.len);

	jsonout_string(j, name, copy);
	free(copy);
}

static void
write_entry(
    struct jsonout *j, const struct control *c, const struct cache_entry *entry)
{
	static const char *const states[] = { [ANSWERS_NONE] = "none",
		[ANSWERS_FRESH] = "fresh",
		[ANSWERS_STALE] = "stale" };
	uint64_t now = uv_now(c->loop);

	jsonout_string(j, "state",
	    states[answers_state(resolve_answers(c->resolve), entry, now)]);
	if (entry == NULL)
		return;
	jsonout_string(j, "outcome", lookup_outcome_name(entry->outcome));
	write_slice(j, "value", entry->value);
	jsonout_number(j, "age", seconds(now, entry->stored_ms));
	jsonout_number(j, "good_for", seconds(entry->fresh_until_ms, now));
}

/* "MAP KEY" to the key as userli has it; false without an answer. */
static bool
read_question(const struct control *c, struct slice text, enum lookup_map *map,
    char key[static KEYRULES_KEY_MAX], size_t *len, struct ops_reply *reply)
{
	const char *blank =
	    text.len > 0 ? memchr(text.ptr, ' ', text.len) : NULL;
	size_t map_len = blank != NULL ? (size_t)(blank - text.ptr) : 0;

	*map = lookup_map_of((struct slice){ text.ptr, map_len });
	*len = 0;
	if (blank == NULL || *map == LOOKUP_MAPS) {
		admin_fail(reply, 400,
		    "a map (alias, domain, mailbox, senders) and a key are "
		    "needed");
		return false;
	}
	if (keyrules_apply(*map,
		(struct slice){ blank + 1, text.len - map_len - 1 },
		c->explain->delimiter, key, len) == KEYRULES_ABSENT)
		*len = 0;
	return true;
}

static void
on_get(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct control *c = arg;
	const struct cache *cache = resolve_cache(c->resolve);
	const struct cache_entry *entry = NULL;
	char bytes[KEYRULES_KEY_MAX];
	enum lookup_map map;
	struct slice key = { bytes, 0 };
	struct jsonout j;

	if (!read_question(c, request->body, &map, bytes, &key.len, reply))
		return;
	if (cache != NULL && key.len > 0)
		entry = cache_peek(cache, map, key);
	jsonout_init(&j, reply->body);
	jsonout_object(&j, NULL);
	write_slice(&j, "key", key);
	write_entry(&j, c, entry);
	jsonout_end_object(&j);
	if (!jsonout_ok(&j))
		admin_fail(reply, 500, "the answer is too long");
}

bool
control_start(struct control *c, const char *setting, struct metrics *metrics,
    struct log *log, struct error *error)
{
	const struct admin_hooks hooks = { on_drain, on_resume, c };

	if (!admin_start(
		&c->admin, c->loop, setting, &hooks, metrics, log, error))
		return false;
	admin_route(&c->admin, "GET", "/cache", on_cache, c);
	admin_route(&c->admin, "POST", "/cache-get", on_get, c);
	return true;
}

void
control_stop(struct control *c)
{
	admin_stop(&c->admin);
}
