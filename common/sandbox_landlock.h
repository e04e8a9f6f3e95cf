/*
 * sandbox_landlock - the files that are left to a daemon (Landlock)
 *
 * landlock(7): a set of rules, each for a file or for all below a directory;
 * once it holds, whatever no rule allows fails with EACCES, and so does
 * executing any file, and sending signals to processes outside.  Open
 * descriptors stay as they are, and connecting to UNIX sockets is not limited.
 * Debian 12 has no library for it: these are the three system calls.  Each
 * version of Landlock limits more; what this kernel's does not know is left
 * out.
 */
#ifndef COMMON_SANDBOX_LANDLOCK_H
#define COMMON_SANDBOX_LANDLOCK_H

#include <stdbool.h>

#include "common/error.h"

/* What a rule allows; values add up. */
enum sandbox_access {
	SANDBOX_READ = 1,    /* files, and directories' names */
	SANDBOX_WRITE = 2,   /* files that are there */
	SANDBOX_REPLACE = 4, /* make, write, rename and remove files */
	SANDBOX_BIND = 8,    /* make and remove UNIX sockets */
};

/*
 * A set that allows nothing yet: a descriptor, or -1 with the reason.  *version
 * is this kernel's, 0 without Landlock.
 */
int sandbox_landlock_new(int *version, struct error *error);

/* Allow it for a file, or for all below a directory; false if neither is there.
 */
bool sandbox_landlock_allow(int rules, const char *path, unsigned access);

/*
 * Hold this thread, and those that it makes, to the set, and close it.  Needs
 * no_new_privs.  False with the reason.
 */
bool sandbox_landlock_enter(int rules, struct error *error)
    __attribute__((warn_unused_result));

#endif
