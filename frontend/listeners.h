/*
 * listeners - bind a socketmap server to SOCKETMAP_LISTEN_ADDR
 *
 * Sockets that systemd passes take the place of those addresses.  Start-up
 * only: names of hosts, users and groups are resolved here.  Loop's thread.
 */
#ifndef FRONTEND_LISTENERS_H
#define FRONTEND_LISTENERS_H

#include "common/error.h"
#include "common/log.h"
#include "frontend/config.h"
#include "frontend/socketmap/socketmap.h"

/* Bind all and log each; *error names the one that failed. */
bool listeners_bind(struct socketmap_server *server,
    const struct frontend_settings *settings, struct log *log,
    struct error *error) __attribute__((warn_unused_result));

#endif
