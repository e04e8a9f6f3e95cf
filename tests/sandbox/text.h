/*
 * text - writing into a buffer, in Symfony's JSON where that is asked for
 *
 * The sandbox ends when it is out of memory, so nothing here fails.
 */
#ifndef SANDBOX_TEXT_H
#define SANDBOX_TEXT_H

#include "common/buffer.h"

/* More than any answer; the largest is a body that a fault rule brings. */
#define TEXT_MAX ((size_t)1 << 30)

/* Append to a buffer. */
void text_put(struct buffer *b, struct slice bytes);
void text_printf(struct buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Append a JSON string as PHP's json_encode() writes it with the flags of
 * Symfony's JsonResponse: '/' as \/, < > & ' " as \u00XX, what is not ASCII as
 * \uXXXX.  The bytes are UTF-8, as jansson guarantees for what it has read.
 */
void text_json_string(struct buffer *b, struct slice utf8);

/*
 * Append a JSON string of bytes that need not be UTF-8: each byte becomes the
 * code point of the same number, so that a test gets them back with
 * encode("latin-1").
 */
void text_json_bytes(struct buffer *b, struct slice bytes);

/* ASCII lower case, in place. */
void text_lower(char *bytes, size_t len);

#endif
