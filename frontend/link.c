#include "frontend/link.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/nngsock.h"
#include "frontend/backoff.h"
#include "frontend/framer.h"
#include "frontend/link_report.h"
#include "frontend/liveness.h"

#define HEALTH_ID 0            /* no call has it: see outstanding.h */
#define HEALTH_TIMEOUT_MS 2000 /* then the connection is made anew */
#define HEALTH_INTERVAL_MS 500 /* while draining */
#define CONNECT_TIMEOUT_MS 3000
#define EJECTED_TIMEOUT_MS 3000 /* for a late sign of life */
struct link {
	uv_loop_t *loop;
	struct link_options options;
	struct link_stats stats;
	enum link_state state;
	char *url;
	char *server_name;

	struct nngsock *socket; /* NULL between connections */
	struct framer framer;
	struct rpc_reader *reader;
	struct outstanding calls;
	struct liveness liveness;
	struct complaint malformed;
	struct backoff backoff; /* between a lost connection and the next */

	uv_timer_t step; /* what is to happen to the connection next */
	uv_timer_t judge;
	unsigned handles;
};

static void reset(struct link *link, bool at_once);

static void
set_state(struct link *link, enum link_state state)
{
	enum link_state before = link->state;

	if (before == state)
		return;
	log_at(link->options.log,
	    state == LINK_SUSPECT || before == LINK_SUSPECT ? LOG_LEVEL_DEBUG
							    : LOG_LEVEL_INFO,
	    log_msg("backend changed state"), log_str("url", link->url),
	    log_str("from", link_state_name(before)),
	    log_str("to", link_state_name(state)));
	link->state = state;
	if (state == LINK_UP && before != LINK_SUSPECT)
		backoff_succeed(&link->backoff, uv_now(link->loop));
	link->options.events.state(link->options.events.arg, link, state);
}

/* --- Calls --------------------------------------------------------------- */

static void on_judge(uv_timer_t *timer);

static void
await(struct link *link)
{
	uint64_t now = uv_now(link->loop);

	if (liveness_await(&link->liveness, now))
		(void)uv_timer_start(
		    &link->judge, on_judge, link->liveness.due - now, 0);
}

bool
link_send(
    struct link *link, struct link_call *call, const struct rpc_call *what)
{
	struct rpc_call numbered = *what;

	numbered.id = outstanding_next_id(&link->calls);
	if (numbered.id == 0 || !framer_add(&link->framer, &numbered))
		return false;
	outstanding_add(&link->calls, call);
	call->link = link;
	await(link);
	return true;
}

void
link_cancel(struct link_call *call)
{
	if (call->link != NULL)
		outstanding_remove(&call->link->calls, call);
}

static void
lose_calls(struct link *link, enum link_loss why)
{
	const struct link_events *events = &link->options.events;
	struct link_call *call;
	uint32_t cursor = 0;

	while ((call = outstanding_take_next(&link->calls, &cursor)) != NULL)
		events->lost(events->arg, call, why);
}

/* --- Signs of life ------------------------------------------------------- */

static void
send_health(struct link *link)
{
	struct rpc_call health = { .id = HEALTH_ID,
		.method = RPC_HEALTH,
		.left_ms = HEALTH_TIMEOUT_MS };

	if (!framer_add(&link->framer, &health))
		log_debug(link->options.log, log_msg("health call not sent"),
		    log_str("url", link->url));
}

static void
on_ejected_timeout(uv_timer_t *timer)
{
	reset(timer->data, false);
}

static void
eject(struct link *link)
{
	link->stats.ejections++;
	liveness_rest(&link->liveness);
	(void)uv_timer_start(
	    &link->step, on_ejected_timeout, EJECTED_TIMEOUT_MS, 0);
	set_state(link, LINK_EJECTED);
	lose_calls(link, LINK_LOST_SILENT);
}

/* Silent for longer than anything that is alive: even the last one. */
static bool
is_dead(const struct link *link)
{
	return uv_now(link->loop) >=
	    link->liveness.silent_since + EJECTED_TIMEOUT_MS;
}

static void
on_judge(uv_timer_t *timer)
{
	struct link *link = timer->data;
	const struct link_events *events = &link->options.events;
	uint64_t now = uv_now(link->loop);

	if (link->calls.count == 0) {
		liveness_rest(&link->liveness);
		return;
	}
	switch (liveness_judge(&link->liveness, now)) {
	case LIVENESS_PING:
		link->stats.pings++;
		send_health(link);
		if (link->state == LINK_UP)
			set_state(link, LINK_SUSPECT);
		/* An answer may have come and nng not have said so. */
		nngsock_receive(link->socket);
		break;
	case LIVENESS_EJECT:
		if (events->may_eject(events->arg, link) || is_dead(link)) {
			eject(link);
			return;
		}
		break;
	case LIVENESS_FINE:
	case LIVENESS_WAIT:
		break;
	}
	(void)uv_timer_start(timer, on_judge, link->liveness.due - now, 0);
}

/* A frame has come: whoever was thought to be silent is not. */
static void
hear(struct link *link)
{
	liveness_heard(&link->liveness, uv_now(link->loop));
	if (link->state != LINK_SUSPECT && link->state != LINK_EJECTED)
		return;
	if (link->state == LINK_EJECTED)
		(void)uv_timer_stop(&link->step);
	set_state(link, LINK_UP);
}

/* --- Health of the connection -------------------------------------------- */

static void
on_health_overdue(uv_timer_t *timer)
{
	struct link *link = timer->data;

	log_warn(link->options.log, log_msg("backend does not answer"),
	    log_str("url", link->url));
	reset(link, false);
}

static void
ask_health(uv_timer_t *step)
{
	send_health(step->data);
	(void)uv_timer_start(step, on_health_overdue, HEALTH_TIMEOUT_MS, 0);
}

static void
learn_draining(struct link *link)
{
	if (link->state == LINK_GONE)
		return;
	(void)uv_timer_start(&link->step, ask_health, HEALTH_INTERVAL_MS, 0);
	set_state(link, LINK_DRAINING);
}

static void
on_health_answer(struct link *link, enum lookup_outcome outcome)
{
	if (outcome == LOOKUP_DRAINING) {
		learn_draining(link);
		return;
	}
	if (outcome == LOOKUP_UNIMPLEMENTED) {
		log_warn(link->options.log,
		    log_msg("backend is of another version"),
		    log_str("url", link->url));
		reset(link, false);
		return;
	}
	/* Any other answer shows that it works. */
	(void)uv_timer_stop(&link->step);
	if (link->state != LINK_GONE)
		set_state(link, LINK_UP);
}

/* --- Receiving ----------------------------------------------------------- */

static void
on_result(
    struct link *link, const struct rpc_result *result, struct slice backend)
{
	const struct link_events *events = &link->options.events;
	struct link_call *call;

	if (result->id == HEALTH_ID) {
		on_health_answer(link, result->lookup.outcome);
		return;
	}
	call = outstanding_take(&link->calls, result->id);
	if (call == NULL) {
		if (outstanding_had(&link->calls, result->id))
			link->stats.late++;
		else
			link->stats.unasked++;
		return;
	}
	if (result->lookup.outcome == LOOKUP_DRAINING &&
	    link->state != LINK_DRAINING)
		learn_draining(link);
	events->answered(events->arg, call, &result->lookup, backend);
}

static void
on_message(void *arg, struct slice header, struct slice body)
{
	struct link *link = arg;
	const struct link_events *events = &link->options.events;
	const struct rpc_result *results;
	enum rpc_status status;
	struct slice backend;
	size_t count;

	(void)header;
	link->stats.frames_received++;
	status =
	    rpc_read_results(link->reader, body, &results, &count, &backend);
	/* Of another version: its results say UNIMPLEMENTED. */
	if (status != RPC_OK && status != RPC_NEW_VERSION) {
		link->stats.frames_malformed++;
		link_report_malformed(link->options.log, &link->malformed,
		    uv_now(link->loop), link->url);
		return;
	}
	if (events->frame != NULL)
		events->frame(events->arg, false, count, body.len);
	identity_learn(
	    &link->stats.identity, backend, results, count, HEALTH_ID);
	hear(link);
	for (size_t i = 0; i < count; i++)
		on_result(link, &results[i], backend);
}

static void
on_frame_sent(void *arg, size_t calls, size_t bytes)
{
	struct link *link = arg;
	const struct link_events *events = &link->options.events;

	link->stats.frames_sent++;
	if (events->frame != NULL)
		events->frame(events->arg, true, calls, bytes);
}

/* Whoever was refused may be sent now. */
static void
on_room(void *arg)
{
	struct link *link = arg;

	if (link->state == LINK_UP)
		link->options.events.state(
		    link->options.events.arg, link, LINK_UP);
}

/* --- Connection ---------------------------------------------------------- */

static void
on_pipes(void *arg, unsigned count)
{
	struct link *link = arg;

	if (count == 0) {
		reset(link, false);
		return;
	}
	link->stats.connections++;
	ask_health(&link->step);
}

static void
on_connect_timeout(uv_timer_t *timer)
{
	reset(timer->data, true);
}

static bool
dial(struct link *link, struct error *error)
{
	struct nngsock_events events = { on_message, on_pipes, link };
	struct nngsock_tls tls;

	link->socket = nngsock_dial(link->loop, link->url,
	    rpctls_material(link->options.tls, link->server_name, &tls),
	    RPC_FRAME_MAX, &events, error);
	framer_set_socket(&link->framer, link->socket);
	(void)uv_timer_start(
	    &link->step, on_connect_timeout, CONNECT_TIMEOUT_MS, 0);
	return link->socket != NULL;
}

static void
on_redial(uv_timer_t *timer)
{
	struct link *link = timer->data;
	struct error error;

	link->stats.redials++;
	if (!dial(link, &error))
		log_error(link->options.log, log_msg("cannot dial"),
		    log_str("error", error.text));
}

/*
 * The connection is gone or useless.  What nng has queued on the socket would
 * be sent to nobody or twice: close it, hand the calls back, dial anew.
 */
static void
reset(struct link *link, bool at_once)
{
	uint64_t delay =
	    at_once ? 0 : backoff_fail(&link->backoff, uv_now(link->loop));

	if (link->socket != NULL)
		nngsock_close(link->socket);
	link->socket = NULL;
	framer_set_socket(&link->framer, NULL);
	liveness_rest(&link->liveness);
	(void)uv_timer_stop(&link->judge);
	(void)uv_timer_start(&link->step, on_redial, delay, 0);
	if (link->state != LINK_EJECTED && link->state != LINK_GONE)
		set_state(link, LINK_CONNECTING);
	lose_calls(link, LINK_LOST_CONNECTION);
}

void
link_set_server_name(struct link *link, const char *name)
{
	if (strcmp(link->server_name, name) == 0)
		return;
	free(link->server_name);
	link->server_name = mem_strdup(name);
}

void
link_retire(struct link *link)
{
	set_state(link, LINK_GONE);
}

void
link_revive(struct link *link)
{
	if (link->state != LINK_GONE)
		return;
	set_state(link, LINK_CONNECTING);
	reset(link, true);
}

/* --- Life ---------------------------------------------------------------- */

static void
free_memory(struct link *link)
{
	framer_fini(&link->framer);
	rpc_reader_free(link->reader);
	outstanding_fini(&link->calls);
	free(link->url);
	free(link->server_name);
	free(link);
}

static void
on_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;

	if (--link->handles == 0)
		free_memory(link);
}

void
link_close(struct link *link)
{
	link->state = LINK_GONE;
	lose_calls(link, LINK_LOST_CONNECTION);
	if (link->socket != NULL)
		nngsock_close(link->socket);
	link->socket = NULL;
	framer_close(&link->framer, on_closed, link);
	uv_close((uv_handle_t *)&link->step, on_closed);
	uv_close((uv_handle_t *)&link->judge, on_closed);
}

struct link *
link_new(uv_loop_t *loop, const char *url, const struct link_options *options,
    struct error *error)
{
	struct link *link = mem_calloc(1, sizeof *link);
	const struct framer_events framing = { on_frame_sent, on_room, link };

	link->loop = loop;
	link->options = *options;
	link->url = mem_strdup(url);
	link->server_name = mem_strdup(options->server_name);
	link->handles = 2 + FRAMER_HANDLES;
	outstanding_init(&link->calls);
	liveness_init(
	    &link->liveness, options->ping_after_ms, options->eject_after_ms);
	framer_init(&link->framer, loop, &framing);
	(void)uv_timer_init(loop, &link->step);
	(void)uv_timer_init(loop, &link->judge);
	link->step.data = link;
	link->judge.data = link;
	link->reader = rpc_reader_new();
	if (link->reader == NULL)
		mem_exhausted(); /* else the member would be missing for good */
	if (!dial(link, error)) {
		link_close(link);
		return NULL;
	}
	return link;
}

enum link_state
link_state(const struct link *link)
{
	return link->state;
}

const char *
link_url(const struct link *link)
{
	return link->url;
}

const size_t *
link_in_flight(const struct link *link)
{
	return &link->calls.count;
}

const struct link_stats *
link_stats(const struct link *link)
{
	return &link->stats;
}
