/*
 * extension - user+ext@domain: what was cut, and where Postfix puts it back
 *
 * As Postfix's mail_addr_crunch(3) does it for propagate_unmatched_extensions:
 * the extension, delimiter included, goes in front of the last '@' of each
 * address of the result, whether or not that has one of its own.  Unlike
 * Postfix, which quotes, an extension with anything but the characters of an
 * RFC 5322 dot-atom (so that a ',' would make two addresses of one) is dropped.
 * Pure functions.
 */
#ifndef BACKEND_EXTENSION_H
#define BACKEND_EXTENSION_H

#include "common/buffer.h"

/*
 * The extension of an address that keyrules_apply() has passed with this
 * delimiter, in the case that it was written in; empty when there is none.
 */
struct slice extension_find(struct slice key, struct slice delimiter);

/* Append value, addresses joined with ',', to out with the extension in each;
 * false when out's maximum is too small. */
bool extension_add(struct slice value, struct slice extension,
    struct buffer *out) __attribute__((warn_unused_result));

#endif
