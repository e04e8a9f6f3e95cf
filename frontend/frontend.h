/*
 * frontend - owns the parts of a frontend and wires them
 *
 *   socketmap server → dispatch → pool → link → frames
 *
 * One loop, one thread.  Runs until SIGTERM or SIGINT has been served.
 */
#ifndef FRONTEND_FRONTEND_H
#define FRONTEND_FRONTEND_H

#include "frontend/config.h"

/* Returns the process's exit status (enum service_exit); what went wrong is
 * logged. */
int frontend_run(
    const struct frontend_settings *settings, const char *const *warnings);

#endif
