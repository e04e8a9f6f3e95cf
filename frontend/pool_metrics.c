#include "frontend/pool_metrics.h"

#include "frontend/pool.h"

#define OTHER "other"

static struct metrics_counter *
counter(struct metrics *m, const char *name, const char *help)
{
	return metrics_counter(metrics_counters(m, name, help, NULL), NULL);
}

static void
add_frames(struct pool_metrics *pm, struct metrics *m)
{
	static const char *const labels[] = { "direction", NULL };
	static const char *const directions[] = { "received", "sent" };
	double bytes[8];
	double items[9];
	struct metrics_family *byte_family;
	struct metrics_family *item_family;

	metrics_exponential_buckets(64, 4, 8, bytes);
	metrics_exponential_buckets(1, 2, 9, items);
	byte_family = metrics_histograms(m, "pool_frame_bytes",
	    "Size of messages between the tiers", labels, bytes, 8);
	item_family = metrics_histograms(m, "pool_frame_calls",
	    "Calls or results in a message", labels, items, 9);
	for (int d = 0; d < 2; d++) {
		const char *const values[] = { directions[d], NULL };

		pm->frame_bytes[d] = metrics_histogram(byte_family, values);
		pm->frame_items[d] = metrics_histogram(item_family, values);
	}
}

void
pool_metrics_init(struct pool_metrics *pm, struct metrics *m)
{
	static const char *const state_label[] = { "state", NULL };
	static const char *const call_labels[] = { "member", "outcome", NULL };
	double buckets[12];
	struct metrics_family *members =
	    metrics_gauges(m, "pool_members", "Backends by state", state_label);

	for (int s = 0; s < LINK_STATES; s++)
		pm->members[s] = metrics_gauge(members,
		    (const char *const[]){
			link_state_name((enum link_state)s), NULL });
	pm->in_flight =
	    metrics_gauge(metrics_gauges(m, "pool_calls_in_flight",
			      "Calls that backends have not answered", NULL),
		NULL);
	pm->frames_sent =
	    counter(m, "pool_frames_sent_total", "Messages to backends");
	pm->frames_received =
	    counter(m, "pool_frames_received_total", "Messages from backends");
	pm->frames_malformed = counter(m, "pool_frames_malformed_total",
	    "Messages from backends that were no frame");
	pm->connections = counter(
	    m, "pool_connections_total", "Connections made to backends");
	pm->late = counter(m, "pool_answers_late_total",
	    "Answers to calls that nobody waited for any more");
	pm->unasked = counter(m, "pool_answers_unasked_total",
	    "Answers to calls that were never made");
	pm->pings = counter(
	    m, "pool_pings_total", "Signs of life asked of silent backends");
	pm->ejections = counter(m, "pool_ejections_total",
	    "Backends taken out because they stayed silent");
	pm->redials =
	    counter(m, "pool_redials_total", "Sockets to backends made anew");
	add_frames(pm, m);
	metrics_exponential_buckets(0.0005, 2.5, 12, buckets);
	pm->durations = metrics_histograms(m, "pool_call_duration_seconds",
	    "From a call's sending to its result, by backend", call_labels,
	    buckets, 12);
	pm->labelled = 0;
}

void
pool_metrics_join(struct pool_metrics *pm, struct pool_member_metrics *mm,
    const char *address)
{
	*mm = (struct pool_member_metrics){ .label = OTHER };
	if (pm->labelled == POOL_LABELS_MAX)
		return;
	pm->labelled++;
	mm->label = address;
}

void
pool_metrics_leave(struct pool_metrics *pm, struct pool_member_metrics *mm)
{
	if (strcmp(mm->label, OTHER) == 0)
		return;
	pm->labelled--;
	for (int o = 0; o < LOOKUP_OUTCOMES; o++) {
		if (mm->durations[o] == NULL)
			continue;
		metrics_remove(pm->durations,
		    (const char *const[]){ mm->label,
			lookup_outcome_name((enum lookup_outcome)o), NULL });
	}
}

void
pool_metrics_call(struct pool_metrics *pm, struct pool_member_metrics *mm,
    enum lookup_outcome outcome, double seconds)
{
	struct metrics_histogram **h = &mm->durations[outcome];

	if (*h == NULL)
		*h = metrics_histogram(pm->durations,
		    (const char *const[]){
			mm->label, lookup_outcome_name(outcome), NULL });
	metrics_observe(*h, seconds);
}

void
pool_metrics_frame(
    struct pool_metrics *pm, bool sent, size_t items, size_t bytes)
{
	metrics_observe(pm->frame_items[sent], (double)items);
	metrics_observe(pm->frame_bytes[sent], (double)bytes);
}

void
pool_metrics_set(struct pool_metrics *pm, const struct link_stats *sum,
    const size_t states[static LINK_STATES], size_t in_flight)
{
	for (int s = 0; s < LINK_STATES; s++)
		metrics_set(pm->members[s], (double)states[s]);
	metrics_set(pm->in_flight, (double)in_flight);
	pm->frames_sent->value = sum->frames_sent;
	pm->frames_received->value = sum->frames_received;
	pm->frames_malformed->value = sum->frames_malformed;
	pm->connections->value = sum->connections;
	pm->late->value = sum->late;
	pm->unasked->value = sum->unasked;
	pm->pings->value = sum->pings;
	pm->ejections->value = sum->ejections;
	pm->redials->value = sum->redials;
}
