#include "frontend/cli/bench_run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/mem.h"
#include "frontend/cli/bench_client.h"

/* Connections being made at a time: a listener's backlog is no test's aim. */
#define CONNECTING_MAX 64
#define TICK_MS 100
#define LIVE_MS 1000
#define NS_PER_S 1000000000
#define NS_PER_MS 1000000

enum phase {
	PHASE_CONNECTING,
	PHASE_WARMUP,
	PHASE_MEASURING,
	PHASE_ENDING, /* waits for what is under way */
	PHASE_CLOSING,
};

struct run {
	const struct bench_run_options *options;
	struct bench_figures *figures;
	struct error *error;
	bool failed;
	enum phase phase;
	uv_loop_t loop;
	uv_timer_t tick;
	uv_timer_t stage; /* the end of warm-up or measuring */
	uv_timer_t live;
	uv_signal_t signals[2];
	uv_poll_t due; /* open loop: when a request is due */
	int due_fd;
	struct list ready;         /* open loop: clients with room */
	uint64_t since_ns;         /* of this phase */
	uint64_t asked;            /* in it */
	size_t started, connected; /* clients */
	uint64_t alone_since_ms;   /* nobody is connected; 0: somebody is */
	const struct addrinfo *address;
	struct bench_client *clients;
	struct bench_shared *shared;
};

static void ask_due(struct run *r);

/* --- The end ------------------------------------------------------------- */

static void
close_all(struct run *r)
{
	if (r->phase == PHASE_CLOSING)
		return;
	r->phase = PHASE_CLOSING;
	for (size_t i = 0; i < r->started; i++)
		bench_client_close(&r->clients[i], UV_ECANCELED);
	uv_close((uv_handle_t *)&r->tick, NULL);
	uv_close((uv_handle_t *)&r->stage, NULL);
	uv_close((uv_handle_t *)&r->live, NULL);
	uv_close((uv_handle_t *)&r->due, NULL);
	for (int i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
}

static void
give_up(struct run *r, const char *what, int error)
{
	if (r->phase == PHASE_CLOSING)
		return;
	error_set(r->error, "%s %s: %s (%zu of %zu connections)", what,
	    r->options->address, uv_strerror(error), r->connected,
	    r->options->connections);
	r->failed = true;
	close_all(r);
}

static void
end_if_answered(struct run *r)
{
	if (r->phase != PHASE_ENDING || r->shared->in_flight > 0)
		return;
	if (r->figures->to_ns == 0)
		r->figures->to_ns = uv_hrtime();
	close_all(r);
}

/* Ask no more. */
static void
stop_asking(struct run *r)
{
	r->phase = PHASE_ENDING;
	(void)uv_poll_stop(&r->due);
	end_if_answered(r);
}

static void
on_over(uv_timer_t *timer)
{
	struct run *r = timer->data;

	r->figures->to_ns = uv_hrtime();
	stop_asking(r);
}

static void
on_signal(uv_signal_t *signal, int number)
{
	struct run *r = signal->data;

	(void)number;
	if (r->phase == PHASE_MEASURING)
		on_over(&r->stage);
	else
		close_all(r);
}

/* --- Asking -------------------------------------------------------------- */

static bool
may_ask(const struct run *r)
{
	return r->phase == PHASE_WARMUP || r->phase == PHASE_MEASURING;
}

/* How many of n are left to ask, by --count. */
static size_t
clip(const struct run *r, size_t n)
{
	uint64_t count = r->options->count;

	if (count == 0 || r->phase != PHASE_MEASURING || count - r->asked >= n)
		return n;
	return (size_t)(count - r->asked);
}

static void
ask(struct run *r, struct bench_client *c, size_t n, uint64_t due, uint64_t now)
{
	r->asked += n;
	bench_client_ask(c, n, due, now);
	if (r->phase == PHASE_MEASURING && r->options->count > 0 &&
	    r->asked >= r->options->count)
		stop_asking(r);
}

static void
ask_at_once(struct run *r, struct bench_client *c)
{
	size_t n = clip(r, bench_client_room(c));
	uint64_t now;

	if (n == 0 || !may_ask(r))
		return;
	now = uv_hrtime();
	ask(r, c, n, now, now);
}

/* When request number asked of this phase is due. */
static uint64_t
next_due(const struct run *r)
{
	return r->since_ns +
	    (uint64_t)((double)r->asked * NS_PER_S / r->options->rate);
}

static void
on_due(uv_poll_t *poll, int status, int events)
{
	struct run *r = poll->data;
	uint64_t expirations;

	(void)status;
	(void)events;
	if (read(r->due_fd, &expirations, sizeof expirations) > 0)
		ask_due(r);
}

/* Let the timer, which knows nanoseconds as libuv's do not, call at due. */
static void
wait_due(struct run *r, uint64_t due)
{
	const struct itimerspec at = {
		.it_value = { .tv_sec = (time_t)(due / NS_PER_S),
		    .tv_nsec = (long)(due % NS_PER_S) },
	};

	(void)timerfd_settime(r->due_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Ask what is due on whichever client has room; the rest waits for one. */
static void
ask_due(struct run *r)
{
	uint64_t now = uv_hrtime();

	while (may_ask(r) && !list_is_empty(&r->ready)) {
		struct bench_client *c =
		    LIST_ITEM(r->ready.next, struct bench_client, link);
		uint64_t due = next_due(r);

		if (due > now) {
			wait_due(r, due);
			return;
		}
		list_remove(&c->link);
		ask(r, c, 1, due, now);
		if (bench_client_room(c) > 0)
			list_append(&r->ready, &c->link);
	}
}

/* --- Phases -------------------------------------------------------------- */

static void
ask_everywhere(struct run *r)
{
	r->since_ns = uv_hrtime();
	r->asked = 0;
	if (r->options->rate > 0)
		ask_due(r);
	else
		for (size_t i = 0; i < r->started; i++)
			ask_at_once(r, &r->clients[i]);
}

static void
start_measuring(struct run *r)
{
	r->phase = PHASE_MEASURING;
	bench_figures_start(r->figures, uv_hrtime());
	if (r->options->duration_ms > 0)
		(void)uv_timer_start(
		    &r->stage, on_over, r->options->duration_ms, 0);
	ask_everywhere(r);
}

static void
on_warm(uv_timer_t *timer)
{
	start_measuring(timer->data);
}

static void
start_asking(struct run *r)
{
	/* Connecting may have taken long since the loop last looked. */
	uv_update_time(&r->loop);
	if (r->options->warmup_ms == 0) {
		start_measuring(r);
		return;
	}
	r->phase = PHASE_WARMUP;
	(void)uv_timer_start(&r->stage, on_warm, r->options->warmup_ms, 0);
	ask_everywhere(r);
}

/* --- Clients ------------------------------------------------------------- */

static void
connect_next(struct run *r)
{
	if (r->started < r->options->connections)
		bench_client_connect(&r->clients[r->started++]);
}

static void
on_up(struct run *r)
{
	r->alone_since_ms = 0;
	r->connected++;
	if (r->phase != PHASE_CONNECTING)
		return;
	/* The first shows that the address answers; then several at a time. */
	for (int i = r->connected == 1 ? 0 : CONNECTING_MAX - 1;
	     i < CONNECTING_MAX; i++)
		connect_next(r);
	if (r->connected == r->options->connections)
		start_asking(r);
}

static void
on_room(void *arg, struct bench_client *c)
{
	struct run *r = arg;

	if (!c->was_up) { /* it has just connected */
		c->was_up = true;
		if (r->options->rate > 0)
			list_append(&r->ready, &c->link);
		on_up(r);
		if (r->options->rate > 0)
			return;
	}
	if (r->options->rate == 0) {
		ask_at_once(r, c);
	} else {
		if (list_is_empty(&c->link))
			list_append(&r->ready, &c->link);
		ask_due(r);
	}
	end_if_answered(r);
}

static void
use_address(struct run *r, const struct addrinfo *address)
{
	r->address = address;
	if (address != NULL)
		memcpy(&r->shared->to.storage, address->ai_addr,
		    address->ai_addrlen);
}

static void
on_down(void *arg, struct bench_client *c, int error)
{
	struct run *r = arg;

	list_remove(&c->link);
	if (c->was_up) {
		c->was_up = false;
		r->connected--;
		if (r->phase != PHASE_CLOSING)
			r->figures->reconnects++;
	}
	if (r->phase == PHASE_CONNECTING && r->connected == 0 &&
	    r->started == 1 && r->address != NULL &&
	    r->address->ai_next != NULL) {
		use_address(r, r->address->ai_next);
		bench_client_connect(c);
	} else if (r->phase == PHASE_CONNECTING) {
		give_up(r, "cannot reach", error);
	} else if (r->phase < PHASE_CLOSING && r->connected == 0 &&
	    r->alone_since_ms == 0) {
		r->alone_since_ms = uv_now(&r->loop);
	}
	end_if_answered(r);
}

/* Requests that wait for too long, connections to be made anew. */
static void
on_tick(uv_timer_t *timer)
{
	struct run *r = timer->data;
	uint64_t timeout_ms = r->options->timeout_ms;
	uint64_t now = uv_hrtime();
	uint64_t limit = timeout_ms * NS_PER_MS;

	if (r->phase == PHASE_CONNECTING) {
		if (now >= r->since_ns + limit)
			give_up(r, "cannot reach", UV_ETIMEDOUT);
		return;
	}
	if (r->alone_since_ms > 0 &&
	    uv_now(&r->loop) >= r->alone_since_ms + timeout_ms) {
		give_up(r, "lost", UV_ECONNRESET);
		return;
	}
	for (size_t i = 0; i < r->started; i++) {
		struct bench_client *c = &r->clients[i];

		if (c->state == BENCH_CLIENT_OFF && may_ask(r))
			bench_client_connect(c);
		else if (now > limit && bench_client_is_overdue(c, now - limit))
			bench_client_close(c, UV_ETIMEDOUT);
	}
}

static void
on_live(uv_timer_t *timer)
{
	struct run *r = timer->data;

	if (r->phase == PHASE_MEASURING)
		bench_figures_print_live(r->figures, uv_hrtime(), stderr);
}

/* --- Life ---------------------------------------------------------------- */

static bool
init_loop(struct run *r, struct error *error)
{
	static const int numbers[2] = { SIGINT, SIGTERM };

	r->due_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (r->due_fd < 0 || uv_loop_init(&r->loop) != 0) {
		error_set(error, "cannot start: %s", strerror(errno));
		return false;
	}
	(void)uv_timer_init(&r->loop, &r->tick);
	(void)uv_timer_init(&r->loop, &r->stage);
	(void)uv_timer_init(&r->loop, &r->live);
	(void)uv_poll_init(&r->loop, &r->due, r->due_fd);
	r->tick.data = r->stage.data = r->live.data = r->due.data = r;
	for (int i = 0; i < 2; i++) {
		(void)uv_signal_init(&r->loop, &r->signals[i]);
		r->signals[i].data = r;
		(void)uv_signal_start(&r->signals[i], on_signal, numbers[i]);
	}
	(void)uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
	if (r->options->live)
		(void)uv_timer_start(&r->live, on_live, LIVE_MS, LIVE_MS);
	if (r->options->rate > 0)
		(void)uv_poll_start(&r->due, UV_READABLE, on_due);
	return true;
}

static void
init_clients(struct run *r, struct bench_plan *plan)
{
	struct bench_shared *s = mem_calloc(1, sizeof *s);
	size_t n = r->options->connections;

	r->shared = s;
	s->loop = &r->loop;
	s->plan = plan;
	s->figures = r->figures;
	s->pipeline = r->options->pipeline;
	s->path = r->options->path;
	s->room = on_room;
	s->down = on_down;
	s->arg = r;
	buffer_init(&s->out, SIZE_MAX / 4);
	r->clients = mem_calloc(n, sizeof *r->clients);
	for (size_t i = 0; i < n; i++)
		bench_client_init(&r->clients[i], s);
	list_init(&r->ready);
}

static void
fini(struct run *r)
{
	for (size_t i = 0; i < r->options->connections; i++)
		bench_client_fini(&r->clients[i]);
	free(r->clients);
	buffer_fini(&r->shared->out);
	free(r->shared);
	(void)uv_loop_close(&r->loop);
	(void)close(r->due_fd);
}

bool
bench_run(const struct bench_run_options *options, struct bench_plan *plan,
    struct bench_figures *figures, uint64_t *unsent, struct error *error)
{
	struct run r = {
		.options = options, .figures = figures, .error = error
	};
	uint64_t due;

	(void)signal(SIGPIPE, SIG_IGN);
	if (!init_loop(&r, error))
		return false;
	init_clients(&r, plan);
	use_address(&r, options->addresses);
	r.since_ns = uv_hrtime();
	bench_figures_start(figures, r.since_ns);
	connect_next(&r);
	(void)uv_run(&r.loop, UV_RUN_DEFAULT);
	if (figures->to_ns == 0)
		figures->to_ns = uv_hrtime();
	*unsent = 0;
	if (options->rate > 0 && !r.failed) {
		due = (uint64_t)((double)(figures->to_ns - figures->from_ns) *
		    options->rate / NS_PER_S);
		if (options->count > 0 && due > options->count)
			due = options->count;
		*unsent = due > r.asked ? due - r.asked : 0;
	}
	fini(&r);
	return !r.failed;
}
