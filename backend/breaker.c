#include "backend/breaker.h"

#include <stddef.h>

static const struct {
	uint64_t min_ms, max_ms;
} holds[BREAKER_CAUSES] = {
	[BREAKER_FAILING] = { BREAKER_FAILING_MIN_MS, BREAKER_FAILING_MAX_MS },
	[BREAKER_REFUSED] = { BREAKER_REFUSED_MIN_MS, BREAKER_REFUSED_MAX_MS },
};

static const char *const state_names[BREAKER_STATES] = {
	[BREAKER_CLOSED] = "closed",
	[BREAKER_OPEN] = "open",
	[BREAKER_PROBING] = "probing",
};

static const char *const cause_names[BREAKER_CAUSES] = {
	[BREAKER_FAILING] = "failing",
	[BREAKER_ASKED] = "asked",
	[BREAKER_REFUSED] = "refused",
};

static void
set_state(struct breaker *b, enum breaker_state state)
{
	enum breaker_state from = b->state;

	b->state = state;
	if (b->trace != NULL && from != state)
		b->trace(b->arg, b, from);
}

/* xorshift32: only so that holds differ. */
static uint32_t
draw(struct breaker *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 17;
	b->random ^= b->random << 5;
	return b->random;
}

static void
open_until(struct breaker *b, enum breaker_cause cause, uint64_t until)
{
	b->cause = cause;
	b->until = until;
	b->failures = 0;
	set_state(b, BREAKER_OPEN);
}

/* For twice as long as the last time, if that was for the same cause. */
static void
open_longer(struct breaker *b, uint64_t now, enum breaker_cause cause)
{
	uint64_t since = b->state == BREAKER_PROBING ? b->probed_at : now;
	uint64_t hold_ms = b->cause == cause ? b->hold_ms * 2 : 0;
	uint64_t until;

	if (hold_ms < holds[cause].min_ms)
		hold_ms = holds[cause].min_ms;
	if (hold_ms > holds[cause].max_ms)
		hold_ms = holds[cause].max_ms;
	b->hold_ms = hold_ms;
	until = since + hold_ms - draw(b) % (hold_ms / 4 + 1);
	if (since < now && until < now + BREAKER_FAILING_MIN_MS)
		until = now + BREAKER_FAILING_MIN_MS;
	open_until(b, cause, until);
}

static void
open_as_asked(struct breaker *b, uint64_t now, uint64_t pause_ms)
{
	b->hold_ms = 0;
	open_until(b, BREAKER_ASKED, now + pause_ms);
}

void
breaker_init(struct breaker *b, uint32_t seed, breaker_trace trace, void *arg)
{
	*b = (struct breaker){
		.random = seed != 0 ? seed : 1, /* 0 would stay 0 */
		.trace = trace,
		.arg = arg,
	};
}

static void
learn_closed(struct breaker *b, uint64_t now, enum breaker_report report,
    uint64_t pause_ms)
{
	switch (report) {
	case BREAKER_REPORT_WELL:
		b->failures = 0;
		return;
	case BREAKER_REPORT_UNWELL:
		if (++b->failures < BREAKER_FAILURES)
			return;
		if (now >= b->closed_at + BREAKER_STABLE_MS)
			b->hold_ms = 0;
		open_longer(b, now, BREAKER_FAILING);
		return;
	case BREAKER_REPORT_REFUSED:
		b->hold_ms = 0;
		open_until(b, BREAKER_REFUSED, now);
		return;
	case BREAKER_REPORT_PAUSE:
		open_as_asked(b, now, pause_ms);
		return;
	case BREAKER_REPORT_NOTHING:
		return;
	}
}

void
breaker_learn(struct breaker *b, uint64_t now, enum breaker_report report,
    uint64_t pause_ms)
{
	if (b->state == BREAKER_CLOSED)
		learn_closed(b, now, report, pause_ms);
	else if (b->state == BREAKER_OPEN && report == BREAKER_REPORT_PAUSE &&
	    now + pause_ms > b->until)
		open_as_asked(b, now, pause_ms);
}

bool
breaker_probe(struct breaker *b, uint64_t now)
{
	if (b->state != BREAKER_OPEN || now < b->until)
		return false;
	b->probed_at = now;
	set_state(b, BREAKER_PROBING);
	return true;
}

void
breaker_probed(struct breaker *b, uint64_t now, enum breaker_report report,
    uint64_t pause_ms)
{
	if (b->state != BREAKER_PROBING)
		return;
	switch (report) {
	case BREAKER_REPORT_WELL:
		b->closed_at = now;
		set_state(b, BREAKER_CLOSED);
		return;
	case BREAKER_REPORT_UNWELL:
		open_longer(b, now, BREAKER_FAILING);
		return;
	case BREAKER_REPORT_REFUSED:
		open_longer(b, now, BREAKER_REFUSED);
		return;
	case BREAKER_REPORT_PAUSE:
		open_as_asked(b, now, pause_ms);
		return;
	case BREAKER_REPORT_NOTHING:
		open_until(b, b->cause, now + BREAKER_FAILING_MIN_MS);
		return;
	}
}

void
breaker_hurry(struct breaker *b, uint64_t now)
{
	if (b->state != BREAKER_OPEN || b->cause == BREAKER_ASKED)
		return;
	b->hold_ms = 0;
	b->until = now;
}

uint64_t
breaker_left_ms(const struct breaker *b, uint64_t now)
{
	return b->state == BREAKER_OPEN && b->until > now ? b->until - now : 0;
}

const char *
breaker_state_name(enum breaker_state state)
{
	return state_names[state];
}

const char *
breaker_cause_name(enum breaker_cause cause)
{
	return cause_names[cause];
}
