#include "common/flight.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <utlist.h>
#include <xxhash.h>

#include "common/mem.h"

#define FIRST_SIZE 256

void
flight_init(struct flight *f)
{
	*f = (struct flight){ .size = FIRST_SIZE };
	f->buckets = mem_calloc(f->size, sizeof f->buckets[0]);
	if (getrandom(&f->seed, sizeof f->seed, GRND_NONBLOCK) < 0)
		f->seed = (uint64_t)time(NULL);
}

void
flight_fini(struct flight *f)
{
	free(f->buckets);
	*f = (struct flight){ 0 };
}

static uint64_t
hash_of(const struct flight *f, enum lookup_map map, struct slice key)
{
	return XXH3_64bits_withSeed(key.ptr, key.len, f->seed + (uint64_t)map);
}

static void
put(struct flight *f, struct flight_item *item)
{
	struct flight_bucket *bucket = &f->buckets[item->hash & (f->size - 1)];

	item->chain = bucket->first;
	bucket->first = item;
}

static void
grow(struct flight *f)
{
	struct flight_bucket *old = f->buckets;
	size_t old_size = f->size;

	f->size *= 2;
	f->buckets = mem_calloc(f->size, sizeof f->buckets[0]);
	for (size_t i = 0; i < old_size; i++) {
		struct flight_item *next;

		for (struct flight_item *item = old[i].first; item != NULL;
		     item = next) {
			next = item->chain;
			put(f, item);
		}
	}
	free(old);
}

static void
lead(struct flight *f, struct flight_item *item)
{
	if (f->count == f->size)
		grow(f);
	f->count++;
	put(f, item);
}

static struct flight_item *
find(const struct flight *f, enum lookup_map map, struct slice key,
    uint64_t hash)
{
	struct flight_item *item = f->buckets[hash & (f->size - 1)].first;

	while (item != NULL &&
	    (item->hash != hash || item->map != map ||
		!slice_equal(item->key, key)))
		item = item->chain;
	return item;
}

struct flight_item *
flight_find(const struct flight *f, enum lookup_map map, struct slice key)
{
	return find(f, map, key, hash_of(f, map, key));
}

void
flight_leave(struct flight_item *leader, struct flight_item *item)
{
	DL_DELETE(leader->waiters, item);
}

struct flight_item *
flight_join(struct flight *f, struct flight_item *item, enum lookup_map map,
    struct slice key)
{
	uint64_t hash = hash_of(f, map, key);
	struct flight_item *leader = find(f, map, key, hash);

	item->map = map;
	item->key = key;
	item->hash = hash;
	item->waiters = NULL;
	if (leader == NULL)
		lead(f, item);
	else
		DL_APPEND(leader->waiters, item);
	return leader;
}

struct flight_item *
flight_land(struct flight *f, struct flight_item *leader)
{
	struct flight_item **at =
	    &f->buckets[leader->hash & (f->size - 1)].first;
	struct flight_item *waiters = leader->waiters;

	while (*at != leader)
		at = &(*at)->chain;
	*at = leader->chain;
	f->count--;
	leader->waiters = NULL;
	return waiters;
}

struct flight_item *
flight_hand_over(struct flight *f, struct flight_item *leader)
{
	struct flight_item *waiters = flight_land(f, leader);
	struct flight_item *heir = waiters;

	if (heir == NULL)
		return NULL;
	DL_DELETE(waiters, heir);
	heir->waiters = waiters;
	lead(f, heir);
	return heir;
}
