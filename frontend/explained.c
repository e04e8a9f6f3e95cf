#include "frontend/explained.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/keyrules.h"
#include "common/mem.h"
#include "frontend/dispatch.h"
#include "frontend/router.h"

#define STEPS_MAX 16384 /* bytes */
#define SHOWN 200       /* bytes of a key or a value in a step */

static int
shown(struct slice text)
{
	return (int)(text.len < SHOWN ? text.len : SHOWN);
}

/* --- Its end ------------------------------------------------------------- */

void
explained_forget(struct explained *l)
{
	if (l->phase == EXPLAINED_SENT)
		link_cancel(&l->call);
	free((char *)l->key.ptr);
	free((char *)l->result.data.ptr);
	steps_fini(&l->steps);
	*l = (struct explained){ .context = l->context };
}

static void
finish(struct explained *l, const struct lookup_result *result)
{
	struct slice data = result->data;

	l->phase = EXPLAINED_DONE;
	l->result = *result;
	l->result.data.ptr = mem_dup(data.len > 0 ? data.ptr : "", data.len);
	steps_add(&l->steps, uv_hrtime(), "outcome", "%s %.*s",
	    lookup_outcome_name(result->outcome), shown(data),
	    l->result.data.ptr);
	log_info(l->context->log, log_msg("lookup explained"),
	    log_hex("request_id", l->request_id),
	    log_str("map", lookup_map_name(l->map)),
	    log_personal("key", l->key),
	    log_str("outcome", lookup_outcome_name(result->outcome)));
}

static void
fail(struct explained *l, enum lookup_outcome outcome, const char *reason)
{
	finish(l,
	    &(struct lookup_result){
		.outcome = outcome, .data = slice_of(reason) });
}

/* --- Asking -------------------------------------------------------------- */

/* Who would be asked, in order. */
static void
tell_ranks(struct explained *l, uint64_t key)
{
	struct pool_view ranked[POOL_RANKED_MAX];
	size_t n = pool_rank(l->context->pool, key, ranked, POOL_RANKED_MAX);

	for (size_t i = 0; i < n; i++)
		steps_add(&l->steps, uv_hrtime(), "rank",
		    "%zu of %zu for this key: %s %s, %s, weight %.2f, %zu in "
		    "flight",
		    i + 1, pool_size(l->context->pool), ranked[i].url,
		    ranked[i].identity->name, link_state_name(ranked[i].state),
		    ranked[i].weight, ranked[i].in_flight);
	if (n == 0)
		steps_add(&l->steps, uv_hrtime(), "rank",
		    "there is no backend: no host of BACKEND_URLS has an "
		    "address");
}

/* Why it is this one that is asked. */
static const char *
reason_of(const struct explained *l)
{
	struct pool_view first;

	if (l->tries.count > 1)
		return "the next that can be asked";
	if (pool_rank(
		l->context->pool, router_key(l->map, l->key), &first, 1) == 0 ||
	    strcmp(first.url, link_url(l->call.link)) == 0)
		return "the first in rank";
	if (first.state != LINK_UP)
		return "for the first in rank is not up";
	return "for the first in rank has more than its share in flight";
}

static bool
send_next(struct explained *l)
{
	const struct explained_context *e = l->context;
	uint64_t now = uv_now(e->loop);
	struct rpc_call call = { .method = RPC_LOOKUP,
		.request_id = l->request_id,
		.how = l->how,
		.left_ms =
		    (uint32_t)(l->deadline > now ? l->deadline - now : 0),
		.map = slice_of(lookup_map_name(l->map)),
		.key = l->key };

	if (!pool_send(e->pool, router_key(l->map, l->key), &l->tries, &l->call,
		&call))
		return false;
	l->phase = EXPLAINED_SENT;
	steps_add(&l->steps, uv_hrtime(), "asked", "%s, %s; %u ms left",
	    link_url(l->call.link), reason_of(l), call.left_ms);
	return true;
}

static void
ask(struct explained *l)
{
	const struct explained_context *e = l->context;

	if (send_next(l))
		return;
	l->phase = EXPLAINED_PARKED;
	l->parked_until = uv_now(e->loop) + DISPATCH_PARK_MS;
	steps_add(&l->steps, uv_hrtime(), "waiting",
	    "no backend can be asked; %d ms for one to come", DISPATCH_PARK_MS);
}

static void
ask_again(struct explained *l, const char *why)
{
	steps_add(
	    &l->steps, uv_hrtime(), "moved", "%s: the next is asked", why);
	ask(l);
}

/* --- Events of the call -------------------------------------------------- */

/* The backend's steps, as from when it was asked. */
static void
take_steps(struct explained *l, struct slice steps)
{
	struct step step;

	while (steps_next(&steps, &step)) {
		char name[40];

		(void)snprintf(name, sizeof name, EXPLAINED_BACKEND "%.*s",
		    step.name.len < 20 ? (int)step.name.len : 20,
		    step.name.ptr);
		steps_add(&l->steps, l->call.sent_ns + step.us * 1000, name,
		    "%.*s",
		    (int)(step.text.len < STEPS_TEXT_MAX ? step.text.len
							 : STEPS_TEXT_MAX),
		    step.text.ptr);
	}
}

static void
on_answered(void *arg, struct link_call *call,
    const struct lookup_result *result, struct slice backend)
{
	struct explained *l = (struct explained *)call;
	uint64_t now = uv_hrtime();

	(void)arg;
	take_steps(l, result->steps);
	(void)snprintf(l->backend, sizeof l->backend, "%.*s", (int)backend.len,
	    backend.len > 0 ? backend.ptr : "");
	steps_add(&l->steps, now, "answered", "%s by %s after %.1f ms, %s%s",
	    lookup_outcome_name(result->outcome), l->backend,
	    (double)(now - l->call.sent_ns) / 1e6,
	    lookup_source_name(result->source),
	    result->steps.len > 0 ? ""
				  : "; it explains nothing: it is older, or "
				    "refused");
	switch (result->outcome) {
	case LOOKUP_BUSY:
		ask_again(l, "it is busy");
		break;
	case LOOKUP_DRAINING:
		ask_again(l, "it is draining");
		break;
	case LOOKUP_UNIMPLEMENTED:
		ask_again(l, "it is of another version");
		break;
	default:
		finish(l, result);
	}
}

static void
on_lost(void *arg, struct link_call *call, enum link_loss why)
{
	(void)arg;
	ask_again((struct explained *)call,
	    why == LINK_LOST_SILENT ? "it is silent"
				    : "its connection is lost");
}

bool
explained_advance(struct explained *l)
{
	uint64_t now = uv_now(l->context->loop);

	if (l->phase == EXPLAINED_SENT && now >= l->deadline) {
		link_cancel(&l->call);
		fail(l, LOOKUP_TIMEOUT, "no answer within LOOKUP_TIMEOUT");
	} else if (l->phase == EXPLAINED_PARKED) {
		l->tries.count = 0;
		if (!send_next(l) && now >= l->parked_until)
			fail(l, LOOKUP_TEMP, "no backend is available");
	}
	return l->phase == EXPLAINED_SENT || l->phase == EXPLAINED_PARKED;
}

static const struct pool_events events = { .answered = on_answered,
	.lost = on_lost };

void
explained_begin(struct explained *l, uint64_t id, struct slice map,
    struct slice key, enum rpc_how how)
{
	const struct explained_context *e = l->context;
	uint64_t now = uv_hrtime();

	l->id = id;
	if (getrandom(&l->request_id, sizeof l->request_id, GRND_NONBLOCK) < 0)
		l->request_id = now;
	l->map = lookup_map_of(map);
	l->key = (struct slice){ mem_dup(key.ptr, key.len), key.len };
	l->how = how;
	l->call.events = &events;
	l->deadline = uv_now(e->loop) + *e->lookup_timeout_ms;
	steps_init(&l->steps, STEPS_MAX, now);
	steps_add(&l->steps, now, "received",
	    "request %016" PRIx64 ", map %.*s, key \"%.*s\", %zu bytes",
	    l->request_id, shown(map), map.ptr, shown(key), key.ptr, key.len);
	if (l->map == LOOKUP_MAPS || key.len > LOOKUP_KEY_MAX) {
		fail(l, LOOKUP_PERM,
		    l->map == LOOKUP_MAPS ? "Unknown map name"
					  : "Key too long");
		return;
	}
	if (keyrules_check(l->map, key) == KEYRULES_ABSENT) {
		steps_add(&l->steps, uv_hrtime(), "rules",
		    "userli can hold no such key: no backend is asked");
		finish(l,
		    &(struct lookup_result){
			.outcome = LOOKUP_NOTFOUND, .source = LOOKUP_RULE });
		return;
	}
	steps_add(&l->steps, uv_hrtime(), "rules",
	    "userli may hold it: a backend is asked");
	tell_ranks(l, router_key(l->map, key));
	ask(l);
}
