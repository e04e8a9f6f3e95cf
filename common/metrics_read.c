#include "common/metrics_read.h"

#include <math.h>
#include <string.h>

#include "common/metrics_private.h"

static bool
is_named(const struct metrics_family *f, const char *name)
{
	size_t prefix = sizeof METRICS_PREFIX - 1;

	if (strncmp(name, "process_", sizeof "process_" - 1) == 0)
		return strcmp(f->name, name) == 0;
	return strncmp(f->name, METRICS_PREFIX, prefix) == 0 &&
	    strcmp(f->name + prefix, name) == 0;
}

static const struct metrics_family *
find(const struct metrics *m, const char *name)
{
	const struct metrics_family *f = m->families;

	while (f != NULL && !is_named(f, name))
		f = f->next;
	return f;
}

/* Quotes within a value are escaped, so that a label's text is found only
 * where the label stands. */
static bool
bears(const struct metrics_series *s, const char *labels)
{
	size_t len = labels == NULL ? 0 : strlen(labels);

	if (len == 0)
		return true;
	for (const char *at = s->labels; (at = strstr(at, labels)) != NULL;
	     at++) {
		if ((at == s->labels || at[-1] == ',') &&
		    (at[len] == '\0' || at[len] == ','))
			return true;
	}
	return false;
}

void
metrics_collect(struct metrics *m)
{
	for (struct metrics_collector *c = m->collectors; c != NULL;
	     c = c->next)
		c->fn(c->arg);
}

bool
metrics_known(const struct metrics *m, const char *name)
{
	return find(m, name) != NULL;
}

static uint64_t
total(const struct metrics_histogram *h)
{
	uint64_t sum = 0;

	for (size_t i = 0; i <= h->bound_count; i++)
		sum += h->counts[i];
	return sum;
}

static double
value_of(const struct metrics_family *f, const struct metrics_series *s)
{
	switch (f->type) {
	case METRICS_COUNTER:
		return (double)s->value.counter.value;
	case METRICS_REAL_COUNTER:
	case METRICS_GAUGE:
		return s->value.gauge.value;
	case METRICS_HISTOGRAM:
		return (double)total(s->value.histogram);
	}
	return 0;
}

double
metrics_sum(const struct metrics *m, const struct metrics_selector *what)
{
	const struct metrics_family *f = find(m, what->name);
	double sum = 0;

	if (f == NULL)
		return 0;
	for (const struct metrics_series *s = f->series; s != NULL; s = s->next)
		if (bears(s, what->labels))
			sum += value_of(f, s);
	return sum;
}

void
metrics_read_buckets(
    const struct metrics *m, const char *name, struct metrics_buckets *out)
{
	const struct metrics_family *f = find(m, name);

	*out = (struct metrics_buckets){ { 0 } };
	if (f == NULL || f->type != METRICS_HISTOGRAM)
		return;
	for (const struct metrics_series *s = f->series; s != NULL; s = s->next)
		for (size_t i = 0; i <= f->bound_count; i++)
			out->counts[i] += s->value.histogram->counts[i];
}

/* A series that was removed takes its counts with it. */
static double
grown(const struct metrics_buckets *before, const struct metrics_buckets *after,
    size_t i)
{
	return after->counts[i] > before->counts[i]
	    ? (double)(after->counts[i] - before->counts[i])
	    : 0;
}

double
metrics_quantile(const struct metrics *m, const char *name,
    const struct metrics_buckets *before, const struct metrics_buckets *after,
    double q)
{
	const struct metrics_family *f = find(m, name);
	double wanted = 0;
	double seen = 0;

	if (f == NULL || f->bound_count == 0)
		return NAN;
	for (size_t i = 0; i <= f->bound_count; i++)
		wanted += grown(before, after, i);
	if (wanted <= 0)
		return NAN;
	wanted *= q;
	for (size_t i = 0; i < f->bound_count; i++) {
		double here = grown(before, after, i);
		double low = i == 0 ? 0 : f->bounds[i - 1];

		if (here > 0 && seen + here >= wanted)
			return low +
			    (f->bounds[i] - low) * (wanted - seen) / here;
		seen += here;
	}
	return f->bounds[f->bound_count - 1];
}
