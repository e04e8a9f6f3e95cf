/*
 * owner - users and groups by name or number
 *
 * Start-up only: reads the system's user database (getpwnam(3), getgrnam(3)).
 */
#ifndef FRONTEND_OWNER_H
#define FRONTEND_OWNER_H

#include <stdbool.h>

#include "common/error.h"

#define OWNER_UNCHANGED (-1L)

/* The id, or OWNER_UNCHANGED for an empty name; false with the reason. */
bool owner_user(const char *name, long *uid, struct error *error)
    __attribute__((warn_unused_result));
bool owner_group(const char *name, long *gid, struct error *error)
    __attribute__((warn_unused_result));

/* The same as tests of a configured value. */
bool owner_check_user(const char *name, struct error *error);
bool owner_check_group(const char *name, struct error *error);

#endif
