#include "frontend/socketmap/deadlines.h"

#include "frontend/socketmap/server.h"

/* The limit of a state in ms, 0 for none. */
static uint64_t
limit_of(const struct socketmap_options *o, enum connection_state state)
{
	switch (state) {
	case CONNECTION_NEW:
	case CONNECTION_IDLE:
		return o->idle_timeout_ms;
	case CONNECTION_READING:
		return o->read_timeout_ms;
	case CONNECTION_WRITING:
		return o->write_timeout_ms;
	case CONNECTION_WAITING:
	case CONNECTION_CLOSING:
	case CONNECTION_STATES:
		break;
	}
	return 0;
}

static enum socketmap_close_reason
reason_of(enum connection_state state)
{
	switch (state) {
	case CONNECTION_NEW:
	case CONNECTION_IDLE:
		return SOCKETMAP_CLOSED_IDLE;
	case CONNECTION_READING:
		return SOCKETMAP_CLOSED_READ_TIMEOUT;
	default:
		return SOCKETMAP_CLOSED_WRITE_TIMEOUT;
	}
}

/* Have the timer run at due_ms or before. */
static void
watch(struct socketmap_server *s, uint64_t due_ms)
{
	uint64_t now = uv_now(s->loop);

	if (due_ms >= s->timer_due_ms)
		return;
	s->timer_due_ms = due_ms;
	(void)uv_timer_start(
	    &s->timer, deadlines_on_timer, due_ms > now ? due_ms - now : 0, 0);
}

static uint64_t
due_of(const struct connection *c, uint64_t limit_ms)
{
	return limit_ms > UINT64_MAX - c->since_ms ? UINT64_MAX
						   : c->since_ms + limit_ms;
}

void
deadlines_enter(struct connection *c, enum connection_state state)
{
	struct socketmap_server *s = c->server;
	uint64_t limit_ms = limit_of(&s->options, state);

	list_remove(&c->state_link);
	s->states[c->state].count--;
	c->state = state;
	c->since_ms = uv_now(s->loop);
	c->is_restarted = false;
	if (state == CONNECTION_WRITING)
		c->unsent_then = uv_stream_get_write_queue_size(&c->uv.stream);
	s->states[state].count++;
	list_append(&s->states[state].connections, &c->state_link);
	if (limit_ms > 0)
		watch(s, due_of(c, limit_ms));
}

/*
 * `sending` may be many replies.  A client that has taken the longest possible
 * one meanwhile has taken a whole reply in time.
 */
static bool
has_taken_a_reply(const struct connection *c)
{
	size_t left = uv_stream_get_write_queue_size(&c->uv.stream);
	size_t taken = c->unsent_then > left ? c->unsent_then - left : 0;

	return taken > c->server->options.reply_bytes_max;
}

/* Expire what is due on one list; returns when the next one is. */
static uint64_t
expire(struct socketmap_server *s, enum connection_state state, uint64_t now)
{
	struct list *head = &s->states[state].connections;
	uint64_t limit_ms = limit_of(&s->options, state);

	while (limit_ms > 0 && !list_is_empty(head)) {
		struct connection *c =
		    LIST_ITEM(head->next, struct connection, state_link);
		uint64_t due_ms = due_of(c, limit_ms);

		if (due_ms > now)
			return due_ms;
		if (state == CONNECTION_WRITING && has_taken_a_reply(c))
			deadlines_enter(c, state);
		else
			connection_close(c, reason_of(state));
	}
	return UINT64_MAX;
}

void
deadlines_on_timer(uv_timer_t *timer)
{
	struct socketmap_server *s = timer->data;
	uint64_t now = uv_now(s->loop);
	uint64_t next = UINT64_MAX;

	s->timer_due_ms = UINT64_MAX;
	for (int i = 0; i < CONNECTION_STATES; i++) {
		uint64_t due = expire(s, (enum connection_state)i, now);

		if (due < next)
			next = due;
	}
	watch(s, next);
}
