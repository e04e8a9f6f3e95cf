/*
 * activation - sockets that systemd opened for this process
 *
 * sd_listen_fds(3), without its library: they are there before the program
 * starts and stay when it ends, so that clients wait in their backlog while it
 * is restarted.  Start-up only.
 */
#ifndef FRONTEND_ACTIVATION_H
#define FRONTEND_ACTIVATION_H

#include <stddef.h>

#define ACTIVATION_FIRST_FD 3
#define ACTIVATION_TEXT_MAX 128 /* a UNIX socket's path, 107 bytes, or less */

/* How many descriptors, from ACTIVATION_FIRST_FD on, are meant for this
 * process; 0 as a rule. */
int activation_count(void);

/* "127.0.0.1:10001", "[::1]:10001", a UNIX socket's path, or "?". */
void activation_describe(int fd, char out[static ACTIVATION_TEXT_MAX]);

#endif
