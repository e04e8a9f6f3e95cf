#include "common/guard.h"

#include <errno.h>
#include <unistd.h>

#include "common/service.h"

#ifndef sigev_notify_thread_id /* timer_create(2); glibc lacks the name */
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* Safe in a signal handler, as timer_settime(2) is. */
static void
arm(struct guard *g)
{
	struct itimerspec spec = {
		.it_value = { .tv_sec = (time_t)(g->tick_ms / 1000),
		    .tv_nsec = (long)(g->tick_ms % 1000 * 1000000) }
	};

	(void)timer_settime(g->alarm, 0, &spec, NULL);
}

/* A signal handler: only what signal-safety(7) allows. */
static void
on_alarm(int signal, siginfo_t *info, void *context)
{
	static const char text[] =
	    "{\"level\":\"error\",\"msg\":\"the loop does not turn, exiting "
	    "for the supervisor\"}\n";
	struct guard *g = info->si_value.sival_ptr;
	int interrupted = errno; /* of whoever is interrupted */

	(void)signal;
	(void)context;
	if (info->si_code != SI_TIMER)
		return; /* anybody may send a signal */
	g->missed++;
	if (g->missed < GUARD_TICKS) {
		arm(g);
		errno = interrupted;
		return;
	}
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(SERVICE_EXIT_TEMPORARY);
}

static void
on_alive(uv_timer_t *timer)
{
	struct guard *g = timer->data;

	g->missed = 0;
	arm(g);
}

void
guard_start(struct guard *g, uv_loop_t *loop, uint64_t tick_ms)
{
	struct sigaction action = { .sa_sigaction = on_alarm,
		.sa_flags = SA_SIGINFO | SA_RESTART };
	/* Told to this thread, not to one of a library's, so that g is this
	 * thread's alone. */
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
		.sigev_notify_thread_id = gettid(),
		.sigev_signo = GUARD_SIGNAL,
		.sigev_value.sival_ptr = g };

	*g = (struct guard){ .tick_ms = tick_ms };
	if (sigaction(GUARD_SIGNAL, &action, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &g->alarm) != 0)
		return;
	g->on = true;
	(void)uv_timer_init(loop, &g->alive);
	g->alive.data = g;
	(void)uv_timer_start(&g->alive, on_alive, tick_ms / 2, tick_ms / 2);
	uv_unref((uv_handle_t *)&g->alive);
	arm(g);
}

void
guard_stop(struct guard *g)
{
	if (!g->on)
		return;
	g->on = false;
	(void)timer_delete(g->alarm);
	uv_close((uv_handle_t *)&g->alive, NULL);
}
