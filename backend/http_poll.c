#include "backend/http_poll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"

#define uthash_malloc(size) mem_alloc(size) /* by itself it would exit(-1) */
#include <uthash.h>

#define EVENTS_AT_ONCE 64

struct http_poll {
	UT_hash_handle hh;
	int fd;
	int wanted;  /* events the owner waits for; 0 = idle */
	int watched; /* events in the epoll set; 0 = not in it */
};

static uint32_t
to_epoll(int events)
{
	return (events & UV_READABLE ? EPOLLIN : 0u) |
	    (events & UV_WRITABLE ? EPOLLOUT : 0u);
}

/* An error or the other side's end shows in whatever is waited for. */
static int
from_epoll(uint32_t events, int wanted)
{
	int seen = (events & EPOLLIN ? UV_READABLE : 0) |
	    (events & EPOLLOUT ? UV_WRITABLE : 0);

	if (events & (EPOLLERR | EPOLLHUP))
		seen |= wanted;
	return seen & wanted;
}

static struct http_poll *
find(const struct http_polls *p, int fd)
{
	struct http_poll *poll;

	HASH_FIND_INT(p->by_fd, &fd, poll);
	return poll;
}

/* What cannot be watched is a transfer that times out. */
static void
watch(struct http_polls *p, struct http_poll *poll, int events)
{
	struct epoll_event what = { .events = to_epoll(events),
		.data.fd = poll->fd };
	int operation = EPOLL_CTL_MOD;

	if (poll->watched == events)
		return;
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	else if (poll->watched == 0)
		operation = EPOLL_CTL_ADD;
	if (epoll_ctl(p->epoll_fd, operation, poll->fd, &what) != 0)
		events = 0;
	poll->watched = events;
}

/*
 * The peer has closed an idle connection, or sent what nobody asked for.  The
 * owner would take that for the answer to its next request, so it gets to see a
 * connection at its end instead, which it gives up before it uses it again.
 * Until then it must not wake the loop.
 */
static void
retire(struct http_polls *p, struct http_poll *poll)
{
	watch(p, poll, 0);
	(void)dup3(p->ended_fd, poll->fd, O_CLOEXEC);
}

void
http_polls_retire_idle(struct http_polls *p)
{
	struct epoll_event ready[EVENTS_AT_ONCE];
	int n = epoll_wait(p->epoll_fd, ready, EVENTS_AT_ONCE, 0);

	for (int i = 0; i < n; i++) {
		struct http_poll *poll = find(p, ready[i].data.fd);

		if (poll != NULL && poll->wanted == 0)
			retire(p, poll);
	}
}

static void
handle(struct http_polls *p, const struct epoll_event *event)
{
	struct http_poll *poll = find(p, event->data.fd);
	int events;

	if (poll == NULL)
		return;
	if (poll->wanted == 0) {
		retire(p, poll);
		return;
	}
	events = from_epoll(event->events, poll->wanted);
	if (events != 0)
		p->event(p->arg, poll->fd, events);
}

static void
on_readable(uv_poll_t *watcher, int status, int events)
{
	struct epoll_event ready[EVENTS_AT_ONCE];
	struct http_polls *p = watcher->data;
	int n = epoll_wait(p->epoll_fd, ready, EVENTS_AT_ONCE, 0);

	(void)status;
	(void)events;
	/* An event may lead to http_polls_fini(). */
	for (int i = 0; i < n && watcher->data != NULL; i++)
		handle(p, &ready[i]);
}

int
http_polls_init(
    struct http_polls *p, uv_loop_t *loop, http_poll_event event, void *arg)
{
	int pair[2];
	int status;

	*p = (struct http_polls){ .event = event, .arg = arg };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return uv_translate_sys_error(errno);
	(void)close(pair[1]);
	p->ended_fd = pair[0];
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll_fd < 0) {
		status = uv_translate_sys_error(errno);
		(void)close(p->ended_fd);
		return status;
	}
	p->watcher = mem_calloc(1, sizeof *p->watcher);
	status = uv_poll_init(loop, p->watcher, p->epoll_fd);
	if (status != 0) {
		(void)close(p->ended_fd);
		(void)close(p->epoll_fd);
		free(p->watcher);
		p->watcher = NULL;
		return status;
	}
	p->watcher->data = p;
	return uv_poll_start(p->watcher, UV_READABLE, on_readable);
}

void
http_polls_want(struct http_polls *p, int fd, int events)
{
	struct http_poll *poll = find(p, fd);

	if (poll == NULL) {
		if (events == 0)
			return;
		poll = mem_calloc(1, sizeof *poll);
		poll->fd = fd;
		HASH_ADD_INT(p->by_fd, fd, poll);
	}
	poll->wanted = events;
	if (events != 0)
		watch(p, poll, events);
	else if (poll->watched & UV_WRITABLE)
		watch(
		    p, poll, UV_READABLE); /* always writable: it would spin */
}

void
http_polls_opened(struct http_polls *p, int fd)
{
	struct http_poll *poll = find(p, fd);

	if (poll == NULL)
		return;
	poll->watched = 0; /* the kernel took it out when it was closed */
	watch(p, poll, poll->wanted);
}

void
http_polls_forget(struct http_polls *p, int fd)
{
	struct http_poll *poll = find(p, fd);

	if (poll == NULL)
		return;
	watch(p, poll, 0);
	HASH_DEL(p->by_fd, poll);
	free(poll);
}

static void
on_closed(uv_handle_t *watcher)
{
	free(watcher);
}

void
http_polls_fini(struct http_polls *p)
{
	if (p->watcher == NULL)
		return;
	while (p->by_fd != NULL)
		http_polls_forget(p, p->by_fd->fd);
	p->watcher->data = NULL;
	uv_close((uv_handle_t *)p->watcher, on_closed);
	p->watcher = NULL;
	(void)close(p->epoll_fd);
	(void)close(p->ended_fd);
}
