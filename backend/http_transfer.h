/*
 * http_transfer - one libcurl easy handle: how it is set up and what came of it
 *
 * Only http_curl uses this.  A transfer keeps its handle and its buffer between
 * requests.  Loop's thread only.
 */
#ifndef BACKEND_HTTP_TRANSFER_H
#define BACKEND_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "backend/http.h"
#include "backend/http_head.h"
#include "backend/http_url.h"
#include "backend/trace.h"
#include "common/buffer.h"

#define HTTP_CONTENT_TYPE_MAX 96 /* bytes with the NUL; the rest is cut */

/* What all transfers of an origin share; borrowed by each. */
struct http_origin {
	struct http_url url;
	char base[HTTP_URL_TEXT_MAX]; /* the URL that paths are appended to */
	size_t base_len;
	char *ca_file;
	char *user_agent;
	uint64_t trace;      /* drawn at the start: trace.h */
	char *addresses;     /* as CURLOPT_RESOLVE has them; NULL for none */
	unsigned generation; /* of addresses; 0 = never any */
	size_t body_max;
	curl_opensocket_callback open_socket;
	curl_closesocket_callback close_socket;
	void *socket_arg;
};

struct http_transfer {
	struct http_transfer *prev, *next; /* utlist */
	const struct http_origin *origin;
	CURL *easy;
	void *request; /* the owner's */
	struct buffer body;
	size_t header_bytes;
	struct http_head head;
	/* Why it was given up, and as what, or NULL. */
	const char *flaw;
	enum http_status flaw_status;
	struct curl_slist *addresses; /* curl borrows it */
	unsigned generation;          /* of addresses */
	struct curl_slist headers[4]; /* curl borrows them */
	char trace_id[TRACE_ID_LINE], trace_parent[TRACE_PARENT_LINE];
	char *authorization; /* holds the token; NULL while idle */
	uint64_t limit_us;   /* for both attempts */
	uint64_t spent_us;   /* by the first */
	unsigned sendings;   /* how often a request was about to be sent */
	bool retried;
};

/* NULL when this libcurl lacks something. */
struct http_transfer *http_transfer_new(const struct http_origin *origin)
    __attribute__((warn_unused_result));
void http_transfer_free(struct http_transfer *t);

/* The transfer that an easy handle belongs to. */
struct http_transfer *http_transfer_of(CURL *easy);

/*
 * Point it at a path of the origin, for left_ms at most; path and bearer (""
 * for none) are copied; request_id 0 is any.  False when the path has
 * HTTP_PATH_MAX bytes or more, or libcurl refuses.
 */
bool http_transfer_aim(struct http_transfer *t, const char *path,
    const char *bearer, uint64_t request_id, uint64_t left_ms)
    __attribute__((warn_unused_result));

/* Its request is over: the token is in its memory no longer. */
void http_transfer_rest(struct http_transfer *t);

/*
 * Whether it ended with code since a kept connection died before any byte of a
 * reply, has time left, and was not sent again so far.
 */
bool http_transfer_has_died_idle(const struct http_transfer *t, CURLcode code);

/* Make it ready to be sent again, over a new connection and for what is left of
 * its time; false when libcurl refuses. */
bool http_transfer_aim_again(struct http_transfer *t)
    __attribute__((warn_unused_result));

/* Say what came of it; the body is not set. */
void http_transfer_describe(const struct http_transfer *t, CURLcode code,
    struct http_response *out, char content_type[static HTTP_CONTENT_TYPE_MAX]);

#endif
