#include "backend/userli_health.h"

#include <inttypes.h>
#include <stdio.h>

static void
on_trace(void *arg, const struct breaker *b, enum breaker_state from)
{
	struct userli_health *h = arg;

	userli_metrics_breaker(h->metrics, b, from);
	if (from == BREAKER_CLOSED)
		log_warn(h->log, log_msg("userli is left alone for now"),
		    log_str("cause", breaker_cause_name(b->cause)),
		    log_str("reason", h->last));
	else if (b->state == BREAKER_CLOSED)
		log_info(h->log, log_msg("userli is asked again"),
		    log_str("cause", breaker_cause_name(b->cause)));
	else
		log_debug(h->log, log_msg("breaker"),
		    log_str("from", breaker_state_name(from)),
		    log_str("to", breaker_state_name(b->state)),
		    log_str("cause", breaker_cause_name(b->cause)),
		    log_str("reason", h->last));
}

void
userli_health_init(struct userli_health *h, struct log *log,
    struct userli_metrics *metrics, uint32_t seed)
{
	*h = (struct userli_health){ .log = log, .metrics = metrics };
	(void)snprintf(
	    h->reason, sizeof h->reason, "userli has not answered yet");
	breaker_init(&h->breaker, seed, on_trace, h);
}

static void
set_ready(struct userli_health *h, bool ready, const char *reason)
{
	bool changed = h->ready != ready;

	h->ready = ready;
	metrics_set(h->metrics->health, ready ? 1 : 0);
	if (!ready && (changed || strcmp(h->reason, reason) != 0))
		log_warn(h->log, log_msg("userli is not ready"),
		    log_str("reason", reason));
	else if (ready && changed)
		log_info(h->log, log_msg("userli is ready"));
	(void)snprintf(h->reason, sizeof h->reason, "%s", ready ? "" : reason);
}

static enum breaker_report
report_of(const struct userli_verdict *v, bool is_check, bool tried)
{
	if (v->outcome == LOOKUP_BUSY || v->outcome == LOOKUP_DRAINING)
		return BREAKER_REPORT_NOTHING;
	if (v->pause_s > 0)
		return BREAKER_REPORT_PAUSE;
	switch (v->failure) {
	case USERLI_FAILURE_NONE:
		return BREAKER_REPORT_WELL;
	case USERLI_FAILURE_TOKEN:
		return BREAKER_REPORT_REFUSED;
	case USERLI_FAILURE_BUSY:
	case USERLI_FAILURE_STATUS:
	case USERLI_FAILURE_UNREACHABLE:
	case USERLI_FAILURE_UNRESOLVED:
	case USERLI_FAILURE_TLS:
	case USERLI_FAILURE_NOT_JSON:
		return BREAKER_REPORT_UNWELL;
	case USERLI_FAILURE_BROKEN:
	case USERLI_FAILURE_TIMEOUT:
		return tried ? BREAKER_REPORT_UNWELL : BREAKER_REPORT_NOTHING;
	case USERLI_FAILURE_BASE_URL:
	case USERLI_FAILURE_TOO_LARGE:
	case USERLI_FAILURE_WRONG_TYPE:
	case USERLI_FAILURE_BAD_ADDRESS:
		return is_check ? BREAKER_REPORT_UNWELL
				: BREAKER_REPORT_NOTHING;
	case USERLI_FAILURE_QUEUE_FULL:
	case USERLI_FAILURE_QUEUE_TIMEOUT:
	case USERLI_FAILURE_HELD:
	case USERLI_FAILURES:
		break;
	}
	return BREAKER_REPORT_NOTHING;
}

static void
learn_readiness(struct userli_health *h, const struct userli_verdict *v,
    enum breaker_report report, bool is_check)
{
	if (report == BREAKER_REPORT_WELL)
		set_ready(h, true, "");
	else if (report != BREAKER_REPORT_NOTHING &&
	    (is_check || h->breaker.state != BREAKER_CLOSED))
		set_ready(h, false, v->reason);
}

bool
userli_health_learn(struct userli_health *h, uint64_t now,
    enum userli_asker asker, const struct userli_verdict *v, bool tried)
{
	bool is_check = asker != USERLI_ASKER_LOOKUP;
	enum breaker_report report = report_of(v, is_check, tried);
	enum breaker_state state = h->breaker.state;
	uint64_t pause_ms = (uint64_t)v->pause_s * 1000;
	bool ready = h->ready;
	bool fine = h->breaker.failures == 0;

	/* What was under way when userli was left alone says nothing new. */
	if (state != BREAKER_CLOSED && asker != USERLI_ASKER_PROBE) {
		breaker_learn(&h->breaker, now, report, pause_ms);
		return false;
	}
	if (report != BREAKER_REPORT_WELL && report != BREAKER_REPORT_NOTHING)
		(void)snprintf(h->last, sizeof h->last, "%.*s",
		    (int)sizeof h->last - 1, v->reason);
	if (asker == USERLI_ASKER_PROBE)
		breaker_probed(&h->breaker, now, report, pause_ms);
	else
		breaker_learn(&h->breaker, now, report, pause_ms);
	learn_readiness(h, v, report, is_check);
	return state != h->breaker.state || ready != h->ready ||
	    (fine && h->breaker.failures > 0);
}

bool
userli_health_held(
    const struct userli_health *h, uint64_t now, struct userli_verdict *out)
{
	uint64_t left_ms = breaker_left_ms(&h->breaker, now);
	uint32_t left_s =
	    left_ms > 1000 ? (uint32_t)((left_ms + 999) / 1000) : 1;

	if (h->breaker.state == BREAKER_CLOSED)
		return false;
	*out = (struct userli_verdict){ .outcome = LOOKUP_TEMP,
		.failure = USERLI_FAILURE_HELD };
	switch (h->breaker.cause) {
	case BREAKER_ASKED:
		(void)snprintf(out->reason, sizeof out->reason,
		    "userli asked to be left alone for %" PRIu32 " s", left_s);
		break;
	case BREAKER_REFUSED:
		(void)snprintf(out->reason, sizeof out->reason, "%s", h->last);
		break;
	case BREAKER_FAILING:
	case BREAKER_CAUSES:
		(void)snprintf(out->reason, sizeof out->reason,
		    "userli is failing, next try in %" PRIu32 " s: %s", left_s,
		    h->last);
		break;
	}
	return true;
}
