/*
 * lookup - what is asked and what came of it
 *
 * The outcome of a lookup is data, never an error code.  Values travel on the
 * wire: append, never renumber.
 */
#ifndef COMMON_LOOKUP_H
#define COMMON_LOOKUP_H

#include <stdint.h>

#include "common/slice.h"

/* The maps of userli's Postfix API, by the names Postfix is configured with. */
enum lookup_map {
	LOOKUP_ALIAS,
	LOOKUP_DOMAIN,
	LOOKUP_MAILBOX,
	LOOKUP_SENDERS,
	LOOKUP_MAPS, /* how many there are; also: an unknown map */
};

/* Postfix reads at most this much data, socketmap_table(5). */
#define LOOKUP_REPLY_MAX 100000 /* bytes of "OK " and the data */
#define LOOKUP_KEY_MAX 10000    /* bytes; Postfix's own limit for queries */

enum lookup_outcome {
	LOOKUP_OK = 0,
	LOOKUP_NOTFOUND = 1,
	LOOKUP_TEMP = 2,
	LOOKUP_TIMEOUT = 3,
	LOOKUP_PERM = 4,
	/* Between the tiers only: the frontend routes around the first two. */
	LOOKUP_BUSY = 5,
	LOOKUP_DRAINING = 6,
	LOOKUP_UNIMPLEMENTED = 7,
	LOOKUP_OUTCOMES,
};

/* How an answer came about. */
enum lookup_source {
	LOOKUP_FRESH = 0, /* from userli, for this lookup or one it joined */
	LOOKUP_CACHED = 1,
	LOOKUP_STALE = 2,
	LOOKUP_RULE = 3, /* from a key that cannot exist */
};

/* Where the time of a request to userli went, in seconds. */
struct lookup_timing {
	uint64_t request_id; /* of the lookup that it was sent for */
	double queue;        /* until its turn came */
	double connect;      /* TLS included; 0 over a kept connection */
	double first_byte;   /* from there to the answer's first byte */
	double body;         /* from there to its end */
};

struct lookup_result {
	enum lookup_outcome outcome;
	enum lookup_source source;
	uint32_t age_ms;   /* of a cached or stale answer */
	struct slice data; /* the value of OK, the reason of the others */

	/* For those who look into it; 0 and empty as a rule. */
	struct slice steps;     /* of an explained lookup: common/steps.h */
	uint16_t userli_status; /* HTTP status; 0: not asked, no answer */
	uint32_t userli_us;     /* how long userli took for it */
	/* Of the request that it came from; borrowed; NULL without one. */
	const struct lookup_timing *timing;
};

/* "alias" to LOOKUP_ALIAS; LOOKUP_MAPS for an unknown name. */
enum lookup_map lookup_map_of(struct slice name);

/* "alias"; "unknown" for LOOKUP_MAPS. */
const char *lookup_map_name(enum lookup_map map);

/* "OK", "NOTFOUND", …, for logs and replies. */
const char *lookup_outcome_name(enum lookup_outcome outcome);

/* "fresh", "cached", "stale", "rule". */
const char *lookup_source_name(enum lookup_source source);

#endif
