#include "frontend/router.h"

#include <math.h>
#include <xxhash.h>

/* Fixed: all frontends must agree.  A client that searches for keys which
 * meet in one backend gains nothing but a load that the others share. */
#define MEMBER_SEED 0x75736572u
#define KEY_SEED 0x6c6b7570u

uint64_t
router_member_id(struct slice address)
{
	return XXH3_64bits_withSeed(address.ptr, address.len, MEMBER_SEED);
}

uint64_t
router_key(enum lookup_map map, struct slice key)
{
	return XXH3_64bits_withSeed(key.ptr, key.len, KEY_SEED + (uint64_t)map);
}

/* Mixes both so that every bit of either moves every bit of the result: the
 * finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t
mix(uint64_t member, uint64_t key)
{
	uint64_t x = member ^ (key * UINT64_C(0x9e3779b97f4a7c15));

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/*
 * -weight / ln(u) for a u in (0, 1) of 53 random bits: the member with the
 * highest score wins with a probability in proportion to its weight.
 */
static double
score(const struct router_member *member, uint64_t bits)
{
	double u = ((double)(bits >> 11) + 0.5) * 0x1p-53;

	return -member->weight / log(u);
}

/* Whether a scores more than b.  Of equal weights the greater u does, and that
 * is nearly always the question: log(3) would be half of a choice's cost. */
static bool
outranks(const struct router_member *a, uint64_t a_bits,
    const struct router_member *b, uint64_t b_bits)
{
	if (a->weight == b->weight)
		return a_bits >> 11 > b_bits >> 11;
	return score(a, a_bits) > score(b, b_bits);
}

static bool
was_tried(uint64_t id, const uint64_t *tried, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (tried[i] == id)
			return true;
	}
	return false;
}

/* Calls that each unit of weight may have in flight. */
static double
load_limit(
    const struct router_member *members, size_t count, double load_factor)
{
	double weight = 0;
	double in_flight = 1; /* the one to be placed */

	for (size_t i = 0; i < count; i++) {
		if (!members[i].usable)
			continue;
		weight += members[i].weight;
		in_flight += (double)*members[i].in_flight;
	}
	return weight > 0 ? load_factor * in_flight / weight : 0;
}

/* Whom to prefer, before rank. */
enum standing {
	STANDING_NONE,
	STANDING_FALLBACK,
	STANDING_FULL,
	STANDING_FREE
};

static enum standing
standing_of(const struct router_member *member, double limit)
{
	size_t in_flight = *member->in_flight;

	if (!member->usable)
		return member->fallback ? STANDING_FALLBACK : STANDING_NONE;
	if (in_flight >= ROUTER_LOAD_FLOOR &&
	    (double)in_flight >= limit * member->weight)
		return STANDING_FULL;
	return STANDING_FREE;
}

size_t
router_pick(const struct router_member *members, size_t count, uint64_t key,
    double load_factor, const uint64_t *tried, size_t tried_count)
{
	double limit = load_limit(members, count, load_factor);
	size_t best = ROUTER_NONE;
	enum standing best_standing = STANDING_NONE;
	uint64_t best_bits = 0;

	for (size_t i = 0; i < count; i++) {
		const struct router_member *m = &members[i];
		enum standing standing = standing_of(m, limit);
		uint64_t bits;

		if (standing == STANDING_NONE || standing < best_standing ||
		    was_tried(m->id, tried, tried_count))
			continue;
		bits = mix(m->id, key);
		if (standing > best_standing ||
		    outranks(m, bits, &members[best], best_bits)) {
			best = i;
			best_standing = standing;
			best_bits = bits;
		}
	}
	return best;
}

size_t
router_rank(const struct router_member *members, size_t count, uint64_t key,
    const uint64_t *taken, size_t taken_count)
{
	size_t best = ROUTER_NONE;
	uint64_t best_bits = 0;

	for (size_t i = 0; i < count; i++) {
		const struct router_member *m = &members[i];
		uint64_t bits = mix(m->id, key);

		if (was_tried(m->id, taken, taken_count) ||
		    (best != ROUTER_NONE &&
			!outranks(m, bits, &members[best], best_bits)))
			continue;
		best = i;
		best_bits = bits;
	}
	return best;
}
