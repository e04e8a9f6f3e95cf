/*
 * admin - what an administrator may ask of a running daemon, and tell it
 *
 * A second ops listener, on a UNIX socket that serves root and the daemon's own
 * user only.  What both tiers know is here; each adds its own routes to
 * admin_ops().  Loop's thread only.
 *
 *   GET /metrics, /health           as on the other listener
 *   POST /drain, /resume            no body
 *   GET /log-level                  {"level":"info"}
 *   POST /log-level                 the level as the body
 *
 * An answer that is no data is {"status":"ok"}, or {"status":"error",
 * "error":"why"} with a status over 400.
 */
#ifndef COMMON_ADMIN_H
#define COMMON_ADMIN_H

#include "common/ops.h"

#define ADMIN_SOCKET_NAME "admin.sock" /* in $RUNTIME_DIRECTORY */

struct admin_hooks {
	/* Take no more work, or take work again.  False with the reason. */
	bool (*drain)(void *arg, struct error *error);
	bool (*resume)(void *arg, struct error *error);
	void *arg;
};

struct admin {
	struct ops *ops; /* NULL without a socket */
	struct log *log;
	struct admin_hooks hooks;
};

/* A check for config_option: a path that a UNIX socket can have, or "none". */
bool admin_check(const char *text, struct error *error);

/*
 * Where the socket is to be: the setting; if that is empty, ADMIN_SOCKET_NAME
 * in runtime_directory (which systemd sets; may be NULL), if there is one.
 * False for nowhere.
 */
bool admin_path(const char *setting, const char *runtime_directory,
    char out[static ENDPOINT_PATH_MAX + 1]) __attribute__((warn_unused_result));

/*
 * Serve at the place that the setting ADMIN_SOCKET gives, if any.  False with
 * the reason in *error.  metrics, log and what hooks points to are borrowed.
 */
bool admin_start(struct admin *a, uv_loop_t *loop, const char *setting,
    const struct admin_hooks *hooks, struct metrics *metrics, struct log *log,
    struct error *error) __attribute__((warn_unused_result));

/* As ops_route(), if there is a socket. */
void admin_route(struct admin *a, const char *method, const char *path,
    ops_handler handler, void *arg);

/* Answer that it is done, or with status (400 and more) and why not. */
void admin_done(struct ops_reply *reply);
void admin_fail(struct ops_reply *reply, unsigned status, const char *why);

/* Remove the socket; a second call does nothing. */
void admin_stop(struct admin *a);

#endif
