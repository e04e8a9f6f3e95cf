#include "frontend/cli/bench_plan.h"

#include "common/config_number.h"
#include "common/quote.h"

#define WEIGHT_MAX 1000000
#define WEIGHT_DIGITS 7

/* "alias" or "alias=5". */
static bool
parse_map(struct slice text, struct bench_map *map)
{
	const char *equals = memchr(text.ptr, '=', text.len);
	size_t name = equals != NULL ? (size_t)(equals - text.ptr) : text.len;
	char digits[WEIGHT_DIGITS + 1] = "1";
	size_t len;

	*map = (struct bench_map){ .name_len = name };
	if (name == 0 || name > BENCH_MAP_NAME_MAX ||
	    memchr(text.ptr, ' ', name) != NULL ||
	    memchr(text.ptr, '\t', name) != NULL)
		return false;
	memcpy(map->name, text.ptr, name);
	if (equals != NULL) {
		len = text.len - name - 1;
		if (len > WEIGHT_DIGITS)
			return false;
		memcpy(digits, equals + 1, len);
		digits[len] = '\0';
	}
	return config_number_whole(digits, 10, &map->weight) ==
	    CONFIG_NUMBER_OK &&
	    map->weight > 0 && map->weight <= WEIGHT_MAX;
}

bool
bench_plan_maps(struct bench_plan *plan, const char *text, struct error *error)
{
	char shown[QUOTE_SIZE];

	(void)quote_value(slice_of(text), shown);
	for (const char *at = text; at != NULL;) {
		const char *comma = strchr(at, ',');
		size_t len = comma != NULL ? (size_t)(comma - at) : strlen(at);
		struct bench_map *map = &plan->maps[plan->map_count];

		if (plan->map_count == BENCH_MAPS_MAX) {
			error_set(error, "%s names more than %d maps", shown,
			    BENCH_MAPS_MAX);
			return false;
		}
		if (!parse_map((struct slice){ at, len }, map)) {
			error_set(error,
			    "%s is no list of maps; write it as alias or as "
			    "alias=5,domain=3, with weights of 1 to %d",
			    shown, WEIGHT_MAX);
			return false;
		}
		if (bench_plan_map(plan, slice_of(map->name)) != NULL) {
			error_set(error, "%s names the map %s twice", shown,
			    map->name);
			return false;
		}
		plan->weight += map->weight;
		plan->map_count++;
		at = comma != NULL ? comma + 1 : NULL;
	}
	return true;
}

struct bench_map *
bench_plan_map(struct bench_plan *plan, struct slice name)
{
	for (size_t i = 0; i < plan->map_count; i++) {
		struct bench_map *map = &plan->maps[i];

		if (slice_equal(
			(struct slice){ map->name, map->name_len }, name))
			return map;
	}
	return NULL;
}

void
bench_plan_start(struct bench_plan *plan, enum bench_order order, double zipf_s,
    uint64_t seed)
{
	plan->order = order;
	plan->random.state = seed;
	for (size_t i = 0; order == BENCH_BY_ZIPF && i < plan->map_count; i++)
		bench_zipf_init(
		    &plan->maps[i].zipf, plan->maps[i].keys.count, zipf_s);
}

void
bench_plan_fini(struct bench_plan *plan)
{
	for (size_t i = 0; i < plan->map_count; i++)
		bench_keys_fini(&plan->maps[i].keys);
	bench_expect_free(plan->expect);
	*plan = (struct bench_plan){ 0 };
}

static struct bench_map *
choose_map(struct bench_plan *plan)
{
	struct bench_map *map = plan->maps;
	uint64_t ticket;

	if (plan->map_count == 1)
		return map;
	ticket = bench_random_below(&plan->random, plan->weight);
	while (ticket >= map->weight) {
		ticket -= map->weight;
		map++;
	}
	return map;
}

static uint64_t
choose_key(struct bench_plan *plan, struct bench_map *map)
{
	uint64_t key;

	switch (plan->order) {
	case BENCH_AT_RANDOM:
		return bench_random_below(&plan->random, map->keys.count);
	case BENCH_BY_ZIPF:
		return bench_zipf_next(&map->zipf, &plan->random);
	default:
		key = map->next;
		map->next = key + 1 < map->keys.count ? key + 1 : 0;
		return key;
	}
}

size_t
bench_plan_next(struct bench_plan *plan, char out[static BENCH_REQUEST_MAX],
    const struct bench_expected **expected)
{
	struct bench_map *map = choose_map(plan);
	char text[BENCH_MAP_NAME_MAX + 1 + BENCH_KEY_MAX];
	struct slice question = { text, map->name_len + 1 };

	memcpy(text, map->name, map->name_len);
	text[map->name_len] = ' ';
	question.len += bench_keys_write(
	    &map->keys, choose_key(plan, map), text + question.len);
	*expected = NULL;
	if (plan->one_status)
		*expected = &plan->status;
	else if (plan->expect != NULL)
		*expected = bench_expect_find(plan->expect, question);
	return netstring_encode(question, out, BENCH_REQUEST_MAX);
}
