/*
 * sandbox_capabilities - what is left to a daemon that runs as root
 *
 * Of root's powers (capabilities(7)) it keeps those over the files that
 * settings name, and over ports below 1024.  Neither daemon needs root.
 */
#ifndef COMMON_SANDBOX_CAPABILITIES_H
#define COMMON_SANDBOX_CAPABILITIES_H

#include <stdbool.h>

/* For this thread and those that it makes; false with errno. */
bool sandbox_capabilities_drop(void) __attribute__((warn_unused_result));

#endif
