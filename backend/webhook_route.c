#include "backend/webhook_route.h"

#include <stdlib.h>
#include <time.h>

#include "backend/webhook_seen.h"
#include "common/mem.h"

#define PATH "/webhook"
#define REPORT_S 60 /* at most one line about each refusal in so long */

_Static_assert(
    WEBHOOK_EMAIL_MAX <= PURGER_ADDRESS_MAX, "every one is repeated");
_Static_assert(
    OPS_BODY_MAX <= WEBHOOK_BODY_MAX, "larger ones do not come here");

struct webhook_route {
	struct webhook_rules rules;
	struct purger *purger;
	struct log *log;
	struct webhook_seen *seen;
	struct metrics_counter *webhooks[WEBHOOK_VERDICTS];
	int64_t report_at[WEBHOOK_VERDICTS]; /* seconds since 1970 */
};

static const struct {
	unsigned status;
	const char *text; /* the answer's status, or its error */
} answers[WEBHOOK_VERDICTS] = {
	[WEBHOOK_VALID] = { 200, "ok" },
	[WEBHOOK_IGNORED] = { 200, "ignored" },
	[WEBHOOK_TOO_LARGE] = { 413, "too large" },
	[WEBHOOK_UNSIGNED] = { 401, "not signed" },
	[WEBHOOK_FORGED] = { 401, "the signature does not fit" },
	[WEBHOOK_MALFORMED] = { 400, "no webhook of userli's" },
	[WEBHOOK_STALE] = { 401, "its time is not now" },
	[WEBHOOK_REPLAYED] = { 401, "seen before" },
};

static enum webhook_verdict
judge(struct webhook_route *route, const struct webhook_message *message,
    struct webhook *out)
{
	int64_t now = (int64_t)time(NULL);
	enum webhook_verdict verdict =
	    webhook_judge(&route->rules, message, now, out);

	if (verdict == WEBHOOK_VALID &&
	    !webhook_seen_add(route->seen, out, message->id, now,
		out->timestamp + route->rules.window_s))
		return WEBHOOK_REPLAYED;
	return verdict;
}

/* Whoever reaches the listener can be refused, as often as they like. */
static void
report(struct webhook_route *route, enum webhook_verdict verdict)
{
	int64_t now = (int64_t)time(NULL);
	int64_t *report_at = &route->report_at[verdict];

	metrics_inc(route->webhooks[verdict]);
	if (verdict == WEBHOOK_VALID || verdict == WEBHOOK_IGNORED ||
	    (now < *report_at && *report_at <= now + REPORT_S))
		return;
	*report_at = now + REPORT_S;
	log_warn(route->log, log_msg("webhook refused"),
	    log_str("reason", webhook_verdict_name(verdict)));
}

static void
on_webhook(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct webhook_route *route = arg;
	struct webhook_message message = {
		.body = request->body,
		.signature = ops_header(request, "X-Webhook-Signature"),
		.id = ops_header(request, "X-Webhook-Id"),
	};
	struct webhook webhook;
	enum webhook_verdict verdict = judge(route, &message, &webhook);

	report(route, verdict);
	if (verdict == WEBHOOK_VALID)
		purger_address(route->purger, slice_of(webhook.email));
	reply->status = answers[verdict].status;
	if (reply->status == 200)
		ops_reply_status(reply, answers[verdict].text, NULL);
	else
		ops_reply_status(reply, "refused", answers[verdict].text);
}

static void
on_oversized(void *arg)
{
	report(arg, WEBHOOK_TOO_LARGE);
}

struct webhook_route *
webhook_route_new(struct ops *ops, const struct webhook_route_options *options)
{
	static const char *const label[] = { "result", NULL };
	struct webhook_route *route = mem_calloc(1, sizeof *route);
	struct metrics_family *webhooks = metrics_counters(options->metrics,
	    "webhooks_total", "Webhooks that came to this backend", label);

	route->rules = (struct webhook_rules){ .secret = options->secret,
		.window_s = (int64_t)(options->window_ms / 1000) };
	route->purger = options->purger;
	route->log = options->log;
	route->seen = webhook_seen_new(WEBHOOK_SEEN_MAX);
	for (int i = 0; i < WEBHOOK_VERDICTS; i++)
		route->webhooks[i] = metrics_counter(webhooks,
		    (const char *const[]){
			webhook_verdict_name((enum webhook_verdict)i), NULL });
	if (options->secret.len > 0) {
		ops_route(ops, "POST", PATH, on_webhook, route);
		ops_on_oversized(ops, "POST", PATH, on_oversized);
	}
	return route;
}

void
webhook_route_free(struct webhook_route *route)
{
	if (route == NULL)
		return;
	webhook_seen_free(route->seen);
	free(route);
}
