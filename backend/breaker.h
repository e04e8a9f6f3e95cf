/*
 * breaker - whether to ask an upstream that fails
 *
 * Pure: times and reports in, a state out.
 *
 *   closed   everyone may ask
 *   open     nobody may; until says for how long
 *   probing  one request is under way, and decides; nobody else may ask
 *
 * It opens for three causes, each with a hold of its own:
 *
 *   failing  BREAKER_FAILURES in a row: short holds, doubling to a few
 *            seconds, since a probe costs little and mail waits
 *   asked    the upstream asked to be left alone: exactly for so long
 *   refused  it refuses who we are: the first probe comes at once and tells
 *            whether that holds for all requests; then slowly doubling holds,
 *            since only a person can help
 *
 * Of the first and the last up to a quarter is taken off at random, so that
 * several of us do not probe at the same time; and they count from when a probe
 * was sent, so that one that ran into its timeout is soon followed by the next.
 * What was asked before it opened and is answered after that changes nothing,
 * but for a longer hold asked for.
 *
 * Times are ms of a monotonic clock.
 */
#ifndef BACKEND_BREAKER_H
#define BACKEND_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES 5
#define BREAKER_FAILING_MIN_MS 500
#define BREAKER_FAILING_MAX_MS 3000
#define BREAKER_REFUSED_MIN_MS 2000
#define BREAKER_REFUSED_MAX_MS 30000
/* Failing again sooner than this after it closed, it goes on doubling. */
#define BREAKER_STABLE_MS 10000

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,
	BREAKER_PROBING,
	BREAKER_STATES,
};

enum breaker_cause {
	BREAKER_FAILING,
	BREAKER_ASKED,
	BREAKER_REFUSED,
	BREAKER_CAUSES,
};

/* What one request has shown. */
enum breaker_report {
	BREAKER_REPORT_WELL,
	BREAKER_REPORT_UNWELL,
	BREAKER_REPORT_REFUSED,
	BREAKER_REPORT_PAUSE,   /* leave it alone for pause_ms */
	BREAKER_REPORT_NOTHING, /* about the upstream as a whole */
};

/* Told of each change of state, after it. */
struct breaker;
typedef void (*breaker_trace)(
    void *arg, const struct breaker *breaker, enum breaker_state from);

struct breaker {
	enum breaker_state state;
	enum breaker_cause cause; /* of the last opening */
	uint64_t until;           /* while open: no probe before */
	unsigned failures;        /* in a row, while closed */
	uint64_t hold_ms;         /* the last one, without what was taken off */
	uint64_t closed_at;
	uint64_t probed_at; /* while probing */
	uint32_t random;
	breaker_trace trace;
	void *arg;
};

/* Closed.  seed makes breakers differ; trace may be NULL. */
void breaker_init(
    struct breaker *b, uint32_t seed, breaker_trace trace, void *arg);

/* A request that was let through while closed has ended. */
void breaker_learn(struct breaker *b, uint64_t now, enum breaker_report report,
    uint64_t pause_ms);

/*
 * True when a probe is due: it is then probing, and the caller must send one
 * and report it with breaker_probed().
 */
bool breaker_probe(struct breaker *b, uint64_t now)
    __attribute__((warn_unused_result));

/* The probe has ended.  One that shows nothing is repeated after a hold. */
void breaker_probed(struct breaker *b, uint64_t now, enum breaker_report report,
    uint64_t pause_ms);

/* What made it open may have been mended: let the probe be due now, but for a
 * hold that was asked for. */
void breaker_hurry(struct breaker *b, uint64_t now);

/* Until the next probe is due; 0 when it is, or when not open. */
uint64_t breaker_left_ms(const struct breaker *b, uint64_t now);

/* "closed", "open", "probing"; "failing", "asked", "refused". */
const char *breaker_state_name(enum breaker_state state);
const char *breaker_cause_name(enum breaker_cause cause);

#endif
