/*
 * userli_path - the path that asks userli for a key
 *
 * Pure.  Every byte of a key but the unreserved (RFC 3986, 2.3) is escaped.
 */
#ifndef BACKEND_USERLI_PATH_H
#define BACKEND_USERLI_PATH_H

#include <stdbool.h>

#include "common/keyrules.h"
#include "common/lookup.h"
#include "common/slice.h"

#define USERLI_PATH_PREFIX "/api/postfix/"
/* The longest map name, a '/', every byte as %XX and the NUL. */
#define USERLI_PATH_MAX (sizeof USERLI_PATH_PREFIX + 16 + KEYRULES_KEY_MAX * 3)

/* Whether the key can be asked for, without asking for another path. */
bool userli_path_fit(enum lookup_map map, struct slice key)
    __attribute__((warn_unused_result));

/* For a key that is fit. */
void userli_path_build(
    char path[static USERLI_PATH_MAX], enum lookup_map map, struct slice key);

#endif
