#include "common/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/metrics_private.h"

#define LABELS_TEXT_MAX 4096 /* bytes of one series' labels */

struct metrics *
metrics_new(void)
{
	return mem_calloc(1, sizeof(struct metrics));
}

static void
free_series(const struct metrics_family *f, struct metrics_series *s)
{
	if (f->type == METRICS_HISTOGRAM)
		free(s->value.histogram);
	free(s->labels);
	free(s);
}

static void
free_family(struct metrics_family *f)
{
	struct metrics_series *s;

	while ((s = f->series) != NULL) {
		f->series = s->next;
		free_series(f, s);
	}
	free(f->name);
	free(f);
}

void
metrics_free(struct metrics *m)
{
	struct metrics_family *f;
	struct metrics_collector *c;

	if (m == NULL)
		return;
	while ((f = m->families) != NULL) {
		m->families = f->next;
		free_family(f);
	}
	while ((c = m->collectors) != NULL) {
		m->collectors = c->next;
		free(c);
	}
	metrics_process_free(m->process);
	free(m);
}

static char *
exposed_name(const char *name)
{
	bool whole = strncmp(name, "process_", sizeof "process_" - 1) == 0;
	size_t size = sizeof METRICS_PREFIX + strlen(name);
	char *full = mem_calloc(size, 1);

	(void)snprintf(full, size, "%s%s", whole ? "" : METRICS_PREFIX, name);
	return full;
}

/* Find a family or append one: two modules may share a family by its name. */
static struct metrics_family *
add_family(struct metrics *m, enum metrics_type type, const char *name,
    const char *help, const char *const *labels)
{
	char *full = exposed_name(name);
	struct metrics_family **end = &m->families;
	struct metrics_family *f;

	for (; *end != NULL; end = &(*end)->next) {
		if (strcmp((*end)->name, full) == 0) {
			assert((*end)->type == type);
			free(full);
			return *end;
		}
	}
	f = mem_calloc(1, sizeof *f);
	f->type = type;
	f->name = full;
	f->help = help;
	while (labels != NULL && labels[f->label_count] != NULL) {
		assert(f->label_count < METRICS_LABELS_MAX);
		f->labels[f->label_count] = labels[f->label_count];
		f->label_count++;
	}
	*end = f;
	return f;
}

struct metrics_family *
metrics_counters(struct metrics *m, const char *name, const char *help,
    const char *const *labels)
{
	return add_family(m, METRICS_COUNTER, name, help, labels);
}

struct metrics_family *
metrics_real_counters(struct metrics *m, const char *name, const char *help,
    const char *const *labels)
{
	return add_family(m, METRICS_REAL_COUNTER, name, help, labels);
}

struct metrics_family *
metrics_gauges(struct metrics *m, const char *name, const char *help,
    const char *const *labels)
{
	return add_family(m, METRICS_GAUGE, name, help, labels);
}

struct metrics_family *
metrics_histograms(struct metrics *m, const char *name, const char *help,
    const char *const *labels, const double *buckets, size_t bucket_count)
{
	struct metrics_family *f =
	    add_family(m, METRICS_HISTOGRAM, name, help, labels);

	if (f->bound_count > 0) { /* registered before */
		assert(f->bound_count == bucket_count);
		return f;
	}
	assert(bucket_count > 0 && bucket_count <= METRICS_BUCKETS_MAX);
	for (size_t i = 0; i < bucket_count; i++) {
		assert(i == 0 || buckets[i - 1] < buckets[i]);
		f->bounds[i] = buckets[i];
		metrics_format_double(buckets[i], f->bound_texts[i]);
	}
	f->bound_count = bucket_count;
	return f;
}

/* Write value as the exposition format quotes it; false when out is full. */
static bool
append_quoted(struct buffer *out, const char *value)
{
	bool ok = buffer_append(out, "\"", 1);

	for (; ok && *value != '\0'; value++) {
		if (*value == '\n')
			ok = buffer_append(out, "\\n", 2);
		else if (*value == '"' || *value == '\\')
			ok = buffer_append(out, "\\", 1) &&
			    buffer_append(out, value, 1);
		else
			ok = buffer_append(out, value, 1);
	}
	return ok && buffer_append(out, "\"", 1);
}

/* The labels of a series as they are exposed; the caller frees them. */
static char *
labels_text(const struct metrics_family *f, const char *const *values)
{
	struct buffer out;
	size_t n = 0;
	bool ok = true;
	char *text;

	buffer_init(&out, LABELS_TEXT_MAX);
	for (; values != NULL && values[n] != NULL; n++) {
		assert(n < f->label_count);
		ok = ok && (n == 0 || buffer_append(&out, ",", 1)) &&
		    buffer_append_slice(&out, slice_of(f->labels[n])) &&
		    buffer_append(&out, "=", 1) &&
		    append_quoted(&out, values[n]);
	}
	assert(n == f->label_count);
	if (!ok) /* all labels are far from LABELS_TEXT_MAX */
		mem_exhausted();
	text = mem_dup(buffer_slice(&out).ptr, buffer_len(&out));
	buffer_fini(&out);
	return text;
}

static struct metrics_histogram *
new_histogram(const struct metrics_family *f)
{
	struct metrics_histogram *h = mem_calloc(
	    1, sizeof *h + (f->bound_count + 1) * sizeof h->counts[0]);

	h->bounds = f->bounds;
	h->bound_count = f->bound_count;
	return h;
}

static struct metrics_series *
series_of(struct metrics_family *f, const char *const *values)
{
	char *labels = labels_text(f, values);
	struct metrics_series **end = &f->series;
	struct metrics_series *s;

	for (; *end != NULL; end = &(*end)->next) {
		if (strcmp((*end)->labels, labels) == 0) {
			free(labels);
			return *end;
		}
	}
	s = mem_calloc(1, sizeof *s);
	s->labels = labels;
	if (f->type == METRICS_HISTOGRAM)
		s->value.histogram = new_histogram(f);
	*end = s;
	return s;
}

struct metrics_counter *
metrics_counter(struct metrics_family *f, const char *const *values)
{
	assert(f->type == METRICS_COUNTER);
	return &series_of(f, values)->value.counter;
}

struct metrics_gauge *
metrics_real_counter(struct metrics_family *f, const char *const *values)
{
	assert(f->type == METRICS_REAL_COUNTER);
	return &series_of(f, values)->value.gauge;
}

struct metrics_gauge *
metrics_gauge(struct metrics_family *f, const char *const *values)
{
	assert(f->type == METRICS_GAUGE);
	return &series_of(f, values)->value.gauge;
}

struct metrics_histogram *
metrics_histogram(struct metrics_family *f, const char *const *values)
{
	assert(f->type == METRICS_HISTOGRAM);
	return series_of(f, values)->value.histogram;
}

void
metrics_remove(struct metrics_family *f, const char *const *values)
{
	char *labels = labels_text(f, values);
	struct metrics_series **at = &f->series;

	while (*at != NULL && strcmp((*at)->labels, labels) != 0)
		at = &(*at)->next;
	if (*at != NULL) {
		struct metrics_series *gone = *at;

		*at = gone->next;
		free_series(f, gone);
	}
	free(labels);
}

void
metrics_on_collect(struct metrics *m, metrics_collect_fn fn, void *arg)
{
	struct metrics_collector **end = &m->collectors;

	while (*end != NULL)
		end = &(*end)->next;
	*end = mem_calloc(1, sizeof **end);
	(*end)->fn = fn;
	(*end)->arg = arg;
}

void
metrics_observe(struct metrics_histogram *h, double value)
{
	size_t i = 0;

	if (isnan(value)) /* one NaN would spoil the sum for good */
		return;
	while (i < h->bound_count && value > h->bounds[i])
		i++;
	h->counts[i]++;
	h->sum += value;
}

void
metrics_exponential_buckets(
    double start, double factor, size_t count, double *out)
{
	for (size_t i = 0; i < count; i++) {
		out[i] = start;
		start *= factor;
	}
}
