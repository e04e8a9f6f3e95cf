#include "backend/userli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "backend/userli_metrics.h"
#include "backend/userli_verdict.h"
#include "common/keyrules.h"
#include "common/mem.h"

#define API_PATH "/api/postfix/"
#define CHECK_KEY "health-check.invalid"
/* The longest map name, a '/', every byte as %XX and the NUL. */
#define PATH_MAX_BYTES (sizeof API_PATH + 16 + KEYRULES_KEY_MAX * 3)
#define LOG_INTERVAL_MS 1000

_Static_assert(PATH_MAX_BYTES <= HTTP_PATH_MAX, "http takes every path");

struct call {
	struct call *prev, *next; /* utlist, while its answer is deferred */
	struct userli *userli;
	enum lookup_map map;
	uint64_t request_id;
	bool unfit; /* deferred since the key must not be sent */
	userli_done done;
	void *arg;
	size_t key_len;
	char key[]; /* for logs */
};

struct userli {
	uv_loop_t *loop;
	struct http *http;
	struct log *log;
	struct userli_metrics metrics;
	struct buffer value; /* of the answer that is being told */

	uv_timer_t check_timer;
	uv_timer_t deferred_timer;
	struct call *deferred; /* answered without a request */
	bool telling_deferred;
	size_t calls; /* not answered yet, checks included */
	unsigned open_timers;

	uint64_t paused_until; /* uv_now() ms */
	bool checking;
	bool answered; /* a lookup has succeeded since the last check */
	bool ready;
	char reason[USERLI_REASON_MAX]; /* why it is not ready */

	struct {
		uint64_t next;   /* no line before this, uv_now() ms */
		uint64_t silent; /* failures since the last line */
	} logged[USERLI_FAILURES];
};

/* --- the path ---------------------------------------------------------- */

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '~' ||
	    c == '-';
}

/* keyrules passes no such key; nothing else may ask for another path. */
static bool
is_fit(struct slice key)
{
	return key.len > 0 && key.len <= KEYRULES_KEY_MAX &&
	    !slice_equal(key, SLICE(".")) && !slice_equal(key, SLICE(".."));
}

static void
build_path(
    char path[static PATH_MAX_BYTES], enum lookup_map map, struct slice key)
{
	static const char digits[] = "0123456789ABCDEF";
	char *at = path;

	at += snprintf(
	    path, PATH_MAX_BYTES, API_PATH "%s/", lookup_map_name(map));
	for (size_t i = 0; i < key.len; i++) {
		unsigned char c = (unsigned char)key.ptr[i];

		if (is_unreserved(key.ptr[i])) {
			*at++ = key.ptr[i];
			continue;
		}
		*at++ = '%';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
	}
	*at = '\0';
}

/* --- readiness and logs ------------------------------------------------ */

static void
set_ready(struct userli *u, bool ready, const char *reason)
{
	bool changed = u->ready != ready;

	u->ready = ready;
	metrics_set(u->metrics.health, ready ? 1 : 0);
	if (!ready && (changed || strcmp(u->reason, reason) != 0))
		log_warn(u->log, log_msg("userli is not ready"),
		    log_str("reason", reason));
	else if (ready && changed)
		log_info(u->log, log_msg("userli is ready"));
	(void)snprintf(u->reason, sizeof u->reason, "%s", ready ? "" : reason);
}

static void
log_failure(struct userli *u, const struct call *call,
    const struct userli_verdict *v, unsigned http_code)
{
	uint64_t now = uv_now(u->loop);
	uint64_t silent = u->logged[v->failure].silent;

	if (now < u->logged[v->failure].next) {
		u->logged[v->failure].silent++;
		return;
	}
	u->logged[v->failure].next = now + LOG_INTERVAL_MS;
	u->logged[v->failure].silent = 0;
	log_warn(u->log, log_msg("lookup failed at userli"),
	    log_hex("request_id", call->request_id),
	    log_str("map", lookup_map_name(call->map)),
	    log_personal("key", (struct slice){ call->key, call->key_len }),
	    log_str("outcome", lookup_outcome_name(v->outcome)),
	    log_str("failure", userli_failure_name(v->failure)),
	    log_str("reason", v->reason), log_uint("status_code", http_code),
	    log_uint("alike_not_logged", silent));
}

/* What was held back and nothing alike has followed. */
static void
log_silent_failures(struct userli *u)
{
	uint64_t now = uv_now(u->loop);

	for (int i = 0; i < USERLI_FAILURES; i++) {
		if (u->logged[i].silent == 0 || now < u->logged[i].next)
			continue;
		log_warn(u->log, log_msg("lookups failed at userli"),
		    log_str(
			"failure", userli_failure_name((enum userli_failure)i)),
		    log_uint("alike_not_logged", u->logged[i].silent));
		u->logged[i].silent = 0;
	}
}

/* --- answers ----------------------------------------------------------- */

static void
free_when_idle(struct userli *u)
{
	if (u->open_timers > 0 || u->calls > 0)
		return;
	buffer_fini(&u->value);
	free(u);
}

static bool
is_check(const struct call *call)
{
	return call->done == NULL;
}

static void
set_gauges(struct userli *u)
{
	struct http_stats stats;

	http_stats(u->http, &stats);
	metrics_set(u->metrics.active, (double)stats.active);
	metrics_set(u->metrics.queued, (double)stats.queued);
}

/* Seconds, rounded up; 0 when userli may be asked. */
static uint32_t
pause_left_s(const struct userli *u)
{
	uint64_t now = uv_now(u->loop);

	if (now >= u->paused_until)
		return 0;
	return (uint32_t)((u->paused_until - now + 999) / 1000);
}

static void
learn_readiness(
    struct userli *u, const struct call *call, const struct userli_verdict *v)
{
	if (v->failure == USERLI_FAILURE_NONE) {
		u->answered = true;
		/* What was under way when a pause began does not end it. */
		if (pause_left_s(u) == 0)
			set_ready(u, true, "");
	} else if (v->outcome == LOOKUP_BUSY || v->outcome == LOOKUP_DRAINING) {
		return; /* says nothing about userli */
	} else if (v->failure == USERLI_FAILURE_TOKEN || v->pause_s > 0 ||
	    is_check(call)) {
		set_ready(u, false, v->reason);
	}
}

/* Count, log, tell, free. */
static void
answer(struct call *call, const struct userli_verdict *v, unsigned http_code)
{
	struct userli *u = call->userli;
	const struct lookup_result result = {
		.outcome = v->outcome,
		.source = LOOKUP_FRESH,
		.data = v->outcome == LOOKUP_OK ? buffer_slice(&u->value)
						: slice_of(v->reason),
	};

	if (v->failure != USERLI_FAILURE_NONE) {
		metrics_inc(u->metrics.failure[v->failure]);
		/* A failed check is logged by what it changes. */
		if (!is_check(call))
			log_failure(u, call, v, http_code);
	}
	if (is_check(call))
		u->checking = false;
	else
		call->done(call->arg, &result);
	free(call);
	u->calls--;
	free_when_idle(u);
}

static void
on_response(void *arg, const struct http_response *response)
{
	struct call *call = arg;
	struct userli *u = call->userli;
	struct userli_verdict v;

	buffer_clear(&u->value);
	userli_verdict(call->map, response, &u->value, &v);
	userli_metrics_response(&u->metrics, call->map, response);
	if (v.pause_s > 0) {
		u->paused_until = uv_now(u->loop) + (uint64_t)v.pause_s * 1000;
		http_drop_waiting(u->http);
	}
	learn_readiness(u, call, &v);
	set_gauges(u);
	answer(call, &v, response->code);
}

static void
on_deferred(uv_timer_t *timer)
{
	static const struct userli_verdict unfit = {
		.outcome = LOOKUP_TEMP,
		.failure = USERLI_FAILURE_BROKEN,
		.reason = "the key cannot be asked for",
	};
	struct userli *u = timer->data;
	struct userli_verdict v;
	struct call *list = u->deferred;
	struct call *call;
	struct call *next;

	u->deferred = NULL;
	u->telling_deferred = true;
	DL_FOREACH_SAFE (list, call, next) {
		uint32_t left_s = pause_left_s(u);

		v = unfit;
		if (!call->unfit)
			userli_verdict_paused(left_s > 0 ? left_s : 1, &v);
		answer(call, &v, 0);
	}
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

static void
ask(struct userli *u, struct call *call, uint64_t deadline)
{
	struct slice key = { call->key, call->key_len };
	char path[PATH_MAX_BYTES];

	build_path(path, call->map, key);
	http_get(u->http, path, deadline, on_response, call);
	set_gauges(u);
}

static struct call *
call_new(struct userli *u, enum lookup_map map, struct slice key)
{
	struct call *call = mem_calloc(1, sizeof *call + key.len);

	if (key.len > 0)
		memcpy(call->key, key.ptr, key.len);
	call->key_len = key.len;
	call->userli = u;
	call->map = map;
	u->calls++;
	return call;
}

static void
on_check_timer(uv_timer_t *timer)
{
	struct userli *u = timer->data;
	bool answered = u->answered;

	log_silent_failures(u);
	u->answered = false;
	if (u->checking || answered || pause_left_s(u) > 0)
		return;
	u->checking = true;
	ask(u, call_new(u, LOOKUP_DOMAIN, SLICE(CHECK_KEY)),
	    uv_now(u->loop) + USERLI_CHECK_INTERVAL_MS);
}

struct userli *
userli_new(uv_loop_t *loop, struct http *http, struct metrics *metrics,
    struct log *log)
{
	struct userli *u = mem_calloc(1, sizeof *u);

	u->loop = loop;
	u->http = http;
	u->log = log;
	userli_metrics_init(&u->metrics, metrics);
	buffer_init(&u->value, USERLI_VALUE_MAX);
	(void)snprintf(
	    u->reason, sizeof u->reason, "userli has not answered yet");
	(void)uv_timer_init(loop, &u->check_timer);
	(void)uv_timer_init(loop, &u->deferred_timer);
	u->check_timer.data = u;
	u->deferred_timer.data = u;
	u->open_timers = 2;
	(void)uv_timer_start(
	    &u->check_timer, on_check_timer, 0, USERLI_CHECK_INTERVAL_MS);
	return u;
}

void
userli_lookup(struct userli *u, enum lookup_map map, struct slice key,
    uint64_t deadline, uint64_t request_id, userli_done done, void *arg)
{
	struct call *call = call_new(u, map, key);

	call->request_id = request_id;
	call->done = done;
	call->arg = arg;
	call->unfit = map >= LOOKUP_MAPS || !is_fit(key);
	if (call->unfit || pause_left_s(u) > 0)
		defer(u, call);
	else
		ask(u, call, deadline);
}

bool
userli_ready(const struct userli *u, const char **reason)
{
	*reason = u->reason;
	return u->ready;
}

bool
userli_unwell(const struct userli *u)
{
	return pause_left_s(u) > 0;
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
	on_deferred(&u->deferred_timer);
	uv_close((uv_handle_t *)&u->check_timer, on_closed);
	uv_close((uv_handle_t *)&u->deferred_timer, on_closed);
}
