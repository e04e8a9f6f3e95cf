#include "backend/http_transfer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

/* Idle connections are dropped before common servers drop them (nginx after
 * 75 s); one that was closed all the same is noticed on its next use. */
#define IDLE_MAX_S 60L
/* No connection is used for longer, so that a changed DNS entry is followed. */
#define CONNECTION_MAX_S 600L
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_INTERVAL_S 10L

/* What a callback returns to end the transfer. */
static size_t
give_up(struct http_transfer *t, enum http_status status, const char *flaw)
{
	t->flaw = flaw;
	t->flaw_status = status;
	return 0;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_transfer *t = arg;

	if (!buffer_append(&t->body, bytes, size * count))
		return give_up(t, HTTP_TOO_LARGE, "the answer is too large");
	return size * count;
}

static size_t
on_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_transfer *t = arg;

	const char *flaw;

	t->header_bytes += size * count;
	if (t->header_bytes > HTTP_HEADERS_MAX)
		return give_up(
		    t, HTTP_TOO_LARGE, "the answer's headers are too large");
	flaw = http_head_line(&t->head, (struct slice){ bytes, size * count });
	if (flaw != NULL)
		return give_up(t, HTTP_BROKEN, flaw);
	return size * count;
}

/*
 * A request is about to be sent.  libcurl by itself sends one again when a kept
 * connection dies under it, up to five times and maybe over the next one that
 * is dead, and each time with the whole limit of time.  So it is stopped here,
 * and http_transfer_aim_again() does it once, over a new one and within the
 * limit.
 */
static int
on_sending(void *arg, char *to, char *from, int to_port, int from_port)
{
	struct http_transfer *t = arg;

	(void)to;
	(void)from;
	(void)to_port;
	(void)from_port;
	return ++t->sendings > 1 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static const char *
connect_reason(CURL *easy)
{
	static const struct {
		int number;
		const char *text;
	} errors[] = {
		{ ECONNREFUSED, "connection refused" },
		{ EHOSTUNREACH, "no route to the host" },
		{ ENETUNREACH, "the network is unreachable" },
		{ ETIMEDOUT, "the connection attempt timed out" },
		{ ECONNRESET, "connection reset" },
		{ ENOENT, "the UNIX socket does not exist" },
		{ EACCES, "no permission to use the UNIX socket" },
		{ EAGAIN, "the UNIX socket's backlog is full" },
	};
	long number = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		if (errors[i].number == number)
			return errors[i].text;
	}
	return "cannot connect";
}

/* Numbers as in openssl/x509_vfy.h; curl's own text names the host. */
static const char *
certificate_reason(CURL *easy)
{
	long number = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &number);
	switch (number) {
	case 9:
		return "the certificate is not valid yet";
	case 10:
		return "the certificate has expired";
	case 18:
		return "the certificate is self-signed";
	case 2:
	case 19:
	case 20:
	case 21:
		return "the certificate's issuer is not trusted: check "
		       "USERLI_CA_FILE";
	case 0: /* accepted, or */
	case 1: /* not yet judged: only libcurl's own test has failed */
		return "the certificate is for another host";
	default:
		return "the certificate is not accepted";
	}
}

static void
judge(const struct http_transfer *t, CURLcode code, struct http_response *r)
{
	switch (code) {
	case CURLE_OK:
		/* libcurl takes a connection that closes within the headers
		 * for a whole answer. */
		if (!t->head.ended) {
			r->reason = "the answer broke off";
			break;
		}
		r->status = HTTP_DONE;
		r->reason = "";
		return;
	case CURLE_OPERATION_TIMEDOUT:
		r->status = HTTP_TIMED_OUT;
		r->reason = "no answer in time";
		return;
	case CURLE_COULDNT_RESOLVE_HOST:
		r->status = HTTP_UNRESOLVED;
		r->reason = "the host name has no address";
		return;
	case CURLE_COULDNT_CONNECT:
		r->status = HTTP_UNREACHABLE;
		r->reason = connect_reason(t->easy);
		return;
	case CURLE_PEER_FAILED_VERIFICATION:
		r->status = HTTP_TLS_FAILED;
		r->reason = certificate_reason(t->easy);
		return;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_INVALIDCERTSTATUS:
		r->status = HTTP_TLS_FAILED;
		r->reason = "the TLS handshake failed";
		return;
	case CURLE_GOT_NOTHING:
		r->reason = "the connection was closed without an answer";
		break;
	case CURLE_PARTIAL_FILE:
		r->reason = "the answer broke off";
		break;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_ABORTED_BY_CALLBACK: /* on_sending(): it died */
		r->reason = "the connection was reset";
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		r->reason = "the answer is not HTTP";
		break;
	default: /* curl_easy_strerror() knows no names */
		r->reason = curl_easy_strerror(code);
		break;
	}
	r->status = HTTP_BROKEN;
	if (t->flaw != NULL) {
		r->status = t->flaw_status;
		r->reason = t->flaw;
	}
}

static void
describe_times(
    const struct http_transfer *t, curl_off_t total, struct http_response *r)
{
	curl_off_t connected = 0;
	curl_off_t secured = 0;
	curl_off_t first = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected);
	(void)curl_easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
	(void)curl_easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
	if (secured > connected)
		connected = secured;
	/* Each is 0 until it is reached; curl counts from the start. */
	if (first < connected)
		first = total;
	r->connect_seconds = (double)connected / 1e6;
	r->first_byte_seconds = (double)(first - connected) / 1e6;
	r->body_seconds = (double)(total - first) / 1e6;
}

void
http_transfer_describe(const struct http_transfer *t, CURLcode code,
    struct http_response *r, char content_type[static HTTP_CONTENT_TYPE_MAX])
{
	curl_off_t microseconds = 0;
	curl_off_t retry_after = 0;
	char *type = NULL;
	long status = 0;

	*r = (struct http_response){ .content_type = content_type,
		.sent = true,
		.retried = t->retried };
	*content_type = '\0';
	judge(t, code, r);
	(void)curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &microseconds);
	r->seconds = ((double)microseconds + (double)t->spent_us) / 1e6;
	describe_times(t, microseconds, r);
	if (r->status != HTTP_DONE)
		return;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after);
	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	r->code = (unsigned)status;
	if (retry_after > 0)
		r->retry_after_s = retry_after > UINT32_MAX
		    ? UINT32_MAX
		    : (uint32_t)retry_after;
	if (type != NULL)
		(void)snprintf(content_type, HTTP_CONTENT_TYPE_MAX, "%s", type);
}

/*
 * What holds for every request.  False when this libcurl lacks something, as
 * TLS.  Each option is set though some are the defaults: what they guard
 * against is not left to a build of libcurl.
 */
static bool
set_options(struct http_transfer *t)
{
	const struct http_origin *o = t->origin;
	CURL *e = t->easy;
	const char *scheme = o->url.tls ? "https" : "http";
	bool ok = true;

#define SET(option, value) \
	(ok = curl_easy_setopt(e, CURLOPT_##option, value) == CURLE_OK && ok)
	SET(PRIVATE, t);
	SET(NOSIGNAL, 1L);
	SET(PROTOCOLS_STR, scheme);
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(HTTP09_ALLOWED, 0L);
	SET(USERAGENT, o->user_agent);
	SET(ACCEPT_ENCODING, NULL);
	SET(HTTP_CONTENT_DECODING, 0L);
	SET(FOLLOWLOCATION, 0L);
	SET(PATH_AS_IS, 1L);
	SET(DISALLOW_USERNAME_IN_URL, 1L);
	SET(NETRC, (long)CURL_NETRC_IGNORED);
	SET(PROXY, "");
	SET(TCP_KEEPALIVE, 1L);
	SET(TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	SET(TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	SET(MAXAGE_CONN, IDLE_MAX_S);
	SET(MAXLIFETIME_CONN, CONNECTION_MAX_S);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, t);
	SET(HEADERFUNCTION, on_header);
	SET(HEADERDATA, t);
	SET(PREREQFUNCTION, on_sending);
	SET(PREREQDATA, t);
	SET(CLOSESOCKETFUNCTION, o->close_socket);
	SET(CLOSESOCKETDATA, o->socket_arg);
	SET(OPENSOCKETFUNCTION, o->open_socket);
	SET(OPENSOCKETDATA, o->socket_arg);
	if (o->url.socket_path[0] != '\0')
		SET(UNIX_SOCKET_PATH, o->url.socket_path);
	if (o->url.tls) {
		SET(SSL_VERIFYPEER, 1L);
		SET(SSL_VERIFYHOST, 2L);
		SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
		if (o->ca_file[0] != '\0') {
			SET(CAINFO, o->ca_file);
			SET(CAPATH, NULL);
		}
	}
#undef SET
	return ok;
}

void
http_transfer_rest(struct http_transfer *t)
{
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
	mem_wipe(t->authorization);
	t->authorization = NULL;
}

struct http_transfer *
http_transfer_new(const struct http_origin *origin)
{
	struct http_transfer *t = mem_calloc(1, sizeof *t);

	t->origin = origin;
	buffer_init(&t->body, origin->body_max);
	t->easy = curl_easy_init();
	if (t->easy == NULL || !set_options(t)) {
		http_transfer_free(t);
		return NULL;
	}
	return t;
}

void
http_transfer_free(struct http_transfer *t)
{
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->addresses);
	mem_wipe(t->authorization);
	buffer_fini(&t->body);
	free(t);
}

struct http_transfer *
http_transfer_of(CURL *easy)
{
	struct http_transfer *t = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	return t;
}

/* Tell curl the addresses, once for each time they change. */
static bool
pin_addresses(struct http_transfer *t)
{
	const struct http_origin *o = t->origin;
	struct buffer line;
	bool ok;

	if (t->generation == o->generation)
		return true;
	curl_slist_free_all(t->addresses);
	t->addresses = NULL;
	buffer_init(&line, 4096);
	ok = buffer_printf(&line, "%s:%u:%s%c", o->url.host,
	    (unsigned)o->url.port, o->addresses, '\0');
	if (ok)
		t->addresses = curl_slist_append(NULL, buffer_slice(&line).ptr);
	buffer_fini(&line);
	ok = t->addresses != NULL &&
	    curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->addresses) ==
		CURLE_OK;
	if (ok)
		t->generation = o->generation;
	return ok;
}

static char *
authorization_new(const char *bearer)
{
	size_t size = sizeof "Authorization: Bearer " + strlen(bearer);
	char *line = mem_calloc(size, 1);

	(void)snprintf(line, size, "Authorization: Bearer %s", bearer);
	return line;
}

static bool
set_headers(struct http_transfer *t, const char *bearer, uint64_t request_id)
{
	static char accept[] = "Accept: application/json";
	struct curl_slist *h = t->headers;
	uint64_t now = uv_hrtime();

	trace_write(t->origin->trace, request_id != 0 ? request_id : now | 1,
	    now, t->trace_id, t->trace_parent);
	mem_wipe(t->authorization);
	t->authorization = *bearer != '\0' ? authorization_new(bearer) : NULL;
	h[0] = (struct curl_slist){ t->trace_id, &h[1] };
	h[1] = (struct curl_slist){ t->trace_parent, &h[2] };
	h[2] = (struct curl_slist){ accept,
		t->authorization != NULL ? &h[3] : NULL };
	h[3] = (struct curl_slist){ t->authorization, NULL };
	return curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, h) == CURLE_OK;
}

static bool
set_limit(struct http_transfer *t, uint64_t left_ms)
{
	/* 0 would mean no limit. */
	long limit = left_ms < 1 ? 1
	    : left_ms < LONG_MAX ? (long)left_ms
				 : LONG_MAX;

	return curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, limit) ==
	    CURLE_OK &&
	    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, limit) ==
	    CURLE_OK;
}

static void
reset(struct http_transfer *t)
{
	t->header_bytes = 0;
	http_head_init(&t->head);
	t->flaw = NULL;
	t->sendings = 0;
}

bool
http_transfer_aim(struct http_transfer *t, const char *path, const char *bearer,
    uint64_t request_id, uint64_t left_ms)
{
	const struct http_origin *o = t->origin;
	char url[HTTP_URL_TEXT_MAX + HTTP_PATH_MAX];
	size_t size = strlen(path) + 1;

	if (size > HTTP_PATH_MAX)
		return false;
	reset(t);
	t->limit_us = left_ms < UINT64_MAX / 1000 ? left_ms * 1000 : UINT64_MAX;
	t->spent_us = 0;
	t->retried = false;
	memcpy(url, o->base, o->base_len);
	memcpy(url + o->base_len, path, size);
	return pin_addresses(t) && set_headers(t, bearer, request_id) &&
	    curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK &&
	    curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 0L) == CURLE_OK &&
	    set_limit(t, left_ms);
}

static uint64_t
elapsed_us(const struct http_transfer *t)
{
	curl_off_t microseconds = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &microseconds);
	return microseconds > 0 ? (uint64_t)microseconds : 0;
}

bool
http_transfer_has_died_idle(const struct http_transfer *t, CURLcode code)
{
	long connects = 0;

	if (t->retried || t->header_bytes > 0 || elapsed_us(t) >= t->limit_us)
		return false;
	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK: /* libcurl was about to */
		return true;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		(void)curl_easy_getinfo(
		    t->easy, CURLINFO_NUM_CONNECTS, &connects);
		return connects == 0;
	default:
		return false;
	}
}

bool
http_transfer_aim_again(struct http_transfer *t)
{
	t->spent_us = elapsed_us(t);
	t->retried = true;
	reset(t);
	return curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L) ==
	    CURLE_OK &&
	    set_limit(t, (t->limit_us - t->spent_us) / 1000);
}
