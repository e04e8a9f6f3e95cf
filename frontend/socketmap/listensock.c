#include "frontend/socketmap/listensock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT_TRIES 8 /* for a port that is free on every address */

static int
last_error(void)
{
	return uv_translate_sys_error(errno);
}

static int
open_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* False with errno. */
static bool
get_port(int fd, uint16_t *port)
{
	union peer local = { 0 };
	socklen_t len = sizeof local;

	if (getsockname(fd, &local.any, &len) != 0)
		return false;
	*port = ntohs(
	    local.family == AF_INET6 ? local.in6.sin6_port : local.in.sin_port);
	return true;
}

/* One TCP socket, and its port; with is_dual, an IPv6 one that serves IPv4,
 * too. */
static int
listen_on(const struct sockaddr *address, socklen_t len, bool is_dual,
    int backlog, int *fd_out, uint16_t *port)
{
	const int on = 1;
	const int v6only = !is_dual;
	int fd = open_socket(address->sa_family);
	int error;

	if (fd < 0)
		return last_error();
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    (address->sa_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
		    sizeof v6only) != 0) ||
	    bind(fd, address, len) != 0 || listen(fd, backlog) != 0 ||
	    !get_port(fd, port)) {
		error = last_error();
		(void)close(fd);
		return error;
	}
	*fd_out = fd;
	return 0;
}

static void
set_port(struct sockaddr *address, uint16_t port)
{
	if (address->sa_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)address)->sin6_port =
		    htons(port);
	else
		((struct sockaddr_in *)(void *)address)->sin_port = htons(port);
}

static void
close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)close(fds[i]);
}

static int
listen_any(uint16_t wanted, int backlog, int *fd, uint16_t *port)
{
	const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(wanted),
		.sin6_addr = IN6ADDR_ANY_INIT };
	const struct sockaddr_in any4 = { .sin_family = AF_INET,
		.sin_port = htons(wanted),
		.sin_addr = { htonl(INADDR_ANY) } };
	int error = listen_on((const struct sockaddr *)&any6, sizeof any6, true,
	    backlog, fd, port);

	if (error == UV_EAFNOSUPPORT || error == UV_EADDRNOTAVAIL)
		error = listen_on((const struct sockaddr *)&any4, sizeof any4,
		    false, backlog, fd, port);
	return error;
}

/*
 * Listen on each address of the list.  One that this machine does not have, as
 * ::1 of "localhost" without IPv6, is passed over if another one works.
 */
static int
listen_each(struct addrinfo *list, uint16_t wanted, int backlog,
    int fds[static LISTENSOCK_TCP_MAX], size_t *count, uint16_t *port)
{
	int error = UV_EADDRNOTAVAIL;

	*count = 0;
	for (struct addrinfo *a = list;
	     a != NULL && *count < LISTENSOCK_TCP_MAX; a = a->ai_next) {
		int result;

		set_port(a->ai_addr, *count > 0 ? *port : wanted);
		result = listen_on(a->ai_addr, a->ai_addrlen, false, backlog,
		    &fds[*count], port);
		if (result == 0) {
			(*count)++;
		} else if (result == UV_EAFNOSUPPORT ||
		    result == UV_EADDRNOTAVAIL) {
			error = result;
		} else {
			close_all(fds, *count);
			return result;
		}
	}
	return *count > 0 ? 0 : error;
}

int
listensock_tcp(const struct host_port *address, int backlog,
    int fds[static LISTENSOCK_TCP_MAX], size_t *count, uint16_t *port)
{
	uint16_t wanted = (uint16_t)strtoul(address->port, NULL, 10);
	struct addrinfo *list = NULL;
	int error;

	if (address->host[0] == '\0') {
		*count = 1;
		error = listen_any(wanted, backlog, fds, port);
	} else {
		error = sockaddrs_resolve(address, AI_PASSIVE, &list);
		if (error != 0)
			return error;
		for (int i = 0; i < PORT_TRIES; i++) {
			error = listen_each(
			    list, wanted, backlog, fds, count, port);
			if (error != UV_EADDRINUSE || wanted != 0)
				break;
		}
		freeaddrinfo(list);
	}
	return error;
}

/* Remove a socket file that nobody serves; 0 if the path is free then. */
static int
clear_path(const struct sockaddr_un *address)
{
	struct stat st;
	int error = 0;
	int fd;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : last_error();
	if (!S_ISSOCK(st.st_mode))
		return UV_EEXIST;
	fd = open_socket(AF_UNIX);
	if (fd < 0)
		return last_error();
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) ==
		0 ||
	    errno == EAGAIN || errno == EPROTOTYPE)
		error = UV_EADDRINUSE;
	else if (errno != ECONNREFUSED && errno != ENOENT)
		error = last_error();
	(void)close(fd);
	if (error == 0 && unlink(address->sun_path) != 0 && errno != ENOENT)
		error = last_error();
	return error;
}

static int
set_access(const char *path, unsigned mode, long owner, long group)
{
	if ((owner != -1 || group != -1) &&
	    lchown(path, (uid_t)owner, (gid_t)group) != 0)
		return last_error();
	return chmod(path, (mode_t)mode) != 0 ? last_error() : 0;
}

int
listensock_unix(const char *path, unsigned mode, long owner, long group,
    int backlog, int *fd_out, struct socket_file *file)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	struct stat st;
	int error;
	int fd;

	if (len == 0)
		return UV_EINVAL;
	if (len >= sizeof address.sun_path)
		return UV_ENAMETOOLONG;
	memcpy(address.sun_path, path, len + 1);
	error = clear_path(&address);
	if (error != 0)
		return error;
	fd = open_socket(AF_UNIX);
	if (fd < 0)
		return last_error();
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
		error = last_error();
		(void)close(fd);
		return error;
	}
	/* Until listen(2), connecting is refused whatever the mode, so that
	 * the process-wide umask can be left alone. */
	error = set_access(path, mode, owner, group);
	if (error == 0 && listen(fd, backlog) != 0)
		error = last_error();
	if (error == 0 && lstat(path, &st) != 0)
		error = last_error();
	if (error != 0) {
		(void)unlink(path);
		(void)close(fd);
		return error;
	}
	memcpy(file->path, path, len + 1);
	file->device = st.st_dev;
	file->inode = st.st_ino;
	*fd_out = fd;
	return 0;
}

void
socket_file_remove(const struct socket_file *file)
{
	struct stat st;

	if (lstat(file->path, &st) == 0 && st.st_dev == file->device &&
	    st.st_ino == file->inode)
		(void)unlink(file->path);
}
