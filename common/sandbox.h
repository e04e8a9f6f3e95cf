/*
 * sandbox - what a daemon takes from itself, so that a fault in it leads
 * nowhere
 *
 * Four things, each where the kernel has it: no new privileges, nearly none of
 * root's (sandbox_capabilities.h), files (sandbox_landlock.h), system calls
 * (sandbox_calls.h).  They cannot be undone and hold for threads to come; only
 * the last reaches threads that run already, so the others come first, before
 * any library makes one.  What this kernel
 * lacks, or a container forbids, is logged, and the daemon goes on without.
 *
 *   sandbox_init → sandbox_read … → sandbox_close_files → (start) →
 *   sandbox_close_calls
 *
 * Main's thread only; each function does nothing when the sandbox is off.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>

#include "common/config.h"
#include "common/endpoint.h"
#include "common/log.h"
#include "common/sandbox_calls.h"

struct sandbox {
	bool on;
	struct log *log; /* borrowed */
	int rules;       /* of Landlock, until they hold; -1 without it */
	int landlock;    /* its version here; 0 without it */
};

/*
 * Forbid new privileges and drop old ones, and leave open what any daemon
 * needs: what name resolution, TLS and the C library read.  Off says so in the
 * log.
 */
void sandbox_init(struct sandbox *s, bool on, struct log *log);

/* Files that config_reload() reads. */
void sandbox_config(struct sandbox *s, const struct config *config);

/*
 * A file to be read, "" for none; and its directory, since a new version takes
 * its place under the same name.
 */
void sandbox_read(struct sandbox *s, const char *path);

/* A file to be written beside the old one, and put in its place; or "". */
void sandbox_replace(struct sandbox *s, const char *path);

/* UNIX sockets to be bound, and removed at the end; "" for none. */
void sandbox_bind(struct sandbox *s, const char *path);
void sandbox_bind_all(struct sandbox *s, const struct endpoint_list *list);

/* No other file from now on. */
void sandbox_close_files(struct sandbox *s);

/* No other system call from now on, in any thread; logs what holds. */
void sandbox_close_calls(struct sandbox *s, enum sandbox_calls extra);

#endif
