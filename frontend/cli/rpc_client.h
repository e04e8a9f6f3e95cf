/*
 * rpc_client - one call at a time to one backend, and waiting for its answer
 *
 * Sends frames of one call over a raw REQ socket, on a loop of its own.  The
 * connection is kept between calls.  One thread; calls nng through
 * common/nngsock.h.
 */
#ifndef FRONTEND_CLI_RPC_CLIENT_H
#define FRONTEND_CLI_RPC_CLIENT_H

#include "common/error.h"
#include "common/rpc.h"

struct rpc_client;

enum rpc_client_status {
	RPC_CLIENT_OK,
	RPC_CLIENT_TIMEOUT,     /* connected, but no answer in time */
	RPC_CLIENT_UNREACHABLE, /* not connected, or no backend's answer */
};

/*
 * url is "tcp://host:port", "tls+tcp://host:port" or "ipc:///path"; a name is
 * resolved with the first call.  Certificates for TLS are those that
 * RPC_TLS_CERT, RPC_TLS_KEY, RPC_TLS_CA and RPC_TLS_SERVER_NAME name in the
 * environment, as for the daemons.  NULL with the reason in *error for another
 * text, and for certificates that are missing or cannot be used.
 */
struct rpc_client *rpc_client_new(const char *url, uint64_t timeout_ms,
    struct error *error) __attribute__((warn_unused_result));
void rpc_client_free(struct rpc_client *c);

/*
 * Send call (its id and left_ms are set here) and wait.  On RPC_CLIENT_OK
 * out->data is valid until the next call; otherwise *error has the reason.
 */
enum rpc_client_status rpc_client_call(struct rpc_client *c,
    struct rpc_call *call, struct lookup_result *out, struct error *error)
    __attribute__((warn_unused_result));

/* The name that the backend gave with its last answer; may be empty. */
struct slice rpc_client_backend(const struct rpc_client *c);

#endif
