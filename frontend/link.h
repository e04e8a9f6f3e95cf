/*
 * link - one backend: its socket, the calls outstanding there, frames
 *
 * A call is on a link from link_send() until it is answered, lost or
 * cancelled.  Calls made during one loop turn leave as one frame at the turn's
 * end.  A link is usable once its backend has answered a health call on the
 * present connection.  When the connection goes, or the backend stays silent
 * (liveness.h), every call outstanding is handed back at once.  A socket that
 * stays without connection is made anew: nng 1.5.2's dialers can die.  Loop's
 * thread only.
 */
#ifndef FRONTEND_LINK_H
#define FRONTEND_LINK_H

#include <uv.h>

#include "common/error.h"
#include "common/log.h"
#include "common/lookup.h"
#include "common/rpc.h"
#include "common/rpctls.h"
#include "frontend/identity.h"
#include "frontend/outstanding.h"

enum link_state {
	LINK_CONNECTING, /* no connection, or no answer on it yet */
	LINK_UP,
	LINK_SUSPECT,  /* silent, and pinged: asked only when no other is up */
	LINK_EJECTED,  /* silent for too long: not asked until it answers */
	LINK_DRAINING, /* answers, but takes no new calls */
	LINK_GONE,     /* no longer named: ends with its last call */
	LINK_STATES,
};

/* Why a call was handed back. */
enum link_loss {
	LINK_LOST_CONNECTION,
	LINK_LOST_SILENT,
	LINK_LOSSES,
};

struct link_events {
	/* The call's result; data and backend are borrowed. */
	void (*answered)(void *arg, struct link_call *call,
	    const struct lookup_result *result, struct slice backend);
	void (*lost)(void *arg, struct link_call *call, enum link_loss why);
	/* Also LINK_UP once more, when there is room after a refused call. */
	void (*state)(void *arg, struct link *link, enum link_state state);
	/* Whether calls moved away from this link have a better place. */
	bool (*may_eject)(void *arg, const struct link *link);
	/* One frame was sent or received: for histograms.  May be NULL. */
	void (*frame)(void *arg, bool sent, size_t items, size_t bytes);
	void *arg;
};

struct link_options {
	const struct rpctls *tls; /* borrowed; NULL without certificates */
	const char *server_name;  /* that a certificate must bear; copied */
	uint64_t ping_after_ms;
	uint64_t eject_after_ms;
	struct log *log;
	struct link_events events;
};

/* What has happened on a link, for metrics, and who is at its other end. */
struct link_stats {
	struct identity identity;
	uint64_t frames_sent;
	uint64_t frames_received;
	uint64_t frames_malformed;
	uint64_t connections; /* made so far */
	uint64_t late;        /* answers to calls that nobody waits for */
	uint64_t unasked;     /* answers to calls that were never made */
	uint64_t pings;
	uint64_t ejections;
	uint64_t redials; /* sockets made anew */
};

/* url is numeric (nngsock_dial) and copied.  NULL for one nng cannot parse. */
struct link *link_new(uv_loop_t *loop, const char *url,
    const struct link_options *options, struct error *error)
    __attribute__((warn_unused_result));

/* Call every outstanding call lost, then free once the loop has closed the
 * handles. */
void link_close(struct link *link);

/*
 * Queue a call; its id is set here.  False when OUTSTANDING_MAX are outstanding
 * or nng takes no more: ask elsewhere.
 */
bool link_send(struct link *link, struct link_call *call,
    const struct rpc_call *what) __attribute__((warn_unused_result));

/* The name that a certificate must bear, from the next dial on. */
void link_set_server_name(struct link *link, const char *name);

/* No longer named: LINK_GONE from now on, or back to life. */
void link_retire(struct link *link);
void link_revive(struct link *link);

/* Nobody waits for the call any more: a late answer is dropped. */
void link_cancel(struct link_call *call);

enum link_state link_state(const struct link *link);
const char *link_state_name(enum link_state state);
const char *link_url(const struct link *link);
/* Calls outstanding; the address stays the same for the link's life. */
const size_t *link_in_flight(const struct link *link);
const struct link_stats *link_stats(const struct link *link);

#endif
