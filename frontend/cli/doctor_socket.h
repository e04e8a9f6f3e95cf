/*
 * doctor_socket - can Postfix's processes reach the frontend's UNIX socket?
 *
 * What a path in main.cf means depends on who opens it: a chrooted process sees
 * the queue directory as /, any other one starts there.
 */
#ifndef FRONTEND_CLI_DOCTOR_SOCKET_H
#define FRONTEND_CLI_DOCTOR_SOCKET_H

#include <sys/types.h>

#include "frontend/cli/findings.h"
#include "frontend/cli/postconf.h"

#define DOCTOR_PATH_MAX 512

/* Where a process in or outside a chroot looks for path. */
void doctor_socket_path(struct slice queue_directory, struct slice path,
    bool chroot, char out[static DOCTOR_PATH_MAX]);

/* Whether a user in these groups may connect to the socket at path; if not,
 * *error says what is in the way. */
bool doctor_socket_allows(const char *path, uid_t uid, const gid_t *groups,
    int count, struct error *error) __attribute__((warn_unused_result));

/* All of main.cf's. */
void doctor_sockets(const struct postconf *pc, struct findings *f);

#endif
