#include "frontend/cli/rpc_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/config_number.h"
#include "common/endpoint.h"
#include "common/mem.h"
#include "common/nngsock.h"
#include "common/rpctls.h"

/* nng keeps dialing in silence; after this long it is looked into why. */
#define PATIENCE_MS 300

struct rpc_client {
	uv_loop_t loop;
	uv_timer_t timer;
	bool expired; /* the timer has fired */

	struct endpoint endpoint;
	char url[ENDPOINT_TEXT_MAX];
	uint64_t timeout_ms;
	struct log *log; /* both NULL without TLS */
	struct rpctls *tls;

	struct nngsock *sock; /* NULL until a call connects */
	unsigned pipes;

	struct rpc_writer writer;
	struct rpc_reader *reader;
	struct buffer frame;
	uint64_t last_id;

	/* The answer to last_id; slices borrow from text. */
	bool answered;
	enum rpc_status status;
	struct lookup_result result;
	struct slice backend;
	struct buffer text;
};

/* --- Events ------------------------------------------------------------- */

static void
on_timer(uv_timer_t *timer)
{
	struct rpc_client *c = timer->data;

	c->expired = true;
}

static void
on_pipes(void *arg, unsigned count)
{
	struct rpc_client *c = arg;

	c->pipes = count;
}

static void
on_message(void *arg, struct slice header, struct slice body)
{
	struct rpc_client *c = arg;
	const struct rpc_result *results;
	size_t count;

	(void)header;
	if (c->answered)
		return; /* late, to a call that was given up */
	buffer_clear(&c->text);
	if (!buffer_append_slice(&c->text, body)) {
		c->status = RPC_MALFORMED;
		c->answered = true;
		return;
	}
	c->status = rpc_read_results(
	    c->reader, buffer_slice(&c->text), &results, &count, &c->backend);
	c->answered = c->status != RPC_OK;
	for (size_t i = 0; i < count; i++) {
		if (results[i].id == c->last_id) {
			c->result = results[i].lookup;
			c->answered = true;
		}
	}
	/* How a backend answers a frame that it cannot read. */
	if (c->status == RPC_OK && count == 0) {
		c->status = RPC_MALFORMED;
		c->answered = true;
	}
}

/* --- Connecting --------------------------------------------------------- */

/* Run the loop until *flag is not 0 or the time (uv_now) has come. */
static bool
wait_until(
    struct rpc_client *c, uint64_t deadline, bool (*done)(struct rpc_client *c))
{
	uint64_t now;

	uv_update_time(&c->loop);
	now = uv_now(&c->loop);
	c->expired = deadline <= now;
	if (!c->expired)
		(void)uv_timer_start(&c->timer, on_timer, deadline - now, 0);
	while (!done(c) && !c->expired)
		(void)uv_run(&c->loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&c->timer);
	return done(c);
}

static bool
is_connected(struct rpc_client *c)
{
	return c->pipes > 0;
}

static bool
is_settled(struct rpc_client *c)
{
	return c->answered || c->pipes == 0;
}

static void
disconnect(struct rpc_client *c)
{
	if (c->sock != NULL)
		nngsock_close(c->sock);
	c->sock = NULL;
	c->pipes = 0;
}

/* Why does nobody answer at this address?  0 when somebody does. */
static int
probe(const struct sockaddr *address, socklen_t len)
{
	const struct timeval limit = { .tv_sec = 1 };
	struct pollfd greeting = { .events = POLLIN };
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int failure = 0;

	if (fd < 0)
		return errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, address, len) != 0 && errno != EINPROGRESS)
		failure = errno;
	/* nng 1.5.2's listener may not survive who leaves without a word: be
	 * greeted first, if anybody is there. */
	greeting.fd = fd;
	if (failure == 0)
		(void)poll(&greeting, 1, PATIENCE_MS);
	(void)close(fd);
	return failure;
}

/*
 * Dial one numeric address until it answers, is known to refuse, or time is
 * up.  Returns 0 once connected, or the reason as an errno.
 */
static int
dial(struct rpc_client *c, const struct endpoint *to,
    const struct sockaddr *address, socklen_t len, uint64_t deadline,
    struct error *error)
{
	const struct nngsock_events events = {
		.message = on_message,
		.pipes = on_pipes,
		.arg = c,
	};
	struct nngsock_tls tls;
	uint64_t patience;
	char url[ENDPOINT_TEXT_MAX];
	int failure;

	endpoint_format(to, ENDPOINT_RPC, url);
	c->sock = nngsock_dial(&c->loop, url,
	    rpctls_material(c->tls, c->endpoint.host, &tls), RPC_FRAME_MAX,
	    &events, error);
	if (c->sock == NULL)
		return EINVAL;
	uv_update_time(&c->loop);
	patience = uv_now(&c->loop) + PATIENCE_MS;
	if (wait_until(
		c, patience < deadline ? patience : deadline, is_connected))
		return 0;
	/* A TLS listener says nothing before it has been greeted. */
	failure = c->tls == NULL ? probe(address, len) : ETIMEDOUT;
	if (failure == 0 || failure == ETIMEDOUT) {
		if (wait_until(c, deadline, is_connected))
			return 0;
		failure = ETIMEDOUT;
	}
	error_set(error,
	    "cannot reach %s: %s; is userli-bridge-backend running and is "
	    "this its BACKEND_LISTEN_URL?",
	    c->url,
	    failure != ETIMEDOUT ? strerror(failure)
		: c->tls != NULL
		? "no backend answers there, or one side does not believe the "
		  "other's certificate"
		: "no backend answers there");
	disconnect(c);
	return failure;
}

static bool
connect_unix(struct rpc_client *c, uint64_t deadline, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(
	    address.sun_path, c->endpoint.path, strlen(c->endpoint.path) + 1);
	return dial(c, &c->endpoint, (const struct sockaddr *)&address,
		   sizeof address, deadline, error) == 0;
}

/* nng dials the first address of a name only: dial each. */
static bool
connect_tcp(struct rpc_client *c, uint64_t deadline, struct error *error)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const char *host =
	    c->endpoint.host[0] == '\0' ? NULL : c->endpoint.host;
	struct endpoint numeric = c->endpoint;
	struct addrinfo *list;
	char port[8];
	bool connected = false;
	int failure;

	(void)snprintf(port, sizeof port, "%u", (unsigned)c->endpoint.port);
	failure = getaddrinfo(host, port, &hints, &list);
	if (failure != 0) {
		error_set(error, "cannot resolve the host of %s: %s", c->url,
		    gai_strerror(failure));
		return false;
	}
	for (struct addrinfo *a = list; a != NULL && !connected;
	     a = a->ai_next) {
		if (getnameinfo(a->ai_addr, a->ai_addrlen, numeric.host,
			sizeof numeric.host, NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		connected = dial(c, &numeric, a->ai_addr, a->ai_addrlen,
				deadline, error) == 0;
	}
	freeaddrinfo(list);
	return connected;
}

/* --- Calling ------------------------------------------------------------ */

static bool
send_call(struct rpc_client *c, const struct rpc_call *call)
{
	buffer_clear(&c->frame);
	return rpc_add_call(&c->writer, call) &&
	    rpc_finish_calls(&c->writer, &c->frame) &&
	    nngsock_request(c->sock, (uint32_t)call->id,
		buffer_slice(&c->frame)) == NNGSOCK_SENT;
}

static enum rpc_client_status
judge(struct rpc_client *c, struct lookup_result *out, struct error *error)
{
	char limit[CONFIG_NUMBER_SIZE];

	if (!c->answered && c->pipes > 0) {
		config_number_format(CONFIG_DURATION, c->timeout_ms, limit);
		error_set(error, "%s does not answer within %s", c->url, limit);
		return RPC_CLIENT_TIMEOUT;
	}
	if (!c->answered) {
		error_set(error, "%s closed the connection without an answer",
		    c->url);
		return RPC_CLIENT_UNREACHABLE;
	}
	switch (c->status) {
	case RPC_OK:
		*out = c->result;
		return RPC_CLIENT_OK;
	case RPC_NEW_VERSION:
		error_set(error,
		    "%s speaks a newer version of the protocol than this "
		    "program (%d); upgrade this host",
		    c->url, RPC_VERSION);
		break;
	default:
		error_set(error,
		    "%s answers, but not as userli-bridge-backend does; its "
		    "address is its BACKEND_LISTEN_URL",
		    c->url);
		break;
	}
	return RPC_CLIENT_UNREACHABLE;
}

enum rpc_client_status
rpc_client_call(struct rpc_client *c, struct rpc_call *call,
    struct lookup_result *out, struct error *error)
{
	enum rpc_client_status status;
	uint64_t deadline;

	uv_update_time(&c->loop);
	deadline = uv_now(&c->loop) + c->timeout_ms;
	/* The loop has to turn for a lost connection to be seen. */
	if (c->sock != NULL)
		(void)uv_run(&c->loop, UV_RUN_NOWAIT);
	if (c->pipes == 0) {
		disconnect(c);
		if (!(c->endpoint.kind == ENDPOINT_UNIX
			    ? connect_unix(c, deadline, error)
			    : connect_tcp(c, deadline, error)))
			return RPC_CLIENT_UNREACHABLE;
	}
	call->id = ++c->last_id;
	uv_update_time(&c->loop);
	call->left_ms = deadline > uv_now(&c->loop)
	    ? (uint32_t)(deadline - uv_now(&c->loop))
	    : 0;
	c->answered = false;
	if (!send_call(c, call)) {
		error_set(error, "cannot send to %s", c->url);
		disconnect(c);
		return RPC_CLIENT_UNREACHABLE;
	}
	(void)wait_until(c, deadline, is_settled);
	status = judge(c, out, error);
	/* What comes to a call that was given up is not the next one's. */
	if (status != RPC_CLIENT_OK)
		disconnect(c);
	return status;
}

struct slice
rpc_client_backend(const struct rpc_client *c)
{
	return c->backend;
}

/* --- Life --------------------------------------------------------------- */

static void
free_memory(struct rpc_client *c)
{
	rpc_reader_free(c->reader);
	rpc_writer_fini(&c->writer);
	buffer_fini(&c->frame);
	buffer_fini(&c->text);
	rpctls_free(c->tls);
	if (c->log != NULL)
		log_free(c->log);
	free(c);
}

static const char *
setting(const char *name)
{
	const char *value = getenv(name);

	return value != NULL ? value : "";
}

static bool
load_certificates(struct rpc_client *c, struct error *error)
{
	const struct rpctls_files files = {
		.cert = setting("RPC_TLS_CERT"),
		.key = setting("RPC_TLS_KEY"),
		.ca = setting("RPC_TLS_CA"),
		.server_name = setting("RPC_TLS_SERVER_NAME"),
		.side = RPCTLS_DIALS,
	};

	if (c->endpoint.kind != ENDPOINT_TLS)
		return true;
	if (files.cert[0] == '\0') {
		error_set(error,
		    "%s needs certificates: set RPC_TLS_CERT, RPC_TLS_KEY and "
		    "RPC_TLS_CA in the environment",
		    c->url);
		return false;
	}
	c->log = log_new(&(struct log_options){ .level = LOG_LEVEL_ERROR,
	    .format = LOG_FORMAT_TEXT,
	    .fd = STDERR_FILENO });
	c->tls = rpctls_new(&files, c->log, error);
	return c->tls != NULL;
}

struct rpc_client *
rpc_client_new(const char *url, uint64_t timeout_ms, struct error *error)
{
	struct rpc_client *c = mem_calloc(1, sizeof *c);
	int rv;

	if (!endpoint_parse(slice_of(url), ENDPOINT_RPC, &c->endpoint, error)) {
		free(c);
		return NULL;
	}
	endpoint_format(&c->endpoint, ENDPOINT_RPC, c->url);
	c->timeout_ms = timeout_ms;
	if (!load_certificates(c, error)) {
		free_memory(c);
		return NULL;
	}
	c->reader = rpc_reader_new();
	if (c->reader == NULL)
		mem_exhausted();
	rv = uv_loop_init(&c->loop);
	if (rv != 0) {
		error_set(error, "no event loop: %s", uv_strerror(rv));
		free_memory(c);
		return NULL;
	}
	(void)uv_timer_init(&c->loop, &c->timer);
	c->timer.data = c;
	rpc_writer_init(&c->writer);
	buffer_init(&c->frame, RPC_FRAME_MAX);
	buffer_init(&c->text, RPC_FRAME_MAX);
	return c;
}

void
rpc_client_free(struct rpc_client *c)
{
	if (c == NULL)
		return;
	disconnect(c);
	uv_close((uv_handle_t *)&c->timer, NULL);
	(void)uv_run(&c->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&c->loop);
	free_memory(c);
}
