#include "backend/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "common/mem.h"

#define SPARE_MAX 1024           /* exchanges kept for reuse */
#define SPARE_WRITER_BYTES 16384 /* one that grew beyond is freed */
#define RETRY_MS 1               /* while nng's queue is full */

struct exchange {
	struct exchange *prev, *next; /* on outbox.ready or outbox.spare */
	struct exchange *chain;       /* on one of outbox.shared */
	bool shared;
	uint32_t connection;
	size_t holds;
	bool ready; /* on outbox.ready */
	bool called;
	size_t header_len;
	char header[NNGSOCK_HEADER_MAX];
	struct rpc_writer results;
};

/* Where the shared exchange of a connection is, or would be. */
static struct exchange **
find_shared(struct outbox *o, uint32_t connection)
{
	struct exchange **at = &o->shared[connection % OUTBOX_CHAINS];

	while (*at != NULL && (*at)->connection != connection)
		at = &(*at)->chain;
	return at;
}

static void
exchange_free(struct outbox *o, struct exchange *ex)
{
	if (ex->shared)
		*find_shared(o, ex->connection) = ex->chain;
	if (o->spare_count < SPARE_MAX &&
	    ex->results.items.cap <= SPARE_WRITER_BYTES) {
		ex->next = o->spare;
		o->spare = ex;
		o->spare_count++;
		return;
	}
	rpc_writer_fini(&ex->results);
	free(ex);
}

static void
free_if_done(struct outbox *o, struct exchange *ex)
{
	if (ex->holds == 0 && !ex->ready && o->blocked != ex)
		exchange_free(o, ex);
}

static void
make_ready(struct outbox *o, struct exchange *ex)
{
	if (ex->ready)
		return;
	ex->ready = true;
	DL_APPEND(o->ready, ex);
}

/* Send the frame in out, if there is one; false while nng's queue is full. */
static bool
send_blocked(struct outbox *o)
{
	struct exchange *ex = o->blocked;
	enum nngsock_sent sent;

	if (ex == NULL)
		return true;
	sent = nngsock_reply(o->socket,
	    (struct slice){ ex->header, ex->header_len },
	    buffer_slice(&o->out));
	if (sent == NNGSOCK_FULL)
		return false;
	metrics_inc(sent == NNGSOCK_SENT ? o->sent : o->dropped);
	buffer_clear(&o->out);
	o->blocked = NULL;
	free_if_done(o, ex);
	return true;
}

/* Take an exchange off the ready list and send its results. */
static bool
send_ready(struct outbox *o, struct exchange *ex)
{
	if (!send_blocked(o) ||
	    !rpc_finish_results(&ex->results, o->name, &o->out))
		return false;
	DL_DELETE(o->ready, ex);
	ex->ready = false;
	o->blocked = ex;
	return send_blocked(o);
}

static void
on_retry(uv_timer_t *timer)
{
	outbox_flush(timer->data);
}

void
outbox_flush(struct outbox *o)
{
	while (send_blocked(o) && o->ready != NULL) {
		if (!send_ready(o, o->ready))
			break;
	}
	if (!outbox_empty(o))
		(void)uv_timer_start(&o->retry, on_retry, RETRY_MS, 0);
}

static void
on_turn(uv_prepare_t *prepare)
{
	struct outbox *o = prepare->data;

	if (!outbox_empty(o))
		outbox_flush(o);
}

bool
outbox_empty(const struct outbox *o)
{
	return o->ready == NULL && o->blocked == NULL;
}

static struct exchange *
exchange_new(struct outbox *o)
{
	struct exchange *ex = o->spare;

	if (ex != NULL) {
		o->spare = ex->next;
		o->spare_count--;
	} else {
		ex = mem_calloc(1, sizeof *ex);
		rpc_writer_init(&ex->results);
	}
	ex->holds = 0;
	ex->ready = false;
	ex->called = false;
	ex->shared = false;
	ex->chain = NULL;
	return ex;
}

/* The exchange that the connection has, or a new one. */
static struct exchange *
share(struct outbox *o, uint32_t connection)
{
	struct exchange **at = find_shared(o, connection);

	if (*at == NULL) {
		*at = exchange_new(o);
		(*at)->shared = true;
		(*at)->connection = connection;
	}
	return *at;
}

struct exchange *
exchange_open(struct outbox *o, struct slice header, bool merges)
{
	struct exchange *ex =
	    merges ? share(o, nngsock_connection(header)) : exchange_new(o);

	assert(header.len <= sizeof ex->header);
	memcpy(ex->header, header.ptr, header.len);
	ex->header_len = header.len;
	ex->holds++;
	return ex;
}

void
exchange_hold(struct exchange *ex)
{
	ex->holds++;
	ex->called = true;
}

void
exchange_add(struct outbox *o, struct exchange *ex, uint64_t id,
    const struct lookup_result *lookup)
{
	struct rpc_result result = { .id = id, .lookup = *lookup };

	make_ready(o, ex);
	if (!rpc_add_result(&ex->results, &result)) {
		/* The frame is full: send it now and begin another.  If that
		 * cannot be, the answer without its data nearly always fits,
		 * and the frontend asks elsewhere. */
		if (!send_ready(o, ex))
			result.lookup =
			    (struct lookup_result){ .outcome = LOOKUP_BUSY };
		make_ready(o, ex);
		if (!rpc_add_result(&ex->results, &result))
			metrics_inc(o->dropped);
	}
	ex->holds--;
}

void
exchange_close(struct outbox *o, struct exchange *ex)
{
	if (!ex->called)
		make_ready(o, ex);
	ex->holds--;
	free_if_done(o, ex);
}

void
outbox_init(struct outbox *o, uv_loop_t *loop, struct slice name,
    struct metrics_counter *sent, struct metrics_counter *dropped)
{
	*o = (struct outbox){ .name = name, .sent = sent, .dropped = dropped };
	buffer_init(&o->out, RPC_FRAME_MAX);
	(void)uv_prepare_init(loop, &o->turn);
	(void)uv_timer_init(loop, &o->retry);
	o->turn.data = o;
	o->retry.data = o;
	(void)uv_prepare_start(&o->turn, on_turn);
}

void
outbox_close(struct outbox *o, uv_close_cb closed, void *data)
{
	o->turn.data = data;
	o->retry.data = data;
	uv_close((uv_handle_t *)&o->turn, closed);
	uv_close((uv_handle_t *)&o->retry, closed);
}

void
outbox_fini(struct outbox *o)
{
	struct exchange *ex;

	if (o->blocked != NULL && !o->blocked->ready)
		DL_APPEND(o->ready, o->blocked);
	while ((ex = o->ready) != NULL) {
		DL_DELETE(o->ready, ex);
		rpc_writer_fini(&ex->results);
		free(ex);
	}
	while ((ex = o->spare) != NULL) {
		o->spare = ex->next;
		rpc_writer_fini(&ex->results);
		free(ex);
	}
	buffer_fini(&o->out);
}
