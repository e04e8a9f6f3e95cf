/*
 * userli - one lookup at userli's Postfix API
 *
 * Builds the path (the key percent-encoded in full), asks through http, and
 * turns what happened into an outcome by DESIGN's verdict table: OK and
 * NOTFOUND only from a validated answer, everything uncertain TEMP or TIMEOUT
 * (userli_verdict.h).  When userli asks to be left alone (429 or 503 with
 * Retry-After), lookups are answered TEMP without a request until then.  Checks
 * in the background that userli accepts the token.  Failures are logged here,
 * at most one line a second for each kind.  Loop's thread only.
 */
#ifndef BACKEND_USERLI_H
#define BACKEND_USERLI_H

#include <uv.h>

#include "backend/http.h"
#include "common/lookup.h"
#include "common/metrics.h"

#define USERLI_CHECK_INTERVAL_MS 5000

struct userli;

/* The result's data is borrowed for the call. */
typedef void (*userli_done)(void *arg, const struct lookup_result *result);

/* Never NULL.  http, metrics and log are borrowed until it is freed. */
struct userli *userli_new(uv_loop_t *loop, struct http *http,
    struct metrics *metrics, struct log *log);

/*
 * Ask for a key that keyrules_apply() has passed.  deadline in uv_now() ms.
 * done is called exactly once, never from within.  request_id is for logs.
 * The outcome may be LOOKUP_BUSY, when too many requests wait for userli, and
 * LOOKUP_DRAINING, when http is closed.
 */
void userli_lookup(struct userli *u, enum lookup_map map, struct slice key,
    uint64_t deadline, uint64_t request_id, userli_done done, void *arg);

/*
 * Whether userli answered the last check and accepted the token; reason is a
 * sentence for /ready ("" when ready), valid until the next loop turn.  The
 * check asks for the domain "health-check.invalid" at start and every
 * USERLI_CHECK_INTERVAL_MS; lookups that succeed count as checks, and one
 * whose token userli rejects counts as a failed check.
 */
bool userli_ready(const struct userli *u, const char **reason);

/*
 * Whether userli is known to fail: a lookup now would be answered TEMP at once,
 * without a request.  It ends by itself, with the first check that succeeds: no
 * lookup is needed for that.  False says only that userli would be asked.
 */
bool userli_unwell(const struct userli *u);

/* Whether lookups wait for their turn: it has more to do than it can. */
bool userli_crowded(const struct userli *u);

/*
 * Stop the checks; free once outstanding calls have ended and the loop has
 * closed the timers.  Close http first; no lookup may follow.
 */
void userli_close(struct userli *u);

#endif
