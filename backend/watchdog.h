/*
 * watchdog - notices that a listener is dead, and has it opened anew
 *
 * nng 1.5.2's listeners can die without a word; nngsock_sendmsg.c keeps them
 * from the one way that is known, and this is for others.  Every target is
 * probed over and over; two probes in a row without an answer are a death: the
 * target is opened anew, and given up when that has helped WATCHDOG_REOPENS
 * times in a row for nothing.
 *
 * A target that has never answered is opened anew once, as its very first
 * connection may have been what killed it, and then left alone: something
 * stands between us and it that no new listener cures.  A probe whose timeout
 * came late, because the process was stopped or its loop stalled, is given its
 * time again.
 *
 * Knows neither sockets nor frames: what to do is injected.  Loop's thread
 * only.
 */
#ifndef BACKEND_WATCHDOG_H
#define BACKEND_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define WATCHDOG_INTERVAL_MS 1000     /* from an answer to the next probe */
#define WATCHDOG_TLS_INTERVAL_MS 5000 /* a handshake takes 25 ms of CPU */
#define WATCHDOG_TIMEOUT_MS 1000      /* of one probe */
#define WATCHDOG_FAILURES 2           /* in a row are a death */
#define WATCHDOG_REOPENS 3            /* in a row, then it is given up */
#define WATCHDOG_REOPEN_TRIES 10      /* of one reopening that fails */
#define WATCHDOG_REOPEN_PAUSE_MS 200

struct watchdog;

struct watchdog_hooks {
	/* Begin a probe of target; watchdog_answered() tells of its answer.
	 * False when it cannot be probed now, which is no failure. */
	bool (*start)(void *arg, size_t target);
	/* The probe is over, answered or not. */
	void (*stop)(void *arg, size_t target);
	/* Close the dead listener and open it again; false to be called again
	 * in a moment.  A new one counts as a restart. */
	bool (*reopen)(void *arg, size_t target);
	/* Nothing has helped.  Called once; no probe follows. */
	void (*give_up)(void *arg, size_t target);
	void *arg;
};

struct watchdog_options {
	size_t targets; /* at least 1 */
	/* How long target rests between probes; asked before each rest. */
	uint64_t (*interval_ms)(void *arg, size_t target);
	uint64_t timeout_ms;
	struct watchdog_hooks hooks;
};

/* Never NULL; the first probes start in the next loop turn. */
struct watchdog *watchdog_new(
    uv_loop_t *loop, const struct watchdog_options *options);

/* The probe under way has been answered; ignored when none is. */
void watchdog_answered(struct watchdog *w, size_t target);

/* Start no probe from now on and judge none that is under way: only
 * watchdog_close() stops it. */
void watchdog_pause(struct watchdog *w);

/* Stop the probes under way and free, once the loop has closed the handles.
 * May be called from give_up, and not from another hook. */
void watchdog_close(struct watchdog *w);

#endif
