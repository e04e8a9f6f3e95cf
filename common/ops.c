#include "common/ops.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/ops_accept.h"
#include "common/ops_connections.h"
#include "common/ops_routes.h"

#define CONNECTION_MEMORY ((size_t)16384) /* bytes: request line, headers */
#define REPLY_MAX ((size_t)8 << 20)       /* bytes of a reply's body */
#define DISCARD_MAX ((uint64_t)1 << 20)   /* bytes of a body read in vain */

struct request {
	struct buffer body;
	bool too_large;
	uint64_t discarded; /* bytes */
};

struct ops {
	uv_loop_t *loop;
	struct ops_limits limits;
	struct ops_accept *accept;
	struct MHD_Daemon *http;
	struct ops_routes routes;
	struct ops_connections connections;
	uv_poll_t events; /* readable: the HTTP library has work */
	uv_timer_t timer; /* its timeouts, and the connections' deadlines */
	size_t handles;   /* on the loop; freed with the last */
	bool running;     /* within MHD_run() */
	bool stopped;
};

const char *
ops_header(const struct ops_request *request, const char *name)
{
	return MHD_lookup_connection_value(
	    request->connection, MHD_HEADER_KIND, name);
}

uint16_t
ops_port(const struct ops *ops)
{
	return ops_accept_port(ops->accept);
}

void
ops_count_failures(struct ops *ops, struct metrics *metrics)
{
	static const char *const label[] = { "reason", NULL };
	struct metrics_family *failures =
	    metrics_counters(metrics, "ops_accept_failures_total",
		"Times that METRICS_LISTEN_ADDR could not accept a connection",
		label);

	ops_accept_count(ops->accept,
	    metrics_counter(
		failures, (const char *const[]){ "descriptors", NULL }),
	    metrics_counter(failures, (const char *const[]){ "memory", NULL }));
}

void
ops_route(struct ops *ops, const char *method, const char *path,
    ops_handler handler, void *arg)
{
	ops_routes_add(&ops->routes, method, path, handler, arg);
}

void
ops_count(struct ops *ops, struct metrics *metrics)
{
	ops_connections_count(&ops->connections, metrics);
}

void
ops_on_oversized(struct ops *ops, const char *method, const char *path,
    void (*hook)(void *arg))
{
	ops_routes_on_oversized(&ops->routes, method, path, hook);
}

/* Hand body over to a response; empty afterwards either way. */
static struct MHD_Response *
response_of(struct buffer *body)
{
	struct slice bytes = buffer_slice(body);
	struct MHD_Response *response;

	if (bytes.len == 0 || body->start > 0) {
		response = MHD_create_response_from_buffer(
		    bytes.len, (void *)bytes.ptr, MHD_RESPMEM_MUST_COPY);
		buffer_fini(body);
		return response;
	}
	response = MHD_create_response_from_buffer(
	    bytes.len, body->data, MHD_RESPMEM_MUST_FREE);
	if (response != NULL)
		body->data = NULL;
	buffer_fini(body);
	return response;
}

/* Queue reply, whose body is empty afterwards; MHD_NO drops the connection. */
static enum MHD_Result
send_reply(struct MHD_Connection *connection, const struct ops_reply *reply,
    const char *allow)
{
	struct MHD_Response *response = response_of(reply->body);
	enum MHD_Result result = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	if (MHD_add_response_header(
		response, "Content-Type", reply->content_type) == MHD_YES &&
	    MHD_add_response_header(response, "Cache-Control", "no-store") ==
		MHD_YES &&
	    MHD_add_response_header(
		response, "X-Content-Type-Options", "nosniff") == MHD_YES &&
	    MHD_add_response_header(response, "Connection", "close") ==
		MHD_YES &&
	    (reply->policy[0] == '\0' ||
		(MHD_add_response_header(response, "Content-Security-Policy",
		     reply->policy) == MHD_YES &&
		    MHD_add_response_header(response, "Referrer-Policy",
			"no-referrer") == MHD_YES)) &&
	    (allow[0] == '\0' ||
		MHD_add_response_header(response, "Allow", allow) == MHD_YES))
		result =
		    MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static struct ops_connection *
context_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
	    ->socket_context;
}

static enum MHD_Result
answer(struct ops *ops, struct MHD_Connection *connection, const char *method,
    const char *path, struct request *r)
{
	const struct ops_request request = { .method = method,
		.path = path,
		.body = buffer_slice(&r->body),
		.connection = connection };
	char allow[OPS_ROUTES_ALLOW_MAX] = "";
	struct buffer body;
	struct ops_reply reply = { .status = MHD_HTTP_OK,
		.content_type = "application/json",
		.body = &body };

	buffer_init(&body, REPLY_MAX);
	if (r->too_large) {
		ops_routes_fail(
		    &reply, MHD_HTTP_CONTENT_TOO_LARGE, "body too large");
		ops_routes_tell_oversized(&ops->routes, &request);
	} else {
		ops_routes_answer(&ops->routes, &request, &reply, allow);
	}
	ops_connections_answered(context_of(connection), reply.status);
	return send_reply(connection, &reply, allow);
}

/*
 * Whether to refuse a request by its headers.  A short body too many is read
 * and dropped instead: closing with unread bytes resets the connection, and
 * the client might never see the reply.
 */
static bool
refuse_body(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(
	    connection, MHD_HEADER_KIND, "Content-Length");
	const char *expect =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Expect");
	/* ULLONG_MAX for what does not fit; the library refuses other text. */
	uint64_t n = length == NULL ? 0 : strtoull(length, NULL, 10);

	return n > DISCARD_MAX || (n > OPS_BODY_MAX && expect != NULL);
}

/* The HTTP library's handler: once for the headers, for each piece of the
 * body, and once at its end. */
static enum MHD_Result /* NOLINTNEXTLINE(readability-function-size): MHD's */
on_request(void *arg, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *bytes, size_t *size,
    void **context)
{
	struct request *r = *context;

	(void)version;
	if (r == NULL) {
		r = mem_calloc(1, sizeof *r);
		buffer_init(&r->body, OPS_BODY_MAX);
		*context = r;
		if (!refuse_body(connection))
			return MHD_YES;
		r->too_large = true;
		return answer(arg, connection, method, path, r);
	}
	if (*size == 0)
		return answer(arg, connection, method, path, r);
	if (r->too_large || !buffer_append(&r->body, bytes, *size)) {
		r->too_large = true;
		r->discarded += *size;
		if (r->discarded > DISCARD_MAX) {
			ops_connections_answered(
			    context_of(connection), MHD_HTTP_CONTENT_TOO_LARGE);
			return MHD_NO;
		}
	}
	*size = 0;
	return MHD_YES;
}

static void
on_completed(void *arg, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode why)
{
	struct request *r = *context;

	(void)arg, (void)connection, (void)why;
	if (r == NULL)
		return;
	buffer_fini(&r->body);
	free(r);
	*context = NULL;
}

/* Paths are compared as they came: "%2e", "%00" and the like match nothing. */
static size_t
leave_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
	(void)arg, (void)connection;
	return strlen(text);
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct ops *ops = arg;
	uint64_t now = uv_now(ops->loop);

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		int fd = MHD_get_connection_info(
		    connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			     ->connect_fd;

		*context = ops_connections_add(&ops->connections, fd, now);
		return;
	}
	ops_connections_remove(&ops->connections, *context, now);
	*context = NULL;
	if (ops->connections.count + 1 == ops->limits.connections_max &&
	    !ops->stopped)
		ops_accept_resume(ops->accept);
}

static void on_timer(uv_timer_t *timer);

static void
arm_timer(struct ops *ops)
{
	uint64_t wait_ms = UINT64_MAX;
	uint64_t now = uv_now(ops->loop);
	MHD_UNSIGNED_LONG_LONG library_ms;

	if (MHD_get_timeout(ops->http, &library_ms) == MHD_YES)
		wait_ms = library_ms;
	/* It says 0 all the time while bytes that it has no room for wait, as
	 * those of an endless chunk extension: timers of 0 ms would run until
	 * none is left, and nothing else would have its turn. */
	if (wait_ms == 0)
		wait_ms = 1;
	if (ops->connections.oldest != NULL) {
		uint64_t at = ops->connections.oldest->deadline_ms;
		uint64_t left = at > now ? at - now : 1;

		wait_ms = left < wait_ms ? left : wait_ms;
	}
	if (wait_ms == UINT64_MAX)
		(void)uv_timer_stop(&ops->timer);
	else
		(void)uv_timer_start(&ops->timer, on_timer, wait_ms, 0);
}

static void
on_handle_closed(uv_handle_t *handle)
{
	struct ops *ops = handle->data;

	if (--ops->handles == 0)
		free(ops);
}

/* The library, and its handle, may be missing after a failed start. */
static void
finish_stop(struct ops *ops)
{
	ops_accept_stop(ops->accept);
	uv_close((uv_handle_t *)&ops->timer, on_handle_closed);
	/* The library's descriptor leaves the loop before it is closed. */
	if (ops->events.data != NULL)
		uv_close((uv_handle_t *)&ops->events, on_handle_closed);
	if (ops->http != NULL)
		MHD_stop_daemon(ops->http);
	ops_routes_fini(&ops->routes);
}

void
ops_stop(struct ops *ops)
{
	if (ops->stopped)
		return;
	ops->stopped = true;
	if (!ops->running)
		finish_stop(ops);
}

static void
run(struct ops *ops)
{
	ops->running = true;
	(void)MHD_run(ops->http);
	ops->running = false;
	if (ops->stopped) { /* by a handler */
		finish_stop(ops);
		return;
	}
	ops_connections_end_abandoned(&ops->connections);
	arm_timer(ops);
}

static void
on_events(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	run(poll->data);
}

static void
on_timer(uv_timer_t *timer)
{
	struct ops *ops = timer->data;

	ops_connections_end_late(&ops->connections, uv_now(ops->loop));
	run(ops);
}

static void
on_accepted(void *arg, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct ops *ops = arg;

	/* The library closes fd where it cannot take it. */
	(void)MHD_add_connection(ops->http, fd, peer, len);
	/* Whoever holds a place without using it makes room for the next. */
	if (ops->connections.count == ops->limits.connections_max) {
		ops_accept_pause(ops->accept);
		ops_connections_evict(&ops->connections);
	}
	arm_timer(ops);
}

static struct MHD_Daemon *
start_library(struct ops *ops)
{
	/* No listening socket: the library would busy-wait for descriptors
	 * when it has none left.  No thread, no messages of its own. */
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0,
	    NULL, NULL, on_request, ops, MHD_OPTION_CONNECTION_LIMIT,
	    ops->limits.connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
	    ops->limits.idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, on_completed, ops,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, ops,
	    MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, ops, MHD_OPTION_END);
}

/* Put the library on the loop; returns 0 or a UV_ error. */
static int
start_events(struct ops *ops)
{
	const union MHD_DaemonInfo *info;
	int status;

	errno = ENOMEM; /* unless it is something else */
	ops->http = start_library(ops);
	if (ops->http == NULL)
		return uv_translate_sys_error(errno);
	info = MHD_get_daemon_info(ops->http, MHD_DAEMON_INFO_EPOLL_FD);
	status = uv_poll_init(ops->loop, &ops->events, info->epoll_fd);
	if (status != 0)
		return status;
	ops->events.data = ops;
	ops->handles++;
	return uv_poll_start(&ops->events, UV_READABLE, on_events);
}

struct ops *
ops_start_limited(uv_loop_t *loop, const struct endpoint_list *listen,
    const struct ops_limits *limits, struct log *log, struct error *error)
{
	struct ops *ops = mem_calloc(1, sizeof *ops);
	int status;

	ops->loop = loop;
	ops->limits = *limits;
	ops_connections_init(
	    &ops->connections, limits->idle_timeout_s, limits->lifetime_s);
	/* What fails most comes first, with nothing on the loop yet. */
	ops->accept =
	    ops_accept_start(loop, listen, log, on_accepted, ops, error);
	if (ops->accept == NULL) {
		free(ops);
		return NULL;
	}
	(void)uv_timer_init(loop, &ops->timer);
	ops->timer.data = ops;
	ops->handles = 1;
	status = start_events(ops);
	if (status != 0) {
		error_set(error, "cannot start the HTTP server: %s",
		    uv_strerror(status));
		ops_stop(ops);
		return NULL;
	}
	return ops;
}

struct ops *
ops_start(uv_loop_t *loop, const struct endpoint_list *listen, struct log *log,
    struct error *error)
{
	const struct ops_limits limits = {
		.connections_max = OPS_CONNECTIONS_MAX,
		.idle_timeout_s = OPS_IDLE_TIMEOUT_S,
		.lifetime_s = OPS_LIFETIME_S,
	};

	return ops_start_limited(loop, listen, &limits, log, error);
}
