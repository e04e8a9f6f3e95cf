/*
 * trace - what a request to userli says of where it comes from
 *
 *   X-Request-Id: 0123456789abcdef                  as both tiers log it
 *   traceparent: 00-<trace id>-<parent id>-00       W3C Trace Context, level 1
 *
 * The right half of the trace id is the request id; its left half is drawn at
 * the start of the process, as the standard wants a short id filled up.  No
 * part says anything of a person.  Pure.
 */
#ifndef BACKEND_TRACE_H
#define BACKEND_TRACE_H

#include <stdint.h>

#define TRACE_ID_LINE 32     /* bytes of the first header's line, with NUL */
#define TRACE_PARENT_LINE 72 /* of the second one's */

/* request_id is not 0; span is any number, another one each time. */
void trace_write(uint64_t origin, uint64_t request_id, uint64_t span,
    char id_line[static TRACE_ID_LINE],
    char parent_line[static TRACE_PARENT_LINE]);

#endif
