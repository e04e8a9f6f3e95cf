#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/tcp.h>

#include "common/buffer.h"
#include "frontend/socketmap/netstring.h"
#include "frontend/socketmap/protocol.h"
#include "frontend/socketmap/sockaddrs.h"

#define FRAME_BYTES_MAX (SOCKETMAP_REPLY_BYTES_MAX + NETSTRING_OVERHEAD)

struct socketmap_client {
	char *path; /* NULL for TCP */
	struct host_port address;
	uint64_t timeout_ms;
	int fd; /* -1 without connection */
	struct buffer request;
	struct buffer reply;
};

int
socketmap_client_new(
    struct socketmap_client **client, const char *address, uint64_t timeout_ms)
{
	struct socketmap_client *c = calloc(1, sizeof *c);
	int error = 0;

	if (c == NULL)
		return UV_ENOMEM;
	c->fd = -1;
	c->timeout_ms = timeout_ms;
	buffer_init(
	    &c->request, SOCKETMAP_QUERY_BYTES_MAX + NETSTRING_OVERHEAD);
	buffer_init(&c->reply, FRAME_BYTES_MAX + 1); /* and a NUL */
	if (address[0] != '/') {
		error = host_port_parse(address, SOCKETMAP_PORT, &c->address);
	} else if (strlen(address) >=
	    sizeof(((struct sockaddr_un *)0)->sun_path)) {
		error = UV_ENAMETOOLONG;
	} else {
		c->path = strdup(address);
		if (c->path == NULL)
			error = UV_ENOMEM;
	}
	if (error != 0) {
		socketmap_client_free(c);
		return error;
	}
	*client = c;
	return 0;
}

static void
disconnect(struct socketmap_client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	buffer_clear(&c->reply);
}

void
socketmap_client_free(struct socketmap_client *c)
{
	if (c == NULL)
		return;
	disconnect(c);
	buffer_fini(&c->request);
	buffer_fini(&c->reply);
	free(c->path);
	free(c);
}

/* --- Waiting ------------------------------------------------------------ */

/* Times are those of uv_hrtime(), in ms; 0 is no deadline. */
static uint64_t
deadline_of(const struct socketmap_client *c)
{
	uint64_t now = uv_hrtime() / 1000000;

	if (c->timeout_ms == 0 || c->timeout_ms > UINT64_MAX - now)
		return 0;
	return now + c->timeout_ms;
}

/* Wait until fd is ready for events: 0, UV_ETIMEDOUT or another error. */
static int
wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = uv_hrtime() / 1000000;
		uint64_t left = deadline > now ? deadline - now : 0;
		int timeout = left < INT32_MAX ? (int)left : INT32_MAX;
		int n = poll(&p, 1, deadline == 0 ? -1 : timeout);

		if (n > 0)
			return 0;
		if (n == 0 && left <= INT32_MAX)
			return UV_ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return uv_translate_sys_error(errno);
	}
}

/* --- Connecting --------------------------------------------------------- */

static int
connect_to(struct socketmap_client *c, const struct sockaddr *address,
    socklen_t len, uint64_t deadline)
{
	const int on = 1;
	socklen_t size = sizeof(int);
	int result = 0;
	int error = 0;
	int fd = socket(
	    address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return uv_translate_sys_error(errno);
	if (connect(fd, address, len) != 0) {
		/* EAGAIN: a UNIX socket whose backlog is full. */
		if (errno != EINPROGRESS && errno != EINTR)
			error = uv_translate_sys_error(errno);
		else
			error = wait_for(fd, POLLOUT, deadline);
		if (error == 0 &&
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size) == 0 &&
		    result != 0)
			error = uv_translate_sys_error(result);
	}
	if (error != 0) {
		(void)close(fd);
		return error;
	}
	if (address->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->fd = fd;
	return 0;
}

static int
connect_anew(struct socketmap_client *c, uint64_t deadline)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	struct addrinfo *list;
	int error;

	if (c->path != NULL) {
		memcpy(local.sun_path, c->path, strlen(c->path) + 1);
		return connect_to(
		    c, (const struct sockaddr *)&local, sizeof local, deadline);
	}
	error = sockaddrs_resolve(&c->address, 0, &list);
	if (error != 0)
		return error;
	error = UV_EADDRNOTAVAIL;
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		error = connect_to(c, a->ai_addr, a->ai_addrlen, deadline);
		if (error == 0)
			break;
	}
	freeaddrinfo(list);
	return error;
}

/* --- A lookup ----------------------------------------------------------- */

static int
send_request(struct socketmap_client *c, uint64_t deadline)
{
	struct slice rest = buffer_slice(&c->request);

	while (rest.len > 0) {
		ssize_t n = send(c->fd, rest.ptr, rest.len, MSG_NOSIGNAL);
		int error = 0;

		if (n >= 0) {
			rest.ptr += n;
			rest.len -= (size_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			error = wait_for(c->fd, POLLOUT, deadline);
		} else if (errno != EINTR) {
			error = uv_translate_sys_error(errno);
		}
		if (error != 0)
			return error;
	}
	return 0;
}

/* Read until the reply is whole; *text borrows from the buffer. */
static int
receive_reply(struct socketmap_client *c, uint64_t deadline, struct slice *text)
{
	for (;;) {
		size_t used;
		size_t room;
		char *to;
		ssize_t n;
		int error;

		switch (netstring_decode(buffer_slice(&c->reply),
		    SOCKETMAP_REPLY_BYTES_MAX, text, &used)) {
		case NETSTRING_OK:
			return used == buffer_len(&c->reply) ? 0 : UV_EPROTO;
		case NETSTRING_PARTIAL:
			break;
		case NETSTRING_INVALID:
			return UV_EPROTO;
		case NETSTRING_TOO_LONG:
			return UV_EMSGSIZE;
		}
		room = FRAME_BYTES_MAX - buffer_len(&c->reply);
		room = room < 4096 ? room : 4096;
		to = buffer_reserve(&c->reply, room);
		if (to == NULL)
			return UV_ENOMEM;
		error = wait_for(c->fd, POLLIN, deadline);
		if (error != 0)
			return error;
		n = recv(c->fd, to, room, 0);
		if (n == 0)
			return UV_EOF;
		if (n > 0)
			buffer_commit(&c->reply, (size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			return uv_translate_sys_error(errno);
	}
}

static bool
build_request(struct socketmap_client *c, struct slice map, struct slice key)
{
	char head[NETSTRING_OVERHEAD];
	size_t head_len = netstring_head(map.len + 1 + key.len, head);

	buffer_clear(&c->request);
	return buffer_append(&c->request, head, head_len) &&
	    buffer_append_slice(&c->request, map) &&
	    buffer_append(&c->request, " ", 1) &&
	    buffer_append_slice(&c->request, key) &&
	    buffer_append(&c->request, ",", 1);
}

/* A kept connection on which something can be read was closed, or is out of
 * step. */
static bool
is_stale(const struct socketmap_client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static bool
is_lost(int error)
{
	return error == UV_EOF || error == UV_EPIPE || error == UV_ECONNRESET;
}

static int
exchange(struct socketmap_client *c, uint64_t deadline, struct slice *text)
{
	bool is_kept = c->fd >= 0 && !is_stale(c);
	int error = 0;

	for (;;) {
		if (!is_kept) {
			disconnect(c);
			error = connect_anew(c, deadline);
			if (error != 0)
				return error;
		}
		buffer_clear(&c->reply);
		error = send_request(c, deadline);
		if (error == 0)
			error = receive_reply(c, deadline, text);
		/* Closed between our look and our request: once more. */
		if (!is_kept || !is_lost(error) || buffer_len(&c->reply) > 0)
			return error;
		is_kept = false;
	}
}

int
socketmap_client_lookup(struct socketmap_client *c, const char *map,
    const char *key, size_t key_len, struct socketmap_answer *answer)
{
	struct slice name = slice_of(map);
	struct reply reply;
	struct slice text;
	int error;

	if (name.len == 0 || strchr(map, ' ') != NULL)
		return UV_EINVAL;
	if (key_len >= SOCKETMAP_QUERY_BYTES_MAX ||
	    name.len >= SOCKETMAP_QUERY_BYTES_MAX - key_len)
		return UV_E2BIG;
	if (!build_request(c, name, (struct slice){ key, key_len }))
		return UV_ENOMEM;
	error = exchange(c, deadline_of(c), &text);
	if (error == 0 && !protocol_parse_reply(text, &reply))
		error = UV_EPROTO;
	if (error != 0) {
		disconnect(c);
		return error;
	}
	/* The ',' of the frame follows the data: make it the NUL. */
	c->reply
	    .data[(size_t)(reply.data.ptr - c->reply.data) + reply.data.len] =
	    '\0';
	*answer = (struct socketmap_answer){ reply.status, reply.data.ptr,
		reply.data.len };
	return 0;
}
