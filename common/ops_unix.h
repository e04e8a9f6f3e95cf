/*
 * ops_unix - a listening UNIX socket that only its owner may use
 *
 * For the ops module's private side: the socket's mode is 0600, and whoever
 * connects must be root or run as this process's user, whatever became of the
 * mode.  Start-up only, but for ops_unix_may_ask() and ops_unix_remove().
 */
#ifndef COMMON_OPS_UNIX_H
#define COMMON_OPS_UNIX_H

#include "common/ops_bind.h"

/*
 * Bind and listen at path, in the place of a socket that nobody listens on any
 * more.  False with the reason in *error: somebody does, or what is there is
 * no socket.
 */
bool ops_unix_bind(const char *path, struct ops_socket *out,
    struct error *error) __attribute__((warn_unused_result));

/* Whether the client of an accepted connection may be served. */
bool ops_unix_may_ask(int fd);

/* Remove the file, unless another socket has taken its place. */
void ops_unix_remove(const struct ops_socket *s);

#endif
