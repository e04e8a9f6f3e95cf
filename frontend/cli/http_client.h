/*
 * http_client - one HTTP request to a daemon, and waiting for its answer
 *
 * HTTP/1.0 over TCP or a UNIX socket, a connection for each request.  Blocks;
 * a name is resolved without a limit of time, which is the caller's.
 */
#ifndef FRONTEND_CLI_HTTP_CLIENT_H
#define FRONTEND_CLI_HTTP_CLIENT_H

#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"

#define HTTP_CLIENT_HOST_MAX 255 /* bytes */

struct http_target {
	const char *path; /* of a UNIX socket, borrowed; NULL for TCP */
	char host[HTTP_CLIENT_HOST_MAX + 1]; /* without brackets */
	char port[6];
};

struct http_answer {
	unsigned status;
	struct slice line; /* "503 Service Unavailable" */
	struct slice body;
};

/*
 * Split "host", "host:port", "[::1]" or "[::1]:port" (":port" is localhost);
 * without a port it is 80.  False for anything else.
 */
bool http_target_parse(struct http_target *t, struct slice authority)
    __attribute__((warn_unused_result));

/*
 * Ask, with body unless method is "GET", and wait timeout_ms for each step.
 * What of the answer fits into reply is kept there, and *out borrows from it.
 * False with the reason.
 */
bool http_client_ask(const struct http_target *t, const char *method,
    const char *path, struct slice body, uint64_t timeout_ms,
    struct buffer *reply, struct http_answer *out, struct error *error)
    __attribute__((warn_unused_result));

#endif
