/*
 * pool_metrics - what the pool tells Prometheus
 *
 * Members are labelled by address, POOL_LABELS_MAX of them at a time; the rest
 * share the label "other".  Loop's thread only.
 */
#ifndef FRONTEND_POOL_METRICS_H
#define FRONTEND_POOL_METRICS_H

#include "common/metrics.h"
#include "frontend/link.h"

struct pool_metrics {
	struct metrics_gauge *members[LINK_STATES];
	struct metrics_gauge *in_flight;
	struct metrics_counter *frames_sent;
	struct metrics_counter *frames_received;
	struct metrics_counter *frames_malformed;
	struct metrics_counter *connections;
	struct metrics_counter *late;
	struct metrics_counter *unasked;
	struct metrics_counter *pings;
	struct metrics_counter *ejections;
	struct metrics_counter *redials;
	struct metrics_histogram *frame_bytes[2]; /* received, sent */
	struct metrics_histogram *frame_items[2];
	struct metrics_family *durations;
	size_t labelled;
};

/* The series of one member's calls, by outcome, made on first use. */
struct pool_member_metrics {
	const char *label; /* its address, or "other" */
	struct metrics_histogram *durations[LOOKUP_OUTCOMES];
};

void pool_metrics_init(struct pool_metrics *pm, struct metrics *m);

/* address must live until pool_metrics_leave(). */
void pool_metrics_join(struct pool_metrics *pm, struct pool_member_metrics *mm,
    const char *address);
void pool_metrics_leave(
    struct pool_metrics *pm, struct pool_member_metrics *mm);

void pool_metrics_call(struct pool_metrics *pm, struct pool_member_metrics *mm,
    enum lookup_outcome outcome, double seconds);
void pool_metrics_frame(
    struct pool_metrics *pm, bool sent, size_t items, size_t bytes);

/* Before an exposition: the sum of all links, and how many are in a state. */
void pool_metrics_set(struct pool_metrics *pm, const struct link_stats *sum,
    const size_t states[static LINK_STATES], size_t in_flight);

#endif
