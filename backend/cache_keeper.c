#include "backend/cache_keeper.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "backend/cache_file.h"
#include "common/mem.h"
#include "common/startup.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

enum state {
	STATE_IDLE,
	STATE_SAVING,
	STATE_SAVING_ONE_MORE, /* a last save follows */
	STATE_SAVING_LAST,
	STATE_FINISHED,
};

enum operation {
	OPERATION_LOAD,
	OPERATION_SAVE,
	OPERATIONS,
};

/* A save under way.  While a slice is with the worker, only the worker touches
 * slice, file, error and failed. */
struct save {
	struct cache_cursor cursor;
	struct cache_codec codec;
	uint64_t now_ms; /* as of when ages are told */
	unsigned looked_at;
	unsigned overdue; /* intervals that have passed meanwhile */
	bool last;        /* the slice ends the file */
	bool failed;
	struct buffer slice;
	struct cache_file file;
	struct error error;
};

struct cache_keeper {
	struct cache_keeper_options options;
	uint64_t origin;
	uint64_t boot; /* as cache_codec_moment has it */
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_work_t work;
	enum state state;
	struct save save;
	struct error told; /* why the last save failed, "" = it did not */
	bool closing;
	bool timer_closed;
	void (*done)(void *arg); /* NULL: nobody waits */
	void *arg;
	struct metrics_gauge *loaded_entries;
	struct metrics_gauge *saved_entries;
	struct metrics_gauge *saved_at;
	struct metrics_counter *failures[OPERATIONS];
};

static void
enter(struct cache_keeper *k, enum state state)
{
	static const char *const names[] = {
		[STATE_IDLE] = "idle",
		[STATE_SAVING] = "saving",
		[STATE_SAVING_ONE_MORE] = "saving, one more to come",
		[STATE_SAVING_LAST] = "saving a last time",
		[STATE_FINISHED] = "finished",
	};

	log_debug(k->options.log, log_msg("cache keeper"),
	    log_str("from", names[k->state]), log_str("to", names[state]));
	k->state = state;
}

static bool
saving(const struct cache_keeper *k)
{
	return k->state != STATE_IDLE && k->state != STATE_FINISHED;
}

static uint64_t
clock_ms(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct cache_codec_moment
moment(const struct cache_keeper *k)
{
	return (struct cache_codec_moment){ .wall_ms = clock_ms(CLOCK_REALTIME),
		.boot = k->boot,
		.up_ms = clock_ms(CLOCK_BOOTTIME) };
}

/* The host's boot has a name of its own, random(4); 0 if it cannot be read. */
static uint64_t
read_boot(void)
{
	char name[64];
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, name, sizeof name) : -1;

	if (fd >= 0)
		(void)close(fd);
	return n > 0 ? XXH3_64bits(name, (size_t)n) : 0;
}

static void
fail_load(struct cache_keeper *k, const char *what, const struct error *error)
{
	metrics_inc(k->failures[OPERATION_LOAD]);
	log_warn(k->options.log, log_msg(what), log_str("error", error->text));
}

/* A disk that is full stays so for a while: told once, unless it changes. */
static void
fail_save(struct cache_keeper *k, const struct error *error)
{
	bool told = strcmp(k->told.text, error->text) == 0;

	metrics_inc(k->failures[OPERATION_SAVE]);
	log_at(k->options.log, told ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
	    log_msg("cache not saved, the file of last time stays"),
	    log_str("error", error->text));
	k->told = *error;
}

/* In a thread of the pool. */
static void
on_work(uv_work_t *work)
{
	struct cache_keeper *k = work->data;
	struct save *save = &k->save;
	struct cache_file *file = &save->file;

	if (file->fd < 0 &&
	    !cache_file_create(file, k->options.path, &save->error)) {
		save->failed = true;
		return;
	}
	if (!cache_file_append(
		file, buffer_slice(&save->slice), &save->error)) {
		cache_file_abort(file);
		save->failed = true;
		return;
	}
	if (save->last && !cache_file_commit(file, &save->error))
		save->failed = true;
}

static bool
on_entry(void *arg, const struct cache_entry *entry)
{
	struct cache_keeper *k = arg;
	struct save *save = &k->save;
	struct cache_codec_record record;

	if (save->looked_at++ == CACHE_KEEPER_SLICE_ENTRIES)
		return false;
	if (answers_state(&k->options.answers, entry, save->now_ms) ==
	    ANSWERS_NONE)
		return true;
	if (entry->key.len > LOOKUP_KEY_MAX ||
	    entry->value.len > LOOKUP_REPLY_MAX)
		return true; /* none is */
	record = cache_codec_record_of(entry, save->now_ms);
	return cache_codec_put_record(&save->codec, &save->slice, &record);
}

static void on_written(uv_work_t *work, int status);

/* Encode the next slice and hand it to the worker. */
static void
save_slice(struct cache_keeper *k)
{
	struct save *save = &k->save;

	save->looked_at = 0;
	if (cache_walk(k->options.cache, &save->cursor, on_entry, k))
		save->last = cache_codec_put_end(&save->codec, &save->slice);
	k->work.data = k;
	/* Fails only without a callback. */
	(void)uv_queue_work(k->loop, &k->work, on_work, on_written);
}

static void
save_begin(struct cache_keeper *k, enum state state)
{
	struct save *save = &k->save;
	struct cache_codec_head head = { .origin = k->origin };
	bool room;

	enter(k, state);
	*save = (struct save){ .file.fd = -1 };
	/* All room at once: a part that finds none ends the slice. */
	buffer_init(&save->slice, CACHE_KEEPER_SLICE_BYTES);
	room = buffer_reserve(&save->slice, CACHE_KEEPER_SLICE_BYTES) != NULL;
	uv_update_time(k->loop); /* so that both clocks show the same moment */
	save->now_ms = uv_now(k->loop);
	head.written = moment(k);
	if (!room || !cache_codec_put_head(&save->codec, &save->slice, &head))
		mem_exhausted();
	save_slice(k);
}

static void
account(struct cache_keeper *k)
{
	const struct save *save = &k->save;

	if (save->failed) {
		fail_save(k, &save->error);
		return;
	}
	if (k->told.text[0] != '\0')
		log_info(k->options.log, log_msg("cache is saved again"));
	k->told.text[0] = '\0';
	metrics_set(k->saved_entries, (double)save->codec.records);
	metrics_set(k->saved_at, (double)clock_ms(CLOCK_REALTIME) / 1000);
	log_debug(k->options.log, log_msg("cache saved"),
	    log_uint("entries", save->codec.records));
}

static void
tell_finished(struct cache_keeper *k)
{
	void (*done)(void *arg) = k->done;

	k->done = NULL;
	if (done != NULL)
		done(k->arg);
}

static void
free_when_closed(struct cache_keeper *k)
{
	if (k->timer_closed && !saving(k))
		free(k);
}

static void
save_end(struct cache_keeper *k)
{
	enum state was = k->state;

	buffer_fini(&k->save.slice);
	account(k);
	if (k->closing) {
		enter(k, STATE_FINISHED);
		free_when_closed(k);
	} else if (was == STATE_SAVING_ONE_MORE) {
		save_begin(k, STATE_SAVING_LAST);
	} else if (was == STATE_SAVING_LAST) {
		enter(k, STATE_FINISHED);
		tell_finished(k);
	} else {
		enter(k, STATE_IDLE);
	}
}

static void
on_written(uv_work_t *work, int status)
{
	struct cache_keeper *k = work->data;
	struct save *save = &k->save;

	(void)status; /* nobody cancels it */
	if (k->closing && !save->last && !save->failed) {
		cache_file_abort(&save->file);
		error_set(&save->error, "stopped before its end");
		save->failed = true;
	}
	if (save->last || save->failed) {
		save_end(k);
		return;
	}
	buffer_clear(&save->slice);
	save_slice(k);
}

static void
on_interval(uv_timer_t *timer)
{
	struct cache_keeper *k = timer->data;

	if (k->state == STATE_IDLE)
		save_begin(k, STATE_SAVING);
	else if (k->save.overdue++ == 0)
		log_warn(k->options.log,
		    log_msg("cache is still being saved: is the disk slow?"));
}

static void
add_metrics(struct cache_keeper *k, struct metrics *m)
{
	static const char *const labels[] = { "operation", NULL };
	struct metrics_family *failures =
	    metrics_counters(m, "cache_file_failures_total",
		"Times that CACHE_FILE could not be loaded or saved", labels);

	k->loaded_entries = metrics_gauge(
	    metrics_gauges(m, "cache_file_loaded_entries",
		"Answers that the start took from CACHE_FILE", NULL),
	    NULL);
	k->saved_entries =
	    metrics_gauge(metrics_gauges(m, "cache_file_saved_entries",
			      "Answers in CACHE_FILE as last saved", NULL),
		NULL);
	k->saved_at = metrics_gauge(
	    metrics_gauges(m, "cache_file_saved_timestamp_seconds",
		"When CACHE_FILE was last saved, 0 = not yet", NULL),
	    NULL);
	k->failures[OPERATION_LOAD] =
	    metrics_counter(failures, (const char *const[]){ "load", NULL });
	k->failures[OPERATION_SAVE] =
	    metrics_counter(failures, (const char *const[]){ "save", NULL });
}

struct load {
	struct cache_keeper *k;
	uint64_t now_ms;
	struct cache_codec_moment now;
};

static void
on_record(void *arg, const struct cache_codec_head *head,
    const struct cache_codec_record *record)
{
	const struct load *load = arg;
	const struct cache_keeper_options *o = &load->k->options;
	struct cache_entry entry =
	    cache_codec_entry_of(record, head, load->now_ms, &load->now);
	uint64_t life_ms =
	    answers_life_ms(&o->answers, entry.map, entry.outcome, 0);

	/* The settings may be others than when it was written. */
	if (cache_before(entry.stored_ms + life_ms, entry.fresh_until_ms))
		entry.fresh_until_ms = entry.stored_ms + life_ms;
	if (answers_state(&o->answers, &entry, load->now_ms) != ANSWERS_NONE)
		cache_put(o->cache, entry.map, entry.key, entry.outcome,
		    entry.value, entry.stored_ms, entry.fresh_until_ms);
}

static void
set_aside(struct cache_keeper *k, const struct error *reason)
{
	struct error error;

	fail_load(k,
	    "cache file is damaged: set aside as .damaged, starting without",
	    reason);
	if (!cache_file_set_aside(k->options.path, &error))
		log_warn(k->options.log,
		    log_msg("damaged cache file stays where it is"),
		    log_str("error", error.text));
}

static void
load_file(struct cache_keeper *k)
{
	struct load load = { .k = k };
	struct cache_file_reading reading = {
		.origin = k->origin, .record = on_record, .arg = &load
	};
	struct cache_stats stats;
	struct error error;
	enum cache_file_verdict verdict;

	uv_update_time(k->loop);
	load.now_ms = uv_now(k->loop);
	load.now = moment(k);
	verdict = cache_file_read(k->options.path, &reading, &error);
	/* Only the end tells that all of it is as it was written. */
	if (verdict != CACHE_FILE_READ)
		(void)cache_clear(k->options.cache, LOOKUP_MAPS);
	if (verdict == CACHE_FILE_DAMAGED)
		set_aside(k, &error);
	else if (verdict == CACHE_FILE_REFUSED)
		fail_load(k, "cache file not taken, starting without", &error);
	if (verdict == CACHE_FILE_READ && reading.exposed)
		log_warn(k->options.log,
		    log_msg("others may read the cache file, which holds "
			    "addresses: chmod 600"),
		    log_str("path", k->options.path));
	cache_stats(k->options.cache, &stats);
	metrics_set(k->loaded_entries, (double)stats.entries);
	if (verdict == CACHE_FILE_READ)
		log_info(k->options.log, log_msg("cache loaded"),
		    log_uint("entries", stats.entries));
	uv_update_time(k->loop);
}

struct cache_keeper *
cache_keeper_new(uv_loop_t *loop, const struct cache_keeper_options *options)
{
	struct cache_keeper *k = mem_calloc(1, sizeof *k);
	struct error error;

	k->options = *options;
	k->loop = loop;
	k->origin = XXH3_64bits(options->origin, strlen(options->origin));
	k->boot = read_boot();
	add_metrics(k, options->metrics);
	(void)uv_timer_init(loop, &k->timer);
	k->timer.data = k;
	if (options->path[0] == '\0' || options->cache == NULL) {
		if (options->path[0] != '\0')
			log_warn(options->log,
			    log_msg("CACHE_FILE is not used: LOOKUP_CACHE_TTL "
				    "is 0"));
		k->state = STATE_FINISHED;
		return k;
	}
	if (!cache_file_check_place(options->path, &error))
		log_warn(options->log,
		    log_msg("CACHE_FILE is in an unfit directory"),
		    log_str("error", error.text));
	startup_threads(loop);
	cache_file_sweep(options->path);
	load_file(k);
	(void)uv_timer_start(
	    &k->timer, on_interval, options->interval_ms, options->interval_ms);
	return k;
}

void
cache_keeper_finish(struct cache_keeper *k, void (*done)(void *arg), void *arg)
{
	k->done = done;
	k->arg = arg;
	(void)uv_timer_stop(&k->timer);
	if (k->state == STATE_IDLE)
		save_begin(k, STATE_SAVING_LAST);
	else if (k->state == STATE_SAVING)
		enter(k, STATE_SAVING_ONE_MORE);
	else if (k->state == STATE_FINISHED)
		tell_finished(k);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct cache_keeper *k = handle->data;

	k->timer_closed = true;
	free_when_closed(k);
}

void
cache_keeper_close(struct cache_keeper *k)
{
	if (k->closing)
		return;
	k->closing = true;
	uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}
