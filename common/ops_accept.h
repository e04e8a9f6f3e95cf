/*
 * ops_accept - accepts connections for the ops module
 *
 * Owns the listening sockets and their handles on the loop.  Out of
 * descriptors or memory, it looks away for a moment instead of spinning on a
 * socket that stays readable; told that its owner is full, it leaves clients
 * to the kernel's queue.  Loop's thread only.
 */
#ifndef COMMON_OPS_ACCEPT_H
#define COMMON_OPS_ACCEPT_H

#include <sys/socket.h>
#include <uv.h>

#include "common/log.h"
#include "common/metrics.h"
#include "common/ops_bind.h"

struct ops_accept;

/* fd is handed over: non-blocking, close-on-exec. */
typedef void (*ops_accept_fn)(
    void *arg, int fd, const struct sockaddr *peer, socklen_t len);

/*
 * Bind every address of the list and accept from the next loop turn on.  NULL
 * with the reason in *error.
 */
struct ops_accept *ops_accept_start(uv_loop_t *loop,
    const struct endpoint_list *listen, struct log *log, ops_accept_fn fn,
    void *arg, struct error *error) __attribute__((warn_unused_result));

/* The port that the first address was bound to. */
uint16_t ops_accept_port(const struct ops_accept *a);

/* Where failures to accept are counted: for want of descriptors, of memory. */
void ops_accept_count(struct ops_accept *a, struct metrics_counter *files,
    struct metrics_counter *memory);

/* Stop accepting while the owner is full; go on once it is not. */
void ops_accept_pause(struct ops_accept *a);
void ops_accept_resume(struct ops_accept *a);

/* Close the sockets now, free once the loop has closed the handles. */
void ops_accept_stop(struct ops_accept *a);

#endif
