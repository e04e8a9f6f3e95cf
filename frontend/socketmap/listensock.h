/*
 * listensock - sockets that listen
 *
 * System calls only, no loop: descriptors that are bound, listening,
 * non-blocking and closed on exec.  Every function returns 0 or a libuv error,
 * with nothing left open.  Sources: unix(7), ipv6(7), RFC 3493 section 5.3.
 */
#ifndef SOCKETMAP_LISTENSOCK_H
#define SOCKETMAP_LISTENSOCK_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "frontend/socketmap/sockaddrs.h"

#define LISTENSOCK_TCP_MAX 16 /* addresses of one host */

/* A socket file, to be removed by those who made it only. */
struct socket_file {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t device;
	ino_t inode;
};

/*
 * Listen on every address of a host, or on one socket for both families (IPv4
 * alone where there is no IPv6) if the host is empty.  With port 0 all share
 * the free port that the kernel chose.  fds and *count tell the sockets, *port
 * the port.
 */
int listensock_tcp(const struct host_port *address, int backlog,
    int fds[static LISTENSOCK_TCP_MAX], size_t *count, uint16_t *port);

/*
 * Listen on a UNIX socket as socketmap_server_listen_unix() says.  UV_EINVAL
 * for an empty path, UV_ENAMETOOLONG for one over 107 bytes.
 */
int listensock_unix(const char *path, unsigned mode, long owner, long group,
    int backlog, int *fd, struct socket_file *file);

/* Remove the file unless it is another one by now.  The socket must still be
 * open: that keeps its inode from being used again. */
void socket_file_remove(const struct socket_file *file);

#endif
