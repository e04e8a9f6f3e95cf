#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/status.h"
#include "common/status_private.h"

#define TEXT_MAX 512 /* bytes of a problem's words */

struct status_problems {
	struct jsonout *j;
	size_t errors, warnings;
};

static void
add_problem(struct status_problems *p, bool is_error, const char *text,
    const char *remedy)
{
	jsonout_object(p->j, NULL);
	jsonout_string(p->j, "severity", is_error ? "error" : "warning");
	jsonout_string(p->j, "text", text);
	jsonout_string(p->j, "remedy", remedy);
	jsonout_end_object(p->j);
	if (is_error)
		p->errors++;
	else
		p->warnings++;
}

void
status_problem(struct status_problems *p, bool is_error, const char *remedy,
    const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	add_problem(p, is_error, text, remedy);
}

/* As people write it: 3, 0.25, 2 days. */
static void
write_figure(double value, enum status_kind kind, char *out, size_t size)
{
	if (kind == STATUS_LEFT && fabs(value) >= 2 * 86400.0)
		(void)snprintf(out, size, "%.0f days", value / 86400);
	else if (kind == STATUS_LEFT)
		(void)snprintf(out, size, "%.0f hours", value / 3600);
	else
		(void)snprintf(out, size, "%.6g", value);
}

static void
apply_rule(const struct status *s, size_t i, struct status_problems *p)
{
	const struct status_rule *rule = &s->tier->rules[i];
	double value = status_figure(s, s->tier->item_count + i, rule->kind);
	const char *mark = strchr(rule->text, '#');
	char figure[32];

	if (!metrics_known(s->metrics, rule->what.name) || isnan(value) ||
	    !(rule->is_below ? value < rule->limit : value > rule->limit))
		return;
	/* That it is over is another rule's to say. */
	if (rule->kind == STATUS_LEFT && rule->limit > 0 && value < 0)
		return;
	write_figure(value, rule->kind, figure, sizeof figure);
	if (mark == NULL)
		status_problem(
		    p, rule->is_error, rule->remedy, "%s", rule->text);
	else
		status_problem(p, rule->is_error, rule->remedy, "%.*s%s%s",
		    (int)(mark - rule->text), rule->text, figure, mark + 1);
}

/* Of the last minute, both tiers alike. */
static void
judge_lookups(const struct status *s, struct status_problems *p)
{
	const struct status_sample *from =
	    status_back(s, STATUS_MINUTE_SAMPLES);
	double failed =
	    s->now.outcomes[STATUS_ERROR] - from->outcomes[STATUS_ERROR];
	double all = 0;
	double p99 = metrics_quantile(s->metrics, s->tier->durations,
	    &from->durations, &s->now.durations, 0.99);

	for (int o = 0; o < STATUS_OUTCOMES; o++)
		all += s->now.outcomes[o] - from->outcomes[o];
	if (all < STATUS_LOOKUPS_LEAST)
		return;
	if (failed > all * STATUS_ERROR_SHARE)
		status_problem(p, failed > all * STATUS_FAILING_SHARE,
		    "The log says why: look for \"lookup failed\".",
		    "%.3g %% of the last minute's lookups failed: Postfix "
		    "defers that mail.",
		    failed / all * 100);
	if (p99 > STATUS_SLOW_SECONDS)
		status_problem(p, false,
		    "A slow lookup occupies a Postfix process for as long.",
		    "Lookups are slow: one in a hundred took longer than "
		    "%.2g s within the last minute.",
		    p99);
}

static void
write_problems(struct status *s, struct jsonout *j)
{
	struct status_problems p = { .j = j };

	jsonout_array(j, "problems");
	for (int errors = 1; errors >= 0; errors--)
		for (size_t i = 0; i < s->tier->rule_count; i++)
			if (s->tier->rules[i].is_error == (errors == 1))
				apply_rule(s, i, &p);
	if (s->tier->judge != NULL)
		s->tier->judge(s->arg, &p);
	judge_lookups(s, &p);
	jsonout_end_array(j);
	jsonout_string(j, "state",
	    p.errors > 0         ? "failing"
		: p.warnings > 0 ? "degraded"
				 : "ok");
}

static void
write_rates(const struct status *s, struct jsonout *j)
{
	const struct status_sample *from = status_back(s, STATUS_RATE_SAMPLES);
	const struct status_sample *to = &s->now;

	jsonout_object(j, "rates");
	jsonout_number(j, "window", (double)(to->at_ns - from->at_ns) / 1e9);
	jsonout_number(j, "success", status_rate(from, to, STATUS_SUCCESS));
	jsonout_number(j, "notfound", status_rate(from, to, STATUS_NOTFOUND));
	jsonout_number(j, "error", status_rate(from, to, STATUS_ERROR));
	jsonout_number(j, "p50",
	    metrics_quantile(s->metrics, s->tier->durations, &from->durations,
		&to->durations, 0.5));
	jsonout_number(j, "p99",
	    metrics_quantile(s->metrics, s->tier->durations, &from->durations,
		&to->durations, 0.99));
	jsonout_end_object(j);
}

/* Whether an item of this section stands before item i. */
static bool
section_is_old(const struct status_tier *t, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(t->items[k].section, t->items[i].section) == 0)
			return true;
	return false;
}

static bool
section_is_empty(const struct status *s, const char *section)
{
	for (size_t i = 0; i < s->tier->item_count; i++)
		if (strcmp(s->tier->items[i].section, section) == 0 &&
		    metrics_known(s->metrics, s->tier->items[i].what.name))
			return false;
	return true;
}

static void
write_section(const struct status *s, const char *section, struct jsonout *j)
{
	jsonout_object(j, NULL);
	jsonout_string(j, "title", section);
	jsonout_array(j, "items");
	for (size_t i = 0; i < s->tier->item_count; i++) {
		const struct status_item *item = &s->tier->items[i];

		if (strcmp(item->section, section) != 0 ||
		    !metrics_known(s->metrics, item->what.name))
			continue;
		jsonout_object(j, NULL);
		jsonout_string(j, "name", item->name);
		jsonout_string(j, "label", item->label);
		jsonout_string(j, "unit", item->unit);
		jsonout_number(j, "value", status_figure(s, i, item->kind));
		jsonout_end_object(j);
	}
	jsonout_end_array(j);
	jsonout_end_object(j);
}

static void
write_sections(const struct status *s, struct jsonout *j)
{
	const struct status_tier *t = s->tier;

	jsonout_array(j, "sections");
	for (size_t i = 0; i < t->item_count; i++)
		if (!section_is_old(t, i) &&
		    !section_is_empty(s, t->items[i].section))
			write_section(s, t->items[i].section, j);
	jsonout_end_array(j);
}

/* Between each sample and the one before it, oldest first. */
static void
write_outcomes(const struct status *s, const char *name,
    enum status_outcome outcome, struct jsonout *j)
{
	size_t held =
	    s->count <= STATUS_SAMPLES ? s->count - 1 : STATUS_SAMPLES;

	jsonout_array(j, name);
	for (size_t back = held; back-- > 0;)
		jsonout_number(j, NULL,
		    status_rate(status_back(s, back + 1), status_back(s, back),
			outcome));
	jsonout_end_array(j);
}

static void
write_quantiles(
    const struct status *s, const char *name, double q, struct jsonout *j)
{
	size_t held =
	    s->count <= STATUS_SAMPLES ? s->count - 1 : STATUS_SAMPLES;

	jsonout_array(j, name);
	for (size_t back = held; back-- > 0;)
		jsonout_number(j, NULL,
		    metrics_quantile(s->metrics, s->tier->durations,
			&status_back(s, back + 1)->durations,
			&status_back(s, back)->durations, q));
	jsonout_end_array(j);
}

static void
write_history(const struct status *s, struct jsonout *j)
{
	jsonout_object(j, "history");
	jsonout_number(j, "interval", STATUS_INTERVAL_MS / 1000.0);
	write_outcomes(s, "success", STATUS_SUCCESS, j);
	write_outcomes(s, "notfound", STATUS_NOTFOUND, j);
	write_outcomes(s, "error", STATUS_ERROR, j);
	write_quantiles(s, "p50", 0.5, j);
	write_quantiles(s, "p99", 0.99, j);
	jsonout_end_object(j);
}

bool
status_write(struct status *s, struct buffer *out)
{
	struct timespec now;
	struct jsonout j;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	status_read(s, &s->now);
	jsonout_init(&j, out);
	jsonout_object(&j, NULL);
	jsonout_string(&j, "tier", s->tier->name);
	jsonout_string(&j, "name", s->name);
	jsonout_string(&j, "version", PROJECT_VERSION);
	jsonout_string(&j, "revision", metrics_revision());
	/* Ten digits would not hold the fraction, nor need it anyone. */
	jsonout_integer(&j, "time", (uint64_t)now.tv_sec);
	jsonout_integer(&j, "started", (uint64_t)s->started);
	write_problems(s, &j);
	write_rates(s, &j);
	if (s->tier->write != NULL)
		s->tier->write(s->arg, &j);
	write_sections(s, &j);
	write_history(s, &j);
	jsonout_end_object(&j);
	return jsonout_ok(&j) && buffer_append(out, "\n", 1);
}
