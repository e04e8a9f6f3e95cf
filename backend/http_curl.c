#include "backend/http_curl.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "backend/http_memory.h"
#include "backend/http_poll.h"
#include "backend/http_transfer.h"
#include "common/mem.h"

/* A buffer that a large answer has grown beyond this is not kept. */
#define BODY_KEPT_MAX 65536

struct http_curl {
	struct http_origin origin;
	CURLM *multi; /* NULL once closing */
	struct http_transfer *idle;
	struct http_transfer *active;
	struct buffer spare; /* of a transfer whose body is being answered */
	struct http_polls polls;
	uv_timer_t timer;
	uv_idle_t soon;   /* a timeout of 0 */
	unsigned handles; /* of ours, to be closed before we are freed */

	http_curl_done done;
	void *arg;
	void (*closed)(void *arg);
};

static void check_finished(struct http_curl *c);

/* --- curl asks for sockets, timers, room ------------------------------- */

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *ignored)
{
	struct http_curl *c = arg;
	int events = 0;

	(void)easy;
	(void)ignored;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= UV_READABLE;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= UV_WRITABLE;
	http_polls_want(&c->polls, fd, events);
	return 0;
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_curl *c = arg;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);

	(void)purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	http_polls_opened(&c->polls, fd);
	return fd;
}

static int
on_close_socket(void *arg, curl_socket_t fd)
{
	struct http_curl *c = arg;

	http_polls_forget(&c->polls, fd);
	return close(fd);
}

static void
on_socket_event(void *arg, int fd, int events)
{
	struct http_curl *c = arg;
	int running;
	int what = 0;

	if (events & UV_READABLE)
		what |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		what |= CURL_CSELECT_OUT;
	(void)curl_multi_socket_action(c->multi, fd, what, &running);
	check_finished(c);
}

static void
on_timeout(struct http_curl *c)
{
	int running;

	(void)curl_multi_socket_action(
	    c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	check_finished(c);
}

static void
on_timer(uv_timer_t *timer)
{
	on_timeout(timer->data);
}

static void
on_soon(uv_idle_t *soon)
{
	(void)uv_idle_stop(soon);
	on_timeout(soon->data);
}

/*
 * A timeout of 0 runs before the loop waits again.  It is no timer of 0 ms:
 * the loop runs such timers until none is left, and while answers came at
 * once, nothing else would have its turn.
 */
static int
on_set_timeout(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_curl *c = arg;

	(void)multi;
	(void)uv_timer_stop(&c->timer);
	(void)uv_idle_stop(&c->soon);
	if (uv_is_closing((uv_handle_t *)&c->timer) || timeout_ms < 0)
		return 0;
	if (timeout_ms == 0)
		(void)uv_idle_start(&c->soon, on_soon);
	else
		(void)uv_timer_start(
		    &c->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

/* --- the life of a transfer -------------------------------------------- */

/* A new transfer on the idle list; false when libcurl refuses. */
static bool
add_transfer(struct http_curl *c)
{
	struct http_transfer *t = http_transfer_new(&c->origin);

	if (t != NULL)
		DL_PREPEND(c->idle, t);
	return t != NULL;
}

bool
http_curl_start(struct http_curl *c, const char *path, const char *bearer,
    uint64_t request_id, uint64_t left_ms, void *request)
{
	struct http_transfer *t;

	if (c->multi == NULL || (c->idle == NULL && !add_transfer(c)))
		return false;
	t = c->idle;
	t->request = request;
	http_polls_retire_idle(&c->polls);
	if (!http_transfer_aim(t, path, bearer, request_id, left_ms) ||
	    curl_multi_add_handle(c->multi, t->easy) != CURLM_OK) {
		http_transfer_rest(t);
		return false;
	}
	DL_DELETE(c->idle, t);
	DL_APPEND(c->active, t);
	return true;
}

/*
 * Take an ended transfer off curl and answer.  The answer's body is lent from
 * a buffer of its own, since the transfer may be started again from within.
 */
static void
finish(struct http_curl *c, struct http_transfer *t,
    struct http_response *response)
{
	struct buffer body = t->body;

	if (response->status == HTTP_DONE)
		response->body = buffer_slice(&body);
	t->body = c->spare;
	buffer_init(&c->spare, c->origin.body_max);
	(void)curl_multi_remove_handle(c->multi, t->easy);
	http_transfer_rest(t);
	DL_DELETE(c->active, t);
	DL_PREPEND(c->idle, t);

	c->done(c->arg, t->request, response);
	if (body.cap > BODY_KEPT_MAX)
		buffer_fini(&body);
	buffer_clear(&body);
	c->spare = body;
}

/* The one retry, when its kept connection died before any reply. */
static bool
start_again(struct http_curl *c, struct http_transfer *t, CURLcode code)
{
	if (!http_transfer_has_died_idle(t, code))
		return false;
	(void)curl_multi_remove_handle(c->multi, t->easy);
	return http_transfer_aim_again(t) &&
	    curl_multi_add_handle(c->multi, t->easy) == CURLM_OK;
}

static void
check_finished(struct http_curl *c)
{
	char content_type[HTTP_CONTENT_TYPE_MAX];
	struct http_response response;
	int ignored;
	CURLMsg *message;

	/* An answer may lead to http_curl_close(). */
	while (c->multi != NULL &&
	    (message = curl_multi_info_read(c->multi, &ignored)) != NULL) {
		struct http_transfer *t;

		if (message->msg != CURLMSG_DONE)
			continue;
		t = http_transfer_of(message->easy_handle);
		if (start_again(c, t, message->data.result))
			continue;
		http_transfer_describe(
		    t, message->data.result, &response, content_type);
		finish(c, t, &response);
	}
}

/* --- making and closing ------------------------------------------------ */

static bool
start_multi(struct http_curl *c, size_t connections_max)
{
	c->multi = curl_multi_init();
	if (c->multi == NULL)
		return false;
#define SET(option, value) \
	(curl_multi_setopt(c->multi, CURLMOPT_##option, value) == CURLM_OK)
	return SET(SOCKETFUNCTION, on_socket) && SET(SOCKETDATA, c) &&
	    SET(TIMERFUNCTION, on_set_timeout) && SET(TIMERDATA, c) &&
	    SET(PIPELINING, (long)CURLPIPE_NOTHING) &&
	    SET(MAXCONNECTS, (long)connections_max);
#undef SET
}

static void
on_closed(uv_handle_t *handle)
{
	struct http_curl *c = handle->data;

	if (--c->handles > 0)
		return;
	c->closed(c->arg);
	buffer_fini(&c->spare);
	free(c->origin.addresses);
	free(c->origin.ca_file);
	free(c->origin.user_agent);
	free(c);
	curl_global_cleanup();
}

static void
ignore(void *arg)
{
	(void)arg;
}

struct http_curl *
http_curl_new(uv_loop_t *loop, const struct http_url *url,
    const struct http_options *options, http_curl_done done, void *arg,
    struct error *error)
{
	struct http_curl *c;
	int status;

	/* Or libcurl writes the keys of all TLS sessions, and with them the
	 * token, into that file. */
	(void)unsetenv("SSLKEYLOGFILE");
	if (!http_memory_start_curl()) {
		error_set(error, "libcurl cannot be initialised");
		return NULL;
	}
	c = mem_calloc(1, sizeof *c);
	c->origin.url = *url;
	c->origin.base_len = http_url_format(url, c->origin.base);
	c->origin.ca_file = mem_strdup(options->ca_file);
	c->origin.user_agent = mem_strdup(options->user_agent);
	c->origin.body_max = options->body_max;
	c->origin.open_socket = on_open_socket;
	c->origin.close_socket = on_close_socket;
	c->origin.socket_arg = c;
	if (uv_random(NULL, NULL, &c->origin.trace, sizeof c->origin.trace, 0,
		NULL) != 0)
		c->origin.trace = uv_hrtime();
	c->done = done;
	c->arg = arg;
	buffer_init(&c->spare, c->origin.body_max);
	(void)uv_timer_init(loop, &c->timer);
	(void)uv_idle_init(loop, &c->soon);
	c->timer.data = c;
	c->soon.data = c;
	c->handles = 2;
	status = http_polls_init(&c->polls, loop, on_socket_event, c);
	if (status != 0)
		error_set(error, "cannot watch the connections to userli: %s",
		    uv_strerror(status));
	/* The first easy handle shows whether every option is supported. */
	else if (start_multi(c, options->transfers_max) && add_transfer(c))
		return c;
	else
		error_set(error,
		    "this libcurl lacks what is needed: 7.85 or later%s",
		    url->tls ? " with TLS" : "");
	http_curl_close(c, ignore);
	return NULL;
}

void
http_curl_pin(struct http_curl *c, const char *addresses)
{
	free(c->origin.addresses);
	c->origin.addresses = mem_strdup(addresses);
	c->origin.generation++;
}

static void
end_all(struct http_curl *c, CURLM *multi)
{
	static const struct http_response response = {
		.status = HTTP_CLOSED,
		.content_type = "",
		.reason = "shutting down",
		.sent = true,
	};
	struct http_transfer *t;

	while ((t = c->active) != NULL) {
		(void)curl_multi_remove_handle(multi, t->easy);
		DL_DELETE(c->active, t);
		DL_PREPEND(c->idle, t);
		c->done(c->arg, t->request, &response);
	}
}

void
http_curl_close(struct http_curl *c, void (*closed)(void *arg))
{
	CURLM *multi = c->multi;
	struct http_transfer *t;

	c->multi = NULL; /* from here on nothing starts */
	c->closed = closed;
	end_all(c, multi);
	while ((t = c->idle) != NULL) {
		DL_DELETE(c->idle, t);
		http_transfer_free(t);
	}
	(void)curl_multi_cleanup(multi);
	http_polls_fini(&c->polls);
	uv_close((uv_handle_t *)&c->timer, on_closed);
	uv_close((uv_handle_t *)&c->soon, on_closed);
}
