#include "backend/resolve_metrics.h"

#define LOG_INTERVAL_MS 1000

/* Begin a new window when this one is over, or both when nothing was told for
 * so long. */
static void
turn_window(struct resolve_metrics *rm)
{
	uint64_t now = uv_now(rm->loop);

	if (now < rm->window_ends_ms)
		return;
	rm->oldest_ms[1] = now < rm->window_ends_ms + RESOLVE_METRICS_WINDOW_MS
	    ? rm->oldest_ms[0]
	    : 0;
	rm->oldest_ms[0] = 0;
	rm->window_ends_ms = now + RESOLVE_METRICS_WINDOW_MS;
}

static void
collect(void *arg)
{
	struct resolve_metrics *rm = arg;
	struct cache_stats stats = { 0 };
	uint32_t oldest;

	turn_window(rm);
	oldest = rm->oldest_ms[0] > rm->oldest_ms[1] ? rm->oldest_ms[0]
						     : rm->oldest_ms[1];
	metrics_set(rm->stale_age, oldest / 1000.0);
	if (rm->cache == NULL)
		return;
	cache_stats(rm->cache, &stats);
	rm->evictions->value = stats.evictions;
	metrics_set(rm->entries, (double)stats.entries);
	metrics_set(rm->bytes, (double)stats.bytes);
}

static void
add_by_map(struct metrics *m, const char *name, const char *help,
    struct metrics_counter *out[static LOOKUP_MAPS])
{
	static const char *const label[] = { "map", NULL };
	struct metrics_family *family = metrics_counters(m, name, help, label);

	for (int map = 0; map < LOOKUP_MAPS; map++)
		out[map] = metrics_counter(family,
		    (const char *const[]){
			lookup_map_name((enum lookup_map)map), NULL });
}

static void
add_refreshes(struct resolve_metrics *rm, struct metrics *m)
{
	static const char *const results[RESOLVE_REFRESHES] = { "ok",
		"notfound", "failed" };
	static const char *const label[] = { "result", NULL };
	struct metrics_family *family = metrics_counters(m,
	    "cache_refreshes_total",
	    "Answers that userli was asked for again in the background", label);

	for (int i = 0; i < RESOLVE_REFRESHES; i++)
		rm->refreshes[i] = metrics_counter(
		    family, (const char *const[]){ results[i], NULL });
}

static struct metrics_gauge *
gauge(struct metrics *m, const char *name, const char *help)
{
	return metrics_gauge(metrics_gauges(m, name, help, NULL), NULL);
}

void
resolve_metrics_init(struct resolve_metrics *rm, uv_loop_t *loop,
    struct metrics *m, struct log *log, const struct cache *cache)
{
	*rm = (struct resolve_metrics){
		.loop = loop, .log = log, .cache = cache
	};
	add_by_map(m, "cache_hits_total",
	    "Lookups answered from the cache, fresh", rm->hits);
	add_by_map(m, "cache_misses_total",
	    "Lookups that had to wait for userli", rm->misses);
	add_by_map(m, "stale_answers_total",
	    "Lookups answered with an expired answer", rm->stale);
	add_by_map(m, "gate_answers_total",
	    "Addresses not found since userli does not have their domain",
	    rm->gate);
	add_by_map(m, "lookups_coalesced_total",
	    "Lookups that waited for a request already under way",
	    rm->coalesced);
	add_refreshes(rm, m);
	rm->evictions =
	    metrics_counter(metrics_counters(m, "cache_evictions_total",
				"Answers forgotten for want of room", NULL),
		NULL);
	rm->entries = gauge(m, "cache_entries", "Answers in the cache");
	rm->bytes = gauge(m, "cache_bytes", "Memory of the cache");
	rm->stale_age = gauge(m, "stale_answer_age_seconds",
	    "Age of the oldest stale answer told in the last minute or two");
	metrics_on_collect(m, collect, rm);
}

void
resolve_metrics_stale(struct resolve_metrics *rm, enum lookup_map map,
    struct slice key, uint64_t request_id, uint32_t age_ms, struct slice reason)
{
	uint64_t now = uv_now(rm->loop);

	turn_window(rm);
	if (age_ms > rm->oldest_ms[0])
		rm->oldest_ms[0] = age_ms;
	metrics_inc(rm->stale[map]);
	if (now < rm->log_next_ms) {
		rm->log_silent++;
		return;
	}
	rm->log_next_ms = now + LOG_INTERVAL_MS;
	log_warn(rm->log, log_msg("stale answer told"),
	    log_hex("request_id", request_id),
	    log_str("map", lookup_map_name(map)), log_personal("key", key),
	    log_double("age_seconds", age_ms / 1000.0),
	    log_slice("reason", reason),
	    log_uint("alike_not_logged", rm->log_silent));
	rm->log_silent = 0;
}
