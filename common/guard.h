/*
 * guard - ends a process whose loop no longer turns
 *
 * nng_close() has been seen to hang, and with it the loop that called it, for
 * good.  A timer of the kernel's (timer_create(2)) ticks; the loop, as it
 * turns, sets the count of ticks back; GUARD_TICKS of them in a row without a
 * turn end the process with SERVICE_EXIT_TEMPORARY, for its supervisor to start
 * it again.
 *
 * Each tick is armed by the one before, so that a process that was stopped
 * (SIGSTOP, a frozen container, a suspended host) for however long has missed
 * one tick and no more when it continues.  Uses the signal GUARD_SIGNAL, which
 * goes to the thread that calls guard_start(): the loop's, which must not block
 * it.
 */
#ifndef COMMON_GUARD_H
#define COMMON_GUARD_H

#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <uv.h>

#define GUARD_SIGNAL SIGRTMIN
#define GUARD_TICKS 10
#define GUARD_TICK_MS 1000 /* what the daemons use */

struct guard {
	uv_timer_t alive;
	timer_t alarm;
	bool on;
	uint64_t tick_ms;
	volatile sig_atomic_t missed; /* ticks without a turn */
};

/*
 * From now until guard_stop(), the process ends when the loop has not turned
 * for GUARD_TICKS of tick_ms.  Without a timer to be had, nothing is guarded.
 */
void guard_start(struct guard *g, uv_loop_t *loop, uint64_t tick_ms);

/* g's memory must live until the loop has closed its handle.  A second call,
 * and one without a start, does nothing; g was zeroed before its start. */
void guard_stop(struct guard *g);

#endif
