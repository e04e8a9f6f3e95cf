/*
 * exchange - results on their way back, grouped by request message
 *
 * An exchange is one request message until its last call has been answered;
 * the outbox owns the exchanges and sends, at the end of each loop turn, what
 * has gathered for each as one reply under its header.  Requests of one
 * connection whose results may be merged share an exchange: nng queues 64
 * messages for a connection and drops what is more without a word, and 64
 * small requests are answered in a turn.  Loop's thread only.
 */
#ifndef BACKEND_EXCHANGE_H
#define BACKEND_EXCHANGE_H

#include <uv.h>

#include "common/metrics.h"
#include "common/nngsock.h"
#include "common/rpc.h"

#define OUTBOX_CHAINS 64

struct exchange;

struct outbox {
	struct nngsock *socket; /* borrowed */
	struct slice name;      /* of this backend, borrowed */
	struct metrics_counter *sent;
	struct metrics_counter *dropped;

	struct exchange *ready;   /* with results to send */
	struct exchange *blocked; /* whose frame, in out, nng would not take */
	struct buffer out;
	/* The shared ones, hashed by their connection. */
	struct exchange *shared[OUTBOX_CHAINS];
	struct exchange *spare; /* for reuse */
	size_t spare_count;
	uv_prepare_t turn; /* at the end of each loop turn */
	uv_timer_t retry;
};

/* socket is set by the caller before the first exchange is opened. */
void outbox_init(struct outbox *o, uv_loop_t *loop, struct slice name,
    struct metrics_counter *sent, struct metrics_counter *dropped);

/* Free every exchange; closes the handles, whose memory must live until then.
 * closed is called for each of the two handles. */
void outbox_close(struct outbox *o, uv_close_cb closed, void *data);
void outbox_fini(struct outbox *o);

/* True when nothing waits to be sent. */
bool outbox_empty(const struct outbox *o);

/* Send what can be sent now. */
void outbox_flush(struct outbox *o);

/*
 * A request message with this header has arrived; merges as rpc_reader_merges()
 * says.  Each hold is a call to be answered: exchange_add() releases it.
 * exchange_open() itself holds once, until exchange_close().
 */
struct exchange *exchange_open(
    struct outbox *o, struct slice header, bool merges);
void exchange_hold(struct exchange *ex);

/* Answer one held call. */
void exchange_add(struct outbox *o, struct exchange *ex, uint64_t id,
    const struct lookup_result *lookup);

/*
 * Release the first hold.  An exchange that has never been held by a call is
 * answered with an empty frame: a peer that waits must not hang.
 */
void exchange_close(struct outbox *o, struct exchange *ex);

#endif
