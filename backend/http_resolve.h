/*
 * http_resolve - a host's addresses, looked up in the background
 *
 * Asks the system's resolver (libuv's thread pool) at start and every
 * HTTP_RESOLVE_INTERVAL_MS, every HTTP_RESOLVE_RETRY_MS while no address is
 * known.  The last good addresses stay when the resolver fails later.  Loop's
 * thread only.
 */
#ifndef BACKEND_HTTP_RESOLVE_H
#define BACKEND_HTTP_RESOLVE_H

#include <uv.h>

#include "common/log.h"

#define HTTP_RESOLVE_INTERVAL_MS 30000
#define HTTP_RESOLVE_RETRY_MS 1000
#define HTTP_RESOLVE_ADDRESSES_MAX 16 /* further ones are ignored */

struct http_resolver;

/*
 * addresses is a list as CURLOPT_RESOLVE takes it ("192.0.2.1,[2001:db8::1]"),
 * or NULL when the resolver failed and none is known.  Called after the first
 * attempt, after each attempt while none is known, and when the list changes.
 */
typedef void (*http_resolve_done)(void *arg, const char *addresses);

/* host is copied.  Never NULL: out of memory ends the process. */
struct http_resolver *http_resolver_start(uv_loop_t *loop, const char *host,
    struct log *log, http_resolve_done done, void *arg);

/*
 * done is not called after this.  The memory is freed once the loop has
 * closed the timer and the resolver's thread has ended what it was doing.
 */
void http_resolver_stop(struct http_resolver *r);

#endif
