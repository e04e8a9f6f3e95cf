/*
 * peer - one other backend, and what it is still to be told
 *
 * Owns its socket and a queue of purges; frames of them go one at a time.  See
 * peers.h.  Loop's thread only.
 */
#ifndef BACKEND_PEER_H
#define BACKEND_PEER_H

#include <uv.h>

#include "common/addresses.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/rpc.h"
#include "common/rpctls.h"

#define PEER_FRAME_MAX RPC_CALLS_MAX /* purges in a frame */

enum peer_result {
	PEER_TOLD,    /* it answered OK */
	PEER_FAILED,  /* not in time, or it is no longer named */
	PEER_REFUSED, /* it answered something else: older, or of other maps */
	PEER_RESULTS,
};

/* What is to be forgotten; shared by the peers that are to be told. */
struct peer_note {
	unsigned holders;
	struct slice map, key; /* owned, behind the struct */
};

/* Held by the caller.  Never NULL. */
struct peer_note *peer_note_new(struct slice map, struct slice key);
void peer_note_release(struct peer_note *note);

struct peer_options {
	const struct rpctls *tls;
	uint64_t patience_ms;
	size_t queue_max; /* more than PEER_FRAME_MAX */
	struct metrics_counter *results[PEER_RESULTS];
	struct log *log;
};

struct peer;

/* Never NULL.  options is borrowed for as long as its handles are open. */
struct peer *peer_new(uv_loop_t *loop, const struct address *address,
    const struct peer_options *options);

/* The name that its certificate must bear, from the next connection on. */
void peer_set_name(struct peer *peer, const char *name);
const char *peer_url(const struct peer *peer);

/* Tell it; holds the note.  everything is what takes the place of all that
 * waits, when too much does. */
void peer_tell(
    struct peer *peer, struct peer_note *note, struct peer_note *everything);

/* How many purges wait for an answer. */
size_t peer_waiting(const struct peer *peer);

/* What waits has failed; closed is called when the memory is gone. */
void peer_close(struct peer *peer, void (*closed)(void *arg), void *arg);

#endif
