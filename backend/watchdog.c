#include "backend/watchdog.h"

#include <assert.h>
#include <stdlib.h>

#include "common/mem.h"

/* What has come in meanwhile is read after the timers of a loop turn. */
#define GRACE_MS 50

enum state {
	STATE_RESTING, /* until the next probe */
	STATE_PROBING,
	STATE_GRACE, /* the time is up, but an answer may lie unread */
	STATE_REOPENING,
	STATE_GIVEN_UP,
};

struct target {
	struct watchdog *watchdog;
	size_t index;
	uv_timer_t timer;
	enum state state;
	uint64_t due;      /* when the timer should fire */
	bool has_answered; /* once, ever */
	unsigned failures; /* in a row */
	unsigned reopens;  /* since the last answer */
	unsigned tries;    /* of this reopening */
};

struct watchdog {
	struct watchdog_options options;
	unsigned handles; /* open; 0 frees */
	struct target targets[];
};

static void on_timer(uv_timer_t *timer);

static void
enter(struct target *t, enum state state, uint64_t delay_ms)
{
	t->state = state;
	t->due = uv_now(t->timer.loop) + delay_ms;
	(void)uv_timer_start(&t->timer, on_timer, delay_ms, 0);
}

static const struct watchdog_hooks *
hooks_of(const struct target *t)
{
	return &t->watchdog->options.hooks;
}

static void
rest(struct target *t)
{
	const struct watchdog_options *o = &t->watchdog->options;

	enter(t, STATE_RESTING, o->interval_ms(o->hooks.arg, t->index));
}

static void
start_probe(struct target *t)
{
	const struct watchdog_options *o = &t->watchdog->options;

	/* Before start(): it may be answered from within. */
	enter(t, STATE_PROBING, o->timeout_ms);
	if (!o->hooks.start(o->hooks.arg, t->index)) {
		t->failures = 0;
		rest(t);
	}
}

static void
try_reopen(struct target *t)
{
	const struct watchdog_hooks *h = hooks_of(t);

	if (h->reopen(h->arg, t->index)) {
		t->failures = 0;
		start_probe(t);
	} else if (++t->tries < WATCHDOG_REOPEN_TRIES) {
		enter(t, STATE_REOPENING, WATCHDOG_REOPEN_PAUSE_MS);
	} else {
		t->state = STATE_GIVEN_UP;
		h->give_up(h->arg, t->index);
	}
}

static void
bury(struct target *t)
{
	const struct watchdog_hooks *h = hooks_of(t);

	if (t->reopens == WATCHDOG_REOPENS) {
		t->state = STATE_GIVEN_UP;
		h->give_up(h->arg, t->index);
		return;
	}
	t->reopens++;
	t->tries = 0;
	try_reopen(t);
}

static void
fail(struct target *t)
{
	const struct watchdog_hooks *h = hooks_of(t);

	h->stop(h->arg, t->index);
	t->failures++;
	if (!t->has_answered && t->reopens > 0)
		rest(t);
	else if (t->failures < WATCHDOG_FAILURES)
		start_probe(t);
	else
		bury(t);
}

static void
on_timer(uv_timer_t *timer)
{
	struct target *t = timer->data;
	uint64_t timeout_ms = t->watchdog->options.timeout_ms;
	uint64_t late_ms = uv_now(timer->loop) - t->due;

	switch (t->state) {
	case STATE_RESTING:
		start_probe(t);
		break;
	case STATE_PROBING:
		enter(t, STATE_GRACE,
		    late_ms > timeout_ms / 2 ? timeout_ms : GRACE_MS);
		break;
	case STATE_GRACE:
		if (late_ms > timeout_ms / 2)
			enter(t, STATE_GRACE, timeout_ms);
		else
			fail(t);
		break;
	case STATE_REOPENING:
		try_reopen(t);
		break;
	case STATE_GIVEN_UP:
		break;
	}
}

struct watchdog *
watchdog_new(uv_loop_t *loop, const struct watchdog_options *options)
{
	struct watchdog *w =
	    mem_calloc(1, sizeof *w + options->targets * sizeof w->targets[0]);

	assert(options->targets > 0);
	w->options = *options;
	for (size_t i = 0; i < options->targets; i++) {
		struct target *t = &w->targets[i];

		t->watchdog = w;
		t->index = i;
		(void)uv_timer_init(loop, &t->timer);
		t->timer.data = t;
		w->handles++;
		enter(t, STATE_RESTING, 0);
	}
	return w;
}

void
watchdog_answered(struct watchdog *w, size_t target)
{
	struct target *t = &w->targets[target];

	assert(target < w->options.targets);
	if (t->state != STATE_PROBING && t->state != STATE_GRACE)
		return;
	t->has_answered = true;
	t->failures = 0;
	t->reopens = 0;
	rest(t);
	hooks_of(t)->stop(hooks_of(t)->arg, target);
}

static void
on_closed(uv_handle_t *handle)
{
	struct target *t = handle->data;
	struct watchdog *w = t->watchdog;

	if (--w->handles == 0)
		free(w);
}

void
watchdog_pause(struct watchdog *w)
{
	for (size_t i = 0; i < w->options.targets; i++)
		(void)uv_timer_stop(&w->targets[i].timer);
}

void
watchdog_close(struct watchdog *w)
{
	const struct watchdog_hooks *h = &w->options.hooks;

	for (size_t i = 0; i < w->options.targets; i++) {
		struct target *t = &w->targets[i];

		if (t->state == STATE_PROBING || t->state == STATE_GRACE)
			h->stop(h->arg, i);
		t->state = STATE_GIVEN_UP;
		uv_close((uv_handle_t *)&t->timer, on_closed);
	}
}
