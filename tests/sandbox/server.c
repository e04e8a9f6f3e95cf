#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <poll.h>
#include <utlist.h>

#include "common/mem.h"
#include "control.h"
#include "text.h"
#include "tls.h"

#define BACKLOG 1024
#define UNIX_PATH_MAX 107 /* bytes, sun_path of unix(7) less its NUL */

struct listener {
	struct listener *prev;
	struct listener *next;
	struct server *server;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	bool https;
};

bool
server_init(struct server *s, uv_loop_t *loop, const char *directory,
    struct error *error)
{
	memset(s, 0, sizeof *s);
	s->loop = loop;
	s->prefix = "";
	s->directory_path = directory;
	s->scratch = mem_calloc(1, SERVER_SCRATCH_BYTES);
	faults_init(&s->faults);
	stats_init(&s->stats);
	s->directory = directory_load(directory, error);
	return s->directory != NULL;
}

void
server_fini(struct server *s)
{
	directory_free(s->directory);
	faults_fini(&s->faults);
	stats_fini(&s->stats);
	free(s->scratch);
}

static void
on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
on_connection(uv_stream_t *stream, int status)
{
	struct listener *l = stream->data;

	if (status == 0)
		conn_accept(l->server, stream,
		    l->https ? tls_new(l->server->tls) : NULL);
}

static struct listener *
listener_new(struct server *s)
{
	struct listener *l = mem_calloc(1, sizeof *l);

	l->server = s;
	DL_APPEND(s->listeners, l);
	return l;
}

static void
listener_close(struct listener *l)
{
	DL_DELETE(l->server->listeners, l);
	uv_close(&l->io.handle, on_listener_closed);
}

/* Split "host:port" and read both; false if it is neither. */
static bool
parse_address(const char *text, struct sockaddr_storage *out)
{
	const char *colon = strrchr(text, ':');
	char host[64] = "";
	size_t len;
	unsigned long port;
	char *end;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	port = strtoul(colon + 1, &end, 10);
	len = (size_t)(colon - text);
	if (*end != '\0' || port > 65535 || len >= sizeof host)
		return false;
	memcpy(host, text, len);
	if (len == 0)
		memcpy(host, "::", sizeof "::");
	else if (strcmp(host, "localhost") == 0)
		memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
	else if (host[0] == '[' && host[len - 1] == ']') {
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	}
	if (uv_ip4_addr(host, (int)port, (struct sockaddr_in *)out) == 0)
		return true;
	return uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)out) == 0;
}

/* What a listener got, which with port 0 is not what was asked for. */
static void
announce_tcp(const struct listener *l)
{
	struct sockaddr_storage name;
	int size = sizeof name;
	char host[64] = "?";
	unsigned port;

	if (uv_tcp_getsockname(&l->io.tcp, (struct sockaddr *)&name, &size) !=
	    0)
		return;
	if (name.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&name;

		(void)uv_ip6_name(in6, host, sizeof host);
		port = ntohs(in6->sin6_port);
	} else {
		const struct sockaddr_in *in = (struct sockaddr_in *)&name;

		(void)uv_ip4_name(in, host, sizeof host);
		port = ntohs(in->sin_port);
	}
	printf(name.ss_family == AF_INET6
		? "userli-sandbox listening on %s://[%s]:%u\n"
		: "userli-sandbox listening on %s://%s:%u\n",
	    l->https ? "https" : "http", host, port);
	fflush(stdout);
}

bool
server_listen_tcp(
    struct server *s, const char *address, bool https, struct error *error)
{
	struct sockaddr_storage name = { .ss_family = AF_UNSPEC };
	struct listener *l;
	int rc;

	if (!parse_address(address, &name)) {
		error_set(error,
		    "%.128s: must be a numeric host and a port, as in "
		    "127.0.0.1:8000",
		    address);
		return false;
	}
	l = listener_new(s);
	l->https = https;
	rc = uv_tcp_init(s->loop, &l->io.tcp);
	if (rc != 0)
		abort(); /* cannot fail without a family */
	l->io.handle.data = l;
	rc = uv_tcp_bind(&l->io.tcp, (struct sockaddr *)&name, 0);
	if (rc == 0)
		rc = uv_listen(&l->io.stream, BACKLOG, on_connection);
	if (rc != 0) {
		error_set(
		    error, "cannot listen on %s: %s", address, uv_strerror(rc));
		listener_close(l);
		return false;
	}
	announce_tcp(l);
	return true;
}

/* A socket file that its process has left behind refuses connections. */
static bool
is_stale(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool refused;

	if (fd < 0)
		return false;
	(void)strncpy(name.sun_path, path, sizeof name.sun_path - 1);
	refused = connect(fd, (struct sockaddr *)&name, sizeof name) != 0 &&
	    errno == ECONNREFUSED;
	(void)close(fd);
	return refused;
}

bool
server_listen_unix(struct server *s, const char *path, struct error *error)
{
	struct listener *l;
	int rc;

	if (*path == '\0' || strlen(path) > UNIX_PATH_MAX) {
		error_set(error,
		    "%.128s: a UNIX socket's path has 1 to %d "
		    "bytes",
		    path, UNIX_PATH_MAX);
		return false;
	}
	if (is_stale(path))
		(void)unlink(path);
	l = listener_new(s);
	rc = uv_pipe_init(s->loop, &l->io.pipe, 0);
	if (rc != 0)
		abort(); /* cannot fail */
	l->io.handle.data = l;
	rc = uv_pipe_bind(&l->io.pipe, path);
	if (rc == 0)
		rc = uv_listen(&l->io.stream, BACKLOG, on_connection);
	if (rc != 0) {
		error_set(
		    error, "cannot listen on %s: %s", path, uv_strerror(rc));
		listener_close(l);
		return false;
	}
	printf("userli-sandbox listening on unix:%s\n", path);
	fflush(stdout);
	return true;
}

void
server_reload(struct server *s)
{
	struct error error;
	struct directory *fresh = directory_load(s->directory_path, &error);

	if (fresh == NULL) {
		fprintf(stderr,
		    "userli-sandbox: the directory stays as it was: %s\n",
		    error.text);
		return;
	}
	directory_free(s->directory);
	s->directory = fresh;
	fprintf(stderr, "userli-sandbox: directory read again\n");
}

void
server_stop(struct server *s)
{
	struct listener *l, *next_listener;
	struct conn *c, *next_conn;

	DL_FOREACH_SAFE (s->listeners, l, next_listener)
		listener_close(l);
	DL_FOREACH_SAFE (s->conns, c, next_conn)
		conn_close(c);
}

void
server_release(struct server *s)
{
	struct conn *c, *next;

	DL_FOREACH_SAFE (s->conns, c, next)
		conn_release(c);
}

/* One line for whoever watches, without the key.  A reader that has stopped
 * reading must not stop the sandbox: the line is then lost. */
static void
note(const struct server *s, const struct api_route *route,
    const struct delivery *d)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (s->quiet || poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0)
		return;
	if (d->outcome < 100)
		fprintf(stderr, "userli-sandbox: %s: %s\n",
		    api_endpoint_name(route->endpoint),
		    d->outcome == STATS_RAW ? "raw bytes" : "dropped");
	else
		fprintf(stderr, "userli-sandbox: %s: %d\n",
		    api_endpoint_name(route->endpoint), d->outcome);
}

/* A client that sends such a target has forgotten to escape it. */
static bool
is_sound(struct slice target)
{
	for (size_t i = 0; i < target.len; i++)
		if ((unsigned char)target.ptr[i] <= ' ' ||
		    target.ptr[i] == 0x7f)
			return false;
	return true;
}

static void
answer_api(struct server *s, struct conn *c, const struct http_request *req,
    struct delivery *delivery)
{
	const struct fault *fault;
	struct api_route route;
	struct reply reply;

	reply_init(&reply);
	api_route(&route, s->prefix, req->target);
	if (!c->has_requests)
		s->stats.api_connections++;
	c->has_requests = true;
	stats_begin(&s->stats, req, route.endpoint);
	if (!is_sound(req->target))
		reply_error(&reply, 400, "Blank or control character in path");
	else if (!api_answer(s->directory, &route, req, &reply))
		s->stats.unauthorized++;
	fault = faults_pick(&s->faults, route.path);
	if (fault != NULL)
		s->stats.faults++;
	delivery_plan(delivery, req, &reply, fault);
	delivery->counted = true;
	stats_status(&s->stats, delivery->outcome);
	note(s, &route, delivery);
	api_route_fini(&route);
	reply_fini(&reply);
}

void
server_answer(struct server *s, struct conn *c, const struct http_request *req,
    struct delivery *delivery)
{
	struct reply reply;

	if (!control_owns(req->target)) {
		answer_api(s, c, req, delivery);
		return;
	}
	reply_init(&reply);
	control_answer(s, req, &reply);
	delivery_plan(delivery, req, &reply, NULL);
	reply_fini(&reply);
}

void
server_refuse(struct server *s, int status, struct delivery *delivery)
{
	struct reply reply;

	reply_init(&reply);
	reply_error(&reply, status, http_reason(status));
	delivery_plan(delivery, NULL, &reply, NULL);
	stats_status(&s->stats, status);
	reply_fini(&reply);
}
