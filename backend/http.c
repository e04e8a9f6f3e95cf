#include "backend/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/http_curl.h"
#include "backend/http_queue.h"
#include "backend/http_resolve.h"
#include "backend/http_url.h"
#include "common/buffer.h"
#include "common/mem.h"

#define CA_FILE_MAX 16777216 /* bytes */

struct http {
	uv_loop_t *loop;
	struct http_url url;
	uint64_t timeout_ms;
	size_t transfers_max;
	size_t queue_max;
	uint64_t queue_timeout_ms;
	struct http_stats stats;
	struct http_queue queue;
	struct http_curl *curl;         /* NULL once closing */
	struct http_resolver *resolver; /* NULL for an address or a socket */
	bool looked_up;                 /* the resolver has answered */
	bool has_address;
	unsigned handles; /* of ours, to be closed before we are freed */
};

static bool
can_start(const struct http *h)
{
	return h->curl != NULL && h->has_address &&
	    h->stats.active < h->transfers_max;
}

static void
start(struct http *h, struct http_request *request)
{
	uint64_t now = uv_now(h->loop);
	uint64_t left_ms =
	    request->deadline > now ? request->deadline - now : 1;

	request->turn_ms = now;
	if (!http_curl_start(h->curl, request->path, request->bearer,
		request->request_id, left_ms, request)) {
		http_queue_fail(
		    &h->queue, request, HTTP_BROKEN, "libcurl failed");
		return;
	}
	if (++h->stats.active > h->stats.active_highest)
		h->stats.active_highest = h->stats.active;
}

static void
start_waiting(struct http *h)
{
	struct http_request *request;

	while (can_start(h) && (request = http_queue_pop(&h->queue)) != NULL)
		start(h, request);
}

static void
answer(struct http *h, struct http_request *request,
    const struct http_response *response)
{
	uint64_t until =
	    request->turn_ms > 0 ? request->turn_ms : uv_now(h->loop);
	struct http_response told = *response;

	told.waited_seconds = (double)(until - request->asked_ms) / 1000;
	request->done(request->arg, &told);
	explicit_bzero(
	    request->path + strlen(request->path) + 1, strlen(request->bearer));
	free(request);
}

static void
on_done(void *arg, void *request, const struct http_response *response)
{
	struct http *h = arg;

	h->stats.active--;
	/* First the next in line: whoever is answered may ask again.  But a
	 * server that fails gets no request before the caller has heard of
	 * it, who may not want another one to be sent. */
	if (response->status == HTTP_DONE && response->code == 200)
		start_waiting(h);
	answer(h, request, response);
	start_waiting(h);
}

static void
on_failed(void *arg, struct http_request *request)
{
	const struct http_response response = {
		.status = request->status,
		.content_type = "",
		.reason = request->reason,
	};

	answer(arg, request, &response);
}

static void
on_addresses(void *arg, const char *addresses)
{
	struct http *h = arg;

	h->looked_up = true;
	h->has_address = addresses != NULL;
	if (!h->has_address) {
		http_queue_fail_all(
		    &h->queue, HTTP_UNRESOLVED, "the host name has no address");
		return;
	}
	http_curl_pin(h->curl, addresses);
	start_waiting(h);
}

bool
http_check_ca_file(const char *path, struct error *error)
{
	static const char mark[] = "-----BEGIN ";
	struct buffer text;
	FILE *file = fopen(path, "re");
	char *room;
	bool ok = false;

	if (file == NULL) {
		error_set(error, "cannot be read: %s", strerror(errno));
		return false;
	}
	buffer_init(&text, CA_FILE_MAX);
	while ((room = buffer_reserve(&text, BUFSIZ)) != NULL) {
		size_t n = fread(room, 1, BUFSIZ, file);

		buffer_commit(&text, n);
		if (n == 0)
			break;
	}
	ok = text.data != NULL &&
	    memmem(buffer_slice(&text).ptr, buffer_len(&text), mark,
		sizeof mark - 1) != NULL;
	if (!ok)
		error_set(error, "holds no certificate in PEM form");
	buffer_fini(&text);
	(void)fclose(file);
	return ok;
}

static bool
check_options(const struct http_options *options, struct http_url *url,
    struct error *error)
{
	struct error reason;

	if (!http_url_parse(options->base_url, url, &reason)) {
		error_set(
		    error, "the base URL cannot be used: %s", reason.text);
		return false;
	}
	if (options->transfers_max < 1 ||
	    options->transfers_max > HTTP_TRANSFERS_MAX) {
		error_set(error, "the number of transfers must be 1 to %d",
		    HTTP_TRANSFERS_MAX);
		return false;
	}
	if (url->tls && options->ca_file[0] != '\0' &&
	    !http_check_ca_file(options->ca_file, &reason)) {
		error_set(
		    error, "the CA file %s %s", options->ca_file, reason.text);
		return false;
	}
	return true;
}

static void
on_closed(void *arg)
{
	struct http *h = arg;

	if (--h->handles > 0)
		return;
	/* What was asked for while we were closing. */
	while (h->queue.failed != NULL)
		http_queue_tell(&h->queue);
	free(h);
}

static void
on_queue_closed(uv_handle_t *handle)
{
	struct http_queue *q = handle->data;

	on_closed(q->arg);
}

struct http *
http_new(uv_loop_t *loop, const struct http_options *options, struct log *log,
    struct error *error)
{
	struct http *h = mem_calloc(1, sizeof *h);

	if (!check_options(options, &h->url, error))
		goto failed;
	/* Start-up may have taken long since the loop last looked. */
	uv_update_time(loop);
	h->curl = http_curl_new(loop, &h->url, options, on_done, h, error);
	if (h->curl == NULL)
		goto failed;
	h->loop = loop;
	h->timeout_ms = options->timeout_ms;
	h->transfers_max = options->transfers_max;
	h->queue_max = options->queue_max;
	h->queue_timeout_ms = options->queue_timeout_ms;
	http_queue_init(&h->queue, loop, on_failed, h);
	h->handles = 2;
	if (h->url.numeric || h->url.socket_path[0] != '\0')
		h->has_address = true;
	else
		h->resolver = http_resolver_start(
		    loop, h->url.host, log, on_addresses, h);
	return h;

failed:
	free(h);
	return NULL;
}

static bool
is_bearer(const char *text)
{
	if (strlen(text) >= HTTP_BEARER_MAX)
		return false;
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text >= 0x7F)
			return false;
	}
	return true;
}

/* Why a request cannot even wait, or NULL. */
static const char *
refusal(const struct http *h, const struct http_request *request, bool urgent,
    enum http_status *status)
{
	*status = HTTP_CLOSED;
	if (h->curl == NULL)
		return "shutting down";
	*status = HTTP_BROKEN;
	if (strlen(request->path) >= HTTP_PATH_MAX)
		return "the path is too long";
	if (!is_bearer(request->bearer))
		return "no HTTP header can carry the token";
	if (request->deadline <= uv_now(h->loop)) {
		*status = HTTP_TIMED_OUT;
		return "its turn did not come in time";
	}
	if (h->looked_up && !h->has_address) {
		*status = HTTP_UNRESOLVED;
		return "the host name has no address";
	}
	if (!urgent &&
	    h->stats.active + h->queue.count >=
		h->transfers_max + h->queue_max) {
		*status = HTTP_QUEUE_FULL;
		return "too many requests are waiting";
	}
	return NULL;
}

static struct http_request *
request_new(const struct http_ask *ask)
{
	const char *bearer = ask->bearer != NULL ? ask->bearer : "";
	size_t path_size = strlen(ask->path) + 1;
	size_t bearer_size = strlen(bearer) + 1;
	struct http_request *request =
	    mem_calloc(1, sizeof *request + path_size + bearer_size);

	memcpy(request->path, ask->path, path_size);
	memcpy(request->path + path_size, bearer, bearer_size);
	request->bearer = request->path + path_size;
	request->request_id = ask->request_id;
	request->done = ask->done;
	request->arg = ask->arg;
	return request;
}

void
http_get(struct http *h, const struct http_ask *ask)
{
	uint64_t limit = uv_now(h->loop) + h->timeout_ms;
	struct http_request *request = request_new(ask);
	enum http_status status;
	const char *reason;

	request->asked_ms = uv_now(h->loop);
	request->deadline = ask->deadline < limit ? ask->deadline : limit;
	/* Who waits for the first address is not waiting in line. */
	request->patience_until = h->queue_timeout_ms > 0 && h->has_address
	    ? uv_now(h->loop) + h->queue_timeout_ms
	    : UINT64_MAX;
	reason = refusal(h, request, ask->urgent, &status);
	if (reason != NULL)
		http_queue_fail(&h->queue, request, status, reason);
	else if (can_start(h) && (h->queue.count == 0 || ask->urgent))
		start(h, request);
	else if (ask->urgent)
		http_queue_push_first(&h->queue, request);
	else
		http_queue_push(&h->queue, request);
}

uint64_t
http_timeout_ms(const struct http *h)
{
	return h->timeout_ms;
}

void
http_set_queue_timeout(struct http *h, uint64_t queue_timeout_ms)
{
	h->queue_timeout_ms = queue_timeout_ms;
}

void
http_drop_waiting(struct http *h)
{
	http_queue_fail_all(&h->queue, HTTP_DROPPED, "dropped");
}

void
http_close(struct http *h)
{
	struct http_curl *curl = h->curl;

	h->curl = NULL; /* from here on nothing starts */
	http_curl_close(curl, on_closed);
	http_queue_fail_all(&h->queue, HTTP_CLOSED, "shutting down");
	http_queue_tell(&h->queue);
	if (h->resolver != NULL)
		http_resolver_stop(h->resolver);
	http_queue_close(&h->queue, on_queue_closed);
}

void
http_stats(const struct http *h, struct http_stats *out)
{
	*out = h->stats;
	out->queued = h->queue.count;
}
