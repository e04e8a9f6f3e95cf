#include "frontend/liveness.h"

void
liveness_init(
    struct liveness *l, uint64_t ping_after_ms, uint64_t eject_after_ms)
{
	*l = (struct liveness){ .ping_after_ms = ping_after_ms,
		.eject_after_ms = eject_after_ms };
}

bool
liveness_await(struct liveness *l, uint64_t now)
{
	if (l->awaiting)
		return false;
	l->awaiting = true;
	l->pinged = false;
	l->silent_since = now;
	l->due = now + l->ping_after_ms;
	return true;
}

void
liveness_rest(struct liveness *l)
{
	l->awaiting = false;
}

void
liveness_heard(struct liveness *l, uint64_t now)
{
	l->silent_since = now;
	l->pinged = false;
}

enum liveness_verdict
liveness_judge(struct liveness *l, uint64_t now)
{
	uint64_t silent_ms;

	if (!l->awaiting)
		return LIVENESS_FINE;
	if (now > l->due + LIVENESS_OWN_STALL_MS)
		l->silent_since = now;
	silent_ms = now - l->silent_since;
	if (silent_ms < l->ping_after_ms) {
		l->due = l->silent_since + l->ping_after_ms;
		return LIVENESS_FINE;
	}
	if (silent_ms >= l->eject_after_ms) {
		l->due = now + l->ping_after_ms;
		return LIVENESS_EJECT;
	}
	l->due = l->silent_since + l->eject_after_ms;
	if (l->pinged)
		return LIVENESS_WAIT;
	l->pinged = true;
	return LIVENESS_PING;
}
