#include "tests/support/load_figures.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static const char *const event_names[FIGURES_EVENTS] = {
	[FIGURES_OK] = "ok",
	[FIGURES_NOTFOUND] = "notfound",
	[FIGURES_TEMP] = "temp",
	[FIGURES_TIMEOUT] = "timeout",
	[FIGURES_PERM] = "perm",
	[FIGURES_WRONG] = "wrong",
	[FIGURES_LOST] = "lost",
	[FIGURES_CROSSED] = "crossed",
	[FIGURES_SURPLUS] = "surplus",
	[FIGURES_CLOSED] = "closed",
	[FIGURES_UNCONNECTED] = "unconnected",
	[FIGURES_UNSENT] = "unsent",
};

void
figures_start(struct figures *f, const char *name, uint64_t now_ns)
{
	memset(f, 0, sizeof *f);
	(void)snprintf(f->name, sizeof f->name, "%s", name);
	f->started_ns = now_ns;
	f->last_right_ns = now_ns;
}

static struct figures_second *
second_of(struct figures *f, uint64_t now_ns)
{
	uint64_t i = (now_ns - f->started_ns) / 1000000000;

	return &f->seconds[i < FIGURES_SECONDS_MAX ? i
						   : FIGURES_SECONDS_MAX - 1];
}

static double
add_latency(uint32_t *buckets, uint64_t asked_ns, uint64_t now_ns, double *max)
{
	double ms = (double)(now_ns - asked_ns) / 1e6;

	buckets[ms < FIGURES_MS_MAX ? (size_t)(ms * 10) : FIGURES_BUCKETS]++;
	if (ms > *max)
		*max = ms;
	return ms;
}

void
figures_right(struct figures *f, enum figures_event event, size_t target,
    uint64_t asked_ns, uint64_t now_ns)
{
	struct figures_second *second = second_of(f, now_ns);
	double ms = add_latency(f->right, asked_ns, now_ns, &f->right_max_ms);

	f->counts[event]++;
	f->by_target[target]++;
	second->right++;
	if (ms > second->max_ms)
		second->max_ms = (float)ms;
	if (now_ns - f->last_right_ns > f->gap_ns)
		f->gap_ns = now_ns - f->last_right_ns;
	f->last_right_ns = now_ns;
}

static void
add_reason(struct figures *f, const char *text)
{
	size_t i = 0;

	while (i < f->reason_count && strcmp(f->reasons[i].text, text) != 0)
		i++;
	if (i == FIGURES_REASONS_MAX)
		return;
	if (i == f->reason_count) {
		f->reason_count++;
		(void)snprintf(
		    f->reasons[i].text, FIGURES_TEXT_MAX, "%s", text);
	}
	f->reasons[i].count++;
}

void
figures_failed(struct figures *f, enum figures_event event, const char *text,
    uint64_t asked_ns, uint64_t now_ns)
{
	(void)add_latency(f->failed, asked_ns, now_ns, &f->failed_max_ms);
	f->counts[event]++;
	second_of(f, now_ns)->failed++;
	add_reason(f, text);
}

void
figures_count(struct figures *f, enum figures_event event, const char *what)
{
	f->counts[event]++;
	if (what != NULL && f->example_count < FIGURES_EXAMPLES_MAX)
		(void)snprintf(f->examples[f->example_count++],
		    FIGURES_TEXT_MAX, "%s: %s", event_names[event], what);
}

/* --- JSON ---------------------------------------------------------------- */

static void
print_text(const char *text, FILE *out)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			(void)fprintf(out, "\\%c", c);
		else if (c < ' ' || c > '~')
			(void)fprintf(out, "\\u%04x", c);
		else
			(void)fputc(c, out);
	}
	(void)fputc('"', out);
}

static double
percentile_ms(const uint32_t *buckets, double share)
{
	uint64_t all = 0;
	uint64_t seen = 0;
	size_t i;

	for (i = 0; i <= FIGURES_BUCKETS; i++)
		all += buckets[i];
	if (all == 0)
		return 0;
	for (i = 0; i < FIGURES_BUCKETS; i++) {
		seen += buckets[i];
		if ((double)seen >= share * (double)all)
			break;
	}
	return (double)(i + 1) / 10;
}

static void
print_latency(
    const char *name, const uint32_t *buckets, double max_ms, FILE *out)
{
	(void)fprintf(out,
	    ",\"%s\":{\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"max_ms\":%.1f}", name,
	    percentile_ms(buckets, 0.5), percentile_ms(buckets, 0.99), max_ms);
}

static void
print_seconds(const struct figures *f, uint64_t now_ns, FILE *out)
{
	uint64_t count = (now_ns - f->started_ns) / 1000000000 + 1;

	(void)fprintf(out, ",\"by_second\":[");
	for (size_t i = 0; i < count && i < FIGURES_SECONDS_MAX; i++)
		(void)fprintf(out, "%s[%" PRIu32 ",%" PRIu32 ",%.1f]",
		    i == 0 ? "" : ",", f->seconds[i].right,
		    f->seconds[i].failed, (double)f->seconds[i].max_ms);
	(void)fprintf(out, "]");
}

void
figures_print(const struct figures *f, uint64_t now_ns, FILE *out)
{
	uint64_t gap_ns = now_ns - f->last_right_ns;

	(void)fprintf(out, "{\"phase\":");
	print_text(f->name, out);
	(void)fprintf(
	    out, ",\"seconds\":%.3f", (double)(now_ns - f->started_ns) / 1e9);
	for (int e = 0; e < FIGURES_EVENTS; e++)
		(void)fprintf(
		    out, ",\"%s\":%" PRIu64, event_names[e], f->counts[e]);
	print_latency("right", f->right, f->right_max_ms, out);
	print_latency("failed", f->failed, f->failed_max_ms, out);
	(void)fprintf(out, ",\"gap_ms\":%.1f,\"by_target\":[",
	    (double)(gap_ns > f->gap_ns ? gap_ns : f->gap_ns) / 1e6);
	for (int t = 0; t < FIGURES_TARGETS_MAX; t++)
		(void)fprintf(
		    out, "%s%" PRIu64, t == 0 ? "" : ",", f->by_target[t]);
	(void)fprintf(out, "],\"reasons\":{");
	for (size_t i = 0; i < f->reason_count; i++) {
		(void)fputs(i == 0 ? "" : ",", out);
		print_text(f->reasons[i].text, out);
		(void)fprintf(out, ":%" PRIu64, f->reasons[i].count);
	}
	(void)fprintf(out, "},\"examples\":[");
	for (size_t i = 0; i < f->example_count; i++) {
		(void)fputs(i == 0 ? "" : ",", out);
		print_text(f->examples[i], out);
	}
	(void)fprintf(out, "]");
	print_seconds(f, now_ns, out);
	(void)fprintf(out, "}\n");
	(void)fflush(out);
}
