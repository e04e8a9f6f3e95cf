/*
 * userli_verdict - what an HTTP response means for a lookup
 *
 * Pure.  OK and NOTFOUND come from a 200 with a valid body only; all else is
 * TEMP, TIMEOUT or, for a value that no reply can carry, PERM.  A full queue
 * or a long wait in it is BUSY and a shutdown DRAINING: the frontend tries
 * another backend.
 *
 *   200 and a valid body                     OK or NOTFOUND
 *   200 and anything else, another 2xx       TEMP
 *   401, 403                                 TEMP, the token is at fault
 *   3xx, 404, another 4xx                    TEMP, the base URL is at fault
 *   429, 503                                 TEMP, and a pause if asked for
 *   another 5xx, no or a broken response     TEMP
 *   no response in time                      TIMEOUT
 *   a value over LOOKUP_REPLY_MAX            PERM
 */
#ifndef BACKEND_USERLI_VERDICT_H
#define BACKEND_USERLI_VERDICT_H

#include "backend/http.h"
#include "common/buffer.h"
#include "common/lookup.h"

#define USERLI_REASON_MAX 224
#define USERLI_PAUSE_MAX_S 300 /* Retry-After beyond this is not believed */
/* The largest value: a reply is "OK " and the value. */
#define USERLI_VALUE_MAX (LOOKUP_REPLY_MAX - 3)

/* What went wrong, for metrics and logs. */
enum userli_failure {
	USERLI_FAILURE_NONE,
	USERLI_FAILURE_TOKEN,
	USERLI_FAILURE_BASE_URL,
	USERLI_FAILURE_BUSY,
	USERLI_FAILURE_STATUS,
	USERLI_FAILURE_UNREACHABLE,
	USERLI_FAILURE_TLS,
	USERLI_FAILURE_BROKEN,
	USERLI_FAILURE_TOO_LARGE,
	USERLI_FAILURE_NOT_JSON,
	USERLI_FAILURE_WRONG_TYPE,
	USERLI_FAILURE_BAD_ADDRESS,
	USERLI_FAILURE_TIMEOUT,
	USERLI_FAILURE_QUEUE_FULL,
	USERLI_FAILURE_QUEUE_TIMEOUT,
	USERLI_FAILURE_UNRESOLVED,
	USERLI_FAILURE_HELD, /* not asked, since it is known to fail */
	USERLI_FAILURES,
};

struct userli_verdict {
	enum lookup_outcome outcome;
	enum userli_failure failure;
	uint32_t pause_s; /* leave userli alone for so long; 0 = do not */
	/* A sentence without any address; "" for OK and NOTFOUND. */
	char reason[USERLI_REASON_MAX];
};

/* On OK the value is appended to *value, whose max is USERLI_VALUE_MAX. */
void userli_verdict(enum lookup_map map, const struct http_response *response,
    struct buffer *value, struct userli_verdict *out);

/* "token", "base_url", …: the values of the label `reason`. */
const char *userli_failure_name(enum userli_failure failure);

#endif
