/*
 * http - GET requests over libcurl's multi interface, on the loop
 *
 * Only http_curl.c and http_transfer.c below it call libcurl.
 *
 * One origin (scheme, host, port or UNIX socket), keep-alive, a bounded number
 * of transfers at once and a bounded queue in front of them.  Names are
 * resolved with uv_getaddrinfo in the background and pinned (CURLOPT_RESOLVE):
 * curl itself would block the loop when a resolving transfer times out.  The
 * last good addresses are kept when DNS fails.  Loop's thread only.
 *
 * Each transfer is a GET over HTTP/1.1 with Authorization, Accept:
 * application/json and User-Agent.  A redirect is a response, never followed;
 * no proxy, cookies, .netrc or content encodings; a body over body_max or
 * headers over HTTP_HEADERS_MAX end the transfer.  The process must ignore
 * SIGPIPE (OpenSSL writes without MSG_NOSIGNAL).
 *
 * A kept connection may die of old age just when it is used again.  A request
 * that meets this before any byte of a reply came is sent once more, over a new
 * connection and within the same limit of time; never a third time.
 */
#ifndef BACKEND_HTTP_H
#define BACKEND_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/error.h"
#include "common/log.h"
#include "common/slice.h"

#define HTTP_HEADERS_MAX 65536 /* bytes of a response's headers */
#define HTTP_PATH_MAX 8192     /* bytes of a request's path */
#define HTTP_BEARER_MAX 65536  /* bytes of a token, with its NUL */
#define HTTP_TRANSFERS_MAX 4096

struct http_options {
	const char *base_url; /* as http_url.h has it */
	const char *ca_file;  /* PEM for https; "" for the system's */
	const char *user_agent;
	uint64_t timeout_ms;  /* one http_get(), queue and connect included */
	size_t transfers_max; /* at once, 1 to HTTP_TRANSFERS_MAX */
	size_t queue_max;     /* waiting for their turn */
	/* How long one waits for its turn, once an address is known; 0 = until
	 * its time is up. */
	uint64_t queue_timeout_ms;
	size_t body_max; /* bytes; more is HTTP_TOO_LARGE */
};

enum http_status {
	HTTP_DONE,          /* a complete response; see code */
	HTTP_TIMED_OUT,     /* the deadline or timeout_ms passed */
	HTTP_QUEUE_FULL,    /* not sent */
	HTTP_QUEUE_TIMEOUT, /* queue_timeout_ms passed; not sent */
	HTTP_UNRESOLVED,    /* the host's name has no address so far */
	HTTP_UNREACHABLE,   /* refused, no route */
	HTTP_TLS_FAILED,    /* handshake or certificate */
	HTTP_BROKEN,        /* reset, truncated, not HTTP */
	HTTP_TOO_LARGE,
	HTTP_DROPPED, /* http_drop_waiting() came first */
	HTTP_CLOSED,  /* http_close() came first */
	HTTP_STATUSES,
};

struct http_response {
	enum http_status status;
	unsigned code;            /* of HTTP_DONE; 0 otherwise */
	struct slice body;        /* of HTTP_DONE; borrowed for the call */
	const char *content_type; /* or ""; borrowed for the call */
	uint32_t retry_after_s;   /* 0 when absent or a date that has passed */
	/* Why it is not HTTP_DONE, as "connection refused": no URL, address or
	 * key is in it.  "" for HTTP_DONE.  Borrowed for the call. */
	const char *reason;
	double seconds; /* from start of the transfer, queue excluded */
	/* From http_get() to that start, or to where it was given up. */
	double waited_seconds;
	/* What seconds consist of; what was not reached is 0. */
	double connect_seconds, first_byte_seconds, body_seconds;
	bool sent;    /* a transfer was started */
	bool retried; /* since its connection died, it was sent twice */
};

/* Called exactly once for each http_get(), from the loop, never from within
 * http_get(). */
typedef void (*http_done)(void *arg, const struct http_response *response);

struct http;

/* A request.  path and bearer are copied. */
struct http_ask {
	const char *path;    /* starts with '/', already percent-encoded */
	const char *bearer;  /* the token; NULL or "" for none */
	uint64_t request_id; /* told to the server (trace.h); 0: any */
	uint64_t deadline;   /* uv_now() ms */
	bool urgent;         /* waits before all others, and in spite of
	                        queue_max */
	http_done done;
	void *arg;
};

/*
 * Whether the file at path can be read and holds PEM; if not, *error has the
 * reason as a predicate ("cannot be read: …").  Start-up only: it blocks.
 */
bool http_check_ca_file(const char *path, struct error *error)
    __attribute__((warn_unused_result));

/*
 * NULL with the reason: a URL that cannot be used, a CA file that cannot be
 * read or holds no certificate.  The options are copied.  A name in the URL is
 * being looked up when this returns.
 */
struct http *http_new(uv_loop_t *loop, const struct http_options *options,
    struct log *log, struct error *error) __attribute__((warn_unused_result));

/*
 * GET base_url + path.  Whichever of the deadline and timeout_ms comes first
 * ends the attempt (a queued one too).  Waiting requests start in the order in
 * which they came.  Until the name has been looked up for the first time,
 * requests wait; while no address is known after that, they end with
 * HTTP_UNRESOLVED.  A bearer that no header can carry ends with HTTP_BROKEN.
 */
void http_get(struct http *h, const struct http_ask *ask);

/* As http_options has it. */
uint64_t http_timeout_ms(const struct http *h);

/* From the next http_get() on. */
void http_set_queue_timeout(struct http *h, uint64_t queue_timeout_ms);

/*
 * Answer all that wait for their turn with HTTP_DROPPED, in a later loop turn.
 * From the http_done of a response that is not HTTP_DONE with 200, none starts
 * before.
 */
void http_drop_waiting(struct http *h);

/*
 * Answer everything outstanding with HTTP_CLOSED before this returns, then free
 * once the loop has closed its handles; a name that is being looked up keeps
 * the loop alive until the resolver gives up.  May be called from a http_done.
 */
void http_close(struct http *h);

struct http_stats {
	size_t active;         /* transfers */
	size_t queued;         /* waiting for one */
	size_t active_highest; /* since the start */
};
void http_stats(const struct http *h, struct http_stats *out);

#endif
