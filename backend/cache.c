#include "backend/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <xxhash.h>

#include "backend/cache_ring.h"
#include "common/mem.h"

/*
 * All memory is one block of bytes_max, taken at birth and touched as it
 * fills: buckets, then two rings of entries, each with its key and value
 * inline.  So nothing fragments, resident memory cannot exceed the bound by
 * more than a page, and no table ever grows while a lookup waits.
 *
 * Eviction is S3-FIFO (Yang et al., SOSP 2023) without its ghosts: a new entry
 * goes into the small ring, which is probation.  When it comes to be the
 * oldest there it moves to the main ring if it was asked for, else it goes.
 * The main ring's oldest gets another turn for each use, up to three.  A scan
 * therefore passes through a quarter of the memory and never reaches the rest.
 * Unlike with LRU lists, a find writes one byte of the entry it reads anyway,
 * and an entry has no list pointers to pay for.
 */
#define PROBATION 0
#define MAIN 1
#define RINGS 2
#define PROBATION_SHARE 4 /* a quarter; the largest entry is an eighth */
#define LARGEST_SHARE 8
#define BYTES_PER_BUCKET 128 /* about an entry's */
#define USES_MAX 3

/* Second chances given during one put; past them the oldest goes regardless, so
 * that a put's time is bounded. */
#define CHANCES_MAX 64

#define MALLOC_OVERHEAD ((size_t)16) /* glibc's, a block */
#define BYTES_MAX ((size_t)UINT32_MAX / 2 * CACHE_RING_UNIT)

struct node {
	struct cache_ring_record record;
	uint32_t next; /* in its bucket: see reference_to() */
	uint32_t generation;
	uint16_t tag; /* of its hash: spares most comparisons of keys */
	uint8_t uses;
	uint8_t ring;
	struct cache_entry entry;
	char bytes[]; /* the key's, then the value's */
};

_Static_assert(sizeof(struct node) == 80, "no padding");

struct cache {
	size_t bytes_max;
	size_t bytes_fixed; /* this struct, the buckets, malloc's */
	size_t bucket_mask;
	uint32_t *buckets; /* the block; the rings follow */
	char *arena;
	struct cache_ring rings[RINGS];
	uint64_t seed;
	uint64_t latest_ms; /* newest stored_ms: about now */
	uint64_t evictions;
	size_t entries[LOOKUP_MAPS];
	/* Counts the map's clearings; an entry of an older one is gone, and
	 * its memory is reused when its turn comes. */
	uint32_t generation[LOOKUP_MAPS];
};

struct cache *
cache_new(size_t bytes_max)
{
	struct cache *c = mem_calloc(1, sizeof *c);
	size_t most = bytes_max < BYTES_MAX ? bytes_max : BYTES_MAX;
	size_t buckets = 1;
	size_t bucket_bytes, arena, probation;

	while (buckets <= most / BYTES_PER_BUCKET / 2)
		buckets *= 2;
	bucket_bytes = (buckets * sizeof *c->buckets + CACHE_RING_UNIT - 1) /
	    CACHE_RING_UNIT * CACHE_RING_UNIT;
	c->bytes_fixed = sizeof *c + bucket_bytes + 2 * MALLOC_OVERHEAD;
	if (most / 2 < c->bytes_fixed)
		return c; /* too little for an entry: keeps nothing */
	arena = (most - c->bytes_fixed) / CACHE_RING_UNIT * CACHE_RING_UNIT;
	probation = arena / PROBATION_SHARE / CACHE_RING_UNIT * CACHE_RING_UNIT;
	if (getrandom(&c->seed, sizeof c->seed, GRND_NONBLOCK) < 0)
		c->seed = (uint64_t)time(NULL);
	c->bytes_max = most;
	c->bucket_mask = buckets - 1;
	c->buckets = mem_calloc(1, bucket_bytes + arena);
	c->arena = (char *)c->buckets + bucket_bytes;
	cache_ring_init(&c->rings[PROBATION], c->arena, probation);
	cache_ring_init(
	    &c->rings[MAIN], c->arena + probation, arena - probation);
	return c;
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	free(c->buckets);
	free(c);
}

/* Entries refer to each other by 32 bits; 0 is none. */
static uint32_t
reference_to(const struct cache *c, const struct node *n)
{
	size_t offset = (size_t)((const char *)n - c->arena);

	return (uint32_t)(offset / CACHE_RING_UNIT) + 1;
}

static struct node *
node_of(const struct cache *c, uint32_t reference)
{
	return (void *)(c->arena + (size_t)(reference - 1) * CACHE_RING_UNIT);
}

static uint64_t
hash_of(const struct cache *c, enum lookup_map map, struct slice key)
{
	return XXH3_64bits_withSeed(key.ptr, key.len, c->seed + (uint64_t)map);
}

static uint32_t *
bucket_of(const struct cache *c, uint64_t hash)
{
	return &c->buckets[hash & c->bucket_mask];
}

static bool
alive(const struct cache *c, const struct node *n)
{
	return n->generation == c->generation[n->entry.map];
}

static bool
holds(
    const struct node *n, uint64_t hash, enum lookup_map map, struct slice key)
{
	return n->tag == (uint16_t)(hash >> 48) && n->entry.map == map &&
	    slice_equal(n->entry.key, key);
}

/* What refers to the key's entry, or NULL.  Those that were cleared are
 * unlinked in passing, so that chains stay short. */
static uint32_t *
find_link(struct cache *c, uint64_t hash, enum lookup_map map, struct slice key)
{
	uint32_t *link = bucket_of(c, hash);

	while (*link != 0) {
		struct node *n = node_of(c, *link);

		if (!alive(c, n))
			*link = n->next;
		else if (holds(n, hash, map, key))
			return link;
		else
			link = &n->next;
	}
	return NULL;
}

/* What refers to this very entry; NULL when it was unlinked. */
static uint32_t *
link_to(struct cache *c, const struct node *n)
{
	uint32_t reference = reference_to(c, n);
	uint32_t *link = bucket_of(c, hash_of(c, n->entry.map, n->entry.key));

	while (*link != 0 && *link != reference)
		link = &node_of(c, *link)->next;
	return *link != 0 ? link : NULL;
}

struct cache_entry *
cache_peek(const struct cache *c, enum lookup_map map, struct slice key)
{
	uint64_t hash = hash_of(c, map, key);
	uint32_t at = c->buckets != NULL ? *bucket_of(c, hash) : 0;

	while (at != 0) {
		struct node *n = node_of(c, at);

		if (alive(c, n) && holds(n, hash, map, key))
			return &n->entry;
		at = n->next;
	}
	return NULL;
}

struct cache_entry *
cache_find(struct cache *c, enum lookup_map map, struct slice key)
{
	uint32_t *link;
	struct node *n;

	if (c->buckets == NULL)
		return NULL;
	link = find_link(c, hash_of(c, map, key), map, key);
	if (link == NULL)
		return NULL;
	n = node_of(c, *link);
	if (n->uses < USES_MAX)
		n->uses++;
	return &n->entry;
}

/* Take an entry out; its memory is reused when its turn comes. */
static void
forget(struct cache *c, struct node *n, uint32_t *link)
{
	c->entries[n->entry.map]--;
	*link = n->next;
	n->generation = c->generation[n->entry.map] - 1;
}

/* An expired NOTFOUND never answers again. */
static bool
worthless(const struct cache *c, const struct node *n)
{
	return n->entry.outcome == LOOKUP_NOTFOUND &&
	    cache_before(n->entry.fresh_until_ms, c->latest_ms);
}

static void
evict(struct cache *c, struct node *n)
{
	uint32_t *link = link_to(c, n);

	if (link == NULL)
		return;
	if (alive(c, n)) {
		forget(c, n, link);
		c->evictions++;
	} else {
		*link = n->next;
	}
}

/* Point into the bytes that follow, wherever they have come to lie. */
static void
settle(struct node *n)
{
	n->entry.key.ptr = n->bytes;
	n->entry.value.ptr = n->bytes + n->entry.key.len;
}

/* Into new memory, which n's own may overlap, in the main ring. */
static void
move(struct cache *c, struct node *n, void *room, uint32_t *link)
{
	struct node *moved = room;

	assert(link != NULL); /* n is alive */
	memmove(moved, n, cache_ring_bytes(n));
	moved->ring = MAIN;
	settle(moved);
	*link = reference_to(c, moved);
}

static void
pop_main(struct cache *c, unsigned *chances)
{
	struct cache_ring *ring = &c->rings[MAIN];
	struct node *n = cache_ring_oldest(ring);
	size_t bytes = cache_ring_bytes(n);
	uint32_t *link;

	if (!alive(c, n) || n->uses == 0 || *chances == 0 || worthless(c, n)) {
		evict(c, n);
		cache_ring_drop(ring);
		return;
	}
	(*chances)--;
	n->uses--;
	link = link_to(c, n);
	cache_ring_drop(ring);
	/* Finds room: the record lay in one piece next to what is free. */
	move(c, n, cache_ring_add(ring, bytes), link);
}

static void
pop_probation(struct cache *c, unsigned *chances)
{
	struct cache_ring *ring = &c->rings[PROBATION];
	struct cache_ring *main_ring = &c->rings[MAIN];
	struct node *n = cache_ring_oldest(ring);
	size_t bytes = cache_ring_bytes(n);
	bool stays = alive(c, n) && !worthless(c, n) &&
	    (n->uses > 0 || cache_ring_fits(main_ring, bytes));

	if (!stays) {
		evict(c, n);
	} else {
		while (!cache_ring_fits(main_ring, bytes))
			pop_main(c, chances);
		n->uses = 0;
		move(c, n, cache_ring_add(main_ring, bytes), link_to(c, n));
	}
	cache_ring_drop(ring);
}

static struct node *
make_room(struct cache *c, unsigned ring, size_t bytes)
{
	unsigned chances = CHANCES_MAX;
	struct node *n;

	while ((n = cache_ring_add(&c->rings[ring], bytes)) == NULL) {
		if (ring == MAIN)
			pop_main(c, &chances);
		else
			pop_probation(c, &chances);
	}
	n->ring = (uint8_t)ring;
	return n;
}

static void
write_answer(struct node *n, enum lookup_outcome outcome, struct slice value,
    uint64_t stored_ms, uint64_t fresh_until_ms)
{
	n->entry.outcome = outcome;
	n->entry.value.len = value.len;
	n->entry.stored_ms = stored_ms;
	n->entry.fresh_until_ms = fresh_until_ms;
	n->entry.retry_ms = 0;
	settle(n);
	if (value.len > 0)
		memcpy(n->bytes + n->entry.key.len, value.ptr, value.len);
}

/* A new entry of a key that has none. */
static struct node *
add(struct cache *c, unsigned ring, uint64_t hash, enum lookup_map map,
    struct slice key, size_t bytes)
{
	struct node *n = make_room(c, ring, bytes);
	uint32_t *bucket = bucket_of(c, hash);

	n->generation = c->generation[map];
	n->tag = (uint16_t)(hash >> 48);
	n->uses = 0;
	n->entry.map = map;
	n->entry.key.len = key.len;
	if (key.len > 0)
		memcpy(n->bytes, key.ptr, key.len);
	n->next = *bucket;
	*bucket = reference_to(c, n);
	c->entries[map]++;
	return n;
}

void
cache_put(struct cache *c, enum lookup_map map, struct slice key,
    enum lookup_outcome outcome, struct slice value, uint64_t stored_ms,
    uint64_t fresh_until_ms)
{
	size_t bytes =
	    (sizeof(struct node) + key.len + value.len + CACHE_RING_UNIT - 1) /
	    CACHE_RING_UNIT * CACHE_RING_UNIT;
	uint64_t hash = hash_of(c, map, key);
	uint32_t *link =
	    c->buckets != NULL ? find_link(c, hash, map, key) : NULL;
	struct node *n = link != NULL ? node_of(c, *link) : NULL;
	unsigned ring = PROBATION;
	uint8_t uses = 0;

	/* In place, where that wastes little: mostly userli says what it said
	 * before. */
	if (n == NULL || cache_ring_bytes(n) < bytes ||
	    cache_ring_bytes(n) / 2 > bytes) {
		if (n != NULL) {
			ring = n->ring;
			uses = n->uses;
			forget(c, n, link);
		}
		if (bytes > c->bytes_max / LARGEST_SHARE)
			return;
		n = add(c, ring, hash, map, key, bytes);
		n->uses = uses;
	}
	write_answer(n, outcome, value, stored_ms, fresh_until_ms);
	if (cache_before(c->latest_ms, stored_ms))
		c->latest_ms = stored_ms;
}

size_t
cache_remove(struct cache *c, enum lookup_map map, struct slice key)
{
	uint32_t *link = c->buckets != NULL
	    ? find_link(c, hash_of(c, map, key), map, key)
	    : NULL;

	if (link == NULL)
		return 0;
	forget(c, node_of(c, *link), link);
	return 1;
}

static size_t
clear_map(struct cache *c, enum lookup_map map)
{
	size_t count = c->entries[map];

	c->generation[map]++;
	c->entries[map] = 0;
	return count;
}

size_t
cache_clear(struct cache *c, enum lookup_map map)
{
	size_t count = 0;

	if (c->buckets == NULL)
		return 0;
	if (map != LOOKUP_MAPS)
		return clear_map(c, map);
	for (int i = 0; i < LOOKUP_MAPS; i++)
		count += clear_map(c, (enum lookup_map)i);
	memset(c->buckets, 0, (c->bucket_mask + 1) * sizeof *c->buckets);
	for (int i = 0; i < RINGS; i++)
		cache_ring_clear(&c->rings[i]);
	return count;
}

void
cache_stats(const struct cache *c, struct cache_stats *out)
{
	*out = (struct cache_stats){ .evictions = c->evictions };
	if (c->buckets == NULL)
		return;
	out->bytes = c->bytes_fixed;
	for (int i = 0; i < LOOKUP_MAPS; i++)
		out->entries += c->entries[i];
	for (int i = 0; i < RINGS; i++)
		out->bytes += (size_t)(c->rings[i].head - c->rings[i].tail);
}

bool
cache_walk(const struct cache *c, struct cache_cursor *cursor,
    cache_visit visit, void *arg)
{
	if (c->buckets == NULL)
		return true;
	for (; cursor->ring < RINGS; cursor->ring++, cursor->position = 0) {
		const struct cache_ring *ring = &c->rings[cursor->ring];
		struct node *n;

		while ((n = cache_ring_at(ring, &cursor->position)) != NULL) {
			if (alive(c, n) && !visit(arg, &n->entry))
				return false;
			cursor->position += cache_ring_bytes(n);
		}
	}
	return true;
}

void
cache_each(const struct cache *c, cache_visit visit, void *arg)
{
	struct cache_cursor cursor = { .ring = PROBATION };

	(void)cache_walk(c, &cursor, visit, arg);
}
