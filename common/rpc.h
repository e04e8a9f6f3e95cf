/*
 * rpc - frames of calls and of results, as msgpack
 *
 * Pure functions over memory the caller owns; rpc.c (writing) and rpc_read.c
 * are the only files that call msgpack-c.  A frame is a map with small integer
 * keys; unknown keys are skipped, so that tiers of different versions work
 * together.
 *
 *   frame   { 0: version (1), 1: [call, …], 4: 1 }  frontend to backend
 *           { 0: version (1), 2: [result, …], 3: backend name (str) }  back
 *   call    { 1: id (uint), 2: method (uint), 3: ms it may still take (uint),
 *             4: arguments (map, by method), 5: request id (uint64) }
 *   result  { 1: id, 2: outcome (enum lookup_outcome), 3: data (bin),
 *             4: source (enum lookup_source), 5: age in ms, 6: steps (str) }
 *
 * Key 4 says that the caller knows its calls by their ids alone: results of
 * several of its frames may come in one message, under the header of any.
 *
 *   method 1 lookup   arguments { 1: map name (str), 2: key (bin),
 *                                 3: how (enum rpc_how) }
 *   method 2 health   no arguments; OK, DRAINING or BUSY; an OK's data is the
 *                     backend's version, a blank, and its build
 *   method 3 purge    arguments { 1: map name (str), 2: key (bin), 3: relay }
 *
 * A lookup that is to be explained has steps in its result, as common/steps.h
 * writes them; a backend that knows no such thing answers without.
 *
 * A purge makes a backend forget answers: of one key, without a map name of all
 * maps; without a key of all keys.  relay 1: it tells the backends it knows,
 * with relay 0, so that nothing goes in circles.  OK with the number of answers
 * forgotten, in decimal.  It changes nothing but what is remembered: to repeat
 * one does no harm.
 *
 * A call needs its id and its method, a lookup its map name and its key, a
 * purge its arguments, even if there is none in them, a result its id and its
 * outcome; what else is omitted is 0 or empty.  str and
 * bin are both accepted for a string.  A key that occurs twice counts as it
 * stands last, but each of its values must have the right type.  A number too
 * large for its field counts as the largest that the field holds.
 *
 * A frame's bytes are checked in full (sizes, counts against the bytes left,
 * nesting, objects, trailing bytes) before msgpack-c sees them, so that a
 * header which claims 2^32 elements costs nothing.  What is wrong inside one
 * call spoils that call alone: see rpc_call.invalid.  An element without an id
 * that could be read is left out, since nobody could be told about it.
 */
#ifndef COMMON_RPC_H
#define COMMON_RPC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/lookup.h"

#define RPC_VERSION 1
#define RPC_FRAME_MAX 262144    /* bytes */
#define RPC_CALLS_MAX 256       /* calls or results in a frame */
#define RPC_NESTING_MAX 8       /* containers within each other */
#define RPC_MAP_NAME_MAX 64     /* bytes */
#define RPC_BACKEND_NAME_MAX 64 /* bytes */
#define RPC_BUILD_MAX 80        /* bytes of a health answer's data */
#define RPC_STEPS_MAX 4096      /* bytes */
/* msgpack objects in a frame, as rpc_scan() counts: 64 for each of
 * RPC_CALLS_MAX, of which version 1 uses 19. */
#define RPC_OBJECTS_MAX 16384
/* Bytes one call or result may add to a frame beside its strings. */
#define RPC_ITEM_OVERHEAD 64
/* Bytes that a frame needs beside its items. */
#define RPC_FRAME_OVERHEAD 128

enum rpc_method {
	RPC_NONE = 0,
	RPC_LOOKUP = 1,
	RPC_HEALTH = 2,
	RPC_PURGE = 3,
};

enum rpc_how {
	RPC_HOW_USUAL = 0,
	RPC_HOW_EXPLAINED = 1, /* also: any that is unknown here */
	/* Explained, and asked of userli whatever is remembered. */
	RPC_HOW_DIRECT = 2,
};

struct rpc_call {
	uint64_t id;      /* unique on its link */
	uint32_t method;  /* enum rpc_method, or a newer one: UNIMPLEMENTED */
	uint32_t left_ms; /* 0 = already expired */
	uint64_t request_id;
	/* Of RPC_LOOKUP and RPC_PURGE, where empty means all of them. */
	struct slice map; /* at most RPC_MAP_NAME_MAX bytes */
	struct slice key; /* at most LOOKUP_KEY_MAX bytes */
	bool relay;       /* RPC_PURGE: tell the other backends */
	enum rpc_how how; /* RPC_LOOKUP */
	/*
	 * Set by the reader, ignored by the writer: the call has an id, but
	 * its method is missing, a field has the wrong type, or its arguments
	 * are missing or over a limit.  map and key are empty then; the answer
	 * is PERM.  A method that is not known here is not invalid: its
	 * arguments are not looked at.
	 */
	bool invalid;
};

struct rpc_result {
	uint64_t id;
	struct lookup_result lookup; /* data borrowed from the frame */
};

enum rpc_status {
	RPC_OK,
	RPC_MALFORMED,   /* not a frame, or over a limit */
	RPC_NEW_VERSION, /* a well-formed frame of a version unknown here */
	RPC_NO_MEMORY,
};

/*
 * Collects items for one frame; the frame's head is written by finish, since
 * only then the count is known.
 */
struct rpc_writer {
	struct buffer items;
	size_t count;
};

void rpc_writer_init(struct rpc_writer *w);
void rpc_writer_fini(struct rpc_writer *w);

/*
 * Append a call or a result; its strings are copied.  False, nothing changed,
 * when the frame is full (RPC_CALLS_MAX items or RPC_FRAME_MAX bytes) or memory
 * is out: finish this frame, then try again on an empty one, where only want of
 * memory can refuse it.  Therefore a call whose map or key is over its limit
 * is sent without arguments (invalid at the other end), an OK with more than
 * LOOKUP_REPLY_MAX bytes becomes PERM, and a longer reason is cut.
 */
bool rpc_add_call(struct rpc_writer *w, const struct rpc_call *call)
    __attribute__((warn_unused_result));
bool rpc_add_result(struct rpc_writer *w, const struct rpc_result *result)
    __attribute__((warn_unused_result));

/*
 * Append the whole frame to out, whose max leaves room for RPC_FRAME_MAX bytes,
 * and leave the writer empty; it keeps its memory.  False, nothing changed,
 * when memory is out or out is full.  An empty result frame is how a backend
 * answers a frame that it cannot read.  A backend name over
 * RPC_BACKEND_NAME_MAX is cut.
 */
bool rpc_finish_calls(struct rpc_writer *w, struct buffer *out)
    __attribute__((warn_unused_result));
bool rpc_finish_results(struct rpc_writer *w, struct slice backend,
    struct buffer *out) __attribute__((warn_unused_result));

/*
 * Reads frames; keeps its memory between them, so that reading in steady
 * state allocates nothing.
 */
struct rpc_reader;

struct rpc_reader *rpc_reader_new(void); /* NULL: out of memory */
void rpc_reader_free(struct rpc_reader *r);

/*
 * Read a frame of calls.  On RPC_OK *calls and *count (which may be 0) are
 * valid until the next read and borrow from frame.  On RPC_NEW_VERSION they
 * hold ids alone, as far as ids could be read, so that each can be answered
 * UNIMPLEMENTED.  Otherwise *count is 0.
 */
enum rpc_status rpc_read_calls(struct rpc_reader *r, struct slice frame,
    const struct rpc_call **calls, size_t *count)
    __attribute__((warn_unused_result));

/* Whether the frame of calls read last had key 4; false after one that could
 * not be read. */
bool rpc_reader_merges(const struct rpc_reader *r);

/*
 * Read a frame of results; backend is the name in it, or empty when it is
 * missing, over its limit or no string.  As above; results of a newer version,
 * without an outcome, with one that is unknown here or with a field of the
 * wrong type are UNIMPLEMENTED and empty.  The data of the others is bounded
 * as rpc_add_result() bounds it; an unknown source counts as LOOKUP_FRESH.
 */
enum rpc_status rpc_read_results(struct rpc_reader *r, struct slice frame,
    const struct rpc_result **results, size_t *count, struct slice *backend)
    __attribute__((warn_unused_result));

#endif
