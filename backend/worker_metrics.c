#include "backend/worker_metrics.h"

static void
add_call_metrics(struct worker_metrics *wm, struct metrics *m)
{
	static const char *const call_labels[] = { "map", "outcome", NULL };
	static const char *const map_label[] = { "map", NULL };
	double buckets[14];
	struct metrics_family *calls =
	    metrics_counters(m, "backend_calls_total",
		"Lookups that frontends called for", call_labels);
	struct metrics_family *durations;

	metrics_exponential_buckets(0.0001, 2.5, 14, buckets);
	durations = metrics_histograms(m, "backend_call_duration_seconds",
	    "From a call's arrival to its result", map_label, buckets, 14);
	for (int map = 0; map <= LOOKUP_MAPS; map++) {
		const char *name = lookup_map_name((enum lookup_map)map);

		wm->duration[map] = metrics_histogram(
		    durations, (const char *const[]){ name, NULL });
		for (int o = 0; o < LOOKUP_OUTCOMES; o++)
			wm->calls[map][o] = metrics_counter(calls,
			    (const char *const[]){ name,
				lookup_outcome_name((enum lookup_outcome)o),
				NULL });
	}
}

static void
add_refusal_metrics(struct worker_metrics *wm, struct metrics *m)
{
	static const char *const label[] = { "reason", NULL };
	static const char *const rejections[WORKER_REJECTIONS] = {
		[WORKER_REJECTED_MALFORMED] = "malformed",
		[WORKER_REJECTED_VERSION] = "version",
		[WORKER_REJECTED_HOPS] = "hops",
	};
	static const char *const useless[NNGSOCK_USELESS] = {
		[NNGSOCK_NO_GREETING] = "no_greeting",
		[NNGSOCK_SILENT] = "silent",
		[NNGSOCK_NOT_BELIEVED] = "certificate",
		[NNGSOCK_OTHER_PROTOCOL] = "protocol",
		[NNGSOCK_UNUSED] = "unused",
	};
	struct metrics_family *frames =
	    metrics_counters(m, "backend_frames_rejected_total",
		"Messages that were no frame of this version", label);
	struct metrics_family *connections =
	    metrics_counters(m, "backend_connections_useless_total",
		"Connections that carried no message", label);

	for (int i = 0; i < WORKER_REJECTIONS; i++)
		wm->rejected[i] = metrics_counter(
		    frames, (const char *const[]){ rejections[i], NULL });
	for (int i = 0; i < NNGSOCK_USELESS; i++)
		wm->useless[i] = metrics_counter(
		    connections, (const char *const[]){ useless[i], NULL });
}

void
worker_metrics_init(struct worker_metrics *wm, struct metrics *m)
{
	const struct {
		struct metrics_counter **counter;
		const char *name, *help;
	} counters[] = {
		{ &wm->expired, "backend_calls_expired_total",
		    "Calls whose time was up when they arrived" },
		{ &wm->frames_received, "backend_frames_received_total",
		    "Messages from frontends" },
		{ &wm->frames_sent, "backend_frames_sent_total",
		    "Messages to frontends" },
		{ &wm->results_dropped, "backend_results_dropped_total",
		    "Results that could not be sent" },
	};

	for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
		*counters[i].counter =
		    metrics_counter(metrics_counters(m, counters[i].name,
					counters[i].help, NULL),
			NULL);
	add_call_metrics(wm, m);
	add_refusal_metrics(wm, m);
	wm->in_progress =
	    metrics_gauge(metrics_gauges(m, "backend_calls_in_progress",
			      "Lookups being worked on", NULL),
		NULL);
	wm->frontends = metrics_gauge(metrics_gauges(m, "backend_frontends",
					  "Connections from frontends", NULL),
	    NULL);
}
