/*
 * cache_codec - answers as the bytes of a file
 *
 *   head    8 bytes "ubcache\n", u32 version, u32 0, u64 origin,
 *           u64 written, u64 boot, u64 up, u64 check
 *   record  u8 1, u8 map, u8 outcome, u8 0, u32 key's length, u32 value's
 *           length, u32 0, u64 age, u64 life, key, value, u64 check
 *   end     u8 2, seven times u8 0, u64 how many records, u64 check
 *
 * Little-endian, times in ms: written is of the wall clock, up of the clock
 * that nobody sets and that starts anew with each boot, ages are as of written.
 * Each check is XXH3 of its part, seeded with the check before it, so that it
 * covers all that precedes: nothing can be missing, repeated, exchanged or cut
 * off unnoticed.  That finds damage; against forgers the file's mode protects.
 *
 * Pure functions, safe from any thread.  A reader checks a part before it
 * believes any of it, and lengths before it waits for that many bytes.
 */
#ifndef BACKEND_CACHE_CODEC_H
#define BACKEND_CACHE_CODEC_H

#include "backend/cache.h"
#include "common/buffer.h"

#define CACHE_CODEC_VERSION 2
#define CACHE_CODEC_PART_MAX \
	(LOOKUP_KEY_MAX + LOOKUP_REPLY_MAX + 64) /* bytes */

/* What is carried from part to part; zero it before the head. */
struct cache_codec {
	uint64_t check;
	uint64_t records;
};

/* A moment, by the two clocks that go on while this program does not run. */
struct cache_codec_moment {
	uint64_t wall_ms; /* since 1970, as somebody has set it */
	uint64_t boot;    /* names the host's boot, 0 = not known */
	uint64_t up_ms;   /* since then */
};

struct cache_codec_head {
	uint64_t origin; /* whose answers these are */
	struct cache_codec_moment written;
};

struct cache_codec_record {
	enum lookup_map map;
	enum lookup_outcome outcome; /* LOOKUP_OK or LOOKUP_NOTFOUND */
	struct slice key;            /* at most LOOKUP_KEY_MAX */
	struct slice value;          /* at most LOOKUP_REPLY_MAX */
	uint64_t age_ms;             /* since userli said so */
	uint64_t life_ms;            /* how long it was fresh from then on */
};

/* Append a part; false, and nothing has changed, when out has no room. */
bool cache_codec_put_head(struct cache_codec *c, struct buffer *out,
    const struct cache_codec_head *head) __attribute__((warn_unused_result));
bool cache_codec_put_record(struct cache_codec *c, struct buffer *out,
    const struct cache_codec_record *record)
    __attribute__((warn_unused_result));
bool cache_codec_put_end(struct cache_codec *c, struct buffer *out)
    __attribute__((warn_unused_result));

enum cache_codec_verdict {
	CACHE_CODEC_PART, /* one was read */
	CACHE_CODEC_MORE, /* bytes is a beginning: at most CACHE_CODEC_PART_MAX
	                   */
	CACHE_CODEC_END,  /* the end was read */
	CACHE_CODEC_DAMAGED,
	CACHE_CODEC_FOREIGN, /* of another version, or no such file at all */
};

/* Read the part that bytes begins with; *used is its length.  A record borrows
 * from bytes. */
enum cache_codec_verdict cache_codec_take_head(struct cache_codec *c,
    struct slice bytes, size_t *used, struct cache_codec_head *out);
enum cache_codec_verdict cache_codec_take(struct cache_codec *c,
    struct slice bytes, size_t *used, struct cache_codec_record *out);

/* A record of an entry as of now, in uv_now() ms; borrows from it. */
struct cache_codec_record cache_codec_record_of(
    const struct cache_entry *entry, uint64_t now_ms);

/*
 * The other way: the entry is as old as it is, and when the clocks differ,
 * since one was set, as the later one says: nothing is told for too long.  When
 * the wall clock shows a time before the file was written, and the host has
 * booted since, nobody knows how long ago that was: the entry is at least as
 * old as it was then, and not fresh.  key and value are borrowed from the
 * record; now_ms is uv_now().
 */
struct cache_entry cache_codec_entry_of(const struct cache_codec_record *record,
    const struct cache_codec_head *head, uint64_t now_ms,
    const struct cache_codec_moment *now);

#endif
