#include "backend/trace.h"

#include <inttypes.h>
#include <stdio.h>

/* splitmix64: neighbours become strangers. */
static uint64_t
mix(uint64_t n)
{
	n += 0x9e3779b97f4a7c15;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
	n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
	return n ^ (n >> 31);
}

void
trace_write(uint64_t origin, uint64_t request_id, uint64_t span,
    char id_line[static TRACE_ID_LINE],
    char parent_line[static TRACE_PARENT_LINE])
{
	uint64_t parent = mix(origin ^ mix(request_id ^ mix(span)));

	(void)snprintf(
	    id_line, TRACE_ID_LINE, "X-Request-Id: %016" PRIx64, request_id);
	/* An id of zeros is invalid. */
	(void)snprintf(parent_line, TRACE_PARENT_LINE,
	    "traceparent: 00-%016" PRIx64 "%016" PRIx64 "-%016" PRIx64 "-00",
	    origin, request_id, parent != 0 ? parent : 1);
}
