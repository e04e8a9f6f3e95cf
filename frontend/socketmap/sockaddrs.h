/*
 * sockaddrs - addresses as text and as the kernel has them
 *
 * Pure but for sockaddrs_resolve(), which may block on DNS.
 */
#ifndef SOCKETMAP_SOCKADDRS_H
#define SOCKETMAP_SOCKADDRS_H

#include <netdb.h>

#include "frontend/socketmap/connection.h"

#define SOCKADDRS_HOST_MAX 255 /* bytes, RFC 1035 section 2.3.4 */
#define PEER_TEXT_MAX (INET6_ADDRSTRLEN + sizeof "[]:65535")

struct host_port {
	char host[SOCKADDRS_HOST_MAX + 1]; /* without brackets; may be empty */
	char port[sizeof "65535"];
};

/*
 * Split "host:port", ":port", "[::1]:port", "[::1]", "host" or "".  0, or
 * UV_EINVAL for anything else.
 */
int host_port_parse(
    const char *text, uint16_t default_port, struct host_port *out);

/*
 * The TCP addresses of it; flags as for getaddrinfo(3).  0 with *list, which
 * freeaddrinfo(3) frees, or a libuv error.
 */
int sockaddrs_resolve(
    const struct host_port *address, int flags, struct addrinfo **list);

/* "127.0.0.1:40312", "[::1]:40312" or "unix"; NUL-terminated. */
void peer_format(const union peer *peer, char out[static PEER_TEXT_MAX]);

#endif
