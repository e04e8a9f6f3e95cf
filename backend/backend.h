/*
 * backend - owns the parts of a backend and wires them
 *
 *   worker → resolve → userli → http
 *
 * One loop, one thread.  Runs until SIGTERM or SIGINT has been served.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "backend/config.h"

/*
 * Run with backend_program's settings; SIGHUP reads them again as
 * config_reload() does.  Returns the process's exit status (enum service_exit);
 * what went wrong is logged.
 */
int backend_run(const struct config *config);

#endif
