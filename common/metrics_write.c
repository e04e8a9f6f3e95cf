/* The text exposition format 0.0.4: docs.prometheus.io, "Exposition formats" */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/metrics.h"
#include "common/metrics_private.h"
#include "common/metrics_read.h"

/* Above it not every integer has a double of its own. */
#define EXACT_INTEGER_MAX 9007199254740992.0 /* 2^53 */

static const char *const type_names[] = {
	[METRICS_COUNTER] = "counter",
	[METRICS_REAL_COUNTER] = "counter",
	[METRICS_GAUGE] = "gauge",
	[METRICS_HISTOGRAM] = "histogram",
};

void
metrics_format_double(double value, char out[static METRICS_NUMBER_MAX])
{
	if (isnan(value)) {
		memcpy(out, "NaN", sizeof "NaN");
		return;
	}
	if (isinf(value)) {
		memcpy(out, value > 0 ? "+Inf" : "-Inf", sizeof "+Inf");
		return;
	}
	if (fabs(value) <= EXACT_INTEGER_MAX && value == trunc(value)) {
		(void)snprintf(out, METRICS_NUMBER_MAX, "%.0f", value + 0.0);
		return;
	}
	/* 15 digits read well where they suffice (0.1), 17 always suffice. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(out, METRICS_NUMBER_MAX, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			return;
	}
}

static bool
append(struct buffer *out, const char *text)
{
	return buffer_append_slice(out, slice_of(text));
}

static bool
write_help(const struct metrics_family *f, struct buffer *out)
{
	bool ok =
	    append(out, "# HELP ") && append(out, f->name) && append(out, " ");

	for (const char *c = f->help; ok && *c != '\0'; c++) {
		if (*c == '\n')
			ok = append(out, "\\n");
		else if (*c == '\\')
			ok = append(out, "\\\\");
		else
			ok = buffer_append(out, c, 1);
	}
	return ok && append(out, "\n# TYPE ") && append(out, f->name) &&
	    append(out, " ") && append(out, type_names[f->type]) &&
	    append(out, "\n");
}

/* One sample: name suffix { labels , le="…" } value; le is NULL for none. */
static bool
write_sample(const struct metrics_family *f, const struct metrics_series *s,
    const char *suffix, const char *le, const char *value, struct buffer *out)
{
	bool labelled = s->labels[0] != '\0';
	bool ok = append(out, f->name) && append(out, suffix);

	if (ok && (labelled || le != NULL)) {
		ok = append(out, "{") && append(out, s->labels);
		if (ok && le != NULL)
			ok = append(out, labelled ? ",le=\"" : "le=\"") &&
			    append(out, le) && append(out, "\"");
		ok = ok && append(out, "}");
	}
	return ok && append(out, " ") && append(out, value) &&
	    append(out, "\n");
}

static bool
write_integer(const struct metrics_family *f, const struct metrics_series *s,
    const char *suffix, const char *le, uint64_t value, struct buffer *out)
{
	char text[METRICS_NUMBER_MAX];

	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	return write_sample(f, s, suffix, le, text, out);
}

static bool
write_double(const struct metrics_family *f, const struct metrics_series *s,
    const char *suffix, double value, struct buffer *out)
{
	char text[METRICS_NUMBER_MAX];

	metrics_format_double(value, text);
	return write_sample(f, s, suffix, NULL, text, out);
}

static bool
write_histogram(const struct metrics_family *f, const struct metrics_series *s,
    struct buffer *out)
{
	const struct metrics_histogram *h = s->value.histogram;
	uint64_t total = 0;

	for (size_t i = 0; i <= h->bound_count; i++) {
		const char *le =
		    i < h->bound_count ? f->bound_texts[i] : "+Inf";

		total += h->counts[i];
		if (!write_integer(f, s, "_bucket", le, total, out))
			return false;
	}
	return write_double(f, s, "_sum", h->sum, out) &&
	    write_integer(f, s, "_count", NULL, total, out);
}

static bool
write_series(const struct metrics_family *f, const struct metrics_series *s,
    struct buffer *out)
{
	switch (f->type) {
	case METRICS_COUNTER:
		return write_integer(
		    f, s, "", NULL, s->value.counter.value, out);
	case METRICS_REAL_COUNTER:
	case METRICS_GAUGE:
		return write_double(f, s, "", s->value.gauge.value, out);
	case METRICS_HISTOGRAM:
		return write_histogram(f, s, out);
	}
	return false;
}

bool
metrics_write(struct metrics *m, struct buffer *out)
{
	const struct metrics_family *f;
	const struct metrics_series *s;

	metrics_collect(m);
	for (f = m->families; f != NULL; f = f->next) {
		if (f->series == NULL)
			continue;
		if (!write_help(f, out))
			return false;
		for (s = f->series; s != NULL; s = s->next)
			if (!write_series(f, s, out))
				return false;
	}
	return true;
}
