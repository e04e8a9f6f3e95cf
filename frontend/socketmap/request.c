#include "frontend/socketmap/request.h"

#include <assert.h>
#include <stdlib.h>

#include "frontend/socketmap/connection.h"
#include "frontend/socketmap/protocol.h"
#include "frontend/socketmap/server.h"

const char *
socketmap_request_map(const struct socketmap_request *r, size_t *len)
{
	*len = r->map_len;
	return r->text;
}

const char *
socketmap_request_key(const struct socketmap_request *r, size_t *len)
{
	*len = r->text_len - r->map_len - 1;
	return r->text + r->map_len + 1;
}

uint64_t
socketmap_request_time(const struct socketmap_request *r)
{
	return r->time_ms;
}

bool
socketmap_request_wanted(const struct socketmap_request *r)
{
	return r->connection != NULL;
}

static void
release(struct socketmap_request *r)
{
	if (r->text != r->room)
		free(r->text);
	r->text = r->room;
	spares_give_request(&r->server->spares, r);
}

/* A request at the end of the connection's queue; NULL when memory is out. */
static struct socketmap_request *
enqueue(struct connection *c, struct slice text)
{
	struct socketmap_server *s = c->server;
	struct socketmap_request *r = spares_take_request(&s->spares);

	if (r == NULL)
		return NULL;
	r->next = NULL;
	r->server = s;
	r->connection = c;
	r->time_ms = uv_now(s->loop);
	r->started_ns = s->options.observer.answered != NULL ? uv_hrtime() : 0;
	r->text = text.len <= sizeof r->room ? r->room : malloc(text.len);
	r->text_len = text.len;
	r->map_len = 0;
	r->is_answered = false;
	if (r->text == NULL) {
		release(r);
		return NULL;
	}
	if (text.len > 0)
		memcpy(r->text, text.ptr, text.len);
	if (c->last != NULL)
		c->last->next = r;
	else
		c->first = r;
	c->last = r;
	c->pending++;
	server_ref(s);
	return r;
}

static void
dequeue_first(struct connection *c)
{
	struct socketmap_request *r = c->first;

	c->first = r->next;
	if (c->first == NULL)
		c->last = NULL;
	c->pending--;
	release(r);
}

/* Keep the reply of a request whose turn has not come. */
static bool
keep(struct socketmap_request *r, struct reply reply)
{
	size_t size = protocol_reply_size(reply);
	char *frame = size <= sizeof r->room ? r->room : malloc(size);

	if (frame == NULL)
		return false;
	/* The data may be this request's own key. */
	(void)protocol_encode_reply(reply, frame);
	if (r->text != r->room)
		free(r->text);
	r->text = frame;
	r->text_len = size;
	r->connection->kept_bytes += size;
	return true;
}

static bool
send_reply(struct connection *c, struct reply reply)
{
	/* Measuring it exactly would cost as much as encoding it. */
	char *to =
	    connection_reserve(c, reply.data.len + PROTOCOL_REPLY_OVERHEAD);

	if (to == NULL)
		return false;
	buffer_commit(&c->out, protocol_encode_reply(reply, to));
	return true;
}

/* Send what was kept because of the reply that has just been sent. */
static bool
send_kept(struct connection *c)
{
	while (c->first != NULL && c->first->is_answered) {
		struct socketmap_request *r = c->first;
		char *to = connection_reserve(c, r->text_len);

		if (to == NULL)
			return false;
		memcpy(to, r->text, r->text_len);
		buffer_commit(&c->out, r->text_len);
		c->kept_bytes -= r->text_len;
		dequeue_first(c);
	}
	return true;
}

static void
answer(struct socketmap_request *r, struct reply reply)
{
	struct socketmap_server *s = r->server;
	struct connection *c = r->connection;
	bool ok;

	r->is_answered = true;
	if (c == NULL) {
		release(r);
	} else {
		if (c->first == r) {
			ok = send_reply(c, reply);
			dequeue_first(c);
			ok = ok && send_kept(c);
		} else {
			ok = keep(r, reply);
		}
		if (!ok)
			connection_close(c, SOCKETMAP_CLOSED_ERROR);
		else if (connection_is_unread(c))
			connection_close(c, SOCKETMAP_CLOSED_UNREAD);
		else if (c->state != CONNECTION_CLOSING)
			connection_changed(c);
	}
	server_unref(s);
}

void
socketmap_reply(struct socketmap_request *r, enum socketmap_status status,
    const char *data, size_t len)
{
	struct socketmap_server *s = r->server;
	const struct socketmap_observer *o = &s->options.observer;
	struct reply reply =
	    protocol_limit((struct reply){ status, { data, len } },
		s->options.reply_bytes_max);

	assert(!r->is_answered && "a request was answered twice");
	if (r->is_answered)
		return;
	if (o->answered != NULL && r->connection != NULL)
		o->answered(s->options.observer_arg, r->text, r->map_len,
		    reply.status, (uv_hrtime() - r->started_ns) / 1000);
	answer(r, reply);
}

bool
request_dispatch(struct connection *c, struct slice text)
{
	const struct socketmap_options *o = &c->server->options;
	struct socketmap_request *r = enqueue(c, text);
	const struct map *map;
	struct slice name;
	struct slice key;

	if (r == NULL)
		return false;
	if (!protocol_parse_request(
		(struct slice){ r->text, r->text_len }, &name, &key)) {
		if (o->observer.invalid != NULL)
			o->observer.invalid(o->observer_arg);
		answer(r,
		    protocol_limit((struct reply){ SOCKETMAP_PERM,
				       SLICE("Invalid request format") },
			o->reply_bytes_max));
		return true;
	}
	r->map_len = name.len;
	map = maps_find(&c->server->maps, name);
	if (map != NULL)
		map->handler(r, map->arg);
	else
		socketmap_reply(r, SOCKETMAP_PERM, "Unknown map name",
		    sizeof "Unknown map name" - 1);
	return true;
}

void
request_abandon_all(struct connection *c)
{
	struct socketmap_request *r = c->first;

	while (r != NULL) {
		struct socketmap_request *next = r->next;

		r->next = NULL;
		r->connection = NULL;
		if (r->is_answered)
			release(r);
		r = next;
	}
	c->first = NULL;
	c->last = NULL;
	c->pending = 0;
	c->kept_bytes = 0;
}
