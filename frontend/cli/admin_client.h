/*
 * admin_client - asks a daemon over its admin socket
 */
#ifndef FRONTEND_CLI_ADMIN_CLIENT_H
#define FRONTEND_CLI_ADMIN_CLIENT_H

#include "common/error.h"
#include "frontend/cli/command.h"
#include "frontend/cli/json.h"

/* Where systemd's units have them. */
#define ADMIN_CLIENT_FRONTEND "/run/userli-bridge-frontend/admin.sock"
#define ADMIN_CLIENT_BACKEND "/run/userli-bridge-backend/admin.sock"

/* For the help of commands. */
#define ADMIN_CLIENT_WHO                                                     \
	"WHO is 'frontend', 'backend' (the socket that systemd's unit has) " \
	"or the\n"                                                           \
	"path of an admin socket: the daemon's ADMIN_SOCKET.\n"

/* The socket that WHO stands for; NULL for what is neither tier nor path. */
const char *admin_client_socket(const char *who);

/*
 * Ask, and complain of what fails.  On COMMAND_OK *out (which may be NULL) is
 * the answer's JSON, for json_decref().
 */
enum command_exit admin_client_ask(const char *socket, const char *method,
    const char *path, struct slice body, json_t **out)
    __attribute__((warn_unused_result));

#endif
