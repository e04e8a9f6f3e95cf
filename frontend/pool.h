/*
 * pool - the backends, and who of them is asked
 *
 * Owns one link per member; members follow discovery.  A member that is no
 * longer named gets no new calls and goes when its last one is answered; one
 * that (re)joins gets its share of the keys little by little, for its cache is
 * cold.  Loop's thread only.
 */
#ifndef FRONTEND_POOL_H
#define FRONTEND_POOL_H

#include <uv.h>

#include "common/endpoint.h"
#include "common/log.h"
#include "common/metrics.h"
#include "frontend/link.h"

#define POOL_TRIES_MAX 8          /* members asked for one lookup */
#define POOL_MEMBERS_MAX 1024     /* more are left out, and logged */
#define POOL_RANKED_MAX 8         /* members that pool_rank() tells of */
#define POOL_LABELS_MAX 64        /* members with metrics of their own */
#define POOL_SLOW_START_MS 10000  /* until a new member has its full share */
#define POOL_SLOW_START_LEAST 0.1 /* of its share, at the beginning */

/* The members that a lookup has been sent to. */
struct pool_tries {
	size_t count;
	uint64_t ids[POOL_TRIES_MAX];
};

struct pool_events {
	/* As link_events. */
	void (*answered)(void *arg, struct link_call *call,
	    const struct lookup_result *result, struct slice backend);
	void (*lost)(void *arg, struct link_call *call, enum link_loss why);
	/* A member has become usable. */
	void (*usable)(void *arg);
	void *arg;
};

struct pool_options {
	const struct endpoint_list *backends; /* borrowed */
	const struct rpctls *tls;             /* borrowed; may be NULL */
	uint64_t resolve_interval_ms;
	uint64_t ping_after_ms;
	uint64_t eject_after_ms;
	double load_factor;
	struct metrics *metrics;
	struct log *log;
	struct pool_events events; /* of calls that name none themselves */
};

struct pool;

/* Never NULL; members connect in the background. */
struct pool *pool_new(uv_loop_t *loop, const struct pool_options *options);

/*
 * Other backends, looked up so often, and another load factor, from now on.
 * Who is no longer named is let go once names have had POOL_SETTLE_MS to be
 * looked up.
 */
#define POOL_SETTLE_MS 2000
void pool_configure(struct pool *pool, const struct endpoint_list *backends,
    uint64_t resolve_interval_ms, double load_factor);

/*
 * Send a call to the member that ranks highest for key (router_key) among
 * those not tried yet, and add it to tries.  False when none is left.
 */
bool pool_send(struct pool *pool, uint64_t key, struct pool_tries *tries,
    struct link_call *call, const struct rpc_call *what)
    __attribute__((warn_unused_result));

/* Members that can be asked, and all there are. */
size_t pool_usable(const struct pool *pool);
size_t pool_size(const struct pool *pool);

/* One member as it is now. */
struct pool_view {
	const char *url;
	const struct identity *identity; /* who it says it is */
	enum link_state state;
	double weight; /* its share of the keys, against the others' */
	size_t in_flight;
	uint64_t calls, failures; /* results so far; those that moved elsewhere
	                           * or were no answer */
	double rate;              /* results a second */
	double failure_rate;
	double seconds; /* mean duration of the recent ones; NaN without any */
};

/*
 * The members in the order in which they are to be asked for key (router_key)
 * were they all well and idle: at most max of them to out, borrowed until the
 * loop turns.  Returns how many.
 */
size_t pool_rank(const struct pool *pool, uint64_t key, struct pool_view *out,
    size_t max) __attribute__((warn_unused_result));

/* Call fn for every member; view is borrowed for the call. */
void pool_each(const struct pool *pool,
    void (*fn)(void *arg, const struct pool_view *view), void *arg);

/* Call every outstanding call lost, then free once the loop has closed the
 * handles. */
void pool_close(struct pool *pool);

#endif
