/*
 * naming - how a backend calls itself
 */
#ifndef BACKEND_NAMING_H
#define BACKEND_NAMING_H

#include "common/rpc.h"

/* BACKEND_NAME, or the host's name and the process id. */
void naming_backend(
    const char *setting, char out[static RPC_BACKEND_NAME_MAX + 1]);

/* "VERSION BUILD", for health answers. */
void naming_build(char out[static RPC_BUILD_MAX + 1]);

#endif
