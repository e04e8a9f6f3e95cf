/*
 * fetch - one request to userli for a key at once, however many wait for it
 *
 * Whoever wants a key that is being fetched waits for that fetch, each with a
 * time of its own; when that comes, it leaves and the fetch goes on, for the
 * others and for whoever keeps the answer.  A fetch is bounded by its own limit
 * alone, so that the haste of one who waits is not the failure of the rest.
 * Nobody need wait for a fetch at all.  Loop's thread only.
 */
#ifndef BACKEND_FETCH_H
#define BACKEND_FETCH_H

#include <uv.h>

#include "backend/userli.h"
#include "common/flight.h"

/* What is fetched. */
struct fetch_about {
	enum lookup_map map;
	struct slice key; /* borrowed for the fetch's life */
	uint64_t started_ms;
	bool background; /* started while nobody waited */
	bool forgotten;  /* fetches_forget() came after it had started */
};

/*
 * Part of the object of whoever waits.  told is called exactly once for each
 * fetch_wait(), when the waiter is on no list any more: with the answer, whose
 * data is borrowed for the call, or with both NULL when wake_ms has come.  It
 * may start fetches and wait again.
 */
struct fetch_waiter {
	struct flight_item item;
	uint64_t wake_ms;
	void (*told)(struct fetch_waiter *w, const struct fetch_about *about,
	    const struct lookup_result *result);
};

struct fetch_options {
	struct userli *userli; /* borrowed */
	uint64_t limit_ms;     /* of a fetch */
	/* Called once for each fetch, before those who wait for it. */
	void (*landed)(void *arg, const struct fetch_about *about,
	    const struct lookup_result *result);
	void *arg;
};

struct fetches;

/* Never NULL. */
struct fetches *fetches_new(
    uv_loop_t *loop, const struct fetch_options *options);

/* The fetch of a key, NULL when none is under way; valid until it lands. */
const struct fetch_about *fetch_find(
    const struct fetches *f, enum lookup_map map, struct slice key);

/*
 * Start to fetch a key that is not being fetched and that keyrules_apply() has
 * passed; request_id is for logs.  False once fetches_close() was called.
 */
bool fetch_start(struct fetches *f, enum lookup_map map, struct slice key,
    uint64_t request_id, bool background);

/* Wait for the fetch of a key that is being fetched; key must live until told
 * is called. */
void fetch_wait(struct fetches *f, struct fetch_waiter *w, enum lookup_map map,
    struct slice key, uint64_t wake_ms);

/*
 * Who waits now is still told, but nobody joins any more: a fetch_start() asks
 * userli anew.  An empty key stands for every key of the map; how many there
 * were.
 */
size_t fetches_forget(struct fetches *f, enum lookup_map map, struct slice key);

/* How many are under way that were started in the background. */
size_t fetches_background(const struct fetches *f);

/*
 * Start nothing from now on.  All must have landed (userli and http closed)
 * when the loop next closes handles; then the memory goes and closed is called.
 */
void fetches_close(struct fetches *f, void (*closed)(void *arg), void *arg);

#endif
