#include "frontend/dispatch.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>
#include <utlist.h>

#include "common/flight.h"
#include "common/keyrules.h"
#include "common/mem.h"
#include "common/probe.h"
#include "frontend/budget.h"
#include "frontend/dispatch_report.h"
#include "frontend/router.h"

#define SPARE_MAX 1024 /* lookups kept for reuse */
/* One refused after this long is not asked for again: with another backend's
 * USERLI_QUEUE_TIMEOUT on top, the client should know within a second. */
#define BUSY_PATIENCE_MS 400

enum lookup_state {
	LOOKUP_ON_SENT,    /* a backend has it */
	LOOKUP_ON_PARKED,  /* it waits for a backend */
	LOOKUP_ON_WAITING, /* it waits for an equal one */
};

struct lookup {
	struct link_call call; /* first: the pool hands it back */
	struct flight_item flight;
	struct lookup *prev, *next;
	enum lookup_state state; /* which list it is on */
	struct socketmap_request *request;
	enum lookup_map map;
	uint64_t key;     /* router_key */
	uint64_t started; /* uv_now() ms, as the next two */
	uint64_t deadline;
	uint64_t due;   /* when its list lets it go */
	uint64_t id;    /* for both tiers' logs */
	bool only_busy; /* every backend asked so far said BUSY */
	struct pool_tries tries;
};

struct dispatch {
	uv_loop_t *loop;
	struct pool *pool;
	const struct dispatch_limits *limits;
	uint64_t next_id;
	struct flight flight;
	struct budget budget;
	struct lookup *sent; /* by due, the earliest first; so is parked */
	struct lookup *parked;
	size_t waiting;
	uv_timer_t timer;   /* for the head of either list */
	uint64_t timer_due; /* UINT64_MAX while it does not run */
	struct lookup *spare;
	size_t spare_count;
	struct dispatch_report report;
};

static void on_timer(uv_timer_t *timer);

/* --- Answering ----------------------------------------------------------- */

static enum socketmap_status
status_of(enum lookup_outcome outcome)
{
	switch (outcome) {
	case LOOKUP_OK:
		return SOCKETMAP_OK;
	case LOOKUP_NOTFOUND:
		return SOCKETMAP_NOTFOUND;
	case LOOKUP_TIMEOUT:
		return SOCKETMAP_TIMEOUT;
	case LOOKUP_PERM:
		return SOCKETMAP_PERM;
	default:
		return SOCKETMAP_TEMP;
	}
}

/* Take a leader off its list. */
static void
unlist(struct dispatch *d, struct lookup *l)
{
	if (l->state == LOOKUP_ON_SENT)
		DL_DELETE(d->sent, l);
	else
		DL_DELETE(d->parked, l);
}

static struct lookup *
lookup_of(struct flight_item *item)
{
	return (
	    struct lookup *)((char *)item - offsetof(struct lookup, flight));
}

static void
answer_one(struct dispatch *d, struct lookup *l,
    const struct lookup_result *result, struct slice backend)
{
	dispatch_report_lookup(&d->report, l->request, l->map, l->id, result,
	    backend, l->call.sent_ns);
	socketmap_reply(l->request, status_of(result->outcome),
	    result->data.ptr, result->data.len);
	d->waiting--;
	if (d->spare_count >= SPARE_MAX) {
		free(l);
		return;
	}
	l->next = d->spare;
	d->spare = l;
	d->spare_count++;
}

/* Answer a leader that is on no list any more, and all who wait for it. */
static void
answer(struct dispatch *d, struct lookup *l, const struct lookup_result *result,
    struct slice backend)
{
	struct flight_item *waiters = flight_land(&d->flight, &l->flight);
	struct flight_item *item;
	struct flight_item *next;

	answer_one(d, l, result, backend);
	DL_FOREACH_SAFE (waiters, item, next)
		answer_one(d, lookup_of(item), result, backend);
}

static void
fail(struct dispatch *d, struct lookup *l, enum lookup_outcome outcome,
    const char *reason)
{
	dispatch_report_failure(&d->report, l->map, l->id, outcome, reason);
	answer(d, l,
	    &(struct lookup_result){
		.outcome = outcome, .data = slice_of(reason) },
	    SLICE(""));
}

/* --- The two lists ------------------------------------------------------- */

/* Have the timer run at due or before. */
static void
watch(struct dispatch *d, uint64_t due)
{
	uint64_t now = uv_now(d->loop);

	if (due >= d->timer_due)
		return;
	d->timer_due = due;
	(void)uv_timer_start(&d->timer, on_timer, due > now ? due - now : 0, 0);
}

/* New lookups have the latest due time; only one that has been asked before
 * walks back. */
static void
enlist(struct dispatch *d, struct lookup **list, struct lookup *l)
{
	struct lookup *after = *list == NULL ? NULL : (*list)->prev;

	while (after != NULL && after->due > l->due)
		after = after == *list ? NULL : after->prev;
	if (after == NULL)
		DL_PREPEND(*list, l);
	else
		DL_APPEND_ELEM(*list, after, l);
	watch(d, l->due);
}

static void
list_sent(struct dispatch *d, struct lookup *l)
{
	l->state = LOOKUP_ON_SENT;
	l->due = l->deadline;
	enlist(d, &d->sent, l);
}

static void
list_parked(struct dispatch *d, struct lookup *l)
{
	uint64_t until = uv_now(d->loop) + DISPATCH_PARK_MS;

	l->state = LOOKUP_ON_PARKED;
	l->due = until < l->deadline ? until : l->deadline;
	enlist(d, &d->parked, l);
}

/* --- Sending ------------------------------------------------------------- */

/* Ask the next backend; false when none is left. */
static bool
send_next(struct dispatch *d, struct lookup *l)
{
	uint64_t now = uv_now(d->loop);
	struct rpc_call call = { .method = RPC_LOOKUP, .request_id = l->id };

	call.left_ms = (uint32_t)(l->deadline > now ? l->deadline - now : 0);
	call.map = slice_of(lookup_map_name(l->map));
	call.key.ptr = socketmap_request_key(l->request, &call.key.len);
	if (!pool_send(d->pool, l->key, &l->tries, &l->call, &call))
		return false;
	list_sent(d, l);
	return true;
}

/* The backend that had it cannot answer; l is on no list. */
static void
send_again(struct dispatch *d, struct lookup *l, enum dispatch_moved reason)
{
	if (reason != DISPATCH_MOVED_BUSY)
		l->only_busy = false;
	else if (uv_now(d->loop) >= l->started + BUSY_PATIENCE_MS) {
		fail(d, l, LOOKUP_TEMP, "the backends are busy");
		return;
	}
	/* A draining backend refuses at once: asking the next costs nothing. */
	if (reason != DISPATCH_MOVED_DRAINING && !budget_spend(&d->budget)) {
		metrics_inc(d->report.over_budget);
		fail(d, l, LOOKUP_TEMP, "too many lookups had to be moved");
		return;
	}
	metrics_inc(d->report.moved[reason]);
	if (send_next(d, l))
		return;
	if (l->only_busy)
		fail(d, l, LOOKUP_TEMP, "every backend is busy");
	else if (reason == DISPATCH_MOVED_VERSION)
		fail(d, l, LOOKUP_TEMP, "the backend is of another version");
	else
		list_parked(d, l);
}

/* Begin, as a leader. */
static void
depart(struct dispatch *d, struct lookup *l)
{
	budget_earn(&d->budget);
	l->only_busy = true;
	l->tries.count = 0;
	if (!send_next(d, l))
		list_parked(d, l);
}

static struct lookup *
lookup_new(struct dispatch *d)
{
	struct lookup *l = d->spare;

	d->waiting++;
	if (l == NULL)
		return mem_calloc(1, sizeof *l);
	d->spare = l->next;
	d->spare_count--;
	return l;
}

static void
reply_by_rule(struct dispatch *d, struct socketmap_request *request,
    enum lookup_map map, size_t key_len)
{
	struct lookup_result result = { .outcome = LOOKUP_NOTFOUND,
		.source = LOOKUP_RULE };

	if (map == LOOKUP_MAPS) {
		result.outcome = LOOKUP_PERM;
		result.data = SLICE("Unknown map name");
	} else if (key_len > LOOKUP_KEY_MAX) {
		result.outcome = LOOKUP_PERM;
		result.data = SLICE("Key too long");
	}
	metrics_inc(d->report.sources[LOOKUP_RULE]);
	dispatch_report_lookup(
	    &d->report, request, map, d->next_id++, &result, SLICE(""), 0);
	socketmap_reply(request, status_of(result.outcome), result.data.ptr,
	    result.data.len);
}

static void
refuse(
    struct dispatch *d, struct socketmap_request *request, enum lookup_map map)
{
	static const char reason[] = "too many lookups are waiting";

	dispatch_report_failure(
	    &d->report, map, d->next_id++, LOOKUP_TEMP, reason);
	socketmap_reply(request, SOCKETMAP_TEMP, reason, sizeof reason - 1);
}

void
dispatch_request(struct socketmap_request *request, void *arg)
{
	struct dispatch *d = arg;
	struct slice name;
	struct slice key;
	struct lookup *l;
	enum lookup_map map;

	name.ptr = socketmap_request_map(request, &name.len);
	key.ptr = socketmap_request_key(request, &key.len);
	map = lookup_map_of(name);
	if (map == LOOKUP_MAPS || key.len > LOOKUP_KEY_MAX ||
	    keyrules_check(map, key) == KEYRULES_ABSENT) {
		reply_by_rule(d, request, map, key.len);
		return;
	}
	if (d->waiting >= DISPATCH_WAITING_MAX) {
		refuse(d, request, map);
		return;
	}
	l = lookup_new(d);
	l->call = (struct link_call){ .link = NULL };
	l->request = request;
	l->map = map;
	l->key = router_key(map, key);
	l->started = uv_now(d->loop);
	l->deadline = l->started + d->limits->lookup_timeout_ms;
	l->id = d->next_id++;
	l->state = LOOKUP_ON_WAITING;
	PROBE2(lookup_start, l->id, map);
	if (flight_join(&d->flight, &l->flight, map, key) == NULL)
		depart(d, l);
	else
		metrics_inc(d->report.joined);
}

/* --- Events -------------------------------------------------------------- */

void
dispatch_answered(void *arg, struct link_call *call,
    const struct lookup_result *result, struct slice backend)
{
	struct dispatch *d = arg;
	struct lookup *l = (struct lookup *)call;

	unlist(d, l);
	switch (result->outcome) {
	case LOOKUP_BUSY:
		send_again(d, l, DISPATCH_MOVED_BUSY);
		return;
	case LOOKUP_DRAINING:
		send_again(d, l, DISPATCH_MOVED_DRAINING);
		return;
	case LOOKUP_UNIMPLEMENTED:
		send_again(d, l, DISPATCH_MOVED_VERSION);
		return;
	default:
		metrics_inc(d->report.sources[result->source]);
		answer(d, l, result, backend);
	}
}

void
dispatch_lost(void *arg, struct link_call *call, enum link_loss why)
{
	struct dispatch *d = arg;
	struct lookup *l = (struct lookup *)call;

	unlist(d, l);
	send_again(d, l,
	    why == LINK_LOST_SILENT ? DISPATCH_MOVED_SILENT
				    : DISPATCH_MOVED_LOST);
}

void
dispatch_usable(void *arg)
{
	struct dispatch *d = arg;
	struct lookup *waiting = d->parked;
	struct lookup *l;
	struct lookup *next;

	/* Taken as a whole: one that finds no backend parks again. */
	d->parked = NULL;
	DL_FOREACH_SAFE (waiting, l, next) {
		DL_DELETE(waiting, l);
		l->tries.count = 0;
		if (!send_next(d, l))
			list_parked(d, l);
	}
}

/* Its time is up; whoever has waited for it since may have some left. */
static void
expire(struct dispatch *d, struct lookup *l)
{
	static const char reason[] = "no answer within LOOKUP_TIMEOUT";
	struct flight_item *heir = flight_hand_over(&d->flight, &l->flight);

	dispatch_report_failure(
	    &d->report, l->map, l->id, LOOKUP_TIMEOUT, reason);
	answer_one(d, l,
	    &(struct lookup_result){
		.outcome = LOOKUP_TIMEOUT, .data = slice_of(reason) },
	    SLICE(""));
	if (heir != NULL)
		depart(d, lookup_of(heir));
}

static void
on_timer(uv_timer_t *timer)
{
	struct dispatch *d = timer->data;
	uint64_t now = uv_now(d->loop);
	struct lookup *l;

	d->timer_due = UINT64_MAX;
	while ((l = d->sent) != NULL && l->due <= now) {
		link_cancel(&l->call);
		unlist(d, l);
		expire(d, l);
	}
	while ((l = d->parked) != NULL && l->due <= now) {
		unlist(d, l);
		fail(d, l, LOOKUP_TEMP, "no backend is available");
	}
	if (d->sent != NULL)
		watch(d, d->sent->due);
	if (d->parked != NULL)
		watch(d, d->parked->due);
}

size_t
dispatch_waiting(const struct dispatch *d)
{
	return d->waiting;
}

/* --- Life ---------------------------------------------------------------- */

static void
collect(void *arg)
{
	struct dispatch *d = arg;
	struct lookup *l;
	size_t count;

	DL_COUNT(d->parked, l, count);
	metrics_set(d->report.parked, (double)count);
	metrics_set(d->report.waiting, (double)d->waiting);
}

struct dispatch *
dispatch_new(uv_loop_t *loop, const struct dispatch_limits *limits,
    struct metrics *metrics, struct log *log)
{
	struct dispatch *d = mem_calloc(1, sizeof *d);

	d->loop = loop;
	d->limits = limits;
	d->timer_due = UINT64_MAX;
	/* So that the request ids of two frontends differ; nothing else
	 * depends on it. */
	if (getrandom(&d->next_id, sizeof d->next_id, GRND_NONBLOCK) < 0)
		d->next_id = uv_hrtime();
	flight_init(&d->flight);
	budget_init(&d->budget);
	dispatch_report_init(&d->report, loop, limits, metrics, log);
	metrics_on_collect(metrics, collect, d);
	(void)uv_timer_init(loop, &d->timer);
	d->timer.data = d;
	return d;
}

void
dispatch_set_pool(struct dispatch *d, struct pool *pool)
{
	d->pool = pool;
}

static void
on_closed(uv_handle_t *handle)
{
	struct dispatch *d = handle->data;

	for (struct lookup *l; (l = d->spare) != NULL; free(l))
		d->spare = l->next;
	flight_fini(&d->flight);
	free(d);
}

void
dispatch_give_up(struct dispatch *d, const char *reason)
{
	struct lookup *l;

	while ((l = d->sent) != NULL || (l = d->parked) != NULL) {
		if (l->state == LOOKUP_ON_SENT)
			link_cancel(&l->call);
		unlist(d, l);
		fail(d, l, LOOKUP_TEMP, reason);
	}
}

void
dispatch_close(struct dispatch *d)
{
	dispatch_give_up(d, "shutting down");
	uv_close((uv_handle_t *)&d->timer, on_closed);
}
