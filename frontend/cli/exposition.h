/*
 * exposition - Prometheus' text format, as the daemons write it
 *
 * Parses it into samples, and answers what the tool asks of them: sums of
 * series by their labels, and quantiles of histograms, of what has been added
 * between two expositions.  Pure but for memory.
 *
 * A selector names series: a metric without METRICS_PREFIX (but "process_…" as
 * it is), and alternatives separated by '|', each of which lists label pairs
 * separated by ','; "" takes every series.  As: "requests_total",
 * "status=\"error\"|status=\"notfound\"".
 */
#ifndef FRONTEND_CLI_EXPOSITION_H
#define FRONTEND_CLI_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/slice.h"

struct exposition_sample {
	struct slice name;   /* of the series, with METRICS_PREFIX taken off */
	struct slice labels; /* a="b",c="d" as written */
	double value;
};

struct exposition {
	char *text; /* owned; samples borrow from it */
	struct exposition_sample *samples;
	size_t count;
};

/* Lines that are none of the format are passed over. */
void exposition_parse(struct exposition *e, struct slice text);
void exposition_fini(struct exposition *e);

struct exposition_selector {
	const char *metric;
	const char *labels;
};

/* The sum of the selected series; NaN when there is none. */
double exposition_sum(
    const struct exposition *e, const struct exposition_selector *s);

/*
 * The q-quantile (0 to 1) of what the selected histograms have seen since
 * before, interpolated within its bucket as Prometheus does; NaN when nothing
 * was, or there is none.
 */
double exposition_quantile(const struct exposition *e,
    const struct exposition *before, const struct exposition_selector *s,
    double q);

#endif
