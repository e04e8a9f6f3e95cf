#include "frontend/cli/exposition.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/metrics.h"

#define BOUNDS_MAX 64

/* --- Parsing ------------------------------------------------------------- */

/* "name{labels} value" or "name value"; false for anything else. */
static bool
parse_line(struct slice line, struct exposition_sample *out)
{
	const char *end = line.ptr + line.len;
	const char *blank = line.ptr + line.len;
	const char *name_end;
	char number[40];
	char *rest;

	while (blank > line.ptr && blank[-1] != ' ')
		blank--;
	if (blank == line.ptr || line.ptr[0] == '#' ||
	    (size_t)(end - blank) >= sizeof number || blank == end)
		return false;
	memcpy(number, blank, (size_t)(end - blank));
	number[end - blank] = '\0';
	out->value = strtod(number, &rest);
	if (*rest != '\0')
		return false;
	end = blank - 1;
	name_end = memchr(line.ptr, '{', (size_t)(end - line.ptr));
	out->labels = SLICE("");
	if (name_end != NULL && end[-1] == '}')
		out->labels = (struct slice){ name_end + 1,
			(size_t)(end - 1 - (name_end + 1)) };
	else
		name_end = end;
	out->name = (struct slice){ line.ptr, (size_t)(name_end - line.ptr) };
	return true;
}

static struct slice
without_prefix(struct slice name)
{
	const struct slice prefix = SLICE(METRICS_PREFIX);

	if (name.len < prefix.len ||
	    memcmp(name.ptr, prefix.ptr, prefix.len) != 0)
		return name;
	return (struct slice){ name.ptr + prefix.len, name.len - prefix.len };
}

void
exposition_parse(struct exposition *e, struct slice text)
{
	size_t room = 0;
	const char *at;
	const char *end;

	*e = (struct exposition){ .text = mem_dup(
				      text.len > 0 ? text.ptr : "", text.len) };
	at = e->text;
	end = e->text + text.len;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline != NULL ? newline : end;
		struct exposition_sample sample;

		if (parse_line(
			(struct slice){ at, (size_t)(stop - at) }, &sample)) {
			sample.name = without_prefix(sample.name);
			if (e->count == room) {
				room = room > 0 ? room * 2 : 256;
				e->samples = mem_realloc(
				    e->samples, room * sizeof e->samples[0]);
			}
			e->samples[e->count++] = sample;
		}
		at = stop + 1;
	}
}

void
exposition_fini(struct exposition *e)
{
	free(e->samples);
	free(e->text);
	*e = (struct exposition){ 0 };
}

/* --- Selecting ----------------------------------------------------------- */

/* Whether the pair stands in labels as a whole. */
static bool
has_pair(struct slice labels, struct slice pair)
{
	for (size_t i = 0; i + pair.len <= labels.len; i++) {
		if (memcmp(labels.ptr + i, pair.ptr, pair.len) == 0 &&
		    (i == 0 || labels.ptr[i - 1] == ','))
			return true;
	}
	return false;
}

/* All pairs of one alternative. */
static bool
has_all(struct slice labels, const char *from, const char *end)
{
	while (from < end) {
		size_t n = strcspn(from, ",|");

		if (!has_pair(labels, (struct slice){ from, n }))
			return false;
		from += n + 1;
	}
	return true;
}

static bool
has_labels(struct slice labels, const char *selector)
{
	while (*selector != '\0') {
		size_t n = strcspn(selector, "|");

		if (has_all(labels, selector, selector + n))
			return true;
		if (selector[n] == '\0')
			return false;
		selector += n + 1;
	}
	return true;
}

double
exposition_sum(const struct exposition *e, const struct exposition_selector *s)
{
	struct slice name = slice_of(s->metric);
	double sum = NAN;

	for (size_t i = 0; i < e->count; i++) {
		const struct exposition_sample *sample = &e->samples[i];

		if (slice_equal(sample->name, name) &&
		    has_labels(sample->labels, s->labels))
			sum = isnan(sum) ? sample->value : sum + sample->value;
	}
	return sum;
}

/* --- Quantiles ----------------------------------------------------------- */

struct buckets {
	size_t count;
	double bounds[BOUNDS_MAX]; /* ascending; the last is +Inf */
	double seen[BOUNDS_MAX];   /* cumulative */
};

static bool
bound_of(struct slice labels, double *out)
{
	static const char le[] = "le=\"";

	for (size_t i = 0; i + sizeof le - 1 <= labels.len; i++) {
		if (memcmp(labels.ptr + i, le, sizeof le - 1) == 0 &&
		    (i == 0 || labels.ptr[i - 1] == ',')) {
			/* Ends at its quote, at the latest that of the text. */
			*out = strtod(labels.ptr + i + sizeof le - 1, NULL);
			return true;
		}
	}
	return false;
}

static void
add_bucket(struct buckets *b, double bound, double value)
{
	size_t i = 0;

	while (i < b->count && b->bounds[i] < bound)
		i++;
	if (i < b->count && b->bounds[i] == bound) {
		b->seen[i] += value;
		return;
	}
	if (b->count == BOUNDS_MAX)
		return;
	memmove(&b->bounds[i + 1], &b->bounds[i],
	    (b->count - i) * sizeof b->bounds[0]);
	memmove(
	    &b->seen[i + 1], &b->seen[i], (b->count - i) * sizeof b->seen[0]);
	b->bounds[i] = bound;
	b->seen[i] = value;
	b->count++;
}

static void
collect(struct buckets *b, const struct exposition *e,
    const struct exposition_selector *s, double sign)
{
	char name[100];
	double bound;

	(void)snprintf(name, sizeof name, "%s_bucket", s->metric);
	for (size_t i = 0; i < e->count; i++) {
		const struct exposition_sample *sample = &e->samples[i];

		if (slice_equal(sample->name, slice_of(name)) &&
		    has_labels(sample->labels, s->labels) &&
		    bound_of(sample->labels, &bound))
			add_bucket(b, bound, sign * sample->value);
	}
}

double
exposition_quantile(const struct exposition *e, const struct exposition *before,
    const struct exposition_selector *s, double q)
{
	struct buckets b = { 0 };
	double wanted;
	size_t i = 0;
	double lower;
	double below;

	collect(&b, e, s, 1);
	collect(&b, before, s, -1);
	if (b.count == 0 || b.seen[b.count - 1] <= 0)
		return NAN;
	wanted = q * b.seen[b.count - 1];
	while (i < b.count - 1 && b.seen[i] < wanted)
		i++;
	lower = i > 0 ? b.bounds[i - 1] : 0;
	below = i > 0 ? b.seen[i - 1] : 0;
	if (isinf(b.bounds[i]))
		return lower; /* all that is known: more than this */
	if (b.seen[i] <= below)
		return b.bounds[i];
	return lower +
	    (b.bounds[i] - lower) * (wanted - below) / (b.seen[i] - below);
}
