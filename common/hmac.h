/*
 * hmac - HMAC-SHA256 as hex digits, compared in constant time
 *
 * RFC 2104 with FIPS 180-4's SHA-256, by mbedTLS, which the certificates need
 * anyway.  Pure; any thread.
 */
#ifndef COMMON_HMAC_H
#define COMMON_HMAC_H

#include <stdint.h>

#include "common/slice.h"

#define HMAC_BYTES 32

/*
 * Read a MAC of 64 hex digits, of either case; false, out undefined, for any
 * other text.  What is read is the peer's and no secret.
 */
bool hmac_read(const char *text, uint8_t out[static HMAC_BYTES])
    __attribute__((warn_unused_result));

/* The MAC of text under key; false, out undefined, when memory is out. */
bool hmac_make(struct slice key, struct slice text,
    uint8_t out[static HMAC_BYTES]) __attribute__((warn_unused_result));

/*
 * Whether mac is the one of text under key.  How long that takes does not
 * depend on where they differ.  False, too, when memory is out.
 */
bool hmac_verify(struct slice key, struct slice text,
    const uint8_t mac[static HMAC_BYTES]) __attribute__((warn_unused_result));

#endif
