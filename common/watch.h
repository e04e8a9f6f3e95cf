/*
 * watch - see whether the kernel will watch a descriptor, before libuv asks
 *
 * libuv adds descriptors to its epoll set when the loop next waits, and
 * abort(3)s when the kernel refuses: ENOSPC where the user's watches are used
 * up (fs.epoll.max_user_watches), ENOMEM.  So each is added here first, where
 * the caller can still refuse a connection or try again later; libuv finds it
 * in the set and changes what is waited for, which cannot fail.
 *
 * To be called after uv_poll_init(), which takes what it adds out again, and
 * in the same turn as the start of reading or polling; again after each
 * uv_poll_stop().  A descriptor that is not used after all leaves the set when
 * it is closed.
 */
#ifndef COMMON_WATCH_H
#define COMMON_WATCH_H

#include <errno.h>
#include <sys/epoll.h>
#include <uv.h>

/* 0, or a UV_ error. */
static inline int
watch_add(uv_loop_t *loop, int fd)
{
	struct epoll_event nothing = { .data.fd = fd };

	if (epoll_ctl(uv_backend_fd(loop), EPOLL_CTL_ADD, fd, &nothing) == 0 ||
	    errno == EEXIST)
		return 0;
	return uv_translate_sys_error(errno);
}

/* For one that is not to be used after all, and that another one is a copy
 * of: closing it would not take it out. */
static inline void
watch_remove(uv_loop_t *loop, int fd)
{
	(void)epoll_ctl(uv_backend_fd(loop), EPOLL_CTL_DEL, fd, NULL);
}

#endif
