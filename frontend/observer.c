#include "frontend/observer.h"

#include <stdlib.h>

#include "common/complaint.h"
#include "common/lookup.h"
#include "common/mem.h"

enum status_label {
	STATUS_SUCCESS,
	STATUS_NOTFOUND,
	STATUS_ERROR,
	STATUSES
};

static const char *const status_names[STATUSES] = { "success", "notfound",
	"error" };

/* The four maps and "unknown" by enum lookup_map, then "invalid". */
#define HANDLER_INVALID (LOOKUP_MAPS + 1)
#define HANDLERS (HANDLER_INVALID + 1)

static const char *const close_names[SOCKETMAP_CLOSE_REASONS] = {
	[SOCKETMAP_CLOSED_BY_CLIENT] = "client",
	[SOCKETMAP_CLOSED_MALFORMED] = "malformed",
	[SOCKETMAP_CLOSED_TOO_LONG] = "too_long",
	[SOCKETMAP_CLOSED_READ_TIMEOUT] = "read_timeout",
	[SOCKETMAP_CLOSED_WRITE_TIMEOUT] = "write_timeout",
	[SOCKETMAP_CLOSED_IDLE] = "idle",
	[SOCKETMAP_CLOSED_REAPED] = "reaped",
	[SOCKETMAP_CLOSED_REFUSED] = "refused",
	[SOCKETMAP_CLOSED_SHUTDOWN] = "shutdown",
	[SOCKETMAP_CLOSED_ERROR] = "error",
	[SOCKETMAP_CLOSED_UNREAD] = "unread",
};

struct observer {
	uv_loop_t *loop;
	struct log *log;
	struct metrics_histogram *duration[HANDLERS][STATUSES];
	struct metrics_counter *requests[HANDLERS][STATUSES];
	struct metrics_gauge *active;
	struct metrics_gauge *pool_usage;
	struct metrics_counter *closed[SOCKETMAP_CLOSE_REASONS];
	struct metrics_counter *accept_failed;
	struct complaint closings[SOCKETMAP_CLOSE_REASONS];
	struct complaint accepts;
};

static void
set_connections(struct observer *o, double change)
{
	metrics_set(o->active, o->active->value + change);
	metrics_set(o->pool_usage, o->active->value);
}

static void
on_opened(void *arg)
{
	set_connections(arg, 1);
}

static enum log_level
level_of(enum socketmap_close_reason reason)
{
	switch (reason) {
	case SOCKETMAP_CLOSED_BY_CLIENT:
	case SOCKETMAP_CLOSED_IDLE:
	case SOCKETMAP_CLOSED_SHUTDOWN:
	case SOCKETMAP_CLOSED_ERROR: /* as a rule a client's reset */
		return LOG_LEVEL_DEBUG;
	default:
		return LOG_LEVEL_WARN;
	}
}

static void
on_closed(void *arg, enum socketmap_close_reason reason, const char *peer)
{
	struct observer *o = arg;
	struct complaint *c = &o->closings[reason];

	metrics_inc(o->closed[reason]);
	set_connections(o, -1);
	if (!log_enabled(o->log, level_of(reason)) ||
	    !complaint_due(c, uv_now(o->loop)))
		return;
	log_at(o->log, level_of(reason), log_msg("connection closed"),
	    log_str("reason", close_names[reason]), log_str("peer", peer),
	    log_uint("connections", c->count));
	c->count = 0;
}

static enum status_label
status_of(enum socketmap_status status)
{
	switch (status) {
	case SOCKETMAP_OK:
		return STATUS_SUCCESS;
	case SOCKETMAP_NOTFOUND:
		return STATUS_NOTFOUND;
	default:
		return STATUS_ERROR;
	}
}

static void
on_answered(void *arg, const char *map, size_t map_len,
    enum socketmap_status status, uint64_t duration_us)
{
	struct observer *o = arg;
	enum lookup_map handler = lookup_map_of((struct slice){ map, map_len });
	enum status_label label = status_of(status);

	metrics_inc(o->requests[handler][label]);
	metrics_observe(o->duration[handler][label], (double)duration_us / 1e6);
}

static void
on_invalid(void *arg)
{
	struct observer *o = arg;

	metrics_inc(o->requests[HANDLER_INVALID][STATUS_ERROR]);
	metrics_observe(o->duration[HANDLER_INVALID][STATUS_ERROR], 0);
}

static void
on_accept_failed(void *arg, int error)
{
	struct observer *o = arg;

	metrics_inc(o->accept_failed);
	if (!complaint_due(&o->accepts, uv_now(o->loop)))
		return;
	log_error(o->log, log_msg("cannot accept"),
	    log_str("error", uv_strerror(error)),
	    log_uint("failures", o->accepts.count));
	o->accepts.count = 0;
}

static void
add_request_metrics(struct observer *o, struct metrics *m)
{
	static const char *const labels[] = { "handler", "status", NULL };
	double buckets[10];
	struct metrics_family *requests = metrics_counters(
	    m, "requests_total", "Total number of socketmap requests", labels);
	struct metrics_family *durations;

	metrics_exponential_buckets(0.001, 2, 10, buckets);
	durations = metrics_histograms(m, "request_duration_seconds",
	    "Duration of socketmap requests", labels, buckets, 10);
	for (int h = 0; h < HANDLERS; h++) {
		for (int s = 0; s < STATUSES; s++) {
			const char *const values[] = { h == HANDLER_INVALID
				    ? "invalid"
				    : lookup_map_name((enum lookup_map)h),
				status_names[s], NULL };

			o->requests[h][s] = metrics_counter(requests, values);
			o->duration[h][s] =
			    metrics_histogram(durations, values);
		}
	}
}

struct observer *
observer_new(uv_loop_t *loop, struct metrics *metrics, struct log *log)
{
	static const char *const reason_label[] = { "reason", NULL };
	struct observer *o = mem_calloc(1, sizeof *o);
	struct metrics_family *closed =
	    metrics_counters(metrics, "connections_closed_total",
		"Socketmap connections by why they ended", reason_label);

	o->loop = loop;
	o->log = log;
	add_request_metrics(o, metrics);
	o->active = metrics_gauge(
	    metrics_gauges(metrics, "active_connections",
		"Number of currently active socketmap connections", NULL),
	    NULL);
	o->pool_usage =
	    metrics_gauge(metrics_gauges(metrics, "connection_pool_usage",
			      "Connections in use, of "
			      "SOCKETMAP_MAX_CONNECTIONS",
			      NULL),
		NULL);
	o->accept_failed =
	    metrics_counter(metrics_counters(metrics, "accept_failures_total",
				"Connections that could not be accepted", NULL),
		NULL);
	for (int r = 0; r < SOCKETMAP_CLOSE_REASONS; r++)
		o->closed[r] = metrics_counter(
		    closed, (const char *const[]){ close_names[r], NULL });
	return o;
}

void
observer_free(struct observer *o)
{
	free(o);
}

struct socketmap_observer
observer_callbacks(void)
{
	return (struct socketmap_observer){
		.opened = on_opened,
		.closed = on_closed,
		.answered = on_answered,
		.invalid = on_invalid,
		.accept_failed = on_accept_failed,
	};
}
