/*
 * peers - tells the other backends what to forget
 *
 * BACKEND_PEERS names them as BACKEND_URLS names backends to a frontend
 * (common/discovery.h): each address is one peer, and one that is ourselves
 * does no harm.  A peer is connected while there is something to tell it and
 * for a few seconds more.  It has been told when it has answered OK; until then
 * a purge is repeated, which does no harm, for PEERS_PATIENCE_MS.  A peer that
 * is away for longer heals by its cache's times to live.  Loop's thread only.
 *
 * At most PEERS_QUEUE_MAX purges wait for one peer.  When there are more they
 * become one of everything: what must be forgotten is forgotten.
 */
#ifndef BACKEND_PEERS_H
#define BACKEND_PEERS_H

#include <uv.h>

#include "common/discovery.h"
#include "common/metrics.h"
#include "common/rpctls.h"

#define PEERS_MAX 256
#define PEERS_QUEUE_MAX 1024
#define PEERS_PATIENCE_MS 30000

struct peers;

struct peers_options {
	const struct endpoint_list *endpoints; /* ENDPOINT_POOL; borrowed */
	uint64_t resolve_interval_ms;
	uint64_t patience_ms;        /* PEERS_PATIENCE_MS */
	const struct dns_calls *dns; /* &dns_system; static */
	const struct rpctls *tls;    /* borrowed; NULL without certificates */
	struct metrics *metrics;
	struct log *log;
};

/* Never NULL. */
struct peers *peers_new(uv_loop_t *loop, const struct peers_options *options);

/*
 * Tell every peer known now; map and key are copied, and empty for all of them
 * (RPC_PURGE), at most RPC_MAP_NAME_MAX and LOOKUP_KEY_MAX bytes.
 */
void peers_purge(struct peers *p, struct slice map, struct slice key);

/* How many there are now. */
size_t peers_count(const struct peers *p);

/* What has not been told is told no more; freed once the loop has closed the
 * handles. */
void peers_close(struct peers *p);

#endif
