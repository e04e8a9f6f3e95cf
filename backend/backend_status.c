#include "backend/backend_status.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define DAY 86400.0

static const struct status_item items[] = {
	{ "Calls", "in_progress", "being worked on", "",
	    { "backend_calls_in_progress", NULL }, STATUS_NOW },
	{ "Calls", "expired", "too late on arrival, in ten minutes", "",
	    { "backend_calls_expired_total", NULL }, STATUS_GROWTH },
	{ "Calls", "frontends", "frontends connected", "",
	    { "backend_frontends", NULL }, STATUS_NOW },
	{ "Requests to userli", "requests", "sent", "/s",
	    { "http_client_requests_total", NULL }, STATUS_RATE },
	{ "Requests to userli", "active", "under way", "",
	    { "http_client_active", NULL }, STATUS_NOW },
	{ "Requests to userli", "queued", "waiting for their turn", "",
	    { "http_client_queued", NULL }, STATUS_NOW },
	{ "Requests to userli", "failures", "failed in ten minutes", "",
	    { "userli_failures_total", NULL }, STATUS_GROWTH },
	{ "Requests to userli", "held", "not asked, userli being left alone",
	    "", { "userli_failures_total", "reason=\"held\"" }, STATUS_GROWTH },
	{ "Breaker", "closed", "userli is asked", "flag",
	    { "userli_breaker_state", "state=\"closed\"" }, STATUS_NOW },
	{ "Breaker", "probing", "one request decides", "flag",
	    { "userli_breaker_state", "state=\"probing\"" }, STATUS_NOW },
	{ "Breaker", "open", "userli is left alone", "flag",
	    { "userli_breaker_state", "state=\"open\"" }, STATUS_NOW },
	{ "Breaker", "opens", "times opened in ten minutes", "",
	    { "userli_breaker_opens_total", NULL }, STATUS_GROWTH },
	{ "Breaker", "token", "token in use", "",
	    { "userli_token_in_use", NULL }, STATUS_NOW },
	{ "Cache", "cache_hits", "answered from it", "/s",
	    { "cache_hits_total", NULL }, STATUS_RATE },
	{ "Cache", "cache_misses", "waited for userli", "/s",
	    { "cache_misses_total", NULL }, STATUS_RATE },
	{ "Cache", "cache_entries", "answers kept", "",
	    { "cache_entries", NULL }, STATUS_NOW },
	{ "Cache", "cache_bytes", "memory", "bytes", { "cache_bytes", NULL },
	    STATUS_NOW },
	{ "Cache", "cache_evictions", "forgotten for want of room", "",
	    { "cache_evictions_total", NULL }, STATUS_GROWTH },
	{ "Cache", "stale", "old answers told in ten minutes", "",
	    { "stale_answers_total", NULL }, STATUS_GROWTH },
	{ "Cache", "gate", "not found, the domain being unknown", "/s",
	    { "gate_answers_total", NULL }, STATUS_RATE },
	{ "Webhooks and purges", "webhooks", "webhooks in ten minutes", "",
	    { "webhooks_total", NULL }, STATUS_GROWTH },
	{ "Webhooks and purges", "purges", "purges in ten minutes", "",
	    { "purges_total", NULL }, STATUS_GROWTH },
	{ "Webhooks and purges", "peers", "peers", "", { "peers", NULL },
	    STATUS_NOW },
	{ "Certificate", "expires", "left", "s",
	    { "rpc_tls_certificate_expires_seconds", NULL }, STATUS_LEFT },
	{ "Process", "memory", "memory", "bytes",
	    { "process_resident_memory_bytes", NULL }, STATUS_NOW },
	{ "Process", "cpu", "of one processor", "share",
	    { "process_cpu_seconds_total", NULL }, STATUS_RATE },
	{ "Process", "files", "open files", "", { "process_open_fds", NULL },
	    STATUS_NOW },
};

static const struct status_rule rules[] = {
	{ .what = { "userli_failures_total", "reason=\"token\"" },
	    .is_error = true,
	    .kind = STATUS_GROWTH,
	    .text = "userli refused the API token # times in the last ten "
		    "minutes.",
	    .remedy = "Set USERLI_TOKEN to one of userli's tokens with the "
		      "scope postfix." },
	{ .what = { "userli_failures_total", "reason=\"not_json\"" },
	    .kind = STATUS_GROWTH,
	    .text = "# answers in the last ten minutes were none of userli's.",
	    .remedy = "USERLI_BASE_URL leads to something else, or a proxy "
		      "answers in its place." },
	{ .what = { "userli_breaker_state", "state=\"open\"" },
	    .is_error = true,
	    .text = "userli is left alone for now, for it keeps failing or "
		    "asked for it.",
	    .remedy = "Look at userli. What is in the cache is still told, "
		      "the rest is deferred." },
	{ .what = { "stale_answer_age_seconds", NULL },
	    .text = "Old answers are told, since userli fails or is slow: the "
		    "oldest is # s old.",
	    .remedy = "Nothing is deferred for them, but changes in userli "
		      "are not seen." },
	{ .what = { "userli_token_in_use", NULL },
	    .limit = 1,
	    .text = "Token # of USERLI_TOKEN is in use, for the first one is "
		    "refused.",
	    .remedy = "Take the refused one out, and send SIGHUP." },
	{ .what = { "cache_file_failures_total", NULL },
	    .kind = STATUS_GROWTH,
	    .text = "CACHE_FILE could not be loaded or saved, # times in ten "
		    "minutes.",
	    .remedy = "The log says why; answers are kept in memory "
		      "meanwhile." },
	{ .what = { "peer_purges_waiting", NULL },
	    .text = "# purges are not known to all peers yet.",
	    .remedy = "A peer of BACKEND_PEERS does not answer: it may tell "
		      "old answers for a while." },
	{ .what = { "backend_listener_restarts_total", NULL },
	    .kind = STATUS_GROWTH,
	    .text = "A listener hung and was opened anew # times in the last "
		    "ten minutes.",
	    .remedy = "Frontends have reconnected; watch whether it recurs." },
	{ .what = { "backend_results_dropped_total", NULL },
	    .kind = STATUS_GROWTH,
	    .text = "# answers in the last ten minutes could not be sent.",
	    .remedy = "A frontend's host is overloaded or cut off." },
	{ .what = { "backend_frames_rejected_total", NULL },
	    .kind = STATUS_GROWTH,
	    .text = "# messages in the last ten minutes were none of this "
		    "protocol.",
	    .remedy = "Something else than a frontend connects to "
		      "BACKEND_LISTEN_URL, or a frontend is too new." },
	{ .what = { "backend_frontends", NULL },
	    .is_below = true,
	    .limit = 1,
	    .text = "No frontend is connected: nobody asks this backend.",
	    .remedy = "Name it in the frontends' BACKEND_URLS; their status "
		      "pages say whether they reach it." },
	{ .what = { "config_last_reload_successful", NULL },
	    .is_below = true,
	    .limit = 1,
	    .text = "The last SIGHUP was not obeyed: the old settings, tokens "
		    "or certificates are still in use.",
	    .remedy = "The log names the file and the line." },
	{ .what = { "rpc_tls_certificate_expires_seconds", NULL },
	    .is_error = true,
	    .kind = STATUS_LEFT,
	    .is_below = true,
	    .limit = 0,
	    .text = "The certificate of RPC_TLS_CERT has expired.",
	    .remedy = "Put a new one in its place and send SIGHUP." },
	{ .what = { "rpc_tls_certificate_expires_seconds", NULL },
	    .kind = STATUS_LEFT,
	    .is_below = true,
	    .limit = 14 * DAY,
	    .text = "The certificate of RPC_TLS_CERT expires in #.",
	    .remedy = "Put a new one in its place and send SIGHUP." },
};

static void
judge(void *arg, struct status_problems *p)
{
	const struct backend_status *b = arg;
	const char *reason;

	if (worker_draining(b->worker))
		status_problem(p, false, "",
		    "Shutting down: the frontends ask other backends.");
	if (worker_paused(b->worker))
		status_problem(p, false, "userli-bridge resume backend",
		    "Drained by the administrator: the frontends ask other "
		    "backends.");
	if (!userli_ready(b->userli, &reason))
		status_problem(p, true,
		    "Frontends keep asking this backend; what it cannot answer "
		    "Postfix tries again later.",
		    "userli does not answer as it should: %s.", reason);
}

static void
write_userli(void *arg, struct jsonout *j)
{
	const struct backend_status *b = arg;
	const char *reason;
	bool ready = userli_ready(b->userli, &reason);

	jsonout_object(j, "flow");
	jsonout_number(j, "frontends",
	    metrics_sum(b->metrics,
		&(struct metrics_selector){ "backend_frontends", NULL }));
	jsonout_end_object(j);
	jsonout_object(j, "userli");
	jsonout_bool(j, "ready", ready);
	jsonout_string(j, "reason", reason);
	jsonout_end_object(j);
}

const struct status_tier backend_status_tier = {
	.name = "backend",
	.durations = "backend_call_duration_seconds",
	.all = { "backend_calls_total", NULL },
	.success = { "backend_calls_total", "outcome=\"OK\"" },
	.notfound = { "backend_calls_total", "outcome=\"NOTFOUND\"" },
	.items = items,
	.item_count = COUNT(items),
	.rules = rules,
	.rule_count = COUNT(rules),
	.judge = judge,
	.write = write_userli,
};
