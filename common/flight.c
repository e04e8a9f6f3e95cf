#include "common/flight.h"

#include <sys/random.h>
#include <time.h>
#include <utlist.h>
#include <xxhash.h>

void
flight_init(struct flight *f)
{
	*f = (struct flight){ .seed = 0 };
	if (getrandom(&f->seed, sizeof f->seed, GRND_NONBLOCK) < 0)
		f->seed = (uint64_t)time(NULL);
}

static unsigned
hash_of(const struct flight *f, struct slice key)
{
	return (unsigned)XXH3_64bits_withSeed(key.ptr, key.len, f->seed);
}

static void
lead(struct flight *f, struct flight_item *item, unsigned hash)
{
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, f->leaders[item->map], item->key.ptr,
	    (unsigned)item->key.len, hash, item);
}

struct flight_item *
flight_find(const struct flight *f, enum lookup_map map, struct slice key)
{
	struct flight_item *leader;

	HASH_FIND_BYHASHVALUE(hh, f->leaders[map], key.ptr, (unsigned)key.len,
	    hash_of(f, key), leader);
	return leader;
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
	unsigned hash = hash_of(f, key);
	struct flight_item *leader;

	item->map = map;
	item->key = key;
	item->waiters = NULL;
	HASH_FIND_BYHASHVALUE(
	    hh, f->leaders[map], key.ptr, (unsigned)key.len, hash, leader);
	if (leader == NULL)
		lead(f, item, hash);
	else
		DL_APPEND(leader->waiters, item);
	return leader;
}

struct flight_item *
flight_land(struct flight *f, struct flight_item *leader)
{
	struct flight_item *waiters = leader->waiters;

	HASH_DELETE(hh, f->leaders[leader->map], leader);
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
	lead(f, heir, hash_of(f, heir->key));
	return heir;
}
