#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/cache.h"

#define KEY SLICE("alice@example.org")
#define MIB ((size_t)1 << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Deterministic, so that a failure comes again. */
static uint64_t
draw(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

struct text {
	char bytes[64];
};

static struct slice
key_of(struct text *text, const char *kind, uint64_t number)
{
	int n = snprintf(text->bytes, sizeof text->bytes, "%s%llu@example.org",
	    kind, (unsigned long long)number);

	return (struct slice){ text->bytes, (size_t)n };
}

static void
put_ok(struct cache *c, struct slice key, struct slice value)
{
	cache_put(c, LOOKUP_ALIAS, key, LOOKUP_OK, value, 1000, 2000);
}

static void
assert_value(const struct cache_entry *entry, struct slice want)
{
	assert_non_null(entry);
	assert_int_equal(entry->outcome, LOOKUP_OK);
	assert_int_equal(entry->value.len, want.len);
	assert_memory_equal(entry->value.ptr, want.ptr, want.len);
}

static struct cache_stats
stats_of(const struct cache *c)
{
	struct cache_stats stats;

	cache_stats(c, &stats);
	return stats;
}

static void
an_answer_is_found_as_it_was_put(void **state)
{
	struct cache *c = cache_new(MIB);
	char key[] = "alice@example.org", value[] = "bob@example.org";
	struct cache_entry *entry;

	(void)state;
	cache_put(c, LOOKUP_ALIAS, slice_of(key), LOOKUP_OK, slice_of(value),
	    1000, 301000);
	key[0] = value[0] = 'x'; /* they were copied */
	entry = cache_find(c, LOOKUP_ALIAS, KEY);
	assert_value(entry, SLICE("bob@example.org"));
	assert_int_equal(entry->map, LOOKUP_ALIAS);
	assert_true(slice_equal(entry->key, KEY));
	assert_int_equal(entry->stored_ms, 1000);
	assert_int_equal(entry->fresh_until_ms, 301000);
	assert_int_equal(entry->retry_ms, 0);
	assert_ptr_equal(cache_peek(c, LOOKUP_ALIAS, KEY), entry);
	assert_int_equal(stats_of(c).entries, 1);
	cache_free(c);
}

static void
an_absence_is_an_answer_too(void **state)
{
	struct cache *c = cache_new(MIB);
	struct cache_entry *entry;

	(void)state;
	cache_put(c, LOOKUP_MAILBOX, KEY, LOOKUP_NOTFOUND,
	    (struct slice){ NULL, 0 }, 5, 10);
	entry = cache_find(c, LOOKUP_MAILBOX, KEY);
	assert_non_null(entry);
	assert_int_equal(entry->outcome, LOOKUP_NOTFOUND);
	assert_int_equal(entry->value.len, 0);
	cache_free(c);
}

static void
maps_and_keys_keep_apart(void **state)
{
	struct cache *c = cache_new(MIB);
	static const char *const values[LOOKUP_MAPS] = { "a", "b", "c", "d" };

	(void)state;
	for (int i = 0; i < LOOKUP_MAPS; i++)
		cache_put(c, (enum lookup_map)i, KEY, LOOKUP_OK,
		    slice_of(values[i]), 1, 2);
	for (int i = 0; i < LOOKUP_MAPS; i++)
		assert_value(cache_find(c, (enum lookup_map)i, KEY),
		    slice_of(values[i]));
	assert_null(cache_find(c, LOOKUP_ALIAS, SLICE("alice@example.or")));
	assert_null(cache_find(c, LOOKUP_ALIAS, SLICE("Alice@example.org")));
	assert_null(cache_find(c, LOOKUP_ALIAS, (struct slice){ NULL, 0 }));
	cache_free(c);
}

static void
a_newer_answer_takes_the_place_of_an_older_one(void **state)
{
	static const char *const values[] = { "one", "two", "a longer value",
		"", "x" };
	struct cache *c = cache_new(MIB);

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		put_ok(c, KEY, slice_of(values[i]));
		assert_value(
		    cache_find(c, LOOKUP_ALIAS, KEY), slice_of(values[i]));
		assert_int_equal(stats_of(c).entries, 1);
	}
	cache_put(c, LOOKUP_ALIAS, KEY, LOOKUP_NOTFOUND,
	    (struct slice){ NULL, 0 }, 7, 8);
	assert_int_equal(
	    cache_find(c, LOOKUP_ALIAS, KEY)->outcome, LOOKUP_NOTFOUND);
	assert_int_equal(stats_of(c).entries, 1);
	cache_free(c);
}

static void
a_new_answer_may_be_asked_for_again_at_once(void **state)
{
	struct cache *c = cache_new(MIB);

	(void)state;
	put_ok(c, KEY, SLICE("same size"));
	cache_find(c, LOOKUP_ALIAS, KEY)->retry_ms = 77;
	put_ok(c, KEY, SLICE("same SIZE"));
	assert_int_equal(cache_find(c, LOOKUP_ALIAS, KEY)->retry_ms, 0);
	cache_free(c);
}

static void
what_is_removed_or_cleared_is_gone(void **state)
{
	struct cache *c = cache_new(MIB);
	struct text text;

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		cache_put(c, (enum lookup_map)(i % 3), key_of(&text, "u", i),
		    LOOKUP_OK, SLICE("v"), 1, 2);
	assert_int_equal(
	    cache_remove(c, LOOKUP_ALIAS, key_of(&text, "u", 3)), 1);
	assert_int_equal(
	    cache_remove(c, LOOKUP_ALIAS, key_of(&text, "u", 3)), 0);
	assert_null(cache_find(c, LOOKUP_ALIAS, key_of(&text, "u", 3)));
	assert_int_equal(cache_clear(c, LOOKUP_ALIAS), 99);
	assert_int_equal(cache_clear(c, LOOKUP_ALIAS), 0);
	assert_null(cache_find(c, LOOKUP_ALIAS, key_of(&text, "u", 0)));
	assert_null(cache_peek(c, LOOKUP_ALIAS, key_of(&text, "u", 6)));
	assert_non_null(cache_find(c, LOOKUP_DOMAIN, key_of(&text, "u", 1)));
	put_ok(c, key_of(&text, "u", 0), SLICE("new"));
	assert_value(
	    cache_find(c, LOOKUP_ALIAS, key_of(&text, "u", 0)), SLICE("new"));
	assert_int_equal(cache_clear(c, LOOKUP_MAPS), 201);
	assert_int_equal(stats_of(c).entries, 0);
	assert_null(cache_find(c, LOOKUP_DOMAIN, key_of(&text, "u", 1)));
	cache_free(c);
}

static void
a_cache_of_no_bytes_keeps_nothing(void **state)
{
	(void)state;
	for (size_t bytes = 0; bytes < 3000; bytes += 7) {
		struct cache *c = cache_new(bytes);
		struct cache_cursor cursor = { 0 };

		put_ok(c, KEY, SLICE("v"));
		assert_true(stats_of(c).bytes <= bytes);
		if (bytes == 0) {
			assert_null(cache_find(c, LOOKUP_ALIAS, KEY));
			assert_null(cache_peek(c, LOOKUP_ALIAS, KEY));
			assert_int_equal(cache_remove(c, LOOKUP_ALIAS, KEY), 0);
			assert_int_equal(cache_clear(c, LOOKUP_MAPS), 0);
			assert_true(cache_walk(c, &cursor, NULL, NULL));
		}
		cache_free(c);
	}
}

static void
what_is_too_large_is_not_kept_and_the_older_one_is_gone(void **state)
{
	struct cache *c = cache_new(MIB);
	static char large[MIB / 8];
	struct slice value = { large, sizeof large - 200 };

	(void)state;
	put_ok(c, KEY, value);
	assert_value(cache_find(c, LOOKUP_ALIAS, KEY), value);
	value.len = sizeof large;
	put_ok(c, KEY, value);
	assert_null(cache_find(c, LOOKUP_ALIAS, KEY));
	assert_int_equal(stats_of(c).entries, 0);
	cache_free(c);
}

struct visits {
	struct cache *cache;
	uint64_t random;
	unsigned left; /* in this slice */
	unsigned count;
	unsigned char seen[2000];
};

static bool
on_visit(void *arg, const struct cache_entry *entry)
{
	struct visits *v = arg;
	size_t number = strtoul(entry->key.ptr + 1, NULL, 10);

	if (v->left == 0)
		return false;
	v->left--;
	v->count++;
	if (entry->key.ptr[0] == 'u')
		v->seen[number] = 1;
	return true;
}

static void
every_entry_is_visited_once_and_the_oldest_first(void **state)
{
	struct cache *c = cache_new(MIB);
	struct visits v = { .left = 100000 };
	struct text text;

	(void)state;
	for (uint64_t i = 0; i < 2000; i++)
		put_ok(c, key_of(&text, "u", i), SLICE("v"));
	assert_int_equal(
	    cache_remove(c, LOOKUP_ALIAS, key_of(&text, "u", 9)), 1);
	cache_each(c, on_visit, &v);
	assert_int_equal(v.count, 1999);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(v.seen[i], i != 9);
	v.left = 1;
	cache_each(c, on_visit, &v);
	assert_int_equal(v.count, 2000);
	cache_free(c);
}

static void
a_walk_in_slices_misses_nothing_that_stays(void **state)
{
	struct cache *c = cache_new(MIB / 2);
	struct cache_cursor cursor = { 0 };
	struct visits v = { .random = 7 };
	struct text text;
	uint64_t scanned = 0;
	unsigned slices = 0;

	(void)state;
	for (uint64_t i = 0; i < 500; i++) {
		put_ok(c, key_of(&text, "u", i), SLICE("v"));
		(void)cache_find(c, LOOKUP_ALIAS, key_of(&text, "u", i));
	}
	do {
		/* Those in use are moved to and fro by a scan meanwhile. */
		for (int i = 0; i < 20; i++)
			put_ok(c, key_of(&text, "s", scanned++), SLICE("v"));
		for (uint64_t i = 0; i < 500; i++)
			(void)cache_find(
			    c, LOOKUP_ALIAS, key_of(&text, "u", i));
		v.left = 50;
		assert_true(++slices < 10000);
	} while (!cache_walk(c, &cursor, on_visit, &v));
	for (uint64_t i = 0; i < 500; i++) {
		if (cache_peek(c, LOOKUP_ALIAS, key_of(&text, "u", i)) != NULL)
			assert_int_equal(v.seen[i], 1);
	}
	assert_true(slices > 10);
	cache_free(c);
}

/* Whatever happens, what is found is what was last put. */
static void
a_find_never_tells_anything_but_the_last_answer(void **state)
{
	enum {
		KEYS = 3000
	};
	static uint32_t last[LOOKUP_MAPS][KEYS]; /* 0: removed */
	static char value[4000];
	const unsigned steps = SANITIZED ? 200000 : 2000000;
	struct cache *c = cache_new(MIB / 4);
	uint64_t random = 42;
	struct text text;
	unsigned hits = 0;

	(void)state;
	for (unsigned step = 1; step <= steps; step++) {
		uint64_t r = draw(&random);
		size_t number = (size_t)(r >> 8) % KEYS;
		enum lookup_map map = (enum lookup_map)(r >> 32) % LOOKUP_MAPS;
		struct slice key = key_of(&text, "u", number);
		struct cache_entry *entry;

		switch (r % 100) {
		case 0:
			(void)cache_remove(c, map, key);
			last[map][number] = 0;
			break;
		case 1:
			if ((r >> 40) % 50 != 0)
				break;
			(void)cache_clear(c, map);
			memset(last[map], 0, sizeof last[map]);
			break;
		default:
			if (r % 2 == 0) {
				size_t len = (r >> 48) % 64 == 0
				    ? (r >> 54) * 3
				    : (r >> 54) % 40;

				memcpy(value, &step, sizeof step);
				cache_put(c, map, key, LOOKUP_OK,
				    (struct slice){ value, 4 + len }, step,
				    step + 1);
				last[map][number] = step;
				break;
			}
			entry = cache_find(c, map, key);
			if (entry == NULL)
				break;
			hits++;
			assert_int_equal(entry->stored_ms, last[map][number]);
			assert_memory_equal(entry->value.ptr,
			    &last[map][number], sizeof last[map][number]);
			assert_true(slice_equal(entry->key, key));
		}
		assert_true(stats_of(c).bytes <= MIB / 4);
	}
	assert_true(hits > steps / 50);
	cache_free(c);
}

static size_t
resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	(void)fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Values as userli gives them: mostly short, some lists, a few enormous. */
static size_t
value_length(uint64_t r)
{
	if (r % 1000 == 0)
		return (r >> 20) % 30000;
	if (r % 20 == 0)
		return (r >> 20) % 1000;
	return (r >> 20) % 60;
}

static void
scan(struct cache *c, uint64_t first, uint64_t count)
{
	struct text text;

	for (uint64_t i = first; i < first + count; i++)
		put_ok(c, key_of(&text, "scan", i), SLICE("v"));
}

struct scan_case {
	size_t bytes_max;
	uint64_t keys;  /* that pass, each once */
	uint64_t every; /* of them, one key in use is asked for */
	bool twice;     /* those that pass are asked for again, once */
};

/* One that passes. */
static void
pass(struct cache *c, uint64_t r, bool twice)
{
	static char value[30000];
	struct text text;
	struct slice key = key_of(&text, "pass", r);

	put_ok(c, key, (struct slice){ value, value_length(r) });
	if (twice)
		(void)cache_find(c, LOOKUP_ALIAS, key);
}

/* The share of lookups of 1,000 keys that come into use when the cache is full
 * and hit while others pass. */
static double
hit_ratio(struct cache *c, const struct scan_case *passing)
{
	uint64_t random = 1234567;
	uint64_t asked = 0, hits = 0;
	struct text text;

	while (stats_of(c).evictions == 0)
		pass(c, draw(&random), false);
	for (uint64_t i = 0; i < 1000; i++)
		put_ok(c, key_of(&text, "used", i), SLICE("bob@example.org"));
	for (uint64_t i = 0; i < passing->keys; i++) {
		uint64_t r = draw(&random);
		struct slice key = key_of(&text, "used", r % 1000);

		pass(c, r, passing->twice);
		if (i % passing->every != 0)
			continue;
		asked++;
		if (cache_find(c, LOOKUP_ALIAS, key) != NULL)
			hits++;
		else
			put_ok(c, key, SLICE("bob@example.org"));
	}
	return (double)hits / (double)asked;
}

static void
keys_in_use_outlast_a_scan_in_bounded_memory(void **state)
{
	static const struct scan_case scans[] = {
		{ .bytes_max = 64 * MIB, .keys = 5000000, .every = 5 },
		{ .bytes_max = 16 * MIB, .keys = 1000000, .every = 5 },
		{ .bytes_max = 4 * MIB, .keys = 500000, .every = 2 },
		{ .bytes_max = 16 * MIB,
		    .keys = 1500000,
		    .every = 15,
		    .twice = true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof scans / sizeof scans[0]; i++) {
		struct scan_case passing = scans[i];
		size_t before = resident_bytes();
		struct cache *c;
		double ratio;

		if (SANITIZED)
			passing.keys /= 8;
		c = cache_new(passing.bytes_max);
		ratio = hit_ratio(c, &passing);
		print_message("%zu MiB, %llu keys: %.4f hits, %.1f MiB "
			      "resident, %zu entries\n",
		    passing.bytes_max / MIB, (unsigned long long)passing.keys,
		    ratio,
		    ((double)resident_bytes() - (double)before) / (double)MIB,
		    stats_of(c).entries);
		assert_true(ratio >= 0.95);
		assert_true(stats_of(c).bytes <= passing.bytes_max);
		assert_true(stats_of(c).bytes > passing.bytes_max / 10 * 9);
		if (!SANITIZED) /* whose own memory would be counted */
			assert_true(resident_bytes() <=
			    before + passing.bytes_max + MIB);
		cache_free(c);
	}
}

static void
a_newer_answer_takes_over_the_standing_of_the_older_one(void **state)
{
	struct cache *c = cache_new(MIB);
	static char large[1000];

	(void)state;
	put_ok(c, KEY, SLICE("small"));
	assert_non_null(cache_find(c, LOOKUP_ALIAS, KEY));
	scan(c, 0, 20000); /* through probation and past it */
	assert_true(stats_of(c).evictions > 5000);
	put_ok(c, KEY, (struct slice){ large, sizeof large });
	scan(c, 20000, 20000);
	assert_non_null(cache_peek(c, LOOKUP_ALIAS, KEY));
	cache_free(c);
}

static void
a_cache_that_is_not_full_evicts_nothing(void **state)
{
	struct cache *c = cache_new(MIB);
	struct text text;

	(void)state;
	for (uint64_t i = 0; i < 6000; i++)
		put_ok(c, key_of(&text, "u", i), SLICE("v"));
	assert_int_equal(stats_of(c).evictions, 0);
	assert_int_equal(stats_of(c).entries, 6000);
	cache_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_found_as_it_was_put),
		cmocka_unit_test(an_absence_is_an_answer_too),
		cmocka_unit_test(maps_and_keys_keep_apart),
		cmocka_unit_test(
		    a_newer_answer_takes_the_place_of_an_older_one),
		cmocka_unit_test(a_new_answer_may_be_asked_for_again_at_once),
		cmocka_unit_test(what_is_removed_or_cleared_is_gone),
		cmocka_unit_test(a_cache_of_no_bytes_keeps_nothing),
		cmocka_unit_test(
		    what_is_too_large_is_not_kept_and_the_older_one_is_gone),
		cmocka_unit_test(
		    every_entry_is_visited_once_and_the_oldest_first),
		cmocka_unit_test(a_walk_in_slices_misses_nothing_that_stays),
		cmocka_unit_test(
		    a_find_never_tells_anything_but_the_last_answer),
		cmocka_unit_test(keys_in_use_outlast_a_scan_in_bounded_memory),
		cmocka_unit_test(
		    a_newer_answer_takes_over_the_standing_of_the_older_one),
		cmocka_unit_test(a_cache_that_is_not_full_evicts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
