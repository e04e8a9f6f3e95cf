#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/cache_keeper.h"

#define MIB ((size_t)1 << 20)
#define STALE_MS 1000000

/* A keeper with all that it needs, as after a start. */
struct fixture {
	char directory[64];
	char path[80];
	uv_loop_t loop;
	struct log *log;
	struct metrics *metrics;
	struct cache *cache;
	struct cache_keeper *keeper;
	uint64_t ttl_ms;
	int finished;
};

static void
start(struct fixture *f, uint64_t interval_ms)
{
	f->finished = 0;
	assert_int_equal(uv_loop_init(&f->loop), 0);
	f->log = log_new(&(struct log_options){
	    .level = LOG_LEVEL_ERROR, .fd = STDERR_FILENO });
	f->metrics = metrics_new();
	f->cache = cache_new(16 * MIB);
	f->keeper = cache_keeper_new(&f->loop,
	    &(struct cache_keeper_options){ .path = f->path,
		.interval_ms = interval_ms,
		.answers = { .ttl_ms = f->ttl_ms,
		    .negative_ttl_ms = { 60000, 60000, 60000, 60000 },
		    .stale_ttl_ms = STALE_MS },
		.origin = "http://localhost:8000",
		.cache = f->cache,
		.metrics = f->metrics,
		.log = f->log });
}

static void
stop(struct fixture *f)
{
	cache_keeper_close(f->keeper);
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	cache_free(f->cache);
	metrics_free(f->metrics);
	log_free(f->log);
}

static void
on_finished(void *arg)
{
	struct fixture *f = arg;

	f->finished++;
}

static void
finish(struct fixture *f)
{
	cache_keeper_finish(f->keeper, on_finished, f);
	while (f->finished == 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->finished, 1);
}

static void
make_place(struct fixture *f)
{
	*f = (struct fixture){ .ttl_ms = 300000 };
	(void)snprintf(
	    f->directory, sizeof f->directory, "/tmp/cache_keeper.XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	(void)snprintf(f->path, sizeof f->path, "%s/cache", f->directory);
}

static void
remove_place(const struct fixture *f)
{
	char damaged[100];

	(void)snprintf(damaged, sizeof damaged, "%s.damaged", f->path);
	(void)unlink(damaged);
	(void)unlink(f->path);
	assert_int_equal(rmdir(f->directory), 0);
}

/* A metric's value as /metrics shows it. */
static double
value_of(struct fixture *f, const char *name)
{
	struct buffer out;
	char line[100];
	const char *found;
	double value;

	(void)snprintf(line, sizeof line, "\n" METRICS_PREFIX "%s ", name);
	buffer_init(&out, MIB);
	assert_true(metrics_write(f->metrics, &out));
	assert_true(buffer_append(&out, "", 1));
	found = strstr(out.data, line);
	assert_non_null(found);
	value = strtod(found + strlen(line), NULL);
	buffer_fini(&out);
	return value;
}

struct text {
	char bytes[32];
};

static struct slice
key_of(struct text *text, unsigned number)
{
	int n = snprintf(text->bytes, sizeof text->bytes, "u%u@x.org", number);

	return (struct slice){ text->bytes, (size_t)n };
}

static void
put(struct fixture *f, unsigned number, enum lookup_outcome outcome,
    int64_t age_ms, int64_t life_ms)
{
	uint64_t stored = uv_now(&f->loop) - (uint64_t)age_ms;
	struct text text;

	cache_put(f->cache, LOOKUP_ALIAS, key_of(&text, number), outcome,
	    outcome == LOOKUP_OK ? SLICE("bob@example.org")
				 : (struct slice){ NULL, 0 },
	    stored, stored + (uint64_t)life_ms);
}

static struct cache_entry *
peek(struct fixture *f, unsigned number)
{
	struct text text;

	return cache_peek(f->cache, LOOKUP_ALIAS, key_of(&text, number));
}

static void
what_may_still_be_told_comes_back_with_its_age(void **state)
{
	struct fixture f;
	struct cache_entry *entry;
	uint64_t now;

	(void)state;
	make_place(&f);
	start(&f, 1000000);
	put(&f, 1, LOOKUP_OK, 60000, 300000);
	put(&f, 2, LOOKUP_NOTFOUND, 5000, 60000);
	put(&f, 3, LOOKUP_OK, 400000, 300000);            /* stale */
	put(&f, 4, LOOKUP_OK, 300000 + STALE_MS, 300000); /* too old */
	put(&f, 5, LOOKUP_NOTFOUND, 60000, 60000);        /* expired */
	finish(&f);
	assert_int_equal(value_of(&f, "cache_file_saved_entries"), 3);
	assert_true(value_of(&f, "cache_file_saved_timestamp_seconds") > 1e9);
	stop(&f);

	start(&f, 1000000);
	now = uv_now(&f.loop);
	assert_int_equal(value_of(&f, "cache_file_loaded_entries"), 3);
	entry = peek(&f, 1);
	assert_non_null(entry);
	assert_int_equal(entry->outcome, LOOKUP_OK);
	assert_true(slice_equal(entry->value, SLICE("bob@example.org")));
	assert_true(now - entry->stored_ms >= 60000);
	assert_true(now - entry->stored_ms < 120000);
	assert_int_equal(entry->fresh_until_ms - entry->stored_ms, 300000);
	assert_int_equal(peek(&f, 2)->outcome, LOOKUP_NOTFOUND);
	assert_false(cache_before(now, peek(&f, 3)->fresh_until_ms));
	assert_null(peek(&f, 4));
	assert_null(peek(&f, 5));
	stop(&f);
	remove_place(&f);
}

static void
what_lived_longer_than_now_allowed_expires_earlier(void **state)
{
	struct fixture f;

	(void)state;
	make_place(&f);
	start(&f, 1000000);
	put(&f, 1, LOOKUP_OK, 60000, 300000);
	finish(&f);
	stop(&f);
	f.ttl_ms = 30000;
	start(&f, 1000000);
	assert_int_equal(
	    peek(&f, 1)->fresh_until_ms - peek(&f, 1)->stored_ms, 30000);
	stop(&f);
	remove_place(&f);
}

static void
many_slices_make_one_file_while_the_cache_changes(void **state)
{
	enum {
		ENTRIES = 60000
	};
	struct fixture f;
	unsigned turns = 0;

	(void)state;
	make_place(&f);
	start(&f, 1000000);
	for (unsigned i = 0; i < ENTRIES; i++)
		put(&f, i, LOOKUP_OK, 0, 300000);
	cache_keeper_finish(f.keeper, on_finished, &f);
	while (f.finished == 0) {
		(void)uv_run(&f.loop, UV_RUN_ONCE);
		put(&f, ENTRIES + turns++, LOOKUP_OK, 0, 300000);
	}
	assert_true(turns > ENTRIES / CACHE_KEEPER_SLICE_ENTRIES);
	stop(&f);

	start(&f, 1000000);
	assert_int_equal(value_of(&f,
			     "cache_file_failures_total{operation="
			     "\"load\"}"),
	    0);
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_non_null(peek(&f, i));
	stop(&f);
	remove_place(&f);
}

static void
it_saves_by_the_clock_and_a_last_time_when_asked(void **state)
{
	struct fixture f;

	(void)state;
	make_place(&f);
	start(&f, 1);
	put(&f, 1, LOOKUP_OK, 0, 300000);
	while (value_of(&f, "cache_file_saved_entries") != 1)
		(void)uv_run(&f.loop, UV_RUN_ONCE);
	put(&f, 2, LOOKUP_OK, 0, 300000);
	while (value_of(&f, "cache_file_saved_entries") != 2)
		(void)uv_run(&f.loop, UV_RUN_ONCE);
	/* Maybe while one is under way, which then does not count. */
	put(&f, 3, LOOKUP_OK, 0, 300000);
	finish(&f);
	assert_int_equal(value_of(&f, "cache_file_saved_entries"), 3);
	stop(&f);
	remove_place(&f);
}

static void
it_can_be_closed_while_it_saves(void **state)
{
	struct fixture f;

	(void)state;
	make_place(&f);
	start(&f, 1000000);
	for (unsigned i = 0; i < 20000; i++)
		put(&f, i, LOOKUP_OK, 0, 300000);
	cache_keeper_finish(f.keeper, on_finished, &f);
	stop(&f);
	assert_int_equal(f.finished, 0);
	/* Nothing half-written is left, under no name. */
	assert_int_equal(access(f.path, F_OK), -1);
	remove_place(&f);
}

static void
failures_are_counted_and_the_old_file_stays(void **state)
{
	struct fixture f;
	char temporary[100];

	(void)state;
	make_place(&f);
	start(&f, 1000000);
	put(&f, 1, LOOKUP_OK, 0, 300000);
	finish(&f);
	stop(&f);

	start(&f, 1000000);
	(void)snprintf(temporary, sizeof temporary, "%s.tmp", f.path);
	assert_int_equal(mkdir(temporary, 0700), 0); /* in the way */
	put(&f, 2, LOOKUP_OK, 0, 300000);
	finish(&f);
	assert_int_equal(
	    value_of(&f, "cache_file_failures_total{operation=\"save\"}"), 1);
	assert_int_equal(value_of(&f, "cache_file_saved_timestamp_seconds"), 0);
	assert_int_equal(rmdir(temporary), 0);
	stop(&f);

	start(&f, 1000000);
	assert_int_equal(value_of(&f, "cache_file_loaded_entries"), 1);
	stop(&f);
	remove_place(&f);
}

static void
nothing_of_a_damaged_file_is_taken(void **state)
{
	struct fixture f;
	int fd;
	off_t size;

	(void)state;
	make_place(&f);
	start(&f, 1000000);
	for (unsigned i = 0; i < 1000; i++)
		put(&f, i, LOOKUP_OK, 0, 300000);
	finish(&f);
	stop(&f);
	fd = open(f.path, O_RDWR);
	size = lseek(fd, 0, SEEK_END);
	assert_int_equal(pwrite(fd, "x", 1, size - 40), 1);
	(void)close(fd);

	start(&f, 1000000);
	assert_int_equal(value_of(&f, "cache_file_loaded_entries"), 0);
	assert_int_equal(
	    value_of(&f, "cache_file_failures_total{operation=\"load\"}"), 1);
	assert_null(peek(&f, 1));
	assert_int_equal(access(f.path, F_OK), -1);
	stop(&f);
	remove_place(&f);
}

static void
without_a_file_nothing_is_done(void **state)
{
	struct fixture f = { .ttl_ms = 300000 };

	(void)state;
	start(&f, 1);
	finish(&f);
	assert_int_equal(value_of(&f, "cache_file_loaded_entries"), 0);
	stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    what_may_still_be_told_comes_back_with_its_age),
		cmocka_unit_test(
		    what_lived_longer_than_now_allowed_expires_earlier),
		cmocka_unit_test(
		    many_slices_make_one_file_while_the_cache_changes),
		cmocka_unit_test(
		    it_saves_by_the_clock_and_a_last_time_when_asked),
		cmocka_unit_test(it_can_be_closed_while_it_saves),
		cmocka_unit_test(failures_are_counted_and_the_old_file_stays),
		cmocka_unit_test(nothing_of_a_damaged_file_is_taken),
		cmocka_unit_test(without_a_file_nothing_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
