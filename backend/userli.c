#include "backend/userli.h"

#include <stdlib.h>
#include <utlist.h>

#include "backend/tokens.h"
#include "backend/userli_health.h"
#include "backend/userli_metrics.h"
#include "backend/userli_path.h"
#include "backend/userli_report.h"
#include "backend/userli_verdict.h"
#include "common/mem.h"
#include "common/probe.h"

#define CHECK_KEY "health-check.invalid"

_Static_assert(USERLI_PATH_MAX <= HTTP_PATH_MAX, "http takes every path");

struct call {
	struct call *prev, *next; /* utlist, while it is deferred */
	struct userli *userli;
	enum userli_asker asker;
	enum lookup_map map;
	uint64_t deadline;
	uint64_t request_id;
	size_t token; /* what it was sent with */
	unsigned token_generation;
	bool asked_twice; /* since its token was refused */
	userli_done done; /* of a lookup */
	void *arg;
	size_t key_len;
	char key[];
};

struct userli {
	uv_loop_t *loop;
	struct http *http;
	struct log *log;
	struct userli_metrics metrics;
	struct userli_health health;
	struct userli_report report;
	struct tokens tokens;
	uint64_t patience_ms; /* no answer for so long says something */
	uint64_t late_ms;     /* one that is told only then says nothing */
	struct buffer value;  /* of the answer that is being told */

	uv_timer_t check_timer;
	uv_timer_t deferred_timer;
	struct call *deferred; /* not to be asked */
	bool telling_deferred;
	size_t calls; /* not answered yet, checks included */
	unsigned open_timers;
	bool closing;

	bool checking; /* probes apart */
	bool answered; /* a lookup has succeeded since the last check */
};

/* --- asking ------------------------------------------------------------ */

static void on_response(void *arg, const struct http_response *response);

static bool
is_held(const struct userli *u)
{
	return u->health.breaker.state != BREAKER_CLOSED;
}

static void
set_gauges(struct userli *u)
{
	struct http_stats stats;

	http_stats(u->http, &stats);
	metrics_set(u->metrics.active, (double)stats.active);
	metrics_set(u->metrics.queued, (double)stats.queued);
	metrics_set(u->metrics.token, (double)u->tokens.current + 1);
}

static void
ask(struct userli *u, struct call *call, size_t token)
{
	struct slice key = { call->key, call->key_len };
	char path[USERLI_PATH_MAX];

	userli_path_build(path, call->map, key);
	call->token = token;
	call->token_generation = u->tokens.generation;
	PROBE1(userli_start, call->request_id);
	http_get(u->http,
	    &(struct http_ask){ .path = path,
		.bearer = tokens_get(&u->tokens, token),
		.deadline = call->deadline,
		.request_id = call->request_id,
		/* Others may be waiting for what these will tell. */
		.urgent =
		    call->asker != USERLI_ASKER_LOOKUP || call->asked_twice,
		.done = on_response,
		.arg = call });
	set_gauges(u);
}

static struct call *
call_new(struct userli *u, enum userli_asker asker, enum lookup_map map,
    struct slice key, uint64_t deadline)
{
	struct call *call = mem_calloc(1, sizeof *call + key.len);

	if (key.len > 0)
		memcpy(call->key, key.ptr, key.len);
	call->key_len = key.len;
	call->userli = u;
	call->asker = asker;
	call->map = map;
	call->deadline = deadline;
	u->calls++;
	return call;
}

/* --- checks ------------------------------------------------------------ */

static void on_check_timer(uv_timer_t *timer);

static void
plan_check(struct userli *u)
{
	uint64_t delay = USERLI_CHECK_INTERVAL_MS;

	if (u->closing)
		return;
	if (u->health.breaker.state == BREAKER_OPEN)
		delay = breaker_left_ms(&u->health.breaker, uv_now(u->loop));
	else if (!u->health.ready || u->health.breaker.failures > 0)
		delay = USERLI_RECHECK_INTERVAL_MS;
	(void)uv_timer_start(&u->check_timer, on_check_timer, delay, 0);
}

static void
check(struct userli *u, enum userli_asker asker)
{
	ask(u,
	    call_new(u, asker, LOOKUP_DOMAIN, SLICE(CHECK_KEY),
		uv_now(u->loop) + USERLI_CHECK_INTERVAL_MS),
	    u->tokens.current);
}

static void
on_check_timer(uv_timer_t *timer)
{
	struct userli *u = timer->data;
	bool answered = u->answered;

	userli_report_silent(&u->report, uv_now(u->loop));
	u->answered = false;
	if (breaker_probe(&u->health.breaker, uv_now(u->loop))) {
		check(u, USERLI_ASKER_PROBE);
	} else if (!is_held(u) && !u->checking && !answered) {
		u->checking = true;
		check(u, USERLI_ASKER_CHECK);
	}
	plan_check(u);
}

/* --- answers ----------------------------------------------------------- */

static void
free_when_idle(struct userli *u)
{
	if (u->open_timers > 0 || u->calls > 0)
		return;
	tokens_fini(&u->tokens);
	buffer_fini(&u->value);
	free(u);
}

static struct lookup_timing
timing_of(const struct call *call, const struct http_response *response)
{
	return (struct lookup_timing){
		.request_id = call->request_id,
		.queue = response->waited_seconds,
		.connect = response->connect_seconds,
		.first_byte = response->first_byte_seconds,
		.body = response->body_seconds,
	};
}

/* Count, log, tell, free; response is of zeros without one. */
static void
answer(struct call *call, const struct userli_verdict *v,
    const struct http_response *response)
{
	struct userli *u = call->userli;
	const struct lookup_timing timing = timing_of(call, response);
	const struct lookup_result result = {
		.outcome = v->outcome,
		.source = LOOKUP_FRESH,
		.data = v->outcome == LOOKUP_OK ? buffer_slice(&u->value)
						: slice_of(v->reason),
		.userli_status = (uint16_t)response->code,
		.userli_us = (uint32_t)(response->seconds * 1e6),
		.timing = &timing,
	};

	PROBE3(userli_done, call->request_id, response->status, response->code);
	if (v->failure != USERLI_FAILURE_NONE)
		metrics_inc(u->metrics.failure[v->failure]);
	/* A failed check, and why lookups are held, is logged where it is
	 * decided. */
	if (v->failure != USERLI_FAILURE_NONE &&
	    v->failure != USERLI_FAILURE_HELD &&
	    call->asker == USERLI_ASKER_LOOKUP)
		userli_report_failure(&u->report, uv_now(u->loop),
		    call->request_id, call->map,
		    (struct slice){ call->key, call->key_len }, v,
		    response->code);
	if (call->asker == USERLI_ASKER_CHECK)
		u->checking = false;
	if (call->done != NULL)
		call->done(call->arg, &result);
	free(call);
	u->calls--;
	free_when_idle(u);
}

/* Its token is refused: true when it is being asked with another one. */
static bool
ask_with_other_token(struct userli *u, struct call *call)
{
	size_t next;

	if (call->asked_twice ||
	    !tokens_other(
		&u->tokens, call->token, call->token_generation, &next))
		return false;
	call->asked_twice = true;
	ask(u, call, next);
	return true;
}

/* Its token is accepted. */
static void
keep_token(struct userli *u, const struct call *call)
{
	if (!tokens_accept(&u->tokens, call->token, call->token_generation))
		return;
	metrics_inc(u->metrics.switches);
	log_warn(u->log,
	    log_msg("userli rejects one token of USERLI_TOKEN, the other is "
		    "used from now on"),
	    log_str("in_use", tokens_name(call->token)));
	/* Those that wait have the one that is refused. */
	http_drop_waiting(u->http);
}

/*
 * Whether the end of a request says anything of userli.  One without an answer
 * that ended long after its time was up was not waited for: this process had
 * been stopped (SIGSTOP, a frozen container), and the answer may have come.
 */
static bool
was_tried(const struct userli *u, const struct http_response *response,
    const struct userli_verdict *v)
{
	double ms = response->seconds * 1000;

	return response->sent &&
	    (v->failure != USERLI_FAILURE_TIMEOUT ||
		(ms >= (double)u->patience_ms && ms < (double)u->late_ms));
}

static void
learn(struct userli *u, const struct call *call,
    const struct http_response *response, const struct userli_verdict *v)
{
	bool was_held = is_held(u);
	bool tried = was_tried(u, response, v);

	if (v->failure == USERLI_FAILURE_NONE) {
		if (call->asker == USERLI_ASKER_LOOKUP)
			u->answered = true;
		keep_token(u, call);
	}
	if (userli_health_learn(
		&u->health, uv_now(u->loop), call->asker, v, tried))
		plan_check(u);
	/* Let nobody wait for what is known. */
	if (!was_held && is_held(u))
		http_drop_waiting(u->http);
}

static void
on_response(void *arg, const struct http_response *response)
{
	struct call *call = arg;
	struct userli *u = call->userli;
	struct userli_verdict v;

	/* We ourselves have dropped it, for one reason or the other. */
	if (response->status == HTTP_DROPPED &&
	    (!is_held(u) || call->asker == USERLI_ASKER_PROBE)) {
		ask(u, call, u->tokens.current);
		return;
	}
	buffer_clear(&u->value);
	userli_verdict(call->map, response, &u->value, &v);
	userli_metrics_response(&u->metrics, call->map, response);
	if (v.failure == USERLI_FAILURE_TOKEN && ask_with_other_token(u, call))
		return;
	if (response->status == HTTP_DROPPED)
		(void)userli_health_held(&u->health, uv_now(u->loop), &v);
	learn(u, call, response, &v);
	set_gauges(u);
	answer(call, &v, response);
}

static void
tell_deferred(struct userli *u, struct call *call)
{
	static const struct userli_verdict unfit = {
		.outcome = LOOKUP_TEMP,
		.failure = USERLI_FAILURE_BROKEN,
		.reason = "the key cannot be asked for",
	};
	static const struct http_response none = { .reason = "" };
	struct slice key = { call->key, call->key_len };
	struct userli_verdict v;

	if (!userli_path_fit(call->map, key))
		answer(call, &unfit, &none);
	else if (userli_health_held(&u->health, uv_now(u->loop), &v))
		answer(call, &v, &none);
	else
		ask(u, call, u->tokens.current);
}

static void
on_deferred(uv_timer_t *timer)
{
	struct userli *u = timer->data;
	struct call *list = u->deferred;
	struct call *call;
	struct call *next;

	u->deferred = NULL;
	u->telling_deferred = true;
	DL_FOREACH_SAFE (list, call, next)
		tell_deferred(u, call);
	u->telling_deferred = false;
}

static void
defer(struct userli *u, struct call *call)
{
	DL_APPEND(u->deferred, call);
	/* From within on_deferred(), 0 would be this same turn: a caller that
	 * asks again at once must not keep the loop there. */
	(void)uv_timer_start(
	    &u->deferred_timer, on_deferred, u->telling_deferred ? 1 : 0, 0);
}

/* --- making and closing ------------------------------------------------ */

struct userli *
userli_new(uv_loop_t *loop, struct http *http, struct metrics *metrics,
    struct log *log)
{
	struct userli *u = mem_calloc(1, sizeof *u);

	u->loop = loop;
	u->http = http;
	u->log = log;
	u->late_ms = http_timeout_ms(http) + USERLI_HEALTH_LATE_MS;
	u->patience_ms = http_timeout_ms(http) / 2;
	if (u->patience_ms > USERLI_HEALTH_PATIENCE_MS)
		u->patience_ms = USERLI_HEALTH_PATIENCE_MS;
	tokens_init(&u->tokens);
	userli_metrics_init(&u->metrics, metrics);
	userli_health_init(&u->health, log, &u->metrics, (uint32_t)uv_hrtime());
	userli_report_init(&u->report, log);
	buffer_init(&u->value, USERLI_VALUE_MAX);
	(void)uv_timer_init(loop, &u->check_timer);
	(void)uv_timer_init(loop, &u->deferred_timer);
	u->check_timer.data = u;
	u->deferred_timer.data = u;
	u->open_timers = 2;
	(void)uv_timer_start(&u->check_timer, on_check_timer, 0, 0);
	return u;
}

bool
userli_set_tokens(struct userli *u, const char *text, struct error *error)
{
	if (!tokens_set(&u->tokens, text, error))
		return false;
	/* Those that wait have an old one. */
	http_drop_waiting(u->http);
	set_gauges(u);
	return true;
}

void
userli_hurry(struct userli *u)
{
	u->answered = false;
	breaker_hurry(&u->health.breaker, uv_now(u->loop));
	if (u->health.breaker.state == BREAKER_OPEN)
		plan_check(u);
	else
		(void)uv_timer_start(&u->check_timer, on_check_timer, 0, 0);
}

void
userli_lookup(struct userli *u, enum lookup_map map, struct slice key,
    uint64_t deadline, uint64_t request_id, userli_done done, void *arg)
{
	struct call *call =
	    call_new(u, USERLI_ASKER_LOOKUP, map, key, deadline);

	call->request_id = request_id;
	call->done = done;
	call->arg = arg;
	if (is_held(u) || !userli_path_fit(map, key))
		defer(u, call);
	else
		ask(u, call, u->tokens.current);
}

bool
userli_ready(const struct userli *u, const char **reason)
{
	*reason = u->health.reason;
	return u->health.ready;
}

bool
userli_unwell(const struct userli *u)
{
	return is_held(u);
}

bool
userli_crowded(const struct userli *u)
{
	struct http_stats stats;

	http_stats(u->http, &stats);
	return stats.queued > 0;
}

static void
on_closed(uv_handle_t *handle)
{
	struct userli *u = handle->data;

	u->open_timers--;
	free_when_idle(u);
}

void
userli_close(struct userli *u)
{
	u->closing = true;
	on_deferred(&u->deferred_timer);
	uv_close((uv_handle_t *)&u->check_timer, on_closed);
	uv_close((uv_handle_t *)&u->deferred_timer, on_closed);
}
