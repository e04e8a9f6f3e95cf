#include "backend/purger.h"

#include <stdlib.h>

#include "common/mem.h"

/* One address to be purged again. */
struct repeat {
	uint64_t due; /* of uv_now() */
	size_t len;
	char address[PURGER_ADDRESS_MAX];
};

struct purger {
	uv_loop_t *loop;
	struct purger_options options;
	struct metrics_counter *purges[PURGER_ORIGINS];
	uv_timer_t timer; /* until the first repeat is due */
	size_t first;
	size_t count;
	struct repeat repeats[PURGER_REPEATS_MAX]; /* a ring, by due */
};

static const char *const origin_names[PURGER_ORIGINS] = {
	[PURGER_WEBHOOK] = "webhook",
	[PURGER_REPEAT] = "repeat",
	[PURGER_CALL] = "call",
	[PURGER_RELAYED] = "relayed",
};

/* --- Forgetting ---------------------------------------------------------- */

size_t
purger_apply(struct purger *p, enum purger_origin origin, enum lookup_map map,
    struct slice key)
{
	size_t count = resolve_purge(p->options.resolve, map, key);

	metrics_inc(p->purges[origin]);
	log_at(p->options.log,
	    origin == PURGER_WEBHOOK || origin == PURGER_CALL ? LOG_LEVEL_INFO
							      : LOG_LEVEL_DEBUG,
	    log_msg("purged"), log_str("origin", origin_names[origin]),
	    log_str("map", map == LOOKUP_MAPS ? "all" : lookup_map_name(map)),
	    log_personal("key", key), log_uint("entries", count));
	if (origin != PURGER_RELAYED && p->options.peers != NULL)
		peers_purge(p->options.peers,
		    map == LOOKUP_MAPS ? SLICE("")
				       : slice_of(lookup_map_name(map)),
		    key);
	return count;
}

/* --- And again ----------------------------------------------------------- */

static void on_due(uv_timer_t *timer);

static void
arm_timer(struct purger *p)
{
	uint64_t now = uv_now(p->loop);
	uint64_t due = p->repeats[p->first].due;

	if (p->count == 0)
		(void)uv_timer_stop(&p->timer);
	else
		(void)uv_timer_start(
		    &p->timer, on_due, due > now ? due - now : 0, 0);
}

static void
repeat_first(struct purger *p)
{
	const struct repeat *r = &p->repeats[p->first];
	struct slice address = { r->address, r->len };

	p->first = (p->first + 1) % PURGER_REPEATS_MAX;
	p->count--;
	(void)purger_apply(p, PURGER_REPEAT, LOOKUP_MAPS, address);
}

static void
on_due(uv_timer_t *timer)
{
	struct purger *p = timer->data;

	while (p->count > 0 && p->repeats[p->first].due <= uv_now(p->loop))
		repeat_first(p);
	arm_timer(p);
}

void
purger_address(struct purger *p, struct slice address)
{
	struct repeat *r;

	(void)purger_apply(p, PURGER_WEBHOOK, LOOKUP_MAPS, address);
	if (p->options.repeat_ms == 0 || address.len > PURGER_ADDRESS_MAX)
		return;
	if (p->count == PURGER_REPEATS_MAX)
		repeat_first(p);
	r = &p->repeats[(p->first + p->count) % PURGER_REPEATS_MAX];
	r->due = uv_now(p->loop) + p->options.repeat_ms;
	r->len = address.len;
	memcpy(r->address, address.ptr, address.len);
	p->count++;
	arm_timer(p);
}

void
purger_hurry(struct purger *p)
{
	while (p->count > 0)
		repeat_first(p);
	arm_timer(p);
}

/* --- Life ---------------------------------------------------------------- */

struct purger *
purger_new(uv_loop_t *loop, const struct purger_options *options)
{
	static const char *const label[] = { "origin", NULL };
	struct purger *p = mem_calloc(1, sizeof *p);
	struct metrics_family *purges = metrics_counters(options->metrics,
	    "purges_total", "Purges of what is remembered", label);

	p->loop = loop;
	p->options = *options;
	for (int i = 0; i < PURGER_ORIGINS; i++)
		p->purges[i] = metrics_counter(
		    purges, (const char *const[]){ origin_names[i], NULL });
	(void)uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	return p;
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
purger_close(struct purger *p)
{
	uv_close((uv_handle_t *)&p->timer, on_closed);
}
