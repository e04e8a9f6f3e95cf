/*
 * status - what an administrator wants to know, at / and /status.json
 *
 * Reads the metrics registry every STATUS_INTERVAL_MS into a ring of the last
 * ten minutes, and tells from it rates, latencies, a list of sections with
 * figures, and in words what is wrong.  Which figures and which words is a
 * const table of each tier: a module that counts something gets on the page by
 * one line there.  Nothing personal is in any of it, for nothing personal is
 * in metrics.
 *
 * GET / is one page, common/page/, which asks for no other thing than
 * /status.json: an object with
 *
 *   tier, name, version, revision, time, started
 *   problems    [{severity: "error" or "warning", text, remedy}]
 *   state       "failing" with an error, "degraded" with a warning, or "ok"
 *   rates       {window, success, notfound, error: a second; p50, p99: s}
 *   sections    [{title, items: [{name, label, unit, value}]}]
 *   history     {interval, success, notfound, error, p50, p99: oldest first}
 *
 * and what the tier's write() adds.  A value that is not known is null.  Loop's
 * thread only.
 */
#ifndef COMMON_STATUS_H
#define COMMON_STATUS_H

#include <uv.h>

#include "common/jsonout.h"
#include "common/metrics_read.h"
#include "common/ops.h"

#define STATUS_INTERVAL_MS 2000
#define STATUS_SAMPLES 300 /* of STATUS_INTERVAL_MS: ten minutes */
#define STATUS_RATE_SAMPLES 5
#define STATUS_MINUTE_SAMPLES 30
/* What is said of the last minute's lookups needs as many. */
#define STATUS_LOOKUPS_LEAST 20
#define STATUS_ERROR_SHARE 0.01   /* of the lookups: more is a warning */
#define STATUS_FAILING_SHARE 0.25 /* more is an error */
#define STATUS_SLOW_SECONDS 1.0   /* a p99 above it is a warning */

enum status_kind {
	STATUS_NOW,    /* the sum of the series, as it is */
	STATUS_RATE,   /* its growth, a second */
	STATUS_GROWTH, /* its growth in the ring's ten minutes */
	STATUS_SHARE,  /* the same, as a share of the whole family's */
	STATUS_LEFT,   /* seconds until this Unix time; 0 stands for none */
};

/* One figure; left out while its metric is not registered. */
struct status_item {
	const char *section; /* equal ones stand side by side */
	const char *name;    /* "cache_hits", for programs */
	const char *label;   /* for people */
	const char *unit;    /* "", "/s", "share", "s", "bytes", "flag" */
	struct metrics_selector what;
	enum status_kind kind;
};

/* A problem whenever its figure is above (or below) the limit. */
struct status_rule {
	bool is_error; /* mail is being deferred; otherwise a warning */
	struct metrics_selector what;
	enum status_kind kind;
	bool is_below;
	double limit;
	const char *text; /* # stands for the figure */
	const char *remedy;
};

struct status_problems;

struct status_tier {
	const char *name;      /* "frontend" */
	const char *durations; /* a histogram of all lookups */
	struct metrics_selector all, success, notfound; /* the rest: errors */
	const struct status_item *items;
	size_t item_count;
	const struct status_rule *rules;
	size_t rule_count;
	/* Say with status_problem() what the rules cannot. */
	void (*judge)(void *arg, struct status_problems *problems);
	/* Add members to the object. */
	void (*write)(void *arg, struct jsonout *j);
};

struct status;

/* tier, metrics and name are borrowed; never NULL. */
struct status *status_new(uv_loop_t *loop, struct metrics *metrics,
    const struct status_tier *tier, const char *name, void *arg);

/* Serve GET / and GET /status.json. */
void status_route(struct status *s, struct ops *ops);

/* remedy is what to do, or "". */
void status_problem(struct status_problems *problems, bool is_error,
    const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Write the object; false when it does not fit. */
bool status_write(struct status *s, struct buffer *out)
    __attribute__((warn_unused_result));

/* Take one sample, as the timer does. */
void status_sample(struct status *s);

/* Free once the loop has closed the timer. */
void status_close(struct status *s);

#endif
