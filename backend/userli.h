/*
 * userli - one lookup at userli's Postfix API
 *
 * Builds the path (the key percent-encoded in full), asks through http, and
 * turns what happened into an outcome by DESIGN's verdict table: OK and
 * NOTFOUND only from a validated answer, everything uncertain TEMP or TIMEOUT
 * (userli_verdict.h).
 *
 * When userli fails again and again, refuses the token or asks to be left alone
 * (429 or 503 with Retry-After), lookups are answered TEMP without a request
 * (breaker.h, userli_health.h).  Whether that is over, a check in the
 * background finds out, never a lookup, whose key might be what userli cannot
 * bear.
 *
 * A lookup whose token is refused is asked once more with the other token, if
 * there is one, or with the one that has been set meanwhile.
 *
 * Failures are logged here, at most one line a second for each kind.  Loop's
 * thread only.
 */
#ifndef BACKEND_USERLI_H
#define BACKEND_USERLI_H

#include <uv.h>

#include "backend/http.h"
#include "common/lookup.h"
#include "common/metrics.h"

#define USERLI_CHECK_INTERVAL_MS 5000
/* While userli may be asked, but is not ready or has failed the last time. */
#define USERLI_RECHECK_INTERVAL_MS 1000

struct userli;

/* The result's data is borrowed for the call. */
typedef void (*userli_done)(void *arg, const struct lookup_result *result);

/* Never NULL, without any token.  http, metrics and log are borrowed until it
 * is freed. */
struct userli *userli_new(uv_loop_t *loop, struct http *http,
    struct metrics *metrics, struct log *log);

/*
 * Send the tokens in text from now on, as tokens.h has them, the first of two
 * first.  False with the reason, and nothing changed, when it cannot be.
 */
bool userli_set_tokens(struct userli *u, const char *text, struct error *error)
    __attribute__((warn_unused_result));

/*
 * Somebody may have mended what was wrong: check now, but for a time that
 * userli itself has asked for.
 */
void userli_hurry(struct userli *u);

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
 * check asks for the domain "health-check.invalid" at start, every
 * USERLI_CHECK_INTERVAL_MS, and more often while userli is not ready; lookups
 * that succeed count as checks, and one whose token userli rejects, or with
 * which userli is left alone from then on, counts as a failed check.
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
