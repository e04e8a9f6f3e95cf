#include "frontend/cli/bench_figures.h"

#include <stdlib.h>

#include "common/mem.h"
#include "frontend/cli/command.h"

#define NS_PER_S 1e9
#define NS_PER_MS 1e6

static const double shares[] = { 0.5, 0.9, 0.99, 0.999 };
static const char *const share_names[] = { "p50", "p90", "p99", "p99.9" };
static const char *const share_keys[] = { "p50_ms", "p90_ms", "p99_ms",
	"p999_ms" };
#define SHARES (sizeof shares / sizeof shares[0])

void
bench_figures_start(struct bench_figures *f, uint64_t now_ns)
{
	memset(f, 0, sizeof *f);
	f->from_ns = now_ns;
}

static void
count_wrong(struct bench_figures *f, const struct bench_expected *expected,
    const struct reply *reply)
{
	char question[100];
	char got[80];
	char want[80];

	if (f->wrong++ > 0)
		return;
	(void)snprintf(f->example, sizeof f->example,
	    "%s%sgot %s %s, wanted %s %s",
	    command_printable(expected->question, question, sizeof question),
	    expected->question.len > 0 ? ": " : "",
	    socketmap_status_name(reply->status),
	    command_printable(reply->data, got, sizeof got),
	    socketmap_status_name(expected->status),
	    command_printable(expected->text, want, sizeof want));
}

void
bench_figures_answer(struct bench_figures *f,
    const struct bench_expected *expected, const struct reply *reply,
    uint64_t due_ns, uint64_t now_ns)
{
	uint64_t took = now_ns > due_ns ? now_ns - due_ns : 0;

	if (due_ns < f->from_ns)
		return; /* asked before the measuring began */
	bench_histogram_add(&f->answers[reply->status], took);
	bench_histogram_add(&f->recent, took);
	f->in_time += f->to_ns == 0 || now_ns <= f->to_ns;
	if (expected == NULL)
		f->unchecked++;
	else if (!bench_expected_is(expected, reply))
		count_wrong(f, expected, reply);
}

void
bench_figures_lost(struct bench_figures *f, uint64_t due_ns)
{
	f->lost += due_ns >= f->from_ns;
}

uint64_t
bench_figures_answered(const struct bench_figures *f)
{
	uint64_t all = 0;

	for (int i = 0; i < BENCH_STATUSES; i++)
		all += f->answers[i].count;
	return all;
}

static double
seconds_of(const struct bench_figures *f, uint64_t now_ns)
{
	return now_ns > f->from_ns ? (double)(now_ns - f->from_ns) / NS_PER_S
				   : 1 / NS_PER_S;
}

static void
print_row(const struct bench_histogram *h, const char *name, double seconds,
    FILE *out)
{
	(void)fprintf(out, "%-10s %12llu %10.0f", name,
	    (unsigned long long)h->count, (double)h->count / seconds);
	for (size_t i = 0; i < SHARES; i++)
		(void)fprintf(out, " %9.3f",
		    (double)bench_histogram_at(h, shares[i]) / NS_PER_MS);
	(void)fprintf(out, " %9.3f\n", (double)h->max_ns / NS_PER_MS);
}

static struct bench_histogram *
all_of(const struct bench_figures *f)
{
	struct bench_histogram *all = mem_calloc(1, sizeof *all);

	for (int i = 0; i < BENCH_STATUSES; i++)
		bench_histogram_merge(all, &f->answers[i]);
	return all;
}

static void
print_trouble(const struct bench_figures *f,
    const struct bench_setting *setting, FILE *out)
{
	const struct {
		uint64_t count;
		const char *what;
	} troubles[] = {
		{ f->wrong, "answers are not as expected" },
		{ f->lost, "requests had no answer" },
		{ f->malformed, "connections sent what is no socketmap" },
		{ f->reconnects, "connections were lost and made anew" },
		{ setting->unsent, "requests were due and never sent" },
	};

	for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++) {
		if (troubles[i].count > 0)
			(void)fprintf(out, "%llu %s\n",
			    (unsigned long long)troubles[i].count,
			    troubles[i].what);
	}
	if (f->wrong > 0)
		(void)fprintf(out, "such as %s\n", f->example);
}

void
bench_figures_print(const struct bench_figures *f,
    const struct bench_setting *setting, FILE *out)
{
	double seconds = seconds_of(f, f->to_ns);
	struct bench_histogram *all = all_of(f);

	(void)fprintf(
	    out, "%s, %zu connections", setting->address, setting->connections);
	if (setting->pipeline > 1)
		(void)fprintf(out, ", %zu requests on each", setting->pipeline);
	if (setting->rate > 0)
		(void)fprintf(out, ", open loop at %.10g/s", setting->rate);
	(void)fprintf(out, ", %.2f s: %.0f answers/s\n\n", seconds,
	    (double)f->in_time / seconds);
	(void)fprintf(out, "%-10s %12s %10s", "", "answers", "per s");
	for (size_t i = 0; i < SHARES; i++)
		(void)fprintf(out, " %9s", share_names[i]);
	(void)fprintf(out, " %9s\n", "max ms");
	for (int i = 0; i < BENCH_STATUSES; i++) {
		if (f->answers[i].count > 0)
			print_row(&f->answers[i],
			    socketmap_status_name((enum socketmap_status)i),
			    seconds, out);
	}
	print_row(all, "all", seconds, out);
	free(all);
	print_trouble(f, setting, out);
}

static void
print_json_row(const struct bench_histogram *h, double seconds, FILE *out)
{
	(void)fprintf(out, "{\"count\":%llu,\"per_second\":%.1f",
	    (unsigned long long)h->count, (double)h->count / seconds);
	for (size_t i = 0; i < SHARES; i++)
		(void)fprintf(out, ",\"%s\":%.4f", share_keys[i],
		    (double)bench_histogram_at(h, shares[i]) / NS_PER_MS);
	(void)fprintf(out, ",\"max_ms\":%.4f}", (double)h->max_ns / NS_PER_MS);
}

static void
print_json_string(const char *text, FILE *out)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc((unsigned char)*text < ' ' ? '?' : *text, out);
	}
	(void)fputc('"', out);
}

void
bench_figures_print_json(const struct bench_figures *f,
    const struct bench_setting *setting, FILE *out)
{
	static const char *const names[BENCH_STATUSES] = { "ok", "notfound",
		"temp", "timeout", "perm" };
	double seconds = seconds_of(f, f->to_ns);
	struct bench_histogram *all = all_of(f);

	(void)fprintf(out, "{\"address\":");
	print_json_string(setting->address, out);
	(void)fprintf(out,
	    ",\"connections\":%zu,\"pipeline\":%zu,\"rate\":%.10g,"
	    "\"seconds\":%.6f,\"per_second\":%.1f,\"all\":",
	    setting->connections, setting->pipeline, setting->rate, seconds,
	    (double)f->in_time / seconds);
	print_json_row(all, seconds, out);
	for (int i = 0; i < BENCH_STATUSES; i++) {
		(void)fprintf(out, ",\"%s\":", names[i]);
		print_json_row(&f->answers[i], seconds, out);
	}
	(void)fprintf(out,
	    ",\"wrong\":%llu,\"unchecked\":%llu,\"lost\":%llu,"
	    "\"malformed\":%llu,\"reconnects\":%llu,\"unsent\":%llu,"
	    "\"example\":",
	    (unsigned long long)f->wrong, (unsigned long long)f->unchecked,
	    (unsigned long long)f->lost, (unsigned long long)f->malformed,
	    (unsigned long long)f->reconnects,
	    (unsigned long long)setting->unsent);
	print_json_string(f->example, out);
	(void)fprintf(out, "}\n");
	free(all);
}

void
bench_figures_print_live(struct bench_figures *f, uint64_t now_ns, FILE *out)
{
	(void)fprintf(out,
	    "\r%6.0f s %9llu/s  p50 %8.3f ms  p99 %8.3f ms  wrong %llu  "
	    "lost %llu ",
	    seconds_of(f, now_ns), (unsigned long long)f->recent.count,
	    (double)bench_histogram_at(&f->recent, 0.5) / NS_PER_MS,
	    (double)bench_histogram_at(&f->recent, 0.99) / NS_PER_MS,
	    (unsigned long long)f->wrong, (unsigned long long)f->lost);
	(void)fflush(out);
	bench_histogram_init(&f->recent);
}
