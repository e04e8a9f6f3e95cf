/*
 * run - a server on a loop of its own
 *
 * socketmap_server_run() and socketmap_server_stop().  The stop may come from
 * any thread or a signal handler; all else runs on the thread of run().
 */
#ifndef SOCKETMAP_RUN_H
#define SOCKETMAP_RUN_H

#include "frontend/socketmap/server.h"

/* Give the server a loop; 0 or a libuv error, with nothing left behind. */
int run_init(struct socketmap_server *s);

/* Close the server's handles and its loop. */
void run_fini(struct socketmap_server *s);

#endif
