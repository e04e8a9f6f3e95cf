#include "common/ops_unix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16
#define MODE 0600

static int
open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Returns 0 when nothing is in the way any more, or an errno value. */
static int
clear_the_way(const struct sockaddr_un *address)
{
	struct stat st;
	int status = 0;
	int fd;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(st.st_mode))
		return EEXIST;
	fd = open_socket();
	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) ==
		0 ||
	    errno == EAGAIN)
		status = EADDRINUSE;
	else if (errno != ECONNREFUSED ||
	    (unlink(address->sun_path) != 0 && errno != ENOENT))
		status = errno;
	(void)close(fd);
	return status;
}

/* Returns 0 or an errno value. */
static int
listen_at(const struct sockaddr_un *address, struct ops_socket *out)
{
	int fd = open_socket();
	struct stat st;
	int status = 0;

	if (fd < 0)
		return errno;
	/* On Linux the file takes its mode from the socket, so that there is
	 * no moment in which others could connect. */
	if (fchmod(fd, MODE) != 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
	    chmod(address->sun_path, MODE) != 0 || listen(fd, BACKLOG) != 0 ||
	    lstat(address->sun_path, &st) != 0) {
		status = errno;
		(void)close(fd);
		return status;
	}
	out->fd = fd;
	out->port = 0;
	out->device = st.st_dev;
	out->inode = st.st_ino;
	return 0;
}

bool
ops_unix_bind(const char *path, struct ops_socket *out, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int status = ENAMETOOLONG;

	*out = (struct ops_socket){ .fd = -1, .is_unix = true };
	if (strlen(path) < sizeof address.sun_path) {
		memcpy(address.sun_path, path, strlen(path) + 1);
		memcpy(out->address, path, strlen(path) + 1);
		status = clear_the_way(&address);
		if (status == 0)
			status = listen_at(&address, out);
	}
	if (status == 0)
		return true;
	error_set(error, "cannot listen on %s: %s", path,
	    status == EADDRINUSE   ? "another process does"
		: status == EEXIST ? "a file that is no socket is there"
				   : strerror(status));
	return false;
}

bool
ops_unix_may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid());
}

void
ops_unix_remove(const struct ops_socket *s)
{
	struct stat st;

	if (s->is_unix && lstat(s->address, &st) == 0 &&
	    st.st_dev == s->device && st.st_ino == s->inode)
		(void)unlink(s->address);
}
