/*
 * purger - what is remembered is forgotten: here, and by the peers
 *
 * Three ways lead here: userli's webhook about an address, a call from the
 * administrator's tool, and a peer that relays either.  What a peer relays goes
 * no further.  A webhook's address is purged once more a little later, since
 * userli's own cache may still have held what was asked in between.  Loop's
 * thread only.
 */
#ifndef BACKEND_PURGER_H
#define BACKEND_PURGER_H

#include <uv.h>

#include "backend/peers.h"
#include "backend/resolve.h"
#include "common/log.h"
#include "common/metrics.h"

#define PURGER_REPEATS_MAX                                                  \
	1024                   /* that wait; at more, the oldest goes early \
	                        */
#define PURGER_ADDRESS_MAX 320 /* bytes of a webhook's address */

enum purger_origin {
	PURGER_WEBHOOK,
	PURGER_REPEAT, /* the second time for a webhook */
	PURGER_CALL,
	PURGER_RELAYED, /* by a peer, for one of the others */
	PURGER_ORIGINS,
};

struct purger_options {
	struct resolve *resolve; /* borrowed */
	struct peers *peers;     /* borrowed; NULL: there are none to tell */
	uint64_t repeat_ms;      /* 0: webhooks are not repeated */
	struct metrics *metrics;
	struct log *log;
};

struct purger;

/* Never NULL. */
struct purger *purger_new(
    uv_loop_t *loop, const struct purger_options *options);

/*
 * Forget as resolve_purge() does: LOOKUP_MAPS means all maps, an empty key all
 * keys.  Every peer is told but for PURGER_RELAYED.  Returns the number of
 * answers forgotten here.
 */
size_t purger_apply(struct purger *p, enum purger_origin origin,
    enum lookup_map map, struct slice key);

/* For a webhook: now, and again.  At most PURGER_ADDRESS_MAX bytes. */
void purger_address(struct purger *p, struct slice address);

/* What is still to be repeated is, now: we are about to end. */
void purger_hurry(struct purger *p);

/* The repeats are dropped; freed once the loop has closed the handles. */
void purger_close(struct purger *p);

#endif
