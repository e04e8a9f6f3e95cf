/*
 * doctor_daemons - asks the daemons themselves: ready, certificates, limits
 */
#ifndef FRONTEND_CLI_DOCTOR_DAEMONS_H
#define FRONTEND_CLI_DOCTOR_DAEMONS_H

#include "frontend/cli/findings.h"
#include "frontend/config.h"

/*
 * The daemon whose metrics are at where (host:port, or ":port" on this host),
 * which is called name.  must_run: that nobody answers there is a finding.
 */
void doctor_daemon(
    const char *name, const char *where, bool must_run, struct findings *f);

/* One lookup at each of the frontend's addresses, as Postfix would ask. */
void doctor_listeners(const struct frontend_settings *s, struct findings *f);

#endif
