#include "backend/userli_metrics.h"

#define BUCKETS 10
#define QUEUE_BUCKETS 14 /* 1 ms to 8 s */

static const struct {
	unsigned code;
	const char *name;
} codes[] = {
	{ 200, "200" },
	{ 204, "204" },
	{ 301, "301" },
	{ 302, "302" },
	{ 307, "307" },
	{ 308, "308" },
	{ 400, "400" },
	{ 401, "401" },
	{ 403, "403" },
	{ 404, "404" },
	{ 405, "405" },
	{ 408, "408" },
	{ 413, "413" },
	{ 414, "414" },
	{ 429, "429" },
	{ 500, "500" },
	{ 502, "502" },
	{ 503, "503" },
	{ 504, "504" },
	{ 0, "other" },
	{ 0, "error" },
};
#define CODES (sizeof codes / sizeof codes[0])
#define CODE_OTHER (CODES - 2)
#define CODE_ERROR (CODES - 1)

_Static_assert(CODES == USERLI_METRICS_CODES, "one series for each code");

static size_t
code_index(const struct http_response *r)
{
	if (r->status != HTTP_DONE)
		return CODE_ERROR;
	for (size_t i = 0; i < CODE_OTHER; i++) {
		if (codes[i].code == r->code)
			return i;
	}
	return CODE_OTHER;
}

static void
init_breaker(struct userli_metrics *u, struct metrics *m)
{
	static const char *const state[] = { "state", NULL };
	static const char *const cause[] = { "cause", NULL };
	struct metrics_family *states = metrics_gauges(m,
	    "userli_breaker_state",
	    "1 for the state: closed (userli is asked), open (it is not) or "
	    "probing (one request decides)",
	    state);
	struct metrics_family *opens = metrics_counters(m,
	    "userli_breaker_opens_total",
	    "How often userli was left alone from then on, by cause", cause);

	for (int i = 0; i < BREAKER_STATES; i++)
		u->state[i] = metrics_gauge(states,
		    (const char *const[]){
			breaker_state_name((enum breaker_state)i), NULL });
	for (int i = 0; i < BREAKER_CAUSES; i++)
		u->opens[i] = metrics_counter(opens,
		    (const char *const[]){
			breaker_cause_name((enum breaker_cause)i), NULL });
	metrics_set(u->state[BREAKER_CLOSED], 1);
}

static void
init_requests(struct userli_metrics *u, struct metrics *m)
{
	u->active = metrics_gauge(
	    metrics_gauges(m, "http_client_active",
		"HTTP requests to userli that are under way", NULL),
	    NULL);
	u->queued = metrics_gauge(
	    metrics_gauges(m, "http_client_queued",
		"HTTP requests to userli that wait for their turn", NULL),
	    NULL);
	u->retries = metrics_counter(
	    metrics_counters(m, "http_client_retries_total",
		"Requests sent again since a kept connection had died", NULL),
	    NULL);
	u->token = metrics_gauge(
	    metrics_gauges(m, "userli_token_in_use",
		"Which token of USERLI_TOKEN is used: 1 or 2", NULL),
	    NULL);
	u->switches = metrics_counter(
	    metrics_counters(m, "userli_token_switches_total",
		"How often the other token was taken, one being refused", NULL),
	    NULL);
	metrics_set(u->token, 1);
}

void
userli_metrics_init(struct userli_metrics *u, struct metrics *m)
{
	static const char *const labels[] = { "endpoint", "status_code", NULL };
	static const char *const reason[] = { "reason", NULL };
	struct metrics_family *failures;
	double buckets[BUCKETS];
	double waits[QUEUE_BUCKETS];

	*u = (struct userli_metrics){ 0 };
	metrics_exponential_buckets(0.01, 2, BUCKETS, buckets);
	u->durations = metrics_histograms(m, "http_client_duration_seconds",
	    "Duration of HTTP requests to Userli API", labels, buckets,
	    BUCKETS);
	metrics_exponential_buckets(0.001, 2, QUEUE_BUCKETS, waits);
	u->waited = metrics_histogram(
	    metrics_histograms(m, "http_client_queue_seconds",
		"From a lookup's request to its turn at userli, or to where "
		"that was given up",
		NULL, waits, QUEUE_BUCKETS),
	    NULL);
	u->requests = metrics_counters(m, "http_client_requests_total",
	    "Total number of HTTP requests to Userli API", labels);
	failures = metrics_counters(m, "userli_failures_total",
	    "Lookups and health checks that userli did not answer, by reason",
	    reason);
	for (int i = USERLI_FAILURE_NONE + 1; i < USERLI_FAILURES; i++)
		u->failure[i] = metrics_counter(failures,
		    (const char *const[]){
			userli_failure_name((enum userli_failure)i), NULL });
	u->health = metrics_gauge(
	    metrics_gauges(m, "health_check_status",
		"Health check status (1 = healthy, 0 = unhealthy)", NULL),
	    NULL);
	init_requests(u, m);
	init_breaker(u, m);
}

void
userli_metrics_response(struct userli_metrics *u, enum lookup_map map,
    const struct http_response *response)
{
	size_t i = code_index(response);
	const char *const values[] = { lookup_map_name(map), codes[i].name,
		NULL };

	if (response->sent || response->status == HTTP_QUEUE_TIMEOUT)
		metrics_observe(u->waited, response->waited_seconds);
	if (!response->sent || map >= LOOKUP_MAPS)
		return;
	if (u->request[map][i] == NULL) {
		u->request[map][i] = metrics_counter(u->requests, values);
		u->duration[map][i] = metrics_histogram(u->durations, values);
	}
	metrics_inc(u->request[map][i]);
	metrics_observe(u->duration[map][i], response->seconds);
	if (response->retried)
		metrics_inc(u->retries);
}

void
userli_metrics_breaker(struct userli_metrics *u, const struct breaker *breaker,
    enum breaker_state from)
{
	metrics_set(u->state[from], 0);
	metrics_set(u->state[breaker->state], 1);
	if (from == BREAKER_CLOSED)
		metrics_inc(u->opens[breaker->cause]);
}
