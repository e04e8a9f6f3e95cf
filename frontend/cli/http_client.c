#include "frontend/cli/http_client.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend/cli/command.h"

#define PIECE 4096 /* bytes read at once */

/* --- The target ---------------------------------------------------------- */

static bool
parse_port(const char *text, size_t len, char out[static 6])
{
	if (len == 0 || len > 5 || strspn(text, "0123456789") < len)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return strtoul(out, NULL, 10) >= 1 && strtoul(out, NULL, 10) <= 65535;
}

bool
http_target_parse(struct http_target *t, struct slice authority)
{
	const char *host = authority.ptr;
	const char *end = host + authority.len;
	const char *host_end;
	const char *rest; /* ":port" or nothing */

	*t = (struct http_target){ .port = "80" };
	if (host < end && *host == '[') {
		host++;
		host_end = memchr(host, ']', (size_t)(end - host));
		rest = host_end == NULL ? end : host_end + 1;
	} else {
		host_end = memchr(host, ':', (size_t)(end - host));
		if (host_end == NULL)
			host_end = end;
		rest = host_end;
	}
	if (host_end == NULL || host_end - host > HTTP_CLIENT_HOST_MAX ||
	    (host_end == host && rest == end))
		return false;
	memcpy(t->host, host, (size_t)(host_end - host));
	t->host[host_end - host] = '\0';
	if (t->host[0] == '\0')
		memcpy(t->host, "localhost", sizeof "localhost");
	return rest == end ||
	    (*rest == ':' &&
		parse_port(rest + 1, (size_t)(end - rest) - 1, t->port));
}

/* --- Connecting ---------------------------------------------------------- */

/* Connected, or -1 with errno. */
static int
connect_socket(
    const struct sockaddr *address, socklen_t len, uint64_t timeout_ms)
{
	const struct timeval limit = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
	};
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int failure;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(fd, address, len) == 0)
		return fd;
	failure = errno == EINPROGRESS ? ETIMEDOUT : errno;
	(void)close(fd);
	errno = failure;
	return -1;
}

static int
connect_unix(
    const struct http_target *t, uint64_t timeout_ms, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(t->path) >= sizeof address.sun_path) {
		error_set(error, "the path is too long for a socket");
		return -1;
	}
	memcpy(address.sun_path, t->path, strlen(t->path) + 1);
	fd = connect_socket(
	    (const struct sockaddr *)&address, sizeof address, timeout_ms);
	if (fd < 0)
		error_set(error, "cannot connect: %s", strerror(errno));
	return fd;
}

static int
connect_tcp(
    const struct http_target *t, uint64_t timeout_ms, struct error *error)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int failure = getaddrinfo(t->host, t->port, &hints, &list);
	int fd = -1;

	if (failure != 0) {
		error_set(error, "cannot resolve %s: %s", t->host,
		    gai_strerror(failure));
		return -1;
	}
	for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = connect_socket(a->ai_addr, a->ai_addrlen, timeout_ms);
		failure = errno;
	}
	freeaddrinfo(list);
	if (fd < 0)
		error_set(error, "cannot reach %s port %s: %s", t->host,
		    t->port, strerror(failure));
	return fd;
}

/* --- Asking -------------------------------------------------------------- */

static bool
send_request(int fd, const struct http_target *t, const char *method,
    const char *path, struct slice body)
{
	bool v6 = strchr(t->host, ':') != NULL;
	struct buffer request;
	struct slice rest;
	ssize_t n = 0;

	buffer_init(&request, PIECE + strlen(path) + body.len);
	if (buffer_printf(&request, "%s %s%s HTTP/1.0\r\nHost: ", method,
		path[0] == '/' ? "" : "/", path) &&
	    (t->path != NULL
		    ? buffer_printf(&request, "localhost")
		    : buffer_printf(&request, "%s%s%s:%s", v6 ? "[" : "",
			  t->host, v6 ? "]" : "", t->port)) &&
	    buffer_printf(&request,
		"\r\nUser-Agent: " COMMAND_PROGRAM "/%s\r\nConnection: "
		"close\r\n",
		PROJECT_VERSION) &&
	    (strcmp(method, "GET") == 0 ||
		buffer_printf(&request, "Content-Length: %zu\r\n", body.len)) &&
	    buffer_printf(&request, "\r\n") &&
	    buffer_append_slice(&request, body)) {
		rest = buffer_slice(&request);
		while (rest.len > 0 &&
		    (n = send(fd, rest.ptr, rest.len, MSG_NOSIGNAL)) > 0) {
			rest.ptr += n;
			rest.len -= (size_t)n;
		}
	}
	buffer_fini(&request);
	return n > 0;
}

/* Read until the end of the answer, or as much as fits.  False when it stops
 * coming. */
static bool
receive(int fd, struct buffer *reply)
{
	ssize_t n = 1;

	while (n > 0) {
		size_t room = reply->max - buffer_len(reply);
		char *at;

		if (room == 0)
			return true;
		room = room < PIECE ? room : PIECE;
		at = buffer_reserve(reply, room);
		if (at == NULL)
			return true;
		n = recv(fd, at, room, 0);
		if (n > 0)
			buffer_commit(reply, (size_t)n);
	}
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* --- The answer ---------------------------------------------------------- */

/* "HTTP/1.1 503 …" to 503; 0 for what is no HTTP. */
static unsigned
status_of(struct slice reply)
{
	unsigned status = 0;

	if (reply.len < 12 || memcmp(reply.ptr, "HTTP/1.", 7) != 0 ||
	    reply.ptr[7] < '0' || reply.ptr[7] > '9' || reply.ptr[8] != ' ')
		return 0;
	for (size_t i = 9; i < 12; i++) {
		if (reply.ptr[i] < '0' || reply.ptr[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(reply.ptr[i] - '0');
	}
	return status;
}

/* From after "HTTP/1.1 " to the end of the first line. */
static struct slice
status_line_of(struct slice reply)
{
	size_t end = 9;

	while (
	    end < reply.len && reply.ptr[end] != '\r' && reply.ptr[end] != '\n')
		end++;
	return (struct slice){ reply.ptr + 9, end - 9 };
}

static struct slice
body_of(struct slice reply)
{
	const char *end = memmem(reply.ptr, reply.len, "\r\n\r\n", 4);

	if (end == NULL)
		return SLICE("");
	return (
	    struct slice){ end + 4, reply.len - (size_t)(end + 4 - reply.ptr) };
}

bool
http_client_ask(const struct http_target *t, const char *method,
    const char *path, struct slice body, uint64_t timeout_ms,
    struct buffer *reply, struct http_answer *out, struct error *error)
{
	int fd = t->path != NULL ? connect_unix(t, timeout_ms, error)
				 : connect_tcp(t, timeout_ms, error);
	struct slice text;
	bool in_time = true;

	if (fd < 0)
		return false;
	buffer_clear(reply);
	if (send_request(fd, t, method, path, body))
		in_time = receive(fd, reply);
	(void)close(fd);
	text = buffer_slice(reply);
	if (text.ptr == NULL)
		text = SLICE(""); /* which may be looked at */
	*out = (struct http_answer){ .status = status_of(text) };
	if (out->status == 0) {
		error_set(error, "%s",
		    !in_time           ? "does not answer in time"
			: text.len > 0 ? "the answer is not HTTP"
				       : "closed the connection without an "
					 "answer");
		return false;
	}
	out->line = status_line_of(text);
	out->body = body_of(text);
	return true;
}
