#include "backend/cache_codec.h"

#include <endian.h>
#include <xxhash.h>

#define MAGIC "ubcache\n"
#define MAGIC_BYTES (sizeof MAGIC - 1)
#define CHECK_BYTES sizeof(uint64_t)
#define HEAD_BYTES (MAGIC_BYTES + 4 + 4 + 4 * 8 + CHECK_BYTES)
#define RECORD_FIXED_BYTES 32 /* before the key */
#define END_BYTES (8 + 8 + CHECK_BYTES)

/* Ages and lives are added to clocks: keep the sums far from wrapping. */
#define SPAN_MAX_MS (UINT64_C(1) << 50)

enum kind {
	KIND_RECORD = 1,
	KIND_END = 2,
};

_Static_assert(
    RECORD_FIXED_BYTES + LOOKUP_KEY_MAX + LOOKUP_REPLY_MAX + CHECK_BYTES <=
	CACHE_CODEC_PART_MAX,
    "the largest record is within the maximum");

static char *
put_32(char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof value);
	return at + sizeof value;
}

static char *
put_64(char *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof value);
	return at + sizeof value;
}

static char *
put_bytes(char *at, const void *bytes, size_t n)
{
	if (n > 0)
		memcpy(at, bytes, n);
	return at + n;
}

static uint32_t
get_32(const char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return le32toh(value);
}

static uint64_t
get_64(const char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof value);
	return le64toh(value);
}

static void
seal(struct cache_codec *c, struct buffer *out, const char *part, char *end)
{
	c->check = XXH3_64bits_withSeed(part, (size_t)(end - part), c->check);
	end = put_64(end, c->check);
	buffer_commit(out, (size_t)(end - part));
}

/* Whether a part of so many bytes ends in the check that belongs there. */
static bool
sealed(struct cache_codec *c, const char *part, size_t bytes)
{
	size_t covered = bytes - CHECK_BYTES;
	uint64_t check = XXH3_64bits_withSeed(part, covered, c->check);

	if (get_64(part + covered) != check)
		return false;
	c->check = check;
	return true;
}

bool
cache_codec_put_head(struct cache_codec *c, struct buffer *out,
    const struct cache_codec_head *head)
{
	char *part = buffer_reserve(out, HEAD_BYTES);
	char *at;

	if (part == NULL)
		return false;
	at = put_bytes(part, MAGIC, MAGIC_BYTES);
	at = put_32(at, CACHE_CODEC_VERSION);
	at = put_32(at, 0);
	at = put_64(at, head->origin);
	at = put_64(at, head->written.wall_ms);
	at = put_64(at, head->written.boot);
	at = put_64(at, head->written.up_ms);
	seal(c, out, part, at);
	return true;
}

bool
cache_codec_put_record(struct cache_codec *c, struct buffer *out,
    const struct cache_codec_record *record)
{
	char *part = buffer_reserve(out,
	    RECORD_FIXED_BYTES + record->key.len + record->value.len +
		CHECK_BYTES);
	char *at;

	if (part == NULL)
		return false;
	at = put_bytes(part,
	    (const char[]){
		KIND_RECORD, (char)record->map, (char)record->outcome, 0 },
	    4);
	at = put_32(at, (uint32_t)record->key.len);
	at = put_32(at, (uint32_t)record->value.len);
	at = put_32(at, 0);
	at = put_64(at, record->age_ms);
	at = put_64(at, record->life_ms);
	at = put_bytes(at, record->key.ptr, record->key.len);
	at = put_bytes(at, record->value.ptr, record->value.len);
	seal(c, out, part, at);
	c->records++;
	return true;
}

bool
cache_codec_put_end(struct cache_codec *c, struct buffer *out)
{
	char *part = buffer_reserve(out, END_BYTES);
	char *at;

	if (part == NULL)
		return false;
	at = put_bytes(part, (const char[8]){ KIND_END }, 8);
	at = put_64(at, c->records);
	seal(c, out, part, at);
	return true;
}

enum cache_codec_verdict
cache_codec_take_head(struct cache_codec *c, struct slice bytes, size_t *used,
    struct cache_codec_head *out)
{
	size_t known = bytes.len < MAGIC_BYTES ? bytes.len : MAGIC_BYTES;

	if (known > 0 && memcmp(bytes.ptr, MAGIC, known) != 0)
		return CACHE_CODEC_FOREIGN;
	if (bytes.len >= MAGIC_BYTES + 4 &&
	    get_32(bytes.ptr + MAGIC_BYTES) != CACHE_CODEC_VERSION)
		return CACHE_CODEC_FOREIGN;
	if (bytes.len < HEAD_BYTES)
		return CACHE_CODEC_MORE;
	if (!sealed(c, bytes.ptr, HEAD_BYTES))
		return CACHE_CODEC_DAMAGED;
	out->origin = get_64(bytes.ptr + MAGIC_BYTES + 8);
	out->written.wall_ms = get_64(bytes.ptr + MAGIC_BYTES + 16);
	out->written.boot = get_64(bytes.ptr + MAGIC_BYTES + 24);
	out->written.up_ms = get_64(bytes.ptr + MAGIC_BYTES + 32);
	*used = HEAD_BYTES;
	return CACHE_CODEC_PART;
}

static enum cache_codec_verdict
take_end(struct cache_codec *c, struct slice bytes, size_t *used)
{
	if (bytes.len < END_BYTES)
		return CACHE_CODEC_MORE;
	if (!sealed(c, bytes.ptr, END_BYTES) ||
	    get_64(bytes.ptr + 8) != c->records)
		return CACHE_CODEC_DAMAGED;
	*used = END_BYTES;
	return CACHE_CODEC_END;
}

static bool
is_answer(const struct cache_codec_record *r)
{
	return (unsigned)r->map < LOOKUP_MAPS &&
	    (r->outcome == LOOKUP_OK ||
		(r->outcome == LOOKUP_NOTFOUND && r->value.len == 0));
}

enum cache_codec_verdict
cache_codec_take(struct cache_codec *c, struct slice bytes, size_t *used,
    struct cache_codec_record *out)
{
	size_t key, value, whole;

	if (bytes.len == 0)
		return CACHE_CODEC_MORE;
	if (bytes.ptr[0] == KIND_END)
		return take_end(c, bytes, used);
	if (bytes.ptr[0] != KIND_RECORD)
		return CACHE_CODEC_DAMAGED;
	if (bytes.len < RECORD_FIXED_BYTES)
		return CACHE_CODEC_MORE;
	key = get_32(bytes.ptr + 4);
	value = get_32(bytes.ptr + 8);
	if (key > LOOKUP_KEY_MAX || value > LOOKUP_REPLY_MAX)
		return CACHE_CODEC_DAMAGED;
	whole = RECORD_FIXED_BYTES + key + value + CHECK_BYTES;
	if (bytes.len < whole)
		return CACHE_CODEC_MORE;
	if (!sealed(c, bytes.ptr, whole))
		return CACHE_CODEC_DAMAGED;
	*out = (struct cache_codec_record){
		.map = (enum lookup_map)(unsigned char)bytes.ptr[1],
		.outcome = (enum lookup_outcome)(unsigned char)bytes.ptr[2],
		.age_ms = get_64(bytes.ptr + 16),
		.life_ms = get_64(bytes.ptr + 24),
		.key = { bytes.ptr + RECORD_FIXED_BYTES, key },
		.value = { bytes.ptr + RECORD_FIXED_BYTES + key, value },
	};
	c->records++;
	*used = whole;
	return is_answer(out) ? CACHE_CODEC_PART : CACHE_CODEC_DAMAGED;
}

/* From a to b; 0 when b is not later. */
static uint64_t
span(uint64_t a_ms, uint64_t b_ms)
{
	return cache_before(a_ms, b_ms) ? b_ms - a_ms : 0;
}

struct cache_codec_record
cache_codec_record_of(const struct cache_entry *entry, uint64_t now_ms)
{
	return (struct cache_codec_record){ .map = entry->map,
		.outcome = entry->outcome,
		.key = entry->key,
		.value = entry->value,
		.age_ms = span(entry->stored_ms, now_ms),
		.life_ms = span(entry->stored_ms, entry->fresh_until_ms) };
}

static uint64_t
at_most(uint64_t value, uint64_t max)
{
	return value < max ? value : max;
}

/* How long ago that was, at least; *known is whether not longer. */
static uint64_t
elapsed(const struct cache_codec_moment *then,
    const struct cache_codec_moment *now, bool *known)
{
	uint64_t wall =
	    now->wall_ms < then->wall_ms ? 0 : now->wall_ms - then->wall_ms;
	uint64_t up = 0;

	*known = now->wall_ms >= then->wall_ms;
	if (then->boot != 0 && now->boot == then->boot &&
	    now->up_ms >= then->up_ms) {
		up = now->up_ms - then->up_ms;
		*known = true;
	} else if (then->boot != 0 && now->boot != 0 &&
	    now->boot != then->boot) {
		up = now->up_ms; /* it was before this boot */
	}
	return at_most(wall > up ? wall : up, SPAN_MAX_MS);
}

struct cache_entry
cache_codec_entry_of(const struct cache_codec_record *record,
    const struct cache_codec_head *head, uint64_t now_ms,
    const struct cache_codec_moment *now)
{
	bool known;
	uint64_t age_ms = at_most(record->age_ms, SPAN_MAX_MS) +
	    elapsed(&head->written, now, &known);
	uint64_t life_ms = at_most(record->life_ms, SPAN_MAX_MS);

	if (!known)
		life_ms = at_most(life_ms, age_ms);
	return (struct cache_entry){ .map = record->map,
		.outcome = record->outcome,
		.key = record->key,
		.value = record->value,
		.stored_ms = now_ms - age_ms,
		.fresh_until_ms = now_ms - age_ms + life_ms };
}
