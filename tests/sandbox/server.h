/*
 * server - the sandbox: its directory, rules, statistics and connections
 *
 * main owns it; everything runs on its loop.
 */
#ifndef SANDBOX_SERVER_H
#define SANDBOX_SERVER_H

#include <uv.h>

#include "conn.h"
#include "directory.h"
#include "faults.h"
#include "stats.h"

struct listener;
struct tls_context;

struct server {
	uv_loop_t *loop;
	struct directory *directory;
	const char *directory_path;
	const char *prefix; /* "" or "/path" */
	bool quiet;
	struct faults faults;
	struct stats stats;
	struct conn *conns;
	struct listener *listeners;
	struct tls_context *tls; /* NULL without https; not owned */
	char *scratch;           /* what every connection reads into */
};

#define SERVER_SCRATCH_BYTES ((size_t)64 << 10) /* and its size */

/* Load the directory and become ready to listen; false with *error. */
bool server_init(struct server *s, uv_loop_t *loop, const char *directory,
    struct error *error) __attribute__((warn_unused_result));

/* Free everything; the loop must have let go of all handles. */
void server_fini(struct server *s);

/*
 * Listen on "host:port" (numeric, [::1] for IPv6; an empty host is every
 * address) or on a UNIX socket, whose stale file is replaced, and say so on
 * stdout.  False with *error.
 */
bool server_listen_tcp(struct server *s, const char *address, bool https,
    struct error *error) __attribute__((warn_unused_result));
bool server_listen_unix(struct server *s, const char *path, struct error *error)
    __attribute__((warn_unused_result));

/* Read the directory's file again; a broken one is reported on stderr. */
void server_reload(struct server *s);

/* Close listeners and connections; the loop then ends. */
void server_stop(struct server *s);

/* Plan the answer to a request; delivery is empty. */
void server_answer(struct server *s, struct conn *c,
    const struct http_request *req, struct delivery *delivery);

/* Plan the answer to what is no request: a status, then the end. */
void server_refuse(struct server *s, int status, struct delivery *delivery);

/* Answer all requests that hang. */
void server_release(struct server *s);

#endif
