/*
 * resolve_metrics - how lookups were answered, and what is remembered
 *
 *   cache_hits_total{map}, cache_misses_total{map}
 *   stale_answers_total{map}, stale_answer_age_seconds
 *   gate_answers_total{map}
 *   lookups_coalesced_total{map}
 *   cache_refreshes_total{result}
 *   cache_evictions_total, cache_entries, cache_bytes
 *
 * Stale answers are logged, at most one line a second.  Loop's thread only.
 */
#ifndef BACKEND_RESOLVE_METRICS_H
#define BACKEND_RESOLVE_METRICS_H

#include <uv.h>

#include "backend/cache.h"
#include "common/log.h"
#include "common/metrics.h"

/* The gauge shows the oldest stale answer of one to two of these. */
#define RESOLVE_METRICS_WINDOW_MS 60000

enum resolve_refresh {
	RESOLVE_REFRESH_OK,
	RESOLVE_REFRESH_NOTFOUND,
	RESOLVE_REFRESH_FAILED,
	RESOLVE_REFRESHES,
};

struct resolve_metrics {
	uv_loop_t *loop;
	struct log *log;
	const struct cache *cache; /* or NULL */
	struct metrics_counter *hits[LOOKUP_MAPS];
	struct metrics_counter *misses[LOOKUP_MAPS];
	struct metrics_counter *stale[LOOKUP_MAPS];
	struct metrics_counter *gate[LOOKUP_MAPS];
	struct metrics_counter *coalesced[LOOKUP_MAPS];
	struct metrics_counter *refreshes[RESOLVE_REFRESHES];
	struct metrics_counter *evictions;
	struct metrics_gauge *entries;
	struct metrics_gauge *bytes;
	struct metrics_gauge *stale_age;

	uint64_t window_ends_ms;
	uint32_t oldest_ms[2]; /* in this window and the one before */
	uint64_t log_next_ms;  /* no line before this */
	uint64_t log_silent;   /* stale answers since the last line */
};

/* cache, metrics, log: borrowed for as long as metrics are collected. */
void resolve_metrics_init(struct resolve_metrics *rm, uv_loop_t *loop,
    struct metrics *metrics, struct log *log, const struct cache *cache);

/* A stale answer is told since userli did what reason says. */
void resolve_metrics_stale(struct resolve_metrics *rm, enum lookup_map map,
    struct slice key, uint64_t request_id, uint32_t age_ms,
    struct slice reason);

#endif
