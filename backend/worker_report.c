#include "backend/worker_report.h"

#include "common/probe.h"

/*
 * flight is what nobody spent on this request to userli: all of it for who
 * joined one under way, as shared_request_id then tells.
 */
static void
report_slow(struct log *log, uint64_t request_id, enum lookup_map map,
    const struct lookup_result *result, double seconds, uint64_t untold)
{
	static const struct lookup_timing none;
	const struct lookup_timing *t =
	    result->timing != NULL ? result->timing : &none;
	double spent = t->queue + t->connect + t->first_byte + t->body;

	log_warn(log, log_msg("slow lookup"), log_hex("request_id", request_id),
	    log_str("map", lookup_map_name(map)),
	    log_str("outcome", lookup_outcome_name(result->outcome)),
	    log_str("source", lookup_source_name(result->source)),
	    log_double("seconds", seconds),
	    log_double("flight", seconds > spent ? seconds - spent : 0),
	    log_double("queue", t->queue), log_double("connect", t->connect),
	    log_double("first_byte", t->first_byte),
	    log_double("body", t->body),
	    log_hex("shared_request_id",
		t->request_id != request_id ? t->request_id : 0),
	    log_uint("alike_not_logged", untold));
}

void
worker_report_lookup(struct log *log, struct slow *slow, uint64_t now_ms,
    uint64_t request_id, enum lookup_map map,
    const struct lookup_result *result, double seconds)
{
	uint64_t untold;

	PROBE3(call_done, request_id, result->outcome, result->source);
	log_debug(log, log_msg("lookup"), log_hex("request_id", request_id),
	    log_str("map", lookup_map_name(map)),
	    log_str("outcome", lookup_outcome_name(result->outcome)),
	    log_str("source", lookup_source_name(result->source)),
	    log_uint("age_ms", result->age_ms), log_double("seconds", seconds));
	if (slow != NULL && slow_tell(slow, seconds, now_ms, &untold))
		report_slow(log, request_id, map, result, seconds, untold);
}
