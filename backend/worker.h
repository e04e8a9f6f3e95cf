/*
 * worker - frames of calls in, frames of results out
 *
 * Owns the raw REP socket.  Each call becomes a job; what finishes in one loop
 * turn for one request message goes out as one reply under its header, so that
 * no call waits for a slower neighbour.  Loop's thread only.
 */
#ifndef BACKEND_WORKER_H
#define BACKEND_WORKER_H

#include <uv.h>

#include "backend/explanation.h"
#include "backend/purger.h"
#include "backend/resolve.h"
#include "common/endpoint.h"
#include "common/error.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nngsock.h"
#include "common/rpctls.h"
#include "common/slow.h"

struct worker_options {
	const struct endpoint_list *listen;
	const struct rpctls *tls; /* borrowed; may be NULL */
	struct slice name;        /* of this backend, borrowed */
	struct slice build;       /* its version and build, borrowed */
	size_t calls_max;         /* jobs at once; more are answered BUSY */
	struct resolve *resolve;  /* borrowed */
	struct purger *purger;    /* borrowed */
	const struct explanation_parts *explain; /* borrowed */
	struct metrics *metrics;
	struct log *log;
	struct slow *slow; /* borrowed; NULL: no lookup is slow */
};

struct worker;

/* Bind and serve.  NULL with the address and the reason in *error. */
struct worker *worker_new(uv_loop_t *loop, const struct worker_options *options,
    struct error *error) __attribute__((warn_unused_result));

/*
 * Show and believe the certificates that options.tls holds now, to whoever
 * connects from now on.  False with the reason in *error.
 */
bool worker_renew_tls(struct worker *w, struct error *error)
    __attribute__((warn_unused_result));

/* As nngsock_receive(). */
void worker_receive(struct worker *w);

/* As nngsock has them, for listener i of options.listen. */
bool worker_relisten(struct worker *w, size_t i, struct error *error)
    __attribute__((warn_unused_result));
bool worker_local_url(const struct worker *w, size_t i,
    char out[static NNGSOCK_URL_MAX]) __attribute__((warn_unused_result));

/* How many of the connections are our own probes' and no frontends'. */
void worker_set_probes(struct worker *w, unsigned count);

/*
 * Answer every further call DRAINING, finish the jobs in progress, linger
 * until the frontends have let go (or WORKER_LINGER_MS have passed), then
 * call done once.
 */
#define WORKER_LINGER_MS 2000
void worker_drain(struct worker *w, void (*done)(void *arg), void *arg);

bool worker_draining(const struct worker *w);

/*
 * Answer every further call DRAINING, as a drain does, until it is set to
 * false again; nothing ends.
 */
void worker_set_paused(struct worker *w, bool paused);
bool worker_paused(const struct worker *w);

/* Close the socket.  Jobs in progress must have ended (userli and http
 * closed); the memory goes when the loop has closed the handles. */
void worker_close(struct worker *w);

#endif
