/*
 * resolve - from a query to its outcome
 *
 * The stations of a lookup in a backend, in order: the map's name, the key
 * rules, what userli said a while ago (cache, answers), the domain gate, and
 * userli itself, asked once for all who want the same key (fetch).  An answer
 * that is in use is fetched again before it expires, and an expired OK is told
 * when userli fails.  Loop's thread only.
 */
#ifndef BACKEND_RESOLVE_H
#define BACKEND_RESOLVE_H

#include <uv.h>

#include "backend/answers.h"
#include "backend/cache.h"
#include "backend/userli.h"
#include "common/log.h"
#include "common/lookup.h"
#include "common/metrics.h"

/*
 * Called exactly once for each resolve_lookup(), maybe from within it.  The
 * result's data is borrowed for the call.  It must not call resolve.
 */
typedef void (*resolve_done)(void *arg, const struct lookup_result *result);

struct resolve_options {
	struct userli *userli;  /* borrowed */
	struct slice delimiter; /* borrowed: POSTFIX_RECIPIENT_DELIMITER */
	bool propagate_extension;
	bool gate;
	/* A ttl_ms of 0 turns the cache off, and the gate with it. */
	struct answers_options answers;
	size_t cache_bytes_max;
	uint64_t stale_after_ms; /* who has waited so long is told a stale OK */
	uint64_t fetch_limit_ms; /* of one request to userli */
	size_t refreshes_max;    /* fetches in the background at once */
	struct metrics *metrics; /* borrowed, as is log */
	struct log *log;
};

struct resolve;

/* Never NULL.  The options are copied. */
struct resolve *resolve_new(
    uv_loop_t *loop, const struct resolve_options *options);

/*
 * From now on with these; what is in the cache keeps the life it was given.
 * False, and nothing of it, if that would turn the cache on or off.
 */
bool resolve_configure(struct resolve *r, const struct answers_options *answers,
    uint64_t stale_after_ms, bool gate) __attribute__((warn_unused_result));

/*
 * Answer one query.  key is borrowed for the call only; deadline in uv_now()
 * ms; request_id is for logs.
 */
void resolve_lookup(struct resolve *r, enum lookup_map map, struct slice key,
    uint64_t deadline, uint64_t request_id, resolve_done done, void *arg);

/*
 * Forget what userli said of a key, as it is given (the key rules apply): of
 * one map or, for LOOKUP_MAPS, of all; an empty key stands for all keys.  For
 * all maps and an address, that its domain is not found is forgotten, too.  Who
 * waits for a request under way is told its answer, which may be older; it is
 * not kept.  Returns how many answers were forgotten.
 */
size_t resolve_purge(struct resolve *r, enum lookup_map map, struct slice key);

/* For those who save and load it; NULL while the cache is off. */
struct cache *resolve_cache(struct resolve *r);

/* How long answers may be told, as it is now. */
const struct answers_options *resolve_answers(const struct resolve *r);

/*
 * Ask nothing from now on: what is not answered at once is DRAINING.  To be
 * called before http and userli are closed; every query must have ended (http
 * and userli closed) when the loop next closes handles, and then the memory
 * goes.
 */
void resolve_close(struct resolve *r);

#endif
