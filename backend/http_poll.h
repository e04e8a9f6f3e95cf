/*
 * http_poll - sockets that another library owns, watched on the loop
 *
 * libcurl says for each socket what to wait for, and withdraws that whenever
 * a connection goes idle between two requests.  Telling the kernel each time
 * would cost system calls for every request; so an idle socket stays
 * registered for reading until something arrives on it or it is closed.  What
 * arrives there answers no request: the connection is ended.
 *
 * The sockets are in an epoll(7) set of their own, which the loop watches: a
 * socket that libcurl 7.88 closes behind our back (one that it gives up while
 * connecting) leaves such a set by itself, whereas the loop would abort over
 * it.  Loop's thread only.
 */
#ifndef BACKEND_HTTP_POLL_H
#define BACKEND_HTTP_POLL_H

#include <stdbool.h>
#include <uv.h>

struct http_poll;

/* events are UV_READABLE and UV_WRITABLE. */
typedef void (*http_poll_event)(void *arg, int fd, int events);

struct http_polls {
	int epoll_fd;
	int ended_fd;            /* a socket at its end */
	uv_poll_t *watcher;      /* of epoll_fd; NULL once finished */
	struct http_poll *by_fd; /* uthash */
	http_poll_event event;
	void *arg;
};

/* Returns 0, or a UV_ error when the kernel has no descriptor for it. */
int http_polls_init(struct http_polls *p, uv_loop_t *loop,
    http_poll_event event, void *arg) __attribute__((warn_unused_result));

/* Wait for these events on fd from now on; 0 for none. */
void http_polls_want(struct http_polls *p, int fd, int events);

/* End the idle connections on which something has arrived: before one of
 * them is used again. */
void http_polls_retire_idle(struct http_polls *p);

/* fd is a new socket: what is known of an older one of this number that was
 * closed unseen holds for the new one. */
void http_polls_opened(struct http_polls *p, int fd);

/* fd is about to be closed: forget it.  Nothing for an unknown fd. */
void http_polls_forget(struct http_polls *p, int fd);

/* Forget all; no event comes after this. */
void http_polls_fini(struct http_polls *p);

#endif
