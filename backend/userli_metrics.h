/*
 * userli_metrics - what userli's answers add to /metrics
 *
 *   http_client_duration_seconds{endpoint,status_code}   as the adapter's
 *   http_client_requests_total{endpoint,status_code}     as the adapter's
 *   health_check_status                                  as the adapter's
 *   userli_failures_total{reason}
 *   http_client_queue_seconds
 *   http_client_active, http_client_queued
 *   http_client_retries_total
 *   userli_breaker_state{state}, userli_breaker_opens_total{cause}
 *   userli_token_in_use, userli_token_switches_total
 *
 * Every label value is of a fixed set; a series of the first two is made when
 * it first has something to say.  Loop's thread only.
 */
#ifndef BACKEND_USERLI_METRICS_H
#define BACKEND_USERLI_METRICS_H

#include "backend/breaker.h"
#include "backend/userli_verdict.h"
#include "common/metrics.h"

/* The known codes, "other", and "error" for no response. */
#define USERLI_METRICS_CODES 21

struct userli_metrics {
	struct metrics_family *durations;
	struct metrics_family *requests;
	struct metrics_histogram *duration[LOOKUP_MAPS][USERLI_METRICS_CODES];
	struct metrics_counter *request[LOOKUP_MAPS][USERLI_METRICS_CODES];
	struct metrics_counter *failure[USERLI_FAILURES];
	struct metrics_gauge *health;
	struct metrics_gauge *active;
	struct metrics_gauge *queued;
	struct metrics_histogram *waited;
	struct metrics_counter *retries;
	struct metrics_gauge *state[BREAKER_STATES]; /* 1 for the one it is */
	struct metrics_counter *opens[BREAKER_CAUSES];
	struct metrics_gauge *token; /* 1 or 2 */
	struct metrics_counter *switches;
};

void userli_metrics_init(struct userli_metrics *u, struct metrics *m);

/* A transfer has ended; nothing for a request that was never sent. */
void userli_metrics_response(struct userli_metrics *u, enum lookup_map map,
    const struct http_response *response);

/* The breaker's state was from, and has changed. */
void userli_metrics_breaker(struct userli_metrics *u,
    const struct breaker *breaker, enum breaker_state from);

#endif
