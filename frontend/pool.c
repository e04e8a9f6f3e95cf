#include "frontend/pool.h"

#include <math.h>
#include <stdlib.h>

#include "common/discovery.h"
#include "common/mem.h"
#include "frontend/pool_metrics.h"
#include "frontend/rate.h"
#include "frontend/router.h"

#define TICK_MS 500 /* slow starts advance; members that have gone end */

struct member {
	struct pool *pool;
	size_t index; /* in pool.members and pool.routes */
	struct link *link;
	double share; /* its weight once it has started */
	uint64_t joined;
	struct pool_member_metrics metrics;
	uint64_t calls, failures;
	struct rate call_rate, failure_rate;
	struct rate busy; /* seconds of calls, a second */
};

struct pool {
	uv_loop_t *loop;
	struct pool_options options;
	struct pool_metrics metrics;
	struct discovery *discovery;
	/* Side by side: the router reads only its own. */
	struct member *members[POOL_MEMBERS_MAX];
	struct router_member routes[POOL_MEMBERS_MAX];
	size_t count;
	bool incomplete;     /* one could not be made: at the next tick */
	uint64_t settled_at; /* until then nobody is let go; 0 = has passed */
	struct link_stats past; /* of members that have gone */
	uv_timer_t tick;
};

static void
count_call(struct member *m, bool failed, double seconds)
{
	m->calls++;
	m->failures += failed;
	rate_add(&m->call_rate, 1);
	rate_add(&m->failure_rate, failed);
	rate_add(&m->busy, seconds);
}

static void
tick_rates(struct member *m)
{
	rate_tick(&m->call_rate, TICK_MS / 1000.0);
	rate_tick(&m->failure_rate, TICK_MS / 1000.0);
	rate_tick(&m->busy, TICK_MS / 1000.0);
}

/* --- Events of a link ----------------------------------------------------- */

static const struct pool_events *
events_of(const struct pool *pool, const struct link_call *call)
{
	return call->events != NULL ? call->events : &pool->options.events;
}

static void
on_answered(void *arg, struct link_call *call,
    const struct lookup_result *result, struct slice backend)
{
	struct member *m = arg;
	struct pool *pool = m->pool;
	const struct pool_events *events = events_of(pool, call);
	double seconds = (double)(uv_hrtime() - call->sent_ns) / 1e9;

	count_call(m,
	    result->outcome != LOOKUP_OK && result->outcome != LOOKUP_NOTFOUND,
	    seconds);
	pool_metrics_call(
	    &pool->metrics, &m->metrics, result->outcome, seconds);
	events->answered(events->arg, call, result, backend);
}

static void
on_lost(void *arg, struct link_call *call, enum link_loss why)
{
	struct member *m = arg;
	const struct pool_events *events = events_of(m->pool, call);

	count_call(m, true, (double)(uv_hrtime() - call->sent_ns) / 1e9);
	events->lost(events->arg, call, why);
}

static void
on_frame(void *arg, bool sent, size_t items, size_t bytes)
{
	pool_metrics_frame(
	    &((struct member *)arg)->pool->metrics, sent, items, bytes);
}

/* The calls of a silent member have a better place if another one is up. */
static bool
may_eject(void *arg, const struct link *link)
{
	const struct member *m = arg;
	const struct pool *pool = m->pool;

	(void)link;
	for (size_t i = 0; i < pool->count; i++) {
		if (i != m->index && pool->routes[i].usable)
			return true;
	}
	return false;
}

static void
set_weight(struct member *m)
{
	uint64_t age = uv_now(m->pool->loop) - m->joined;
	double part = (double)age / POOL_SLOW_START_MS;

	if (part < POOL_SLOW_START_LEAST)
		part = POOL_SLOW_START_LEAST;
	m->pool->routes[m->index].weight = m->share * (part < 1 ? part : 1);
}

static void
on_state(void *arg, struct link *link, enum link_state state)
{
	struct member *m = arg;
	struct pool *pool = m->pool;
	struct router_member *route = &pool->routes[m->index];

	(void)link;
	if (state == LINK_UP && !route->usable && !route->fallback) {
		m->joined = uv_now(pool->loop);
		set_weight(m);
	}
	route->usable = state == LINK_UP;
	route->fallback = state == LINK_SUSPECT;
	if (state == LINK_UP)
		pool->options.events.usable(pool->options.events.arg);
}

/* --- Members ------------------------------------------------------------- */

static void
add_stats(struct link_stats *sum, const struct link_stats *s)
{
	sum->frames_sent += s->frames_sent;
	sum->frames_received += s->frames_received;
	sum->frames_malformed += s->frames_malformed;
	sum->connections += s->connections;
	sum->late += s->late;
	sum->unasked += s->unasked;
	sum->pings += s->pings;
	sum->ejections += s->ejections;
	sum->redials += s->redials;
}

static void
remove_member(struct member *m)
{
	struct pool *pool = m->pool;
	size_t last = --pool->count;

	log_info(pool->options.log, log_msg("backend removed"),
	    log_str("url", link_url(m->link)));
	add_stats(&pool->past, link_stats(m->link));
	pool->members[m->index] = pool->members[last];
	pool->members[m->index]->index = m->index;
	pool->routes[m->index] = pool->routes[last];
	m->index = last; /* out of the way of may_eject() */
	pool_metrics_leave(&pool->metrics, &m->metrics);
	link_close(m->link);
	free(m);
}

static bool
add_member(struct pool *pool, const struct address *address)
{
	const char *url = address->url;
	struct member *m = mem_calloc(1, sizeof *m);
	struct link_options options = {
		.tls = pool->options.tls,
		.server_name = address->name,
		.ping_after_ms = pool->options.ping_after_ms,
		.eject_after_ms = pool->options.eject_after_ms,
		.log = pool->options.log,
		.events = { on_answered, on_lost, on_state, may_eject, on_frame,
		    m },
	};
	struct error error;

	m->pool = pool;
	m->index = pool->count;
	m->share = address->weight;
	if (pool->count < POOL_MEMBERS_MAX)
		m->link = link_new(pool->loop, url, &options, &error);
	else
		error_set(&error, "%s is one more than %d backends", url,
		    POOL_MEMBERS_MAX);
	if (m->link == NULL) {
		if (!pool->incomplete)
			log_error(pool->options.log,
			    log_msg("cannot use backend"),
			    log_str("error", error.text));
		free(m);
		return false;
	}
	pool_metrics_join(&pool->metrics, &m->metrics, link_url(m->link));
	pool->members[m->index] = m;
	pool->routes[m->index] = (struct router_member){
		.id = router_member_id(slice_of(url)),
		.weight = m->share,
		.in_flight = link_in_flight(m->link),
	};
	pool->count++;
	log_info(
	    pool->options.log, log_msg("backend added"), log_str("url", url));
	return true;
}

static struct member *
find_member(const struct pool *pool, const char *url)
{
	for (size_t i = 0; i < pool->count; i++) {
		if (strcmp(link_url(pool->members[i]->link), url) == 0)
			return pool->members[i];
	}
	return NULL;
}

/* Several names may have an address: it is one member, until none has it. */
static void
on_found(void *arg, const struct addresses *all)
{
	struct pool *pool = arg;
	bool incomplete = false;

	for (size_t i = 0; i < pool->count; i++) {
		struct member *m = pool->members[i];
		const struct address *address =
		    addresses_find(all, link_url(m->link));

		if (address == NULL) {
			if (pool->settled_at == 0)
				link_retire(m->link);
			continue;
		}
		m->share = address->weight;
		set_weight(m);
		link_set_server_name(m->link, address->name);
		if (link_state(m->link) == LINK_GONE)
			link_revive(m->link);
	}
	for (size_t i = 0; i < all->count; i++) {
		if (find_member(pool, all->items[i].url) == NULL &&
		    !add_member(pool, &all->items[i]))
			incomplete = true;
	}
	pool->incomplete = incomplete;
}

static void
on_tick(uv_timer_t *timer)
{
	struct pool *pool = timer->data;

	if (pool->settled_at != 0 && uv_now(pool->loop) >= pool->settled_at) {
		pool->settled_at = 0;
		on_found(pool, discovery_all(pool->discovery));
	} else if (pool->incomplete) {
		on_found(pool, discovery_all(pool->discovery));
	}
	for (size_t i = pool->count; i-- > 0;) {
		struct member *m = pool->members[i];

		set_weight(m);
		tick_rates(m);
		if (link_state(m->link) == LINK_GONE &&
		    *link_in_flight(m->link) == 0)
			remove_member(m);
	}
}

/* --- Calls --------------------------------------------------------------- */

bool
pool_send(struct pool *pool, uint64_t key, struct pool_tries *tries,
    struct link_call *call, const struct rpc_call *what)
{
	while (tries->count < POOL_TRIES_MAX) {
		size_t i = router_pick(pool->routes, pool->count, key,
		    pool->options.load_factor, tries->ids, tries->count);

		if (i == ROUTER_NONE)
			return false;
		tries->ids[tries->count++] = pool->routes[i].id;
		call->sent_ns = uv_hrtime();
		if (link_send(pool->members[i]->link, call, what))
			return true;
	}
	return false;
}

size_t
pool_usable(const struct pool *pool)
{
	size_t usable = 0;

	for (size_t i = 0; i < pool->count; i++)
		usable += pool->routes[i].usable || pool->routes[i].fallback;
	return usable;
}

size_t
pool_size(const struct pool *pool)
{
	return pool->count;
}

static struct pool_view
view_of(const struct pool *pool, size_t i)
{
	const struct member *m = pool->members[i];
	double rate = m->call_rate.per_second;

	return (struct pool_view){
		.url = link_url(m->link),
		.identity = &link_stats(m->link)->identity,
		.state = link_state(m->link),
		.weight = pool->routes[i].weight,
		.in_flight = *link_in_flight(m->link),
		.calls = m->calls,
		.failures = m->failures,
		.rate = rate,
		.failure_rate = m->failure_rate.per_second,
		.seconds = rate > 0.001 ? m->busy.per_second / rate : NAN,
	};
}

void
pool_each(const struct pool *pool,
    void (*fn)(void *arg, const struct pool_view *view), void *arg)
{
	for (size_t i = 0; i < pool->count; i++) {
		struct pool_view view = view_of(pool, i);

		fn(arg, &view);
	}
}

size_t
pool_rank(
    const struct pool *pool, uint64_t key, struct pool_view *out, size_t max)
{
	uint64_t taken[POOL_RANKED_MAX];
	size_t n = 0;
	size_t i;

	if (max > POOL_RANKED_MAX)
		max = POOL_RANKED_MAX;
	while (n < max &&
	    (i = router_rank(pool->routes, pool->count, key, taken, n)) !=
		ROUTER_NONE) {
		taken[n] = pool->routes[i].id;
		out[n++] = view_of(pool, i);
	}
	return n;
}

/* --- Life ---------------------------------------------------------------- */

static void
collect(void *arg)
{
	struct pool *pool = arg;
	size_t states[LINK_STATES] = { 0 };
	struct link_stats sum = pool->past;
	size_t in_flight = 0;

	for (size_t i = 0; i < pool->count; i++) {
		const struct link *link = pool->members[i]->link;

		states[link_state(link)]++;
		in_flight += *link_in_flight(link);
		add_stats(&sum, link_stats(link));
	}
	pool_metrics_set(&pool->metrics, &sum, states, in_flight);
}

static void
start_discovery(struct pool *pool)
{
	struct discovery_options names = {
		.endpoints = pool->options.backends,
		.setting = "BACKEND_URLS",
		.interval_ms = pool->options.resolve_interval_ms,
		.addresses_max = POOL_MEMBERS_MAX,
		.dns = &dns_system,
		.log = pool->options.log,
		.found = on_found,
		.arg = pool,
	};

	pool->discovery = discovery_new(pool->loop, &names);
}

void
pool_configure(struct pool *pool, const struct endpoint_list *backends,
    uint64_t resolve_interval_ms, double load_factor)
{
	pool->options.backends = backends;
	pool->options.resolve_interval_ms = resolve_interval_ms;
	pool->options.load_factor = load_factor;
	pool->settled_at = uv_now(pool->loop) + POOL_SETTLE_MS;
	discovery_close(pool->discovery);
	start_discovery(pool);
}

struct pool *
pool_new(uv_loop_t *loop, const struct pool_options *options)
{
	struct pool *pool = mem_calloc(1, sizeof *pool);

	pool->loop = loop;
	pool->options = *options;
	pool_metrics_init(&pool->metrics, options->metrics);
	metrics_on_collect(options->metrics, collect, pool);
	(void)uv_timer_init(loop, &pool->tick);
	pool->tick.data = pool;
	(void)uv_timer_start(&pool->tick, on_tick, TICK_MS, TICK_MS);
	start_discovery(pool);
	return pool;
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
pool_close(struct pool *pool)
{
	discovery_close(pool->discovery);
	while (pool->count > 0)
		remove_member(pool->members[pool->count - 1]);
	uv_close((uv_handle_t *)&pool->tick, on_closed);
}
