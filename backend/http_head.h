/*
 * http_head - an answer's status line and headers, as far as they say where
 * its body ends
 *
 * libcurl is lenient there (7.88: of several Content-Length the last one
 * counts, "5, 9" is 5, chunks win over a length), so that a proxy on the way
 * and we might see different answers, one of them the beginning of another.
 * What RFC 9112, section 6, calls an error or the work of an attacker is
 * refused here.  Pure.
 */
#ifndef BACKEND_HTTP_HEAD_H
#define BACKEND_HTTP_HEAD_H

#include <stdbool.h>

#include "common/slice.h"

#define HTTP_HEAD_LENGTH_MAX 24 /* digits */

struct http_head {
	bool ended; /* the empty line came; behind it are trailers */
	bool is_chunked;
	size_t length_digits; /* of the Content-Length; 0 without one */
	char length[HTTP_HEAD_LENGTH_MAX];
};

/* For a new answer. */
void http_head_init(struct http_head *h);

/*
 * Read the next line, its end included.  NULL while all is well, or why the
 * answer cannot be believed (a literal).  The status line of a further answer
 * (1xx come before the one that counts) starts anew.
 */
const char *http_head_line(struct http_head *h, struct slice line)
    __attribute__((warn_unused_result));

#endif
