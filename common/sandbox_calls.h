/*
 * sandbox_calls - the system calls that are left to a daemon (seccomp)
 *
 * What is on the list works.  What only an attacker would ask for (another
 * program or process, another identity, a mount, a look into other processes,
 * code for the kernel …) ends the process, which the kernel logs as
 * "type=1326".  All else fails with ENOSYS, as on a kernel that is older than
 * the call: a newer C library then does without it.  So a list that lacks
 * something harmless costs no lookup.  The kernel logs none of these, since
 * glibc asks for clone3() with every thread.
 *
 * On the list, but not with any argument: socket() (UNIX, IPv4 and IPv6, and
 * NETLINK_ROUTE, which glibc asks for addresses), clone() (threads), ioctl(),
 * prctl(), prlimit64() (reading), tgkill() (itself), mmap() and mprotect()
 * (no memory that is both written and run).
 *
 * The lists are what the daemons were seen to call in all system tests, and
 * their relatives on other architectures and C libraries.
 */
#ifndef COMMON_SANDBOX_CALLS_H
#define COMMON_SANDBOX_CALLS_H

#include <stdbool.h>

#include "common/error.h"

/* Beyond what both daemons need; values add up. */
enum sandbox_calls {
	SANDBOX_CALLS_COMMON = 0,
	SANDBOX_CALLS_FILES = 1,  /* to write files and rename them */
	SANDBOX_CALLS_OWNERS = 2, /* to give files to other users */
};

/* For all threads of the process; false with the reason, and nothing done. */
bool sandbox_calls_limit(enum sandbox_calls extra, struct error *error)
    __attribute__((warn_unused_result));

#endif
