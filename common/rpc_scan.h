/*
 * rpc_scan - is this one whole msgpack object, within limits?
 *
 * A pure function over memory the caller owns: no allocation, no recursion,
 * safe from any thread.  It reads the structure only, in one pass, and runs
 * before msgpack-c, which allocates for an array or a map what its header
 * claims.
 *
 * Source: the msgpack specification,
 * github.com/msgpack/msgpack/blob/master/spec.md
 */
#ifndef COMMON_RPC_SCAN_H
#define COMMON_RPC_SCAN_H

#include "common/slice.h"

/* Most containers open at once that any caller may allow. */
#define RPC_SCAN_NESTING_LIMIT 32

struct rpc_scan_limits {
	unsigned nesting; /* containers within each other, at most
	                     RPC_SCAN_NESTING_LIMIT; 0 allows scalars only */
	size_t objects;   /* in all: the outermost, each element, and each key
	                     and each value of a map */
};

/*
 * True when text is exactly one object with nothing after it, no length or
 * count claims more than the bytes that follow, and the limits hold.  Every
 * type of the format is allowed, the extension types too; the byte 0xc1, which
 * the format never uses, is not.
 */
bool rpc_scan(struct slice text, const struct rpc_scan_limits *limits)
    __attribute__((warn_unused_result));

#endif
