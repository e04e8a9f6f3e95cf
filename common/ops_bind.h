/*
 * ops_bind - listening sockets for the ops module
 *
 * Sockets of our own, and not the HTTP library's, so that an error names its
 * address, ":10002" serves IPv6 and IPv4 alike, port 0 can be read back, and a
 * UNIX socket is its owner's alone (ops_unix.h).
 * Start-up only: a host name is resolved here and now.
 */
#ifndef COMMON_OPS_BIND_H
#define COMMON_OPS_BIND_H

#include <sys/types.h>

#include "common/endpoint.h"
#include "common/error.h"

#define OPS_BIND_MAX 64 /* sockets over all addresses */
/* A UNIX socket's path and a NUL; an IPv6 address with its zone is shorter. */
#define OPS_BIND_TEXT_MAX (ENDPOINT_PATH_MAX + 1)

struct ops_socket {
	int fd; /* non-blocking, close-on-exec */
	uint16_t port;
	char address[OPS_BIND_TEXT_MAX]; /* "127.0.0.1:10002" or a path */
	bool is_unix;
	dev_t device; /* of a UNIX socket's file, as is the next */
	ino_t inode;
};

/*
 * Bind every address of e, TCP or a UNIX path, and append the sockets to
 * out[*count].  A name's addresses that this host does not have are passed
 * over as long as one of them is there.  False with the reason in *error; the
 * sockets appended so far stay open.
 */
bool ops_bind(const struct endpoint *e,
    struct ops_socket out[static OPS_BIND_MAX], size_t *count,
    struct error *error) __attribute__((warn_unused_result));

#endif
