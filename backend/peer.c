#include "backend/peer.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/nngsock.h"

#define CONNECT_TIMEOUT_MS 3000
#define ANSWER_TIMEOUT_MS 2000
#define REST_MS 500  /* between one attempt and the next */
#define IDLE_MS 5000 /* connected, with nothing to tell */

enum peer_state {
	PEER_IDLE,       /* no connection, nothing to tell */
	PEER_CONNECTING, /* until the connection is there */
	PEER_READY,      /* connected, nothing to tell */
	PEER_AWAITING,   /* a frame has been sent, not all is answered */
	PEER_RESTING,    /* it failed: waiting to try again */
};

/* One purge that waits. */
struct entry {
	struct entry *next;
	struct peer_note *note;
	uint64_t id;
	uint64_t expires; /* of uv_now() */
	bool answered;
};

struct peer {
	uv_loop_t *loop;
	const struct peer_options *options;
	struct address address;
	enum peer_state state;
	struct nngsock *socket; /* but for PEER_IDLE and PEER_RESTING */
	struct rpc_reader *reader;
	uv_timer_t timer;
	struct entry *first, *last; /* oldest first */
	size_t count;
	size_t sent; /* of these, the first: in the frame under way */
	size_t answered;
	uint64_t last_id;
	bool failing; /* and that has been logged */
	void (*closed)(void *arg);
	void *closed_arg;
};

static void connect_now(struct peer *p);
static void send_frame(struct peer *p);

static void
set_state(struct peer *p, enum peer_state state, uint64_t timeout_ms,
    uv_timer_cb on_timeout)
{
	static const char *const names[] = {
		[PEER_IDLE] = "idle",
		[PEER_CONNECTING] = "connecting",
		[PEER_READY] = "ready",
		[PEER_AWAITING] = "awaiting",
		[PEER_RESTING] = "resting",
	};

	log_debug(p->options->log, log_msg("peer changed state"),
	    log_str("url", p->address.url), log_str("from", names[p->state]),
	    log_str("to", names[state]));
	p->state = state;
	if (on_timeout == NULL)
		(void)uv_timer_stop(&p->timer);
	else
		(void)uv_timer_start(&p->timer, on_timeout, timeout_ms, 0);
}

/* --- Notes --------------------------------------------------------------- */

struct peer_note *
peer_note_new(struct slice map, struct slice key)
{
	struct peer_note *note =
	    mem_calloc(1, sizeof *note + map.len + key.len);
	char *bytes = (char *)(note + 1);

	note->holders = 1;
	if (map.len > 0)
		memcpy(bytes, map.ptr, map.len);
	if (key.len > 0)
		memcpy(bytes + map.len, key.ptr, key.len);
	note->map = (struct slice){ bytes, map.len };
	note->key = (struct slice){ bytes + map.len, key.len };
	return note;
}

void
peer_note_release(struct peer_note *note)
{
	if (--note->holders == 0)
		free(note);
}

/* --- The queue ----------------------------------------------------------- */

static void
append(struct peer *p, struct peer_note *note)
{
	struct entry *entry = mem_calloc(1, sizeof *entry);

	note->holders++;
	entry->note = note;
	entry->expires = uv_now(p->loop) + p->options->patience_ms;
	*(p->last != NULL ? &p->last->next : &p->first) = entry;
	p->last = entry;
	p->count++;
}

static void
free_entry(struct entry *entry)
{
	peer_note_release(entry->note);
	free(entry);
}

static void
drop_first(struct peer *p)
{
	struct entry *entry = p->first;

	p->first = entry->next;
	if (p->first == NULL)
		p->last = NULL;
	p->count--;
	free_entry(entry);
}

/* Leave only what is under way. */
static void
drop_unsent(struct peer *p)
{
	struct entry *keep = NULL;
	struct entry *entry = p->first;

	for (size_t i = 0; i < p->sent; i++) {
		keep = entry;
		entry = entry->next;
	}
	*(keep != NULL ? &keep->next : &p->first) = NULL;
	p->last = keep;
	p->count = p->sent;
	while (entry != NULL) {
		struct entry *next = entry->next;

		free_entry(entry);
		entry = next;
	}
}

static void
fail_first(struct peer *p)
{
	if (!p->failing)
		log_warn(p->options->log,
		    log_msg("peer not told what to forget: its cache has "
			    "only its times to live"),
		    log_str("url", p->address.url));
	p->failing = true;
	metrics_inc(p->options->results[PEER_FAILED]);
	drop_first(p);
}

/* --- The connection ------------------------------------------------------ */

static void
disconnect(struct peer *p)
{
	if (p->socket != NULL)
		nngsock_close(p->socket);
	p->socket = NULL;
	p->sent = 0;
}

static void
on_rested(uv_timer_t *timer)
{
	connect_now(timer->data);
}

/* The connection is of no use, or there is none: try again in a while. */
static void
rest(struct peer *p)
{
	uint64_t now = uv_now(p->loop);

	disconnect(p);
	while (p->first != NULL &&
	    (p->first->answered || p->first->expires <= now)) {
		if (p->first->answered)
			drop_first(p);
		else
			fail_first(p);
	}
	if (p->first == NULL)
		set_state(p, PEER_IDLE, 0, NULL);
	else
		set_state(p, PEER_RESTING, REST_MS, on_rested);
}

static void
on_timeout(uv_timer_t *timer)
{
	rest(timer->data);
}

static void
on_idle(uv_timer_t *timer)
{
	struct peer *p = timer->data;

	disconnect(p);
	set_state(p, PEER_IDLE, 0, NULL);
}

/* Connected, and nothing is under way. */
static void
proceed(struct peer *p)
{
	if (p->first != NULL)
		send_frame(p);
	else
		set_state(p, PEER_READY, IDLE_MS, on_idle);
}

static void
take_result(struct peer *p, const struct rpc_result *result)
{
	bool ok = result->lookup.outcome == LOOKUP_OK;
	struct entry *entry = p->first;

	for (size_t i = 0; i < p->sent && entry->id != result->id; i++)
		entry = entry->next;
	if (p->sent == 0 || entry == NULL || entry->id != result->id ||
	    entry->answered)
		return;
	entry->answered = true;
	p->answered++;
	metrics_inc(p->options->results[ok ? PEER_TOLD : PEER_REFUSED]);
	if (ok) {
		p->failing = false;
		return;
	}
	if (!p->failing)
		log_warn(p->options->log,
		    log_msg("peer does not forget: it is of another version"),
		    log_str("url", p->address.url),
		    log_str("outcome",
			lookup_outcome_name(result->lookup.outcome)));
	p->failing = true;
}

static void
on_message(void *arg, struct slice header, struct slice body)
{
	struct peer *p = arg;
	const struct rpc_result *results;
	struct slice backend;
	size_t count;
	enum rpc_status status =
	    rpc_read_results(p->reader, body, &results, &count, &backend);

	(void)header;
	if (p->state != PEER_AWAITING)
		return;
	/* Of another version: its results say UNIMPLEMENTED. */
	if (status != RPC_OK && status != RPC_NEW_VERSION) {
		rest(p);
		return;
	}
	for (size_t i = 0; i < count; i++)
		take_result(p, &results[i]);
	if (p->answered < p->sent)
		return;
	for (; p->sent > 0; p->sent--)
		drop_first(p);
	proceed(p);
}

static void
on_pipes(void *arg, unsigned count)
{
	struct peer *p = arg;

	if (count == 0)
		rest(p);
	else if (p->state == PEER_CONNECTING)
		proceed(p);
}

static void
connect_now(struct peer *p)
{
	struct nngsock_events events = { on_message, on_pipes, p };
	struct nngsock_tls tls;
	struct error error;

	p->socket = nngsock_dial(p->loop, p->address.url,
	    rpctls_material(p->options->tls, p->address.name, &tls),
	    RPC_FRAME_MAX, &events, &error);
	if (p->socket == NULL) {
		log_error(p->options->log, log_msg("cannot dial"),
		    log_str("error", error.text));
		rest(p);
		return;
	}
	set_state(p, PEER_CONNECTING, CONNECT_TIMEOUT_MS, on_timeout);
}

/* --- Telling ------------------------------------------------------------- */

/* As many of those that wait as one frame takes. */
static void
write_frame(struct peer *p, struct buffer *frame)
{
	struct rpc_writer writer;

	rpc_writer_init(&writer);
	p->answered = 0;
	for (struct entry *e = p->first; e != NULL; e = e->next) {
		e->id = ++p->last_id;
		if (!rpc_add_call(&writer,
			&(struct rpc_call){
			    .id = e->id,
			    .method = RPC_PURGE,
			    .left_ms = ANSWER_TIMEOUT_MS,
			    .map = e->note->map,
			    .key = e->note->key,
			}))
			break;
		p->sent++;
		p->answered += e->answered; /* before a connection was lost */
	}
	if (p->sent == 0 || !rpc_finish_calls(&writer, frame))
		mem_exhausted();
	rpc_writer_fini(&writer);
}

static void
send_frame(struct peer *p)
{
	struct buffer frame;
	enum nngsock_sent sent;

	buffer_init(&frame, RPC_FRAME_MAX);
	write_frame(p, &frame);
	sent = nngsock_request(p->socket, 1, buffer_slice(&frame));
	buffer_fini(&frame);
	if (sent == NNGSOCK_SENT)
		set_state(p, PEER_AWAITING, ANSWER_TIMEOUT_MS, on_timeout);
	else
		rest(p);
}

void
peer_tell(struct peer *p, struct peer_note *note, struct peer_note *everything)
{
	if (p->count >= p->options->queue_max) {
		log_warn(p->options->log,
		    log_msg("too much for a peer to forget, it shall forget "
			    "everything"),
		    log_str("url", p->address.url),
		    log_uint("purges", p->count));
		drop_unsent(p);
		note = everything;
	}
	append(p, note);
	if (p->state == PEER_IDLE)
		connect_now(p);
	else if (p->state == PEER_READY)
		send_frame(p);
}

/* --- Life ---------------------------------------------------------------- */

struct peer *
peer_new(uv_loop_t *loop, const struct address *address,
    const struct peer_options *options)
{
	struct peer *p = mem_calloc(1, sizeof *p);

	p->loop = loop;
	p->options = options;
	p->address = *address;
	p->reader = rpc_reader_new();
	if (p->reader == NULL)
		mem_exhausted();
	(void)uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	return p;
}

void
peer_set_name(struct peer *p, const char *name)
{
	memmove(p->address.name, name, strlen(name) + 1);
}

const char *
peer_url(const struct peer *p)
{
	return p->address.url;
}

size_t
peer_waiting(const struct peer *p)
{
	return p->count;
}

static void
on_closed(uv_handle_t *handle)
{
	struct peer *p = handle->data;

	rpc_reader_free(p->reader);
	p->closed(p->closed_arg);
	free(p);
}

void
peer_close(struct peer *p, void (*closed)(void *arg), void *arg)
{
	disconnect(p);
	while (p->first != NULL) {
		if (p->first->answered)
			drop_first(p);
		else
			fail_first(p);
	}
	p->closed = closed;
	p->closed_arg = arg;
	uv_close((uv_handle_t *)&p->timer, on_closed);
}
