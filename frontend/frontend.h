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

/*
 * Run with frontend_program's settings; SIGHUP reads them again as
 * config_reload() does.  Returns the process's exit status (enum service_exit);
 * what went wrong is logged.
 */
int frontend_run(const struct config *config);

#endif
