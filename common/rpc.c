#include <assert.h>
#include <msgpack.h>

#include "common/rpc_wire.h"

static_assert(
    RPC_FRAME_OVERHEAD + RPC_ITEM_OVERHEAD + LOOKUP_REPLY_MAX + RPC_STEPS_MAX <=
	RPC_FRAME_MAX,
    "the longest result must fit into an empty frame");
static_assert(RPC_FRAME_OVERHEAD + RPC_ITEM_OVERHEAD + RPC_MAP_NAME_MAX +
	    LOOKUP_KEY_MAX <=
	RPC_FRAME_MAX,
    "the longest call must fit into an empty frame");

void
rpc_bound_data(struct lookup_result *lookup)
{
	if (lookup->data.len <= LOOKUP_REPLY_MAX)
		return;
	if (lookup->outcome == LOOKUP_OK) {
		lookup->outcome = LOOKUP_PERM;
		lookup->data = SLICE("the reply is too long");
	} else {
		lookup->data.len = LOOKUP_REPLY_MAX;
	}
}

/* Where msgpack-c writes: room was reserved for the most that it can write. */
struct cursor {
	char *at;
	msgpack_packer packer;
};

static int
cursor_write(void *data, const char *bytes, size_t n)
{
	struct cursor *c = data;

	memcpy(c->at, bytes, n);
	c->at += n;
	return 0;
}

static void
cursor_init(struct cursor *c, char *at)
{
	c->at = at;
	msgpack_packer_init(&c->packer, c, cursor_write);
}

static void
put_uint(struct cursor *c, uint8_t key, uint64_t value)
{
	msgpack_pack_uint8(&c->packer, key);
	msgpack_pack_uint64(&c->packer, value);
}

static void
put_bytes(struct cursor *c, struct slice bytes)
{
	if (bytes.ptr != NULL) /* memcpy from NULL is undefined even for 0 */
		cursor_write(c, bytes.ptr, bytes.len);
}

static void
put_str(struct cursor *c, uint8_t key, struct slice value)
{
	msgpack_pack_uint8(&c->packer, key);
	msgpack_pack_str(&c->packer, value.len);
	put_bytes(c, value);
}

static void
put_bin(struct cursor *c, uint8_t key, struct slice value)
{
	msgpack_pack_uint8(&c->packer, key);
	msgpack_pack_bin(&c->packer, value.len);
	put_bytes(c, value);
}

void
rpc_writer_init(struct rpc_writer *w)
{
	buffer_init(&w->items, RPC_FRAME_MAX - RPC_FRAME_OVERHEAD);
	w->count = 0;
}

void
rpc_writer_fini(struct rpc_writer *w)
{
	buffer_fini(&w->items);
	w->count = 0;
}

/* Start an item with at most string_bytes of strings; false when full. */
static bool
item_begin(struct rpc_writer *w, size_t string_bytes, struct cursor *c)
{
	char *at;

	if (w->count == RPC_CALLS_MAX)
		return false;
	at = buffer_reserve(&w->items, RPC_ITEM_OVERHEAD + string_bytes);
	if (at == NULL)
		return false;
	cursor_init(c, at);
	return true;
}

static void
item_end(struct rpc_writer *w, const struct cursor *c)
{
	buffer_commit(
	    &w->items, (size_t)(c->at - (w->items.data + w->items.end)));
	w->count++;
}

static void
put_lookup(struct cursor *c, const struct rpc_call *call)
{
	msgpack_pack_map(&c->packer, 2u + (call->how != RPC_HOW_USUAL));
	put_str(c, WIRE_LOOKUP_MAP, call->map);
	put_bin(c, WIRE_LOOKUP_KEY, call->key);
	if (call->how != RPC_HOW_USUAL)
		put_uint(c, WIRE_LOOKUP_HOW, (uint64_t)call->how);
}

static void
put_purge(struct cursor *c, const struct rpc_call *call)
{
	msgpack_pack_map(&c->packer,
	    0u + (call->map.len > 0) + (call->key.len > 0) + call->relay);
	if (call->map.len > 0)
		put_str(c, WIRE_PURGE_MAP, call->map);
	if (call->key.len > 0)
		put_bin(c, WIRE_PURGE_KEY, call->key);
	if (call->relay)
		put_uint(c, WIRE_PURGE_RELAY, 1);
}

bool
rpc_add_call(struct rpc_writer *w, const struct rpc_call *call)
{
	bool arguments =
	    (call->method == RPC_LOOKUP || call->method == RPC_PURGE) &&
	    call->map.len <= RPC_MAP_NAME_MAX &&
	    call->key.len <= LOOKUP_KEY_MAX;
	struct cursor c;

	if (!item_begin(w, arguments ? call->map.len + call->key.len : 0, &c))
		return false;
	msgpack_pack_map(&c.packer, 3u + arguments + (call->request_id != 0));
	put_uint(&c, WIRE_CALL_ID, call->id);
	put_uint(&c, WIRE_CALL_METHOD, call->method);
	put_uint(&c, WIRE_CALL_LEFT_MS, call->left_ms);
	if (arguments) {
		msgpack_pack_uint8(&c.packer, WIRE_CALL_ARGUMENTS);
		if (call->method == RPC_LOOKUP)
			put_lookup(&c, call);
		else
			put_purge(&c, call);
	}
	if (call->request_id != 0)
		put_uint(&c, WIRE_CALL_REQUEST_ID, call->request_id);
	item_end(w, &c);
	return true;
}

bool
rpc_add_result(struct rpc_writer *w, const struct rpc_result *result)
{
	struct lookup_result lookup = result->lookup;
	struct slice steps = rpc_bound_steps(lookup.steps);
	struct cursor c;

	rpc_bound_data(&lookup);
	if (!item_begin(w, lookup.data.len + steps.len, &c))
		return false;
	msgpack_pack_map(&c.packer,
	    2u + (lookup.data.len > 0) + (lookup.source != LOOKUP_FRESH) +
		(lookup.age_ms != 0) + (steps.len > 0));
	put_uint(&c, WIRE_RESULT_ID, result->id);
	put_uint(&c, WIRE_RESULT_OUTCOME, (uint64_t)lookup.outcome);
	if (lookup.data.len > 0)
		put_bin(&c, WIRE_RESULT_DATA, lookup.data);
	if (lookup.source != LOOKUP_FRESH)
		put_uint(&c, WIRE_RESULT_SOURCE, (uint64_t)lookup.source);
	if (lookup.age_ms != 0)
		put_uint(&c, WIRE_RESULT_AGE_MS, lookup.age_ms);
	if (steps.len > 0)
		put_str(&c, WIRE_RESULT_STEPS, steps);
	item_end(w, &c);
	return true;
}

/* backend is ignored in a frame of calls. */
static bool
finish(struct rpc_writer *w, enum wire_frame list, struct slice backend,
    struct buffer *out)
{
	struct slice items = buffer_slice(&w->items);
	char *at = buffer_reserve(out, RPC_FRAME_OVERHEAD + items.len);
	struct cursor c;

	if (at == NULL)
		return false;
	if (backend.len > RPC_BACKEND_NAME_MAX)
		backend.len = RPC_BACKEND_NAME_MAX;
	cursor_init(&c, at);
	msgpack_pack_map(&c.packer, 3);
	put_uint(&c, WIRE_FRAME_VERSION, RPC_VERSION);
	if (list == WIRE_FRAME_RESULTS)
		put_str(&c, WIRE_FRAME_BACKEND, backend);
	else
		put_uint(&c, WIRE_FRAME_MERGES, 1);
	msgpack_pack_uint8(&c.packer, (uint8_t)list);
	msgpack_pack_array(&c.packer, w->count);
	put_bytes(&c, items);
	buffer_commit(out, (size_t)(c.at - at));
	buffer_clear(&w->items);
	w->count = 0;
	return true;
}

bool
rpc_finish_calls(struct rpc_writer *w, struct buffer *out)
{
	return finish(w, WIRE_FRAME_CALLS, SLICE(""), out);
}

bool
rpc_finish_results(
    struct rpc_writer *w, struct slice backend, struct buffer *out)
{
	return finish(w, WIRE_FRAME_RESULTS, backend, out);
}
