#include "frontend/link_report.h"

void
link_report_malformed(struct log *log, struct complaint *complaint,
    uint64_t now_ms, const char *url)
{
	if (!complaint_due(complaint, now_ms))
		return;
	log_warn(log, log_msg("backend sent no frame"), log_str("url", url),
	    log_uint("frames", complaint->count));
	complaint->count = 0;
}
