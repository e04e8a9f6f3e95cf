#include "backend/fetch.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "common/mem.h"

/* A request to userli.  Its item leads in the flight until it lands or is
 * forgotten; those who wait are the item's waiters either way. */
struct fetch {
	struct flight_item item;
	struct fetch *prev, *next; /* utlist, all fetches */
	struct fetches *owner;
	struct fetch_about about;
	uint64_t wake_ms; /* nobody who waits has an earlier one */
	char key[];
};

struct fetches {
	uv_loop_t *loop;
	struct fetch_options options;
	struct flight flight;
	struct fetch *all;
	size_t background;
	uv_timer_t timer;
	uint64_t timer_ms; /* when it fires; UINT64_MAX = it does not */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

static struct fetch *
find(const struct fetches *f, enum lookup_map map, struct slice key)
{
	return (struct fetch *)flight_find(&f->flight, map, key);
}

const struct fetch_about *
fetch_find(const struct fetches *f, enum lookup_map map, struct slice key)
{
	const struct fetch *fetch = find(f, map, key);

	return fetch != NULL ? &fetch->about : NULL;
}

/* --- Landing ------------------------------------------------------------- */

/* No longer led to; who waits goes on waiting. */
static void
detach(struct fetch *fetch)
{
	if (fetch->about.forgotten)
		return;
	fetch->item.waiters = flight_land(&fetch->owner->flight, &fetch->item);
	fetch->about.forgotten = true;
}

static void
tell_all(struct flight_item *list, const struct fetch_about *about,
    const struct lookup_result *result)
{
	struct flight_item *item;

	while ((item = list) != NULL) {
		struct fetch_waiter *w = (struct fetch_waiter *)item;

		DL_DELETE(list, item);
		w->told(w, about, result);
	}
}

static void
on_answer(void *arg, const struct lookup_result *result)
{
	struct fetch *fetch = arg;
	struct fetches *f = fetch->owner;
	struct flight_item *waiters = fetch->about.forgotten
	    ? fetch->item.waiters
	    : flight_land(&f->flight, &fetch->item);

	DL_DELETE(f->all, fetch);
	f->background -= fetch->about.background;
	f->options.landed(f->options.arg, &fetch->about, result);
	tell_all(waiters, &fetch->about, result);
	free(fetch);
}

/* --- Waking -------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void
wake_at(struct fetches *f, uint64_t wake_ms)
{
	uint64_t now = uv_now(f->loop);

	if (wake_ms >= f->timer_ms || f->closing)
		return;
	f->timer_ms = wake_ms;
	(void)uv_timer_start(
	    &f->timer, on_timer, wake_ms > now ? wake_ms - now : 0, 0);
}

/* Move those whose time has come to *due. */
static void
take_due(struct fetch *fetch, uint64_t now, struct flight_item **due)
{
	struct flight_item *item;
	struct flight_item *next;

	fetch->wake_ms = UINT64_MAX;
	DL_FOREACH_SAFE (fetch->item.waiters, item, next) {
		const struct fetch_waiter *w = (struct fetch_waiter *)item;

		if (w->wake_ms <= now) {
			flight_leave(&fetch->item, item);
			DL_APPEND(*due, item);
		} else if (w->wake_ms < fetch->wake_ms) {
			fetch->wake_ms = w->wake_ms;
		}
	}
}

static void
on_timer(uv_timer_t *timer)
{
	struct fetches *f = timer->data;
	uint64_t now = uv_now(f->loop);
	uint64_t earliest = UINT64_MAX;
	struct flight_item *due = NULL;
	struct fetch *fetch;

	f->timer_ms = UINT64_MAX;
	DL_FOREACH (f->all, fetch) {
		if (fetch->wake_ms <= now)
			take_due(fetch, now, &due);
		if (fetch->wake_ms < earliest)
			earliest = fetch->wake_ms;
	}
	if (earliest < UINT64_MAX)
		wake_at(f, earliest);
	tell_all(due, NULL, NULL);
}

/* --- Calls --------------------------------------------------------------- */

bool
fetch_start(struct fetches *f, enum lookup_map map, struct slice key,
    uint64_t request_id, bool background)
{
	uint64_t now = uv_now(f->loop);
	struct flight_item *leader;
	struct fetch *fetch;

	if (f->closing)
		return false;
	fetch = mem_calloc(1, sizeof *fetch + key.len);
	memcpy(fetch->key, key.ptr, key.len);
	fetch->owner = f;
	fetch->wake_ms = UINT64_MAX;
	fetch->about = (struct fetch_about){ .map = map,
		.key = { fetch->key, key.len },
		.started_ms = now,
		.background = background };
	leader = flight_join(&f->flight, &fetch->item, map, fetch->about.key);
	assert(leader == NULL);
	(void)leader;
	DL_APPEND(f->all, fetch);
	f->background += background;
	userli_lookup(f->options.userli, map, fetch->about.key,
	    now + f->options.limit_ms, request_id, on_answer, fetch);
	return true;
}

void
fetch_wait(struct fetches *f, struct fetch_waiter *w, enum lookup_map map,
    struct slice key, uint64_t wake_ms)
{
	struct fetch *fetch =
	    (struct fetch *)flight_join(&f->flight, &w->item, map, key);

	assert(fetch != NULL);
	w->wake_ms = wake_ms;
	if (wake_ms < fetch->wake_ms)
		fetch->wake_ms = wake_ms;
	wake_at(f, wake_ms);
}

size_t
fetches_forget(struct fetches *f, enum lookup_map map, struct slice key)
{
	struct fetch *fetch = NULL;
	size_t count = 0;

	if (key.len > 0) {
		fetch = find(f, map, key);
		if (fetch != NULL)
			detach(fetch);
		return fetch != NULL;
	}
	DL_FOREACH (f->all, fetch) {
		if (fetch->about.map != map || fetch->about.forgotten)
			continue;
		detach(fetch);
		count++;
	}
	return count;
}

size_t
fetches_background(const struct fetches *f)
{
	return f->background;
}

/* --- Life ---------------------------------------------------------------- */

struct fetches *
fetches_new(uv_loop_t *loop, const struct fetch_options *options)
{
	struct fetches *f = mem_calloc(1, sizeof *f);

	f->loop = loop;
	f->options = *options;
	f->timer_ms = UINT64_MAX;
	flight_init(&f->flight);
	(void)uv_timer_init(loop, &f->timer);
	f->timer.data = f;
	return f;
}

static void
on_closed(uv_handle_t *handle)
{
	struct fetches *f = handle->data;
	void (*closed)(void *arg) = f->closed;
	void *arg = f->closed_arg;

	assert(f->all == NULL);
	flight_fini(&f->flight);
	free(f);
	closed(arg);
}

void
fetches_close(struct fetches *f, void (*closed)(void *arg), void *arg)
{
	f->closing = true;
	f->closed = closed;
	f->closed_arg = arg;
	uv_close((uv_handle_t *)&f->timer, on_closed);
}
