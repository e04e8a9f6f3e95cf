/*
 * quote - a value as an error text shows it
 *
 * Pure.  What an administrator typed is repeated to him in double quotes, with
 * control characters as '?' and a long value cut and marked.  Never for
 * secrets.
 */
#ifndef COMMON_QUOTE_H
#define COMMON_QUOTE_H

#include "common/slice.h"

#define QUOTE_BYTES_MAX 80 /* bytes of the value that are shown */
/* The value, "…", two quotes and a NUL. */
#define QUOTE_SIZE (QUOTE_BYTES_MAX + 3 + 2 + 1)

/* Write the quoted value to out, NUL-terminated, and return out. */
const char *quote_value(struct slice value, char out[static QUOTE_SIZE]);

#endif
