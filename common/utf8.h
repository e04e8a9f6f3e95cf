/*
 * utf8 - characters in bytes that may be anything
 *
 * Pure.
 */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stddef.h>

/*
 * The length of the UTF-8 character at p, which is beyond ASCII, or 0 if there
 * is none in n > 0 bytes (RFC 3629: no overlong forms, no surrogates, nothing
 * above U+10FFFF).
 */
size_t utf8_length(const unsigned char *p, size_t n);

#endif
