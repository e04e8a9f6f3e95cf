/*
 * netstring - length-prefixed frames such as "5:hello,"
 *
 * Pure functions over memory the caller owns: no I/O, no allocation, no
 * hidden state, safe from any thread.  Lengths are bytes of payload.
 * Source: https://cr.yp.to/proto/netstrings.txt
 */
#ifndef SOCKETMAP_NETSTRING_H
#define SOCKETMAP_NETSTRING_H

#include "common/slice.h"

/* Most bytes a frame adds to its payload: 20 digits, ':' and ','. */
#define NETSTRING_OVERHEAD 22

enum netstring_status {
	NETSTRING_OK,       /* one whole frame was decoded */
	NETSTRING_PARTIAL,  /* valid so far: read more, then decode again */
	NETSTRING_INVALID,  /* not a netstring: drop the peer */
	NETSTRING_TOO_LONG, /* announces more than max bytes: drop the peer */
};

/*
 * Decode the frame at the start of in.
 *
 * On NETSTRING_OK, *payload borrows from in and *used is the size of the
 * frame; otherwise both are left alone.  PARTIAL is only ever returned for
 * fewer than max + NETSTRING_OVERHEAD bytes, so a read buffer of that size
 * never fills up without an answer.
 */
enum netstring_status netstring_decode(
    struct slice in, size_t max, struct slice *payload, size_t *used);

/*
 * Encode payload as one frame into out[0..cap), without a NUL.
 *
 * Returns the size of the frame, or 0 (out untouched) if cap is too small;
 * payload.len + NETSTRING_OVERHEAD bytes are always enough.
 */
size_t netstring_encode(struct slice payload, char *out, size_t cap);

/*
 * The head of a frame, "len:", for callers that write the payload in place;
 * returns its size, which is less than NETSTRING_OVERHEAD.
 */
size_t netstring_head(size_t len, char out[static NETSTRING_OVERHEAD]);

#endif
