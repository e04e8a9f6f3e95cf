#include "frontend/socketmap/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/watch.h"
#include "frontend/socketmap/listensock.h"

#define ACCEPTS_PER_TURN 128 /* so that connections are served meanwhile */
#define PAUSE_MS 100

struct listener {
	struct list link;
	struct socketmap_server *server;
	uv_poll_t poll;
	int fd;
	struct socket_file file; /* without path: not a UNIX socket of ours */
};

static void on_acceptable(uv_poll_t *handle, int status, int events);
static void pause_accepting(struct socketmap_server *s, int error);

/* Returns 0 or a UV_ error. */
static int
start_polling(struct listener *listener)
{
	int error = watch_add(listener->server->loop, listener->fd);

	return error != 0
	    ? error
	    : uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

static void
on_pause_end(uv_timer_t *timer)
{
	struct socketmap_server *s = timer->data;

	for (struct list *l = s->listeners.next; l != &s->listeners;
	     l = l->next) {
		int error = start_polling(LIST_ITEM(l, struct listener, link));

		if (error != 0) {
			pause_accepting(s, error);
			return;
		}
	}
}

static void
pause_accepting(struct socketmap_server *s, int error)
{
	for (struct list *l = s->listeners.next; l != &s->listeners;
	     l = l->next)
		(void)uv_poll_stop(&LIST_ITEM(l, struct listener, link)->poll);
	(void)uv_timer_start(&s->accept_timer, on_pause_end, PAUSE_MS, 0);
	server_accept_failed(s, error);
}

/* Faults of one connection that accept(2) reports; see its man page. */
static bool
is_passing(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPERM:
	case EPROTO:
	case ENOPROTOOPT:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

/* accept(2) wants a descriptor before it looks whether anybody waits. */
static bool
has_waiting(const struct listener *listener)
{
	struct pollfd p = { .fd = listener->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void
on_acceptable(uv_poll_t *handle, int status, int events)
{
	struct listener *listener = handle->data;
	struct socketmap_server *s = listener->server;

	(void)events;
	if (status < 0) {
		pause_accepting(s, status);
		return;
	}
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		union peer peer = { 0 };
		socklen_t len = sizeof peer;
		int fd = accept4(listener->fd, &peer.any, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			connection_accept(s, fd, &peer);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		} else if (errno == EMFILE || errno == ENFILE) {
			int error = uv_translate_sys_error(errno);

			if (!has_waiting(listener))
				return;
			if (!s->options.reap_idle || !server_reap(s)) {
				pause_accepting(s, error);
				return;
			}
			server_accept_failed(s, error);
		} else if (!is_passing(errno)) {
			pause_accepting(s, uv_translate_sys_error(errno));
			return;
		}
	}
}

static void
on_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	server_handle_closed(l->server);
	free(l);
}

/* Serve a listening socket.  On failure the caller still owns fd. */
static int
add(struct socketmap_server *s, int fd, const struct socket_file *file)
{
	struct listener *l;
	int error;

	if (s->phase != SERVER_OPEN)
		return UV_ECANCELED;
	l = calloc(1, sizeof *l);
	if (l == NULL)
		return UV_ENOMEM;
	error = uv_poll_init(s->loop, &l->poll, fd);
	if (error != 0) {
		free(l);
		return error;
	}
	l->server = s;
	l->fd = fd;
	l->poll.data = l;
	if (file != NULL)
		l->file = *file;
	list_init(&l->link);
	server_handle_opened(s);
	error = start_polling(l);
	if (error != 0) {
		uv_close((uv_handle_t *)&l->poll, on_closed);
		return error;
	}
	list_append(&s->listeners, &l->link);
	return 0;
}

static void
close_one(struct listener *l)
{
	list_remove(&l->link);
	(void)uv_poll_stop(&l->poll);
	if (l->file.path[0] != '\0')
		socket_file_remove(&l->file);
	uv_close((uv_handle_t *)&l->poll, on_closed);
	(void)close(l->fd);
}

void
listeners_close(struct socketmap_server *s)
{
	(void)uv_timer_stop(&s->accept_timer);
	while (!list_is_empty(&s->listeners))
		close_one(LIST_ITEM(s->listeners.next, struct listener, link));
}

int
socketmap_server_listen_tcp(
    struct socketmap_server *s, const char *address, uint16_t *port)
{
	struct host_port parsed;
	int fds[LISTENSOCK_TCP_MAX];
	size_t count;
	uint16_t bound;
	int error = host_port_parse(address, s->options.port, &parsed);

	if (error != 0)
		return error;
	error =
	    listensock_tcp(&parsed, s->options.backlog, fds, &count, &bound);
	if (error != 0)
		return error;
	for (size_t i = 0; i < count; i++) {
		error = add(s, fds[i], NULL);
		if (error == 0)
			continue;
		for (size_t j = count; j-- > i;)
			(void)close(fds[j]);
		while (i-- > 0) /* those that were added last */
			close_one(LIST_ITEM(
			    s->listeners.prev, struct listener, link));
		return error;
	}
	if (port != NULL)
		*port = bound;
	return 0;
}

int
socketmap_server_listen_unix(struct socketmap_server *s, const char *path,
    unsigned mode, long owner, long group)
{
	struct socket_file file = { 0 };
	int fd;
	int error;

	if (s->phase != SERVER_OPEN)
		return UV_ECANCELED;
	error = listensock_unix(
	    path, mode, owner, group, s->options.backlog, &fd, &file);
	if (error != 0)
		return error;
	error = add(s, fd, &file);
	if (error != 0) {
		socket_file_remove(&file);
		(void)close(fd);
	}
	return error;
}

int
socketmap_server_listen_fd(struct socketmap_server *s, int fd)
{
	int is_listening = 0;
	socklen_t len = sizeof is_listening;
	int flags;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0)
		return uv_translate_sys_error(errno);
	if (!is_listening)
		return UV_EINVAL;
	/* libuv makes it non-blocking. */
	flags = fcntl(fd, F_GETFD);
	if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0)
		return uv_translate_sys_error(errno);
	return add(s, fd, NULL);
}
