/*
 * endpoint - where to listen or connect, as configuration writes it
 *
 *   :10001  host:10001  127.0.0.1:10001  [::1]:10001   TCP
 *   /run/x.sock  unix:/run/x.sock                      UNIX
 *   tcp://host:10010  tls+tcp://host:10010  ipc:///x   between the tiers
 *   srv+tcp://name  srv+tls+tcp://name                 what SRV records name
 *
 * Pure functions, no name is resolved here.  An empty host means every local
 * address, IPv6 and IPv4.  Port 0 asks the kernel for a free one.
 */
#ifndef COMMON_ENDPOINT_H
#define COMMON_ENDPOINT_H

#include <stdint.h>

#include "common/error.h"
#include "common/slice.h"

#define ENDPOINT_HOST_MAX 255 /* bytes, RFC 1035 section 2.3.4 */
#define ENDPOINT_PATH_MAX 107 /* bytes, sun_path of unix(7) less its NUL */
#define ENDPOINT_TEXT_MAX (ENDPOINT_HOST_MAX + 32)
#define ENDPOINT_LIST_MAX 128 /* endpoints in one list */

enum endpoint_kind {
	ENDPOINT_TCP,
	ENDPOINT_UNIX, /* "/path", "unix:/path", "ipc:///path" */
	ENDPOINT_TLS,  /* "tls+tcp://host:port" */
};

/* What a setting accepts. */
enum endpoint_syntax {
	ENDPOINT_SOCKETMAP, /* ":port", "host:port", "/path", "unix:/path" */
	ENDPOINT_HTTP,      /* ":port", "host:port" */
	ENDPOINT_RPC,       /* "tcp://", "tls+tcp://", "ipc://" */
	/* To connect: as ENDPOINT_RPC, with a host and a port; or "srv+tcp://",
	 * "srv+tls+tcp://". */
	ENDPOINT_POOL,
};

struct endpoint {
	enum endpoint_kind kind;
	bool by_srv;   /* host is a name whose SRV records give host and port */
	uint16_t port; /* TCP and TLS; 0 by SRV */
	char host[ENDPOINT_HOST_MAX + 1]; /* without brackets; may be empty */
	char path[ENDPOINT_PATH_MAX + 1]; /* UNIX */
};

struct endpoint_list {
	size_t count;
	struct endpoint items[ENDPOINT_LIST_MAX];
};

/* Parse one endpoint; false with the reason in *error. */
bool endpoint_parse(struct slice text, enum endpoint_syntax syntax,
    struct endpoint *out, struct error *error)
    __attribute__((warn_unused_result));

/*
 * Parse a list separated by commas and optional blanks.  An empty list, an
 * empty element, a duplicate and more than ENDPOINT_LIST_MAX are errors.
 */
bool endpoint_list_parse(struct slice text, enum endpoint_syntax syntax,
    struct endpoint_list *out, struct error *error)
    __attribute__((warn_unused_result));

/* Write an endpoint as it would be configured; out is NUL-terminated. */
void endpoint_format(const struct endpoint *e, enum endpoint_syntax syntax,
    char out[static ENDPOINT_TEXT_MAX]);

/* True for a loopback address, "localhost" or a UNIX path. */
bool endpoint_is_local(const struct endpoint *e);

#endif
