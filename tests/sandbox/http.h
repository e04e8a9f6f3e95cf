/*
 * http - one HTTP/1.x request out of bytes
 *
 * Pure functions over the caller's memory; results point into it.  The target
 * is kept exactly as it was sent, since whether a key arrives escaped is what
 * tests want to know.  Source: RFC 9112.  Chunked request bodies are not
 * understood: they are answered with 411.
 */
#ifndef SANDBOX_HTTP_H
#define SANDBOX_HTTP_H

#include "common/slice.h"

#define HTTP_HEAD_MAX \
	((size_t)128 << 10) /* bytes of request line and headers */
#define HTTP_HEADERS_MAX 64

struct http_header {
	struct slice name;
	struct slice value; /* without the blanks around it */
};

struct http_request {
	struct slice method;
	struct slice target; /* raw */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	struct slice body; /* what has arrived of it */
	size_t body_bytes; /* the announced length */
	bool keep_alive;   /* the client wants more on this connection */
	bool expect_continue;
	bool http_1_0;
};

/* 0, or the status that a request which cannot be understood deserves. */
enum {
	HTTP_OK = 0,
	HTTP_PARTIAL = 1, /* valid so far: read more, then parse again */
};

/*
 * Parse the request at the start of in.
 *
 * HTTP_OK: head and body are whole, *used is their size.  HTTP_PARTIAL: if
 * req->method.len is not 0 the head is whole and only the body is missing.
 * Anything else is a status (400, 411, 413, 431, 505) to answer before
 * closing.
 */
int http_parse(struct slice in, struct http_request *req, size_t *used)
    __attribute__((warn_unused_result));

/* The value of a header, compared case-insensitively; .ptr NULL if absent. */
struct slice http_header(const struct http_request *req, const char *name);

/* ASCII case-insensitive comparison with a C string. */
bool http_token_equal(struct slice token, const char *name);

/* The standard reason phrase, or "Unknown". */
const char *http_reason(int status);

/*
 * Undo percent-encoding once, in to out (at least in.len bytes), and return
 * the size of the result.  A '%' without two digits stays, as PHP does it.
 */
size_t http_decode(struct slice in, char *out);

#endif
