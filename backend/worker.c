#include "backend/worker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/exchange.h"
#include "backend/explanation.h"
#include "backend/worker_metrics.h"
#include "backend/worker_report.h"
#include "common/mem.h"
#include "common/probe.h"

#define SPARE_MAX 1024 /* jobs kept for reuse */
#define DRAIN_TICK_MS 20
#define QUIET_MS 300 /* without a call: the frontends have let go */

/* One call in progress. */
struct job {
	struct job *next; /* on worker.spare */
	struct worker *worker;
	struct exchange *exchange;
	enum lookup_map map;
	uint64_t id;
	uint64_t request_id;
	uint64_t started_ns;
	struct steps *steps; /* NULL unless it is to be explained */
};

struct worker {
	uv_loop_t *loop;
	struct worker_options options;
	struct worker_metrics metrics;
	struct nngsock *socket;
	struct rpc_reader *reader;
	struct outbox outbox;
	uv_timer_t drain_tick;
	unsigned handles; /* open libuv handles; 0 frees */

	size_t jobs;
	unsigned pipes;
	unsigned probes; /* of these, our own */
	struct job *spare;
	size_t spare_count;

	bool paused;
	bool draining;
	uint64_t last_call;
	uint64_t linger_until;
	void (*drained)(void *arg);
	void *drained_arg;
};

/* --- Calls --------------------------------------------------------------- */

static struct job *
job_new(struct worker *w)
{
	struct job *job = w->spare;

	w->jobs++;
	if (job == NULL)
		return mem_calloc(1, sizeof *job);
	w->spare = job->next;
	w->spare_count--;
	return job;
}

static void
job_free(struct worker *w, struct job *job)
{
	w->jobs--;
	if (w->spare_count >= SPARE_MAX) {
		free(job);
		return;
	}
	job->next = w->spare;
	w->spare = job;
	w->spare_count++;
}

static void
answer_job(
    struct worker *w, struct job *job, const struct lookup_result *result)
{
	struct lookup_result explained = *result;

	if (job->steps != NULL) {
		explanation_result(job->steps, result);
		explained.steps = buffer_slice(&job->steps->text);
	}
	exchange_add(&w->outbox, job->exchange, job->id, &explained);
	explanation_free(job->steps);
}

static void
on_resolved(void *arg, const struct lookup_result *result)
{
	struct job *job = arg;
	struct worker *w = job->worker;
	double seconds = (double)(uv_hrtime() - job->started_ns) / 1e9;

	metrics_inc(w->metrics.calls[job->map][result->outcome]);
	metrics_observe(w->metrics.duration[job->map], seconds);
	worker_report_lookup(w->options.log, w->options.slow, uv_now(w->loop),
	    job->request_id, job->map, result, seconds);
	answer_job(w, job, result);
	job_free(w, job);
}

static void
start_lookup(struct worker *w, struct exchange *ex, const struct rpc_call *call,
    enum lookup_map map)
{
	uint64_t deadline = uv_now(w->loop) + call->left_ms;
	struct job *job = job_new(w);

	job->worker = w;
	job->exchange = ex;
	job->map = map;
	job->id = call->id;
	job->request_id = call->request_id;
	job->started_ns = uv_hrtime();
	PROBE2(call_start, call->request_id, map);
	job->steps =
	    explanation_new(w->options.explain, map, call, uv_now(w->loop));
	if (call->how == RPC_HOW_DIRECT)
		explanation_directly(w->options.explain, map, call->key,
		    deadline, call->request_id, on_resolved, job);
	else
		resolve_lookup(w->options.resolve, map, call->key, deadline,
		    call->request_id, on_resolved, job);
}

/* Also while draining, and late: it is done at once, and does no harm. */
static void
serve_purge(struct worker *w, struct exchange *ex, const struct rpc_call *call)
{
	struct lookup_result result = { .source = LOOKUP_RULE };
	enum lookup_map map =
	    call->map.len == 0 ? LOOKUP_MAPS : lookup_map_of(call->map);
	char count[24];

	if (call->map.len > 0 && map == LOOKUP_MAPS) {
		result.outcome = LOOKUP_PERM;
		result.data = SLICE("Unknown map name");
	} else {
		(void)snprintf(count, sizeof count, "%zu",
		    purger_apply(w->options.purger,
			call->relay ? PURGER_CALL : PURGER_RELAYED, map,
			call->key));
		result.data = slice_of(count);
	}
	exchange_add(&w->outbox, ex, call->id, &result);
}

/* Whether a call is answered without being looked up, and how. */
static bool
answered_at_once(const struct worker *w, const struct rpc_call *call,
    struct lookup_result *result)
{
	*result = (struct lookup_result){ .source = LOOKUP_RULE };
	if (call->invalid) {
		result->outcome = LOOKUP_PERM;
		result->data = SLICE("Invalid request");
	} else if (call->method != RPC_LOOKUP && call->method != RPC_HEALTH) {
		result->outcome = LOOKUP_UNIMPLEMENTED;
	} else if (w->draining || w->paused) {
		result->outcome = LOOKUP_DRAINING;
	} else if (w->jobs >= w->options.calls_max) {
		result->outcome = LOOKUP_BUSY;
	} else if (call->method == RPC_HEALTH) {
		result->outcome = LOOKUP_OK;
		result->data = w->options.build;
	} else if (call->left_ms == 0) {
		result->outcome = LOOKUP_TIMEOUT;
		result->data = SLICE("expired before a backend had it");
	} else {
		return false;
	}
	return true;
}

static void
serve_call(struct worker *w, struct exchange *ex, const struct rpc_call *call)
{
	enum lookup_map map = lookup_map_of(call->map);
	struct lookup_result result;

	exchange_hold(ex);
	if (call->method == RPC_PURGE && !call->invalid) {
		serve_purge(w, ex, call);
		return;
	}
	if (call->method == RPC_LOOKUP)
		w->last_call = uv_now(w->loop);
	if (!answered_at_once(w, call, &result)) {
		start_lookup(w, ex, call, map);
		return;
	}
	if (call->method == RPC_LOOKUP)
		metrics_inc(w->metrics.calls[map][result.outcome]);
	if (result.outcome == LOOKUP_TIMEOUT)
		metrics_inc(w->metrics.expired);
	exchange_add(&w->outbox, ex, call->id, &result);
}

static void
on_message(void *arg, struct slice header, struct slice body)
{
	static const struct lookup_result unimplemented = {
		.outcome = LOOKUP_UNIMPLEMENTED
	};
	struct worker *w = arg;
	const struct rpc_call *calls = NULL;
	size_t count = 0;
	struct exchange *ex;
	enum rpc_status status;

	metrics_inc(w->metrics.frames_received);
	if (header.len > NNGSOCK_HEADER_MAX) {
		metrics_inc(w->metrics.rejected[WORKER_REJECTED_HOPS]);
		return; /* more hops than there are devices between us */
	}
	status = rpc_read_calls(w->reader, body, &calls, &count);
	ex = exchange_open(&w->outbox, header, rpc_reader_merges(w->reader));
	if (status != RPC_OK)
		metrics_inc(w->metrics.rejected[status == RPC_NEW_VERSION
			? WORKER_REJECTED_VERSION
			: WORKER_REJECTED_MALFORMED]);
	for (size_t i = 0; status == RPC_OK && i < count; i++)
		serve_call(w, ex, &calls[i]);
	for (size_t i = 0; status == RPC_NEW_VERSION && i < count; i++) {
		exchange_hold(ex);
		exchange_add(&w->outbox, ex, calls[i].id, &unimplemented);
	}
	exchange_close(&w->outbox, ex);
}

static void
on_pipes(void *arg, unsigned count)
{
	struct worker *w = arg;

	w->pipes = count;
}

void
worker_set_probes(struct worker *w, unsigned count)
{
	w->probes = count;
}

/* The two counts come at different times: a probe that has just ended may be
 * missing from one alone. */
static unsigned
frontends(const struct worker *w)
{
	return w->pipes > w->probes ? w->pipes - w->probes : 0;
}

/* --- Drain --------------------------------------------------------------- */

static bool
has_drained(struct worker *w)
{
	uint64_t now = uv_now(w->loop);

	if (w->jobs > 0) {
		w->linger_until = now + WORKER_LINGER_MS;
		return false;
	}
	if (!outbox_empty(&w->outbox))
		return false;
	return frontends(w) == 0 || now >= w->last_call + QUIET_MS ||
	    now >= w->linger_until;
}

static void
on_drain_tick(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	if (!has_drained(w))
		return;
	uv_timer_stop(timer);
	w->drained(w->drained_arg);
}

void
worker_drain(struct worker *w, void (*done)(void *arg), void *arg)
{
	if (w->draining)
		return;
	w->draining = true;
	w->drained = done;
	w->drained_arg = arg;
	w->last_call = uv_now(w->loop);
	w->linger_until = uv_now(w->loop) + WORKER_LINGER_MS;
	(void)uv_timer_start(
	    &w->drain_tick, on_drain_tick, DRAIN_TICK_MS, DRAIN_TICK_MS);
}

bool
worker_draining(const struct worker *w)
{
	return w->draining;
}

void
worker_set_paused(struct worker *w, bool paused)
{
	w->paused = paused;
}

bool
worker_paused(const struct worker *w)
{
	return w->paused;
}

/* --- Life ---------------------------------------------------------------- */

static void
collect(void *arg)
{
	struct worker *w = arg;
	const uint64_t *useless = nngsock_useless(w->socket);

	metrics_set(w->metrics.in_progress, (double)w->jobs);
	metrics_set(w->metrics.frontends, (double)frontends(w));
	for (int i = 0; i < NNGSOCK_USELESS; i++)
		w->metrics.useless[i]->value = useless[i];
}

static bool
bind_all(struct worker *w, struct error *error)
{
	const struct endpoint_list *list = w->options.listen;
	struct nngsock_events events = { on_message, on_pipes, w };
	char texts[ENDPOINT_LIST_MAX][ENDPOINT_TEXT_MAX];
	const char *urls[ENDPOINT_LIST_MAX];
	struct nngsock_tls tls;

	for (size_t i = 0; i < list->count; i++) {
		endpoint_format(&list->items[i], ENDPOINT_RPC, texts[i]);
		urls[i] = texts[i];
	}
	w->socket = nngsock_listen(w->loop, urls, list->count,
	    rpctls_material(w->options.tls, NULL, &tls), RPC_FRAME_MAX, &events,
	    error);
	if (w->socket == NULL)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		struct endpoint bound = list->items[i];

		if (bound.kind != ENDPOINT_UNIX)
			bound.port = nngsock_port(w->socket, i);
		endpoint_format(&bound, ENDPOINT_RPC, texts[i]);
		log_info(w->options.log, log_msg("listening"),
		    log_str("service", "rpc"), log_str("address", texts[i]));
	}
	return true;
}

struct worker *
worker_new(
    uv_loop_t *loop, const struct worker_options *options, struct error *error)
{
	struct worker *w = mem_calloc(1, sizeof *w);

	w->loop = loop;
	w->options = *options;
	w->reader = rpc_reader_new();
	if (w->reader == NULL)
		mem_exhausted();
	if (!bind_all(w, error)) {
		rpc_reader_free(w->reader);
		free(w);
		return NULL;
	}
	worker_metrics_init(&w->metrics, options->metrics);
	metrics_on_collect(options->metrics, collect, w);
	outbox_init(&w->outbox, loop, options->name, w->metrics.frames_sent,
	    w->metrics.results_dropped);
	w->outbox.socket = w->socket;
	(void)uv_timer_init(loop, &w->drain_tick);
	w->drain_tick.data = w;
	w->handles = 3;
	return w;
}

bool
worker_renew_tls(struct worker *w, struct error *error)
{
	struct nngsock_tls tls;

	return nngsock_set_tls(
	    w->socket, rpctls_material(w->options.tls, NULL, &tls), error);
}

void
worker_receive(struct worker *w)
{
	nngsock_receive(w->socket);
}

bool
worker_relisten(struct worker *w, size_t i, struct error *error)
{
	return nngsock_relisten(w->socket, i, error);
}

bool
worker_local_url(
    const struct worker *w, size_t i, char out[static NNGSOCK_URL_MAX])
{
	return nngsock_local_url(w->socket, i, out);
}

static void
on_closed(uv_handle_t *handle)
{
	struct worker *w = handle->data;
	struct job *job;

	if (--w->handles > 0)
		return;
	assert(w->jobs == 0);
	while ((job = w->spare) != NULL) {
		w->spare = job->next;
		free(job);
	}
	outbox_fini(&w->outbox);
	rpc_reader_free(w->reader);
	free(w);
}

void
worker_close(struct worker *w)
{
	outbox_flush(&w->outbox);
	nngsock_close(w->socket);
	outbox_close(&w->outbox, on_closed, w);
	uv_close((uv_handle_t *)&w->drain_tick, on_closed);
}
