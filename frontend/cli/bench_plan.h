/*
 * bench_plan - what is asked next, and what the answer must be
 *
 * Chooses a map by its weight and one of its keys: in turn, at random or by
 * Zipf's law.  The same seed gives the same questions.  Owns its memory; asking
 * allocates nothing.
 */
#ifndef FRONTEND_CLI_BENCH_PLAN_H
#define FRONTEND_CLI_BENCH_PLAN_H

#include "frontend/cli/bench_expect.h"
#include "frontend/cli/bench_keys.h"
#include "frontend/cli/bench_zipf.h"

#define BENCH_MAPS_MAX 8
#define BENCH_MAP_NAME_MAX 64 /* bytes */
/* The most that bench_plan_next() writes. */
#define BENCH_REQUEST_MAX \
	(BENCH_MAP_NAME_MAX + 1 + BENCH_KEY_MAX + NETSTRING_OVERHEAD)

enum bench_order {
	BENCH_IN_TURN,
	BENCH_AT_RANDOM,
	BENCH_BY_ZIPF,
};

struct bench_map {
	char name[BENCH_MAP_NAME_MAX + 1];
	size_t name_len;
	uint64_t weight;
	struct bench_keys keys;
	uint64_t next; /* in turn */
	struct bench_zipf zipf;
};

struct bench_plan {
	struct bench_map maps[BENCH_MAPS_MAX];
	size_t map_count;
	uint64_t weight; /* of all maps */
	enum bench_order order;
	struct bench_random random;
	struct bench_expect *expect; /* NULL: every answer is right */
	bool one_status;             /* ... or only those of this status are */
	struct bench_expected status;
};

/*
 * Set the maps from "alias" or "alias=5,domain=3".  False with the reason in
 * *error.  Their keys are the caller's to set.
 */
bool bench_plan_maps(struct bench_plan *plan, const char *text,
    struct error *error) __attribute__((warn_unused_result));

/* The map of that name; NULL when it is not asked. */
struct bench_map *bench_plan_map(struct bench_plan *plan, struct slice name);

/* Once everything else is set.  zipf_s counts for BENCH_BY_ZIPF alone. */
void bench_plan_start(struct bench_plan *plan, enum bench_order order,
    double zipf_s, uint64_t seed);

void bench_plan_fini(struct bench_plan *plan);

/*
 * Write the next request, as a netstring; returns its bytes.  *expected is NULL
 * when any answer is right.
 */
size_t bench_plan_next(struct bench_plan *plan,
    char out[static BENCH_REQUEST_MAX], const struct bench_expected **expected);

#endif
