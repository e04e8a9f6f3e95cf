/*
 * backend_sandbox - the files that a backend leaves open to itself
 *
 * See common/sandbox.h.
 */
#ifndef BACKEND_BACKEND_SANDBOX_H
#define BACKEND_BACKEND_SANDBOX_H

#include "common/sandbox.h"

/* Those that its settings name; before any thread is made. */
void backend_sandbox_enter(
    struct sandbox *s, const struct config *config, struct log *log);

#endif
