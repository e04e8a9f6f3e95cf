/*
 * metrics_private - what the files of the metrics module share
 *
 * Included by common/metrics*.c alone.  A registry is a list of families in
 * order of registration, a family a list of series in order of creation: both
 * are short, and walked only at start and at an exposition.
 */
#ifndef COMMON_METRICS_PRIVATE_H
#define COMMON_METRICS_PRIVATE_H

#include "common/metrics.h"

/* Bytes that metrics_format_double() may write, NUL included. */
#define METRICS_NUMBER_MAX 32

enum metrics_type {
	METRICS_COUNTER,
	METRICS_REAL_COUNTER, /* a counter of seconds: held in a gauge */
	METRICS_GAUGE,
	METRICS_HISTOGRAM,
};

struct metrics_histogram {
	const double *bounds; /* the family's, ascending */
	size_t bound_count;
	double sum;
	uint64_t counts[]; /* not cumulative; the last one is +Inf's */
};

struct metrics_series {
	struct metrics_series *next;
	char *labels; /* a="b",c="d", escaped; "" for none; equal = the same */
	union {
		struct metrics_counter counter;
		struct metrics_gauge gauge;
		struct metrics_histogram *histogram;
	} value;
};

struct metrics_family {
	struct metrics_family *next;
	enum metrics_type type;
	char *name; /* as exposed */
	const char *help;
	const char *labels[METRICS_LABELS_MAX];
	size_t label_count;
	double bounds[METRICS_BUCKETS_MAX];
	char bound_texts[METRICS_BUCKETS_MAX][METRICS_NUMBER_MAX];
	size_t bound_count;
	struct metrics_series *series; /* NULL: not exposed */
};

struct metrics_collector {
	struct metrics_collector *next;
	metrics_collect_fn fn;
	void *arg;
};

struct metrics {
	struct metrics_family *families;
	struct metrics_collector *collectors;
	struct metrics_process *process; /* NULL: not asked for */
};

/* A family of METRICS_REAL_COUNTER, and its series. */
struct metrics_family *metrics_real_counters(struct metrics *m,
    const char *name, const char *help, const char *const *labels);
struct metrics_gauge *metrics_real_counter(
    struct metrics_family *f, const char *const *values);

/*
 * The shortest text that reads back as value: integers up to 2^53 without an
 * exponent, NaN, +Inf and -Inf as the exposition format spells them.
 */
void metrics_format_double(double value, char out[static METRICS_NUMBER_MAX]);

/* Free what metrics_add_process() made; NULL is fine. */
void metrics_process_free(struct metrics_process *p);

#endif
