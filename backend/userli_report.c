#include "backend/userli_report.h"

void
userli_report_init(struct userli_report *r, struct log *log)
{
	*r = (struct userli_report){ .log = log };
}

void
userli_report_failure(struct userli_report *r, uint64_t now,
    uint64_t request_id, enum lookup_map map, struct slice key,
    const struct userli_verdict *v, unsigned http_code)
{
	uint64_t silent = r->kinds[v->failure].silent;

	if (now < r->kinds[v->failure].next) {
		r->kinds[v->failure].silent++;
		return;
	}
	r->kinds[v->failure].next = now + USERLI_REPORT_INTERVAL_MS;
	r->kinds[v->failure].silent = 0;
	log_warn(r->log, log_msg("lookup failed at userli"),
	    log_hex("request_id", request_id),
	    log_str("map", lookup_map_name(map)), log_personal("key", key),
	    log_str("outcome", lookup_outcome_name(v->outcome)),
	    log_str("failure", userli_failure_name(v->failure)),
	    log_str("reason", v->reason), log_uint("status_code", http_code),
	    log_uint("alike_not_logged", silent));
}

void
userli_report_silent(struct userli_report *r, uint64_t now)
{
	for (int i = 0; i < USERLI_FAILURES; i++) {
		if (r->kinds[i].silent == 0 || now < r->kinds[i].next)
			continue;
		log_warn(r->log, log_msg("lookups failed at userli"),
		    log_str(
			"failure", userli_failure_name((enum userli_failure)i)),
		    log_uint("alike_not_logged", r->kinds[i].silent));
		r->kinds[i].silent = 0;
	}
}
