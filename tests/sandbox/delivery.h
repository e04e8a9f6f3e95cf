/*
 * delivery - an answer as bytes, and how they are to be sent
 *
 * Pure: a reply and a fault rule in, a plan out.  What waits for time or for
 * the peer is carried out by conn.
 */
#ifndef SANDBOX_DELIVERY_H
#define SANDBOX_DELIVERY_H

#include <stdint.h>

#include "api.h"
#include "faults.h"

/* What happens to the connection when the bytes are sent. */
enum delivery_after {
	DELIVERY_KEEP,   /* it takes the next request */
	DELIVERY_FINISH, /* an orderly end: no more bytes, wait for the peer */
	DELIVERY_CLOSE,  /* closed on the spot */
	DELIVERY_RESET,  /* closed with a RST */
};

struct delivery {
	struct buffer bytes; /* headers and body */
	size_t head;         /* of these, sent at once */
	size_t end;          /* of these, sent at all */
	size_t sent;         /* of these */
	struct buffer again; /* sent over and over after them, unless empty */
	int64_t delay_ms;
	int64_t drip_ms;
	bool hang;
	bool counted; /* in the statistics as a request in progress */
	int outcome;  /* a status, STATS_RAW or STATS_DROPPED */
	enum delivery_after after;
};

void delivery_init(struct delivery *d);
void delivery_fini(struct delivery *d);

/*
 * Plan the answer to req.  The reply's body may be taken from it; fault may be
 * NULL.  req may be NULL for an answer to what could not be parsed: the
 * connection then ends after it.
 */
void delivery_plan(struct delivery *d, const struct http_request *req,
    struct reply *reply, const struct fault *fault);

#endif
