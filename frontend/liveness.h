/*
 * liveness - does the other end still answer?
 *
 * Pure: times in, verdicts out.  Silence counts only while something is
 * awaited.  A link that has been silent for ping_after is asked for a sign of
 * life; one that stays silent until eject_after is dead for all purposes.  A
 * backend that answers the ping is alive and merely waits for userli.
 *
 * Times are ms of a monotonic clock.
 */
#ifndef FRONTEND_LIVENESS_H
#define FRONTEND_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A judgement that comes this much later than it was due says that this
 * process was stopped itself, and what has arrived meanwhile not yet read:
 * the silence starts anew.
 */
#define LIVENESS_OWN_STALL_MS 100

struct liveness {
	uint64_t ping_after_ms;  /* of silence */
	uint64_t eject_after_ms; /* of silence; more than ping_after_ms */
	uint64_t silent_since;
	uint64_t due; /* when liveness_judge() is to be called */
	bool awaiting;
	bool pinged; /* since something was last heard */
};

enum liveness_verdict {
	LIVENESS_FINE,  /* call again at due, if awaiting */
	LIVENESS_PING,  /* send a ping, call again at due */
	LIVENESS_WAIT,  /* pinged and not yet over, call again at due */
	LIVENESS_EJECT, /* silent for too long; call again at due if it stays */
};

void liveness_init(
    struct liveness *l, uint64_t ping_after_ms, uint64_t eject_after_ms);

/* Something is awaited from now on, or nothing any more.  True when the
 * judgement is to be scheduled (due has been set). */
bool liveness_await(struct liveness *l, uint64_t now);
void liveness_rest(struct liveness *l);

/* Something was heard. */
void liveness_heard(struct liveness *l, uint64_t now);

enum liveness_verdict liveness_judge(struct liveness *l, uint64_t now);

#endif
