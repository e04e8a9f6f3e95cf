#include "frontend/dispatch_report.h"

#include "common/probe.h"

#define SILENCE_MS 1000 /* between log lines */

static const char *const moved_names[DISPATCH_MOVED_REASONS] = {
	[DISPATCH_MOVED_LOST] = "lost",
	[DISPATCH_MOVED_SILENT] = "silent",
	[DISPATCH_MOVED_BUSY] = "busy",
	[DISPATCH_MOVED_DRAINING] = "draining",
	[DISPATCH_MOVED_VERSION] = "version",
};

/* queue is the time before a backend was last asked, wire from then on: the
 * backend's own part of it is in its log, under the same id. */
static void
report_slow(struct dispatch_report *r, const struct socketmap_request *request,
    enum lookup_map map, uint64_t id, const struct lookup_result *result,
    struct slice backend, uint64_t sent_ns)
{
	double now = (double)uv_now(r->loop) / 1e3;
	double seconds = now - (double)socketmap_request_time(request) / 1e3;
	double wire = sent_ns > 0 ? now - (double)sent_ns / 1e9 : 0;
	uint64_t untold;

	r->slow.limit_ms = r->limits->slow_lookup_ms;
	if (!slow_tell(&r->slow, seconds, uv_now(r->loop), &untold))
		return;
	wire = wire < 0 ? 0 : wire > seconds ? seconds : wire;
	log_warn(r->log, log_msg("slow lookup"), log_hex("request_id", id),
	    log_str("map", lookup_map_name(map)),
	    log_str("outcome", lookup_outcome_name(result->outcome)),
	    log_str("source", lookup_source_name(result->source)),
	    log_slice("backend", backend), log_double("seconds", seconds),
	    log_double("queue", seconds - wire), log_double("wire", wire),
	    log_bool("joined", sent_ns == 0),
	    log_uint("alike_not_logged", untold));
}

void
dispatch_report_lookup(struct dispatch_report *r,
    const struct socketmap_request *request, enum lookup_map map, uint64_t id,
    const struct lookup_result *result, struct slice backend, uint64_t sent_ns)
{
	size_t len;
	const char *key = socketmap_request_key(request, &len);

	log_debug(r->log, log_msg("lookup"), log_hex("request_id", id),
	    log_str("map", lookup_map_name(map)),
	    log_personal("key", (struct slice){ key, len }),
	    log_str("outcome", lookup_outcome_name(result->outcome)),
	    log_str("source", lookup_source_name(result->source)),
	    log_uint("age_ms", result->age_ms), log_slice("backend", backend));
	PROBE2(lookup_done, id, result->outcome);
	report_slow(r, request, map, id, result, backend, sent_ns);
}

void
dispatch_report_failure(struct dispatch_report *r, enum lookup_map map,
    uint64_t id, enum lookup_outcome outcome, const char *reason)
{
	uint64_t now = uv_now(r->loop);

	r->failures++;
	if (now < r->silent_until)
		return;
	log_warn(r->log, log_msg("lookup failed"), log_hex("request_id", id),
	    log_str("map", lookup_map_name(map)),
	    log_str("outcome", lookup_outcome_name(outcome)),
	    log_str("reason", reason), log_uint("failures", r->failures));
	r->silent_until = now + SILENCE_MS;
	r->failures = 0;
}

static struct metrics_counter *
counter(struct metrics *m, const char *name, const char *help)
{
	return metrics_counter(metrics_counters(m, name, help, NULL), NULL);
}

void
dispatch_report_init(struct dispatch_report *r, uv_loop_t *loop,
    const struct dispatch_limits *limits, struct metrics *m, struct log *log)
{
	static const char *const reason_label[] = { "reason", NULL };
	static const char *const source_label[] = { "source", NULL };
	struct metrics_family *moved =
	    metrics_counters(m, "lookups_moved_total",
		"Lookups sent to another backend", reason_label);
	struct metrics_family *sources =
	    metrics_counters(m, "lookups_answered_total",
		"Lookups by how the answer came about", source_label);

	*r = (struct dispatch_report){
		.loop = loop, .log = log, .limits = limits
	};
	for (int i = 0; i < DISPATCH_MOVED_REASONS; i++)
		r->moved[i] = metrics_counter(
		    moved, (const char *const[]){ moved_names[i], NULL });
	for (int i = 0; i <= LOOKUP_RULE; i++)
		r->sources[i] = metrics_counter(sources,
		    (const char *const[]){
			lookup_source_name((enum lookup_source)i), NULL });
	r->joined = counter(m, "lookups_joined_total",
	    "Lookups that shared an equal one under way");
	r->over_budget = counter(m, "lookups_over_budget_total",
	    "Lookups not moved, for a fifth of the traffic had been");
	r->parked = metrics_gauge(metrics_gauges(m, "lookups_parked",
				      "Lookups that wait for a backend", NULL),
	    NULL);
	r->waiting = metrics_gauge(metrics_gauges(m, "lookups_waiting",
				       "Lookups not answered yet", NULL),
	    NULL);
}
