/*
 * startup - the end of a process in whose start a library gives up
 *
 * libuv and nng abort(3) where the system refuses what they take for granted:
 * a thread, a descriptor of their own to watch, random bytes.  While a daemon
 * starts that is a failure to start like any other: a line that says so, and
 * SERVICE_EXIT_TEMPORARY, for the supervisor to try again.
 */
#ifndef COMMON_STARTUP_H
#define COMMON_STARTUP_H

#include <uv.h>

#include "common/log.h"

/* From now on until startup_end(), SIGABRT ends the process so. */
void startup_begin(void);

/* Initialise the loop; on false the reason has been logged. */
bool startup_loop(uv_loop_t *loop, struct log *log)
    __attribute__((warn_unused_result));

/* Have libuv make its pool of threads at the loop's first turn, and not when
 * the first work for it comes. */
void startup_threads(uv_loop_t *loop);

/*
 * Let the loop turn once, so that what libuv makes at its first use is made,
 * and leave SIGABRT to its default again.
 */
void startup_end(uv_loop_t *loop);

#endif
