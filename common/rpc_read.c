#include <msgpack.h>
#include <stdlib.h>

#include "common/rpc_scan.h"
#include "common/rpc_wire.h"

/* The objects of one frame: an object in an array, a key and a value in a map
 * each take no more than this in msgpack-c's memory. */
#define ZONE_BYTES ((RPC_OBJECTS_MAX + 16) * sizeof(msgpack_object))

struct rpc_reader {
	msgpack_zone zone; /* empty between reads */
	bool merges;       /* of the frame of calls read last */
	struct rpc_call calls[RPC_CALLS_MAX];
	struct rpc_result results[RPC_CALLS_MAX];
};

struct rpc_reader *
rpc_reader_new(void)
{
	struct rpc_reader *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	if (!msgpack_zone_init(&r->zone, ZONE_BYTES)) {
		free(r);
		return NULL;
	}
	return r;
}

void
rpc_reader_free(struct rpc_reader *r)
{
	if (r == NULL)
		return;
	msgpack_zone_destroy(&r->zone);
	free(r);
}

/* A key of a map, or -1 for what no version uses as one. */
static int
key_of(const msgpack_object_kv *pair)
{
	if (pair->key.type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    pair->key.via.u64 > INT8_MAX)
		return -1;
	return (int)pair->key.via.u64;
}

static bool
get_uint(const msgpack_object *o, uint64_t *out)
{
	if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return false;
	*out = o->via.u64;
	return true;
}

static bool
get_uint32(const msgpack_object *o, uint32_t *out)
{
	uint64_t wide;

	if (!get_uint(o, &wide))
		return false;
	*out = wide > UINT32_MAX ? UINT32_MAX : (uint32_t)wide;
	return true;
}

static bool
get_string(const msgpack_object *o, struct slice *out)
{
	if (o->type == MSGPACK_OBJECT_STR)
		*out = (struct slice){ o->via.str.ptr, o->via.str.size };
	else if (o->type == MSGPACK_OBJECT_BIN)
		*out = (struct slice){ o->via.bin.ptr, o->via.bin.size };
	else
		return false;
	return true;
}

/* Of what a newer frontend may mean by it, the answer is never in danger. */
static enum rpc_how
how_of(const msgpack_object *o)
{
	uint64_t how = RPC_HOW_USUAL;

	(void)!get_uint(o, &how);
	return how <= RPC_HOW_DIRECT ? (enum rpc_how)how : RPC_HOW_EXPLAINED;
}

/* Read a lookup's map and key; false when one is missing or wrong. */
static bool
read_lookup(const msgpack_object *arguments, struct rpc_call *call)
{
	struct slice map = { 0 };
	struct slice key = { 0 };
	bool has_map = false;
	bool has_key = false;

	if (arguments == NULL || arguments->type != MSGPACK_OBJECT_MAP)
		return false;
	for (uint32_t i = 0; i < arguments->via.map.size; i++) {
		const msgpack_object_kv *pair = &arguments->via.map.ptr[i];
		int tag = key_of(pair);

		if (tag == WIRE_LOOKUP_MAP)
			has_map = get_string(&pair->val, &map);
		else if (tag == WIRE_LOOKUP_KEY)
			has_key = get_string(&pair->val, &key);
		else if (tag == WIRE_LOOKUP_HOW)
			call->how = how_of(&pair->val);
	}
	if (!has_map || !has_key || map.len > RPC_MAP_NAME_MAX ||
	    key.len > LOOKUP_KEY_MAX)
		return false;
	call->map = map;
	call->key = key;
	return true;
}

/* A purge's map name or key: one that is given is not empty, since that would
 * look like none, which means all. */
static bool
get_purged(const msgpack_object *o, size_t max, struct slice *out)
{
	return get_string(o, out) && out->len > 0 && out->len <= max;
}

/* Read what to purge; false when an argument is wrong or there is no place for
 * any. */
static bool
read_purge(const msgpack_object *arguments, struct rpc_call *call)
{
	struct slice map = { 0 };
	struct slice key = { 0 };
	uint64_t relay = 0;
	bool ok = true;

	if (arguments == NULL || arguments->type != MSGPACK_OBJECT_MAP)
		return false;
	for (uint32_t i = 0; i < arguments->via.map.size; i++) {
		const msgpack_object_kv *pair = &arguments->via.map.ptr[i];
		int tag = key_of(pair);

		if (tag == WIRE_PURGE_MAP)
			ok &= get_purged(&pair->val, RPC_MAP_NAME_MAX, &map);
		else if (tag == WIRE_PURGE_KEY)
			ok &= get_purged(&pair->val, LOOKUP_KEY_MAX, &key);
		else if (tag == WIRE_PURGE_RELAY)
			ok &= get_uint(&pair->val, &relay);
	}
	if (!ok)
		return false;
	call->map = map;
	call->key = key;
	call->relay = relay != 0;
	return true;
}

/* Read one call; false when it has no id. */
static bool
read_call(const msgpack_object *o, struct rpc_call *call)
{
	const msgpack_object *arguments = NULL;
	bool has_id = false;
	bool has_method = false;
	bool fields_ok = true;

	*call = (struct rpc_call){ 0 };
	if (o->type != MSGPACK_OBJECT_MAP)
		return false;
	for (uint32_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object_kv *pair = &o->via.map.ptr[i];
		const msgpack_object *value = &pair->val;

		switch (key_of(pair)) {
		case WIRE_CALL_ID:
			has_id = get_uint(value, &call->id);
			break;
		case WIRE_CALL_METHOD:
			has_method = get_uint32(value, &call->method);
			break;
		case WIRE_CALL_LEFT_MS:
			fields_ok &= get_uint32(value, &call->left_ms);
			break;
		case WIRE_CALL_ARGUMENTS:
			arguments = value;
			break;
		case WIRE_CALL_REQUEST_ID:
			fields_ok &= get_uint(value, &call->request_id);
			break;
		default: /* a newer version's */
			break;
		}
	}
	call->invalid = !has_method || !fields_ok ||
	    (call->method == RPC_LOOKUP && !read_lookup(arguments, call)) ||
	    (call->method == RPC_PURGE && !read_purge(arguments, call));
	return has_id;
}

/* Read one result; false when it has no id. */
static bool
read_result(const msgpack_object *o, struct rpc_result *result)
{
	struct lookup_result lookup = { 0 };
	uint32_t outcome = LOOKUP_OUTCOMES;
	uint32_t source = LOOKUP_FRESH;
	bool has_id = false;
	bool fields_ok = true;

	if (o->type != MSGPACK_OBJECT_MAP)
		return false;
	for (uint32_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object_kv *pair = &o->via.map.ptr[i];
		const msgpack_object *value = &pair->val;

		switch (key_of(pair)) {
		case WIRE_RESULT_ID:
			has_id = get_uint(value, &result->id);
			break;
		case WIRE_RESULT_OUTCOME:
			fields_ok &= get_uint32(value, &outcome);
			break;
		case WIRE_RESULT_DATA:
			fields_ok &= get_string(value, &lookup.data);
			break;
		case WIRE_RESULT_SOURCE:
			fields_ok &= get_uint32(value, &source);
			break;
		case WIRE_RESULT_AGE_MS:
			fields_ok &= get_uint32(value, &lookup.age_ms);
			break;
		case WIRE_RESULT_STEPS:
			fields_ok &= get_string(value, &lookup.steps);
			break;
		default: /* a newer version's */
			break;
		}
	}
	if (!fields_ok || outcome >= LOOKUP_OUTCOMES) {
		lookup = (struct lookup_result){
			.outcome = LOOKUP_UNIMPLEMENTED,
		};
	} else {
		lookup.outcome = (enum lookup_outcome)outcome;
		if (source <= LOOKUP_RULE)
			lookup.source = (enum lookup_source)source;
		rpc_bound_data(&lookup);
		lookup.steps = rpc_bound_steps(lookup.steps);
	}
	result->lookup = lookup;
	return has_id;
}

/* A frame's parts; the objects live in the reader's zone. */
struct frame {
	uint64_t version;
	msgpack_object_array items;
	struct slice backend;
	uint64_t merges;
};

/* Take a frame apart down to its list; RPC_NEW_VERSION leaves items empty
 * when there is no list. */
static enum rpc_status
read_frame(struct rpc_reader *r, struct slice text, enum wire_frame list,
    struct frame *frame)
{
	static const struct rpc_scan_limits limits = {
		.nesting = RPC_NESTING_MAX,
		.objects = RPC_OBJECTS_MAX,
	};
	const msgpack_object *items = NULL;
	struct slice backend = SLICE("");
	bool has_version = false;
	msgpack_object root;
	size_t used = 0;

	*frame = (struct frame){ 0 };
	if (text.len > RPC_FRAME_MAX || !rpc_scan(text, &limits))
		return RPC_MALFORMED;
	/* The text is known to be sound: only want of memory is left. */
	if (msgpack_unpack(text.ptr, text.len, &used, &r->zone, &root) !=
	    MSGPACK_UNPACK_SUCCESS)
		return RPC_NO_MEMORY;
	if (root.type != MSGPACK_OBJECT_MAP)
		return RPC_MALFORMED;
	for (uint32_t i = 0; i < root.via.map.size; i++) {
		const msgpack_object_kv *pair = &root.via.map.ptr[i];
		int tag = key_of(pair);

		if (tag == WIRE_FRAME_VERSION)
			has_version = get_uint(&pair->val, &frame->version);
		else if (tag == (int)list)
			items = &pair->val;
		else if (tag == WIRE_FRAME_BACKEND &&
		    (!get_string(&pair->val, &backend) ||
			backend.len > RPC_BACKEND_NAME_MAX))
			backend = SLICE("");
		else if (tag == WIRE_FRAME_MERGES &&
		    !get_uint(&pair->val, &frame->merges))
			frame->merges = 0;
	}
	if (!has_version || frame->version == 0)
		return RPC_MALFORMED;
	if (items != NULL && items->type == MSGPACK_OBJECT_ARRAY &&
	    items->via.array.size <= RPC_CALLS_MAX)
		frame->items = items->via.array;
	else if (frame->version == RPC_VERSION)
		return RPC_MALFORMED;
	frame->backend = backend;
	return frame->version == RPC_VERSION ? RPC_OK : RPC_NEW_VERSION;
}

enum rpc_status
rpc_read_calls(struct rpc_reader *r, struct slice frame,
    const struct rpc_call **calls, size_t *count)
{
	struct frame parts;
	enum rpc_status status = read_frame(r, frame, WIRE_FRAME_CALLS, &parts);
	size_t n = 0;

	r->merges = status == RPC_OK && parts.merges != 0;
	for (uint32_t i = 0; i < parts.items.size; i++) {
		struct rpc_call *call = &r->calls[n];

		if (!read_call(&parts.items.ptr[i], call))
			continue;
		if (status == RPC_NEW_VERSION)
			*call = (struct rpc_call){ .id = call->id };
		n++;
	}
	*calls = r->calls;
	*count = n;
	msgpack_zone_clear(&r->zone);
	return status;
}

bool
rpc_reader_merges(const struct rpc_reader *r)
{
	return r->merges;
}

enum rpc_status
rpc_read_results(struct rpc_reader *r, struct slice frame,
    const struct rpc_result **results, size_t *count, struct slice *backend)
{
	struct frame parts;
	enum rpc_status status =
	    read_frame(r, frame, WIRE_FRAME_RESULTS, &parts);
	size_t n = 0;

	for (uint32_t i = 0; i < parts.items.size; i++) {
		struct rpc_result *result = &r->results[n];

		if (!read_result(&parts.items.ptr[i], result))
			continue;
		if (status == RPC_NEW_VERSION)
			result->lookup = (struct lookup_result){
				.outcome = LOOKUP_UNIMPLEMENTED,
			};
		n++;
	}
	*results = r->results;
	*count = n;
	*backend = parts.backend;
	msgpack_zone_clear(&r->zone);
	return status;
}
