/*
 * Stands between nng and libc's sendmsg(2), for the whole process.
 *
 * nng 1.5.2 greets whoever connects, and takes EPIPE, from one that has left
 * by then, for its own listener having been closed: it accepts nobody any
 * more, and keeps for good the descriptors of those who come (nng issue 1518,
 * fixed in 1.6.0).  Over a UNIX socket, leaving at once is enough; over TCP,
 * a FIN and then a reset.  ECONNRESET, with which the listener goes on, says
 * the same.  Others that call sendmsg() treat the two alike.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/nngsock_private.h"

typedef ssize_t (*sendmsg_fn)(int fd, const struct msghdr *message, int flags);

static _Atomic(sendmsg_fn) next_sendmsg;

static sendmsg_fn
find_next(void)
{
	void *symbol = dlsym(RTLD_NEXT, "sendmsg");
	sendmsg_fn found;

	if (symbol == NULL)
		abort(); /* libc has it */
	memcpy(&found, &symbol, sizeof found);
	atomic_store(&next_sendmsg, found);
	return found;
}

void
nngsock_sendmsg_init(void)
{
	(void)find_next();
}

__attribute__((visibility("default"))) ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	sendmsg_fn next = atomic_load(&next_sendmsg);
	ssize_t n;

	if (next == NULL)
		next = find_next();
	n = next(fd, message, flags);
	if (n < 0 && errno == EPIPE)
		errno = ECONNRESET;
	return n;
}
