/*
 * cache_keeper - carries the cache over a restart, in CACHE_FILE
 *
 * Loads the file at the start; writes it every interval_ms and when asked to
 * finish.  The loop encodes a slice of the cache a turn, a thread of libuv's
 * pool writes it: memory for one slice, and no lookup waits for a disk.  What
 * fails is counted and, when it begins and ends, logged, and the file of last
 * time stays.  Loop's thread only.
 *
 *   cache_file_loaded_entries, cache_file_saved_entries,
 *   cache_file_saved_timestamp_seconds, cache_file_failures_total{operation}
 */
#ifndef BACKEND_CACHE_KEEPER_H
#define BACKEND_CACHE_KEEPER_H

#include <uv.h>

#include "backend/answers.h"
#include "backend/cache.h"
#include "common/log.h"
#include "common/metrics.h"

#define CACHE_KEEPER_SLICE_BYTES ((size_t)1 << 18)
#define CACHE_KEEPER_SLICE_ENTRIES 1024 /* looked at, worth saving or not */

struct cache_keeper_options {
	const char *path;     /* borrowed; "": keeps nothing */
	uint64_t interval_ms; /* between two saves */
	const char *origin;   /* what the answers are of: userli's URL */
	/* What may still be told is kept; nothing is fresh for longer than new
	 * answers are. */
	struct answers_options answers;
	struct cache *cache; /* borrowed until cache_keeper_close(); NULL while
	                        it is off: keeps nothing */
	struct metrics *metrics;
	struct log *log;
};

struct cache_keeper;

/* Loads the file, which takes as long as it takes.  Never NULL. */
struct cache_keeper *cache_keeper_new(
    uv_loop_t *loop, const struct cache_keeper_options *options);

/*
 * Save a last time; no save follows.  done is called once this has ended, well
 * or not, maybe from within; NULL: nobody waits.  A second call only takes over
 * who is told.
 */
void cache_keeper_finish(
    struct cache_keeper *k, void (*done)(void *arg), void *arg);

/* Stop, and free k once the loop has closed its handles. */
void cache_keeper_close(struct cache_keeper *k);

#endif
