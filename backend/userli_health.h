/*
 * userli_health - whether userli is well, and what is said about it
 *
 * Learns from every request that has ended: whether userli may be asked (the
 * breaker), whether /ready is 200, and tells both to log and metrics, one line
 * for each change.  Times are uv_now() ms.  Loop's thread only.
 *
 * What says that userli as a whole is unwell: no or a broken response, none in
 * time, TLS, an unknown host, 5xx, 429, something that is not JSON.  What may
 * be about one key says nothing: another 4xx, an answer that is too large, of
 * the wrong type or with a bad address; unless it is the answer to a check,
 * whose key is harmless.
 */
#ifndef BACKEND_USERLI_HEALTH_H
#define BACKEND_USERLI_HEALTH_H

#include "backend/breaker.h"
#include "backend/userli_metrics.h"
#include "backend/userli_verdict.h"
#include "common/log.h"

/* A response that did not come counts when it was waited for so long, or for
 * half of the limit if that is less. */
#define USERLI_HEALTH_PATIENCE_MS 1000

/* And it does not count when it is told so long after its time was up. */
#define USERLI_HEALTH_LATE_MS 250

/* Who has asked. */
enum userli_asker {
	USERLI_ASKER_LOOKUP,
	USERLI_ASKER_CHECK,
	USERLI_ASKER_PROBE, /* a check that userli_health_probe() has let */
};

struct userli_health {
	struct log *log;                /* borrowed */
	struct userli_metrics *metrics; /* borrowed */
	struct breaker breaker;
	bool ready;
	char reason[USERLI_REASON_MAX];    /* why it is not ready */
	char last[USERLI_REASON_MAX - 64]; /* why userli is unwell */
};

/* Not ready, but may be asked.  h must not move: the breaker points to it. */
void userli_health_init(struct userli_health *h, struct log *log,
    struct userli_metrics *metrics, uint32_t seed);

/*
 * A request has ended with v.  tried is false when it was not sent, or for so
 * short a time that no answer says nothing.  True when the next check may be
 * due at another time: the breaker's state or readiness has changed, or userli
 * has begun to fail.
 */
bool userli_health_learn(struct userli_health *h, uint64_t now,
    enum userli_asker asker, const struct userli_verdict *v, bool tried);

/* False when userli may be asked now; otherwise *out is what to answer. */
bool userli_health_held(
    const struct userli_health *h, uint64_t now, struct userli_verdict *out);

#endif
