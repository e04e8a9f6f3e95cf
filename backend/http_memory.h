/*
 * http_memory - libcurl's memory, wiped as it is freed
 *
 * Requests hold the API token: so do buffers that libcurl builds them in, and
 * copies that it makes of them.  None is to stay behind in freed memory, where
 * a later fault might read it.  Only http_curl uses this.
 */
#ifndef BACKEND_HTTP_MEMORY_H
#define BACKEND_HTTP_MEMORY_H

#include <stdbool.h>

/* As curl_global_init(), before any other use of libcurl.  It asks our
 * allocator (mem.h): without memory libcurl would forget to watch a socket, and
 * its transfer would never end. */
bool http_memory_start_curl(void) __attribute__((warn_unused_result));

#endif
