#include "common/status.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "common/mem.h"
#include "common/status_private.h"

static double
unix_time(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t
figures(const struct status_tier *tier)
{
	return tier->item_count + tier->rule_count;
}

static const struct metrics_selector *
selector(const struct status_tier *tier, size_t i)
{
	return i < tier->item_count ? &tier->items[i].what
				    : &tier->rules[i - tier->item_count].what;
}

void
status_read(struct status *s, struct status_sample *out)
{
	const struct status_tier *t = s->tier;
	double all;

	metrics_collect(s->metrics);
	out->at_ns = uv_hrtime();
	all = metrics_sum(s->metrics, &t->all);
	out->outcomes[STATUS_SUCCESS] = metrics_sum(s->metrics, &t->success);
	out->outcomes[STATUS_NOTFOUND] = metrics_sum(s->metrics, &t->notfound);
	out->outcomes[STATUS_ERROR] = all - out->outcomes[STATUS_SUCCESS] -
	    out->outcomes[STATUS_NOTFOUND];
	metrics_read_buckets(s->metrics, t->durations, &out->durations);
	for (size_t i = 0; i < figures(t); i++) {
		const struct metrics_selector *what = selector(t, i);
		struct metrics_selector whole = { what->name, NULL };

		out->figures[i] = metrics_sum(s->metrics, what);
		out->wholes[i] = metrics_sum(s->metrics, &whole);
	}
}

void
status_sample(struct status *s)
{
	status_read(s, &s->ring[s->count++ % (STATUS_SAMPLES + 1)]);
}

const struct status_sample *
status_back(const struct status *s, size_t back)
{
	size_t held =
	    s->count < STATUS_SAMPLES + 1 ? s->count : STATUS_SAMPLES + 1;

	if (back >= held)
		back = held - 1;
	return &s->ring[(s->count - 1 - back) % (STATUS_SAMPLES + 1)];
}

double
status_rate(const struct status_sample *from, const struct status_sample *to,
    enum status_outcome outcome)
{
	double seconds = (double)(to->at_ns - from->at_ns) / 1e9;

	return seconds > 0
	    ? (to->outcomes[outcome] - from->outcomes[outcome]) / seconds
	    : 0;
}

double
status_figure(const struct status *s, size_t i, enum status_kind kind)
{
	const struct status_sample *now = &s->now;
	const struct status_sample *from = status_back(
	    s, kind == STATUS_RATE ? STATUS_RATE_SAMPLES : STATUS_SAMPLES);
	double grown = now->figures[i] - from->figures[i];
	double whole = now->wholes[i] - from->wholes[i];
	double seconds = (double)(now->at_ns - from->at_ns) / 1e9;

	switch (kind) {
	case STATUS_NOW:
		return now->figures[i];
	case STATUS_RATE:
		return seconds > 0 ? grown / seconds : 0;
	case STATUS_GROWTH:
		return grown;
	case STATUS_SHARE:
		return whole > 0 ? grown / whole : NAN;
	case STATUS_LEFT:
		return now->figures[i] > 0 ? now->figures[i] - unix_time()
					   : NAN;
	}
	return NAN;
}

static void
on_timer(uv_timer_t *timer)
{
	status_sample(timer->data);
}

static void
init_sample(struct status_sample *sample, const struct status_tier *tier)
{
	sample->figures =
	    mem_calloc(figures(tier) + 1, sizeof sample->figures[0]);
	sample->wholes =
	    mem_calloc(figures(tier) + 1, sizeof sample->wholes[0]);
}

static void
fini_sample(struct status_sample *sample)
{
	free(sample->figures);
	free(sample->wholes);
}

struct status *
status_new(uv_loop_t *loop, struct metrics *metrics,
    const struct status_tier *tier, const char *name, void *arg)
{
	struct status *s = mem_calloc(1, sizeof *s);

	s->metrics = metrics;
	s->tier = tier;
	s->name = name;
	s->arg = arg;
	s->started = unix_time();
	for (size_t i = 0; i <= STATUS_SAMPLES; i++)
		init_sample(&s->ring[i], tier);
	init_sample(&s->now, tier);
	(void)uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	(void)uv_timer_start(
	    &s->timer, on_timer, STATUS_INTERVAL_MS, STATUS_INTERVAL_MS);
	uv_unref((uv_handle_t *)&s->timer);
	/* What comes before the first sample would not be seen to grow. */
	status_sample(s);
	return s;
}

static void
on_closed(uv_handle_t *handle)
{
	struct status *s = handle->data;

	for (size_t i = 0; i <= STATUS_SAMPLES; i++)
		fini_sample(&s->ring[i]);
	fini_sample(&s->now);
	free(s);
}

void
status_close(struct status *s)
{
	uv_close((uv_handle_t *)&s->timer, on_closed);
}
