/*
 * metrics - counters, gauges and histograms, in Prometheus' text format
 *
 * A registry owns families, a family owns series.  Series are made at start
 * from fixed sets of label values, so that a peer can never add one; on the
 * hot path a counter is an addition and a histogram a short search.  One
 * thread, no locks.  Text exposition format 0.0.4.
 */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

/* Every name starts so: the replaced adapter's dashboards keep working. */
#define METRICS_PREFIX "userli_postfix_adapter_"

#define METRICS_LABELS_MAX 3
#define METRICS_BUCKETS_MAX 24

struct metrics;
struct metrics_family;
struct metrics_histogram;

struct metrics_counter {
	uint64_t value;
};

struct metrics_gauge {
	double value;
};

/* Never NULL: out of memory ends the process. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/*
 * Register a family; name without METRICS_PREFIX, or with a leading "process_"
 * kept as it is.  labels is NULL-terminated, or NULL for none; strings are
 * borrowed for the registry's life (literals).  buckets are upper bounds in
 * ascending order, without +Inf.
 */
struct metrics_family *metrics_counters(struct metrics *m, const char *name,
    const char *help, const char *const *labels);
struct metrics_family *metrics_gauges(struct metrics *m, const char *name,
    const char *help, const char *const *labels);
struct metrics_family *metrics_histograms(struct metrics *m, const char *name,
    const char *help, const char *const *labels, const double *buckets,
    size_t bucket_count);

/*
 * The series with these label values (NULL-terminated, copied; NULL for
 * none), made on first use.  The pointers live as long as the registry, or
 * until metrics_remove().
 */
struct metrics_counter *metrics_counter(
    struct metrics_family *f, const char *const *values);
struct metrics_gauge *metrics_gauge(
    struct metrics_family *f, const char *const *values);
struct metrics_histogram *metrics_histogram(
    struct metrics_family *f, const char *const *values);

/* Drop a series, for a member that has gone. */
void metrics_remove(struct metrics_family *f, const char *const *values);

/* Call fn just before each exposition, to set gauges that are computed. */
typedef void (*metrics_collect_fn)(void *arg);
void metrics_on_collect(struct metrics *m, metrics_collect_fn fn, void *arg);

static inline void
metrics_add(struct metrics_counter *c, uint64_t n)
{
	c->value += n;
}

static inline void
metrics_inc(struct metrics_counter *c)
{
	c->value++;
}

static inline void
metrics_set(struct metrics_gauge *g, double value)
{
	g->value = value;
}

void metrics_observe(struct metrics_histogram *h, double value);

/* factor^i * start for i in 0..count-1, as the replaced adapter's buckets. */
void metrics_exponential_buckets(
    double start, double factor, size_t count, double *out);

/*
 * build_info{version,revision}, process_cpu_seconds_total,
 * process_resident_memory_bytes, process_virtual_memory_bytes,
 * process_open_fds, process_max_fds, process_threads and
 * process_start_time_seconds, read from /proc at each exposition.
 */
void metrics_add_process(struct metrics *m);

/* The commit that this was built from, or "unknown". */
const char *metrics_revision(void);

/* Append the whole exposition; false when out's maximum is too small. */
bool metrics_write(struct metrics *m, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
