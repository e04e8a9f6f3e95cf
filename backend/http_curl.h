/*
 * http_curl - GET transfers of one origin, libcurl's multi handle on the loop
 *
 * Owns libcurl's multi handle, its sockets and its timer, and a pool of easy
 * handles with their buffers, so that a request in steady state allocates
 * little.  How many run at once is the caller's (http) to bound.  Loop's
 * thread only.
 */
#ifndef BACKEND_HTTP_CURL_H
#define BACKEND_HTTP_CURL_H

#include "backend/http.h"
#include "backend/http_url.h"

struct http_curl;

/*
 * A transfer has ended; request is what was given to start.  Another one may
 * be started, or all be closed, from within.  Never called from within start.
 */
typedef void (*http_curl_done)(
    void *arg, void *request, const struct http_response *response);

/* NULL with the reason, as when this libcurl lacks TLS. */
struct http_curl *http_curl_new(uv_loop_t *loop, const struct http_url *url,
    const struct http_options *options, http_curl_done done, void *arg,
    struct error *error) __attribute__((warn_unused_result));

/* The addresses of the URL's name from now on, as CURLOPT_RESOLVE has them. */
void http_curl_pin(struct http_curl *c, const char *addresses);

/*
 * Start a transfer that ends after left_ms at the latest; path, of at most
 * HTTP_PATH_MAX bytes, and bearer, "" for none, are copied.  False when libcurl
 * refuses.
 */
bool http_curl_start(struct http_curl *c, const char *path, const char *bearer,
    uint64_t request_id, uint64_t left_ms, void *request)
    __attribute__((warn_unused_result));

/*
 * End all transfers: done is called for each with HTTP_CLOSED before this
 * returns.  Frees once the loop has closed the handles, then calls closed.
 */
void http_curl_close(struct http_curl *c, void (*closed)(void *arg));

#endif
