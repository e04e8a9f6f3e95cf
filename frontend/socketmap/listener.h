/*
 * listener - accepts connections for a server
 *
 * accept(2) is called here and not by libuv, which drops every waiting client
 * unseen when descriptors run out, and may spin then.  Here accepting pauses
 * for a moment; the clients wait in the backlog.  Runs on the loop's thread.
 */
#ifndef SOCKETMAP_LISTENER_H
#define SOCKETMAP_LISTENER_H

#include "frontend/socketmap/server.h"

/* Close all listeners of a server and remove their socket files. */
void listeners_close(struct socketmap_server *s);

#endif
