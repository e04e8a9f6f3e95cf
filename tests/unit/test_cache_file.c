#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/answers.h"
#include "backend/cache_file.h"

#define ORIGIN 77
#define WRITTEN_MS 1700000000000
#define WRITTEN                       \
	{                             \
		.wall_ms = WRITTEN_MS \
	}
#define FILE_MAX 400000

static char large_value[LOOKUP_REPLY_MAX];
static char large_key[LOOKUP_KEY_MAX];

/* Of every kind; the last of the largest size. */
static const struct cache_codec_record records[] = {
	{ .map = LOOKUP_ALIAS,
	    .outcome = LOOKUP_OK,
	    .key = { "alice@example.org", 17 },
	    .value = { "bob@example.org", 15 },
	    .age_ms = 5000,
	    .life_ms = 300000 },
	{ .map = LOOKUP_DOMAIN,
	    .outcome = LOOKUP_NOTFOUND,
	    .key = { "example.net", 11 },
	    .age_ms = 0,
	    .life_ms = 60000 },
	{ .map = LOOKUP_SENDERS, .outcome = LOOKUP_OK, .key = { "k", 1 } },
	{ .map = LOOKUP_MAILBOX,
	    .outcome = LOOKUP_OK,
	    .key = { large_key, LOOKUP_KEY_MAX },
	    .value = { large_value, LOOKUP_REPLY_MAX },
	    .age_ms = 1,
	    .life_ms = 2 },
};
#define RECORDS (sizeof records / sizeof records[0])
#define SMALL_RECORDS (RECORDS - 1)

/* A file's bytes with the first so many records. */
static void
encode(struct buffer *out, size_t count)
{
	struct cache_codec c = { 0 };
	struct cache_codec_head head = { ORIGIN, WRITTEN };

	buffer_init(out, FILE_MAX);
	assert_true(cache_codec_put_head(&c, out, &head));
	for (size_t i = 0; i < count; i++)
		assert_true(cache_codec_put_record(&c, out, &records[i]));
	assert_true(cache_codec_put_end(&c, out));
}

/* What was decoded, and how that ended: with anything but a PART. */
struct decoded {
	size_t records;
	enum cache_codec_verdict verdict;
	size_t used; /* of the bytes */
};

static void
assert_record(
    const struct cache_codec_record *got, const struct cache_codec_record *want)
{
	assert_int_equal(got->map, want->map);
	assert_int_equal(got->outcome, want->outcome);
	assert_true(slice_equal(got->key, want->key));
	assert_true(slice_equal(got->value, want->value));
	assert_int_equal(got->age_ms, want->age_ms);
	assert_int_equal(got->life_ms, want->life_ms);
}

/* Whatever is decoded from damaged bytes must be what was written. */
static struct decoded
decode(struct slice bytes)
{
	struct cache_codec c = { 0 };
	struct cache_codec_head head;
	struct cache_codec_record record;
	struct decoded d = { 0 };
	size_t used = 0;

	d.verdict = cache_codec_take_head(&c, bytes, &used, &head);
	while (d.verdict == CACHE_CODEC_PART) {
		bytes.ptr += used;
		bytes.len -= used;
		d.used += used;
		d.verdict = cache_codec_take(&c, bytes, &used, &record);
		if (d.verdict == CACHE_CODEC_PART)
			assert_record(&record, &records[d.records++]);
	}
	if (d.verdict == CACHE_CODEC_END)
		d.used += used;
	return d;
}

static void
what_was_encoded_is_decoded(void **state)
{
	struct buffer bytes;
	struct decoded d;

	(void)state;
	encode(&bytes, RECORDS);
	d = decode(buffer_slice(&bytes));
	assert_int_equal(d.verdict, CACHE_CODEC_END);
	assert_int_equal(d.records, RECORDS);
	assert_int_equal(d.used, buffer_len(&bytes));
	buffer_fini(&bytes);
	encode(&bytes, 0);
	assert_int_equal(decode(buffer_slice(&bytes)).verdict, CACHE_CODEC_END);
	buffer_fini(&bytes);
}

static void
every_proper_prefix_wants_more(void **state)
{
	struct buffer bytes;

	(void)state;
	encode(&bytes, SMALL_RECORDS);
	for (size_t len = 0; len < buffer_len(&bytes); len++) {
		/* Its own memory, so that ASan sees a byte too far. */
		char *copy = malloc(len + 1);

		assert_non_null(copy);
		copy = realloc(copy, len > 0 ? len : 1);
		memcpy(copy, bytes.data, len);
		assert_int_equal(decode((struct slice){ copy, len }).verdict,
		    CACHE_CODEC_MORE);
		free(copy);
	}
	buffer_fini(&bytes);
}

static void
every_flipped_bit_is_noticed(void **state)
{
	struct buffer bytes;

	(void)state;
	encode(&bytes, SMALL_RECORDS);
	for (size_t bit = 0; bit < buffer_len(&bytes) * 8; bit++) {
		char mask = (char)(1 << bit % 8);
		struct decoded d;

		bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ mask);
		d = decode(buffer_slice(&bytes));
		assert_int_not_equal(d.verdict, CACHE_CODEC_END);
		bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ mask);
	}
	assert_int_equal(decode(buffer_slice(&bytes)).verdict, CACHE_CODEC_END);
	buffer_fini(&bytes);
}

static void
records_cannot_be_exchanged_repeated_or_left_out(void **state)
{
	struct buffer one, two;
	char spliced[4096];
	size_t head = 56, end = 24, first, second, len;

	(void)state;
	encode(&one, 1);
	encode(&two, 2);
	first = buffer_len(&one) - head - end;
	second = buffer_len(&two) - buffer_len(&one);
	/* Left out: the second follows the head. */
	memcpy(spliced, two.data, head);
	memcpy(spliced + head, two.data + head + first, second + end);
	len = head + second + end;
	assert_int_equal(decode((struct slice){ spliced, len }).verdict,
	    CACHE_CODEC_DAMAGED);
	/* Repeated. */
	memcpy(spliced, one.data, head + first);
	memcpy(spliced + head + first, one.data + head, first + end);
	len = head + first + first + end;
	assert_int_equal(decode((struct slice){ spliced, len }).verdict,
	    CACHE_CODEC_DAMAGED);
	/* The end of another file. */
	memcpy(spliced, two.data, head + first + second);
	memcpy(spliced + head + first + second, one.data + head + first, end);
	len = head + first + second + end;
	assert_int_equal(decode((struct slice){ spliced, len }).verdict,
	    CACHE_CODEC_DAMAGED);
	buffer_fini(&one);
	buffer_fini(&two);
}

static void
claims_of_huge_lengths_are_refused_at_once(void **state)
{
	static const uint32_t lengths[] = { LOOKUP_REPLY_MAX + 1, 0x7fffffff,
		0x80000000, 0xfffffff0, 0xffffffff };
	struct buffer bytes;

	(void)state;
	encode(&bytes, 1);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		for (size_t at = 44; at <= 48; at += 4) {
			uint32_t claim = htole32(lengths[i]);
			char saved[4];

			memcpy(saved, bytes.data + at, 4);
			memcpy(bytes.data + at, &claim, 4);
			assert_int_equal(decode(buffer_slice(&bytes)).verdict,
			    CACHE_CODEC_DAMAGED);
			memcpy(bytes.data + at, saved, 4);
		}
	}
	buffer_fini(&bytes);
}

static void
other_versions_and_other_files_are_foreign(void **state)
{
	struct buffer bytes;

	(void)state;
	encode(&bytes, 1);
	bytes.data[8] = 1;
	assert_int_equal(
	    decode(buffer_slice(&bytes)).verdict, CACHE_CODEC_FOREIGN);
	/* A shorter head than ours may be all that another version has. */
	assert_int_equal(decode((struct slice){ bytes.data, 12 }).verdict,
	    CACHE_CODEC_FOREIGN);
	assert_int_equal(decode(SLICE("#!")).verdict, CACHE_CODEC_FOREIGN);
	buffer_fini(&bytes);
}

static void
what_is_no_answer_is_refused_though_its_check_is_right(void **state)
{
	static const struct cache_codec_record wrong[] = {
		{ .map = LOOKUP_MAPS, .outcome = LOOKUP_OK },
		{ .map = LOOKUP_ALIAS, .outcome = LOOKUP_TEMP },
		{ .map = LOOKUP_ALIAS, .outcome = LOOKUP_PERM },
		{ .map = LOOKUP_ALIAS,
		    .outcome = LOOKUP_NOTFOUND,
		    .value = { "v", 1 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct cache_codec c = { 0 };
		struct cache_codec_head head = { ORIGIN, WRITTEN };
		struct buffer bytes;

		buffer_init(&bytes, 1000);
		assert_true(cache_codec_put_head(&c, &bytes, &head));
		assert_true(cache_codec_put_record(&c, &bytes, &wrong[i]));
		assert_true(cache_codec_put_end(&c, &bytes));
		assert_int_equal(
		    decode(buffer_slice(&bytes)).verdict, CACHE_CODEC_DAMAGED);
		buffer_fini(&bytes);
	}
}

static void
an_end_that_counts_otherwise_is_refused(void **state)
{
	struct cache_codec c = { 0 };
	struct cache_codec_head head = { ORIGIN, WRITTEN };
	struct buffer bytes;

	(void)state;
	buffer_init(&bytes, 1000);
	assert_true(cache_codec_put_head(&c, &bytes, &head));
	assert_true(cache_codec_put_record(&c, &bytes, &records[0]));
	c.records = 2;
	assert_true(cache_codec_put_end(&c, &bytes));
	assert_int_equal(
	    decode(buffer_slice(&bytes)).verdict, CACHE_CODEC_DAMAGED);
	buffer_fini(&bytes);
}

static void
a_part_that_finds_no_room_changes_nothing(void **state)
{
	struct cache_codec c = { 0 };
	struct cache_codec before;
	struct buffer out;

	(void)state;
	buffer_init(&out, 76);
	assert_true(cache_codec_put_head(
	    &c, &out, &(struct cache_codec_head){ ORIGIN, WRITTEN }));
	before = c;
	assert_false(cache_codec_put_record(&c, &out, &records[0]));
	assert_false(cache_codec_put_end(&c, &out));
	assert_int_equal(c.check, before.check);
	assert_int_equal(c.records, 0);
	assert_int_equal(buffer_len(&out), 56);
	buffer_fini(&out);
}

/* An OK of 100 s that was 30 s old when it was written. */
static struct cache_entry
loaded(uint64_t now_ms, const struct cache_codec_moment *written,
    const struct cache_codec_moment *now)
{
	struct cache_entry entry = { .stored_ms = 1000000,
		.fresh_until_ms = 1100000 };
	struct cache_codec_head head = { ORIGIN, *written };
	struct cache_codec_record record =
	    cache_codec_record_of(&entry, 1030000);

	return cache_codec_entry_of(&record, &head, now_ms, now);
}

static void
an_entry_is_as_old_as_it_is(void **state)
{
	static const struct {
		uint64_t now_ms;
		int64_t passed_ms; /* on the wall clock */
		uint64_t age_ms;
		enum answers_state state; /* with 200 s of stale life */
	} cases[] = {
		{ 9000000, 0, 30000, ANSWERS_FRESH },
		{ 9000000, 69999, 99999, ANSWERS_FRESH },
		{ 9000000, 70000, 100000, ANSWERS_STALE },
		{ 9000000, 269999, 299999, ANSWERS_STALE },
		{ 9000000, 270000, 300000, ANSWERS_NONE },
		{ 9000000, 86400000000, 86400030000, ANSWERS_NONE },
		/* The host has booted since: its clock began anew. */
		{ 20000, 10000, 40000, ANSWERS_FRESH },
		{ 20000, 100000, 130000, ANSWERS_STALE },
		{ 20000, 300000, 330000, ANSWERS_NONE },
		/* The clock went backwards: at least as old, never fresh. */
		{ 9000000, -1, 30000, ANSWERS_STALE },
		{ 9000000, -1000000000, 30000, ANSWERS_STALE },
		{ 20000, -1000000000, 30000, ANSWERS_STALE },
	};

	struct answers_options options = { .stale_ttl_ms = 200000 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t now = cases[i].now_ms;
		struct cache_codec_moment written = WRITTEN;
		struct cache_codec_moment moment = {
			.wall_ms = (uint64_t)(WRITTEN_MS + cases[i].passed_ms)
		};
		struct cache_entry entry = loaded(now, &written, &moment);

		assert_int_equal(now - entry.stored_ms, cases[i].age_ms);
		assert_int_equal(
		    answers_state(&options, &entry, now), cases[i].state);
		entry.outcome = LOOKUP_NOTFOUND;
		assert_int_equal(
		    answers_state(&options, &entry, now) == ANSWERS_NONE,
		    cases[i].state != ANSWERS_FRESH);
	}
}

static void
a_clock_that_was_set_makes_nothing_younger(void **state)
{
	const int64_t hour = 3600000;
	const struct {
		int64_t wall_ms; /* what passed, by the wall clock */
		uint64_t boot, up_ms;
		uint64_t age_ms;
		bool fresh;
	} cases[] = {
		/* The same boot, which began 5 s before it was written. */
		{ 10000, 7, 15000, 40000, true },
		{ 10000 - hour, 7, 15000, 40000, true },
		{ 70000 - hour, 7, 75000, 100000, false },
		{ 1000, 7, 3605000, 3630000, false }, /* set back by an hour */
		{ 10000 + hour, 7, 15000, 3640000, false },
		/* That clock did not begin anew, nor run: a copied host. */
		{ 10000, 7, 4000, 40000, true },
		{ -1, 7, 4000, 30000, false },
		/* Another boot: it was before that. */
		{ 10000, 8, 9000, 40000, true },
		{ 10000, 8, 20000, 50000, true },
		{ 1000, 8, 3600000, 3630000, false },
		{ -hour, 8, 20000, 50000, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cache_codec_moment written = { WRITTEN_MS, 7, 5000 };
		struct cache_codec_moment now = { (uint64_t)(WRITTEN_MS +
						      cases[i].wall_ms),
			cases[i].boot, cases[i].up_ms };
		struct cache_entry entry = loaded(9000000, &written, &now);

		assert_int_equal(9000000 - entry.stored_ms, cases[i].age_ms);
		assert_int_equal(cache_before(9000000, entry.fresh_until_ms),
		    cases[i].fresh);
	}
}

static void
absurd_ages_do_not_wrap_into_freshness(void **state)
{
	static const uint64_t spans[] = { 0, 1000, UINT64_MAX / 2,
		UINT64_MAX - 1, UINT64_MAX };
	struct cache_codec_head head = { .origin = ORIGIN };
	struct cache_codec_moment moment = WRITTEN;

	(void)state;
	for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
		struct cache_codec_record record = { .age_ms = UINT64_MAX,
			.life_ms = spans[i] };
		struct cache_entry entry =
		    cache_codec_entry_of(&record, &head, 5000, &moment);

		assert_false(cache_before(5000, entry.fresh_until_ms));
	}
}

/* A directory for a test's files. */
struct place {
	char directory[64];
	char path[80];
	char temporary[90];
	char damaged[90];
};

static void
make_place(struct place *p)
{
	(void)snprintf(
	    p->directory, sizeof p->directory, "/tmp/cache_file.XXXXXX");
	assert_non_null(mkdtemp(p->directory));
	(void)snprintf(p->path, sizeof p->path, "%s/cache", p->directory);
	(void)snprintf(p->temporary, sizeof p->temporary, "%s.tmp", p->path);
	(void)snprintf(p->damaged, sizeof p->damaged, "%s.damaged", p->path);
}

static void
remove_place(const struct place *p)
{
	(void)unlink(p->path);
	(void)unlink(p->temporary);
	(void)rmdir(p->temporary);
	(void)unlink(p->damaged);
	assert_int_equal(rmdir(p->directory), 0); /* nothing else is left */
}

static void
write_file(const struct place *p, struct slice bytes)
{
	struct cache_file f;
	struct error error;

	assert_true(cache_file_create(&f, p->path, &error));
	assert_true(cache_file_append(&f, bytes, &error));
	assert_true(cache_file_commit(&f, &error));
}

static void
count_record(void *arg, const struct cache_codec_head *head,
    const struct cache_codec_record *record)
{
	size_t *count = arg;

	assert_int_equal(head->written.wall_ms, WRITTEN_MS);
	assert_record(record, &records[*count]);
	++*count;
}

static enum cache_file_verdict
read_file(const struct place *p, uint64_t origin, size_t *count)
{
	struct cache_file_reading reading = {
		.origin = origin, .record = count_record, .arg = count
	};
	struct error error = { "" };
	enum cache_file_verdict verdict;

	*count = 0;
	verdict = cache_file_read(p->path, &reading, &error);
	assert_int_equal(verdict == CACHE_FILE_READ, error.text[0] == '\0');
	return verdict;
}

static mode_t
mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777;
}

static void
a_file_is_private_and_is_read_as_it_was_written(void **state)
{
	struct place p;
	struct buffer bytes;
	size_t count;
	mode_t old = umask(0);

	(void)state;
	make_place(&p);
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_NONE);
	encode(&bytes, RECORDS);
	write_file(&p, buffer_slice(&bytes));
	assert_int_equal(mode_of(p.path), 0600);
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_READ);
	assert_int_equal(count, RECORDS);
	assert_int_equal(read_file(&p, ORIGIN + 1, &count), CACHE_FILE_REFUSED);
	assert_int_equal(count, 0);
	assert_int_equal(access(p.temporary, F_OK), -1);
	(void)umask(old);
	buffer_fini(&bytes);
	remove_place(&p);
}

static void
a_file_cut_short_or_with_bytes_to_spare_is_damaged(void **state)
{
	struct place p;
	struct buffer bytes;
	size_t count;

	(void)state;
	make_place(&p);
	encode(&bytes, SMALL_RECORDS);
	for (size_t len = 0; len < buffer_len(&bytes); len += 7) {
		write_file(&p, (struct slice){ bytes.data, len });
		assert_int_equal(
		    read_file(&p, ORIGIN, &count), CACHE_FILE_DAMAGED);
	}
	assert_true(buffer_append(&bytes, "", 1));
	write_file(&p, buffer_slice(&bytes));
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_DAMAGED);
	buffer_fini(&bytes);
	remove_place(&p);
}

static void
what_others_may_have_written_is_refused(void **state)
{
	struct place p;
	struct buffer bytes;
	struct cache_file_reading reading = { .origin = ORIGIN,
		.record = count_record };
	struct error error;
	size_t count;

	(void)state;
	make_place(&p);
	encode(&bytes, 1);
	write_file(&p, buffer_slice(&bytes));
	reading.arg = &count;
	for (int i = 0; i < 2; i++) {
		count = 0;
		assert_int_equal(chmod(p.path, i == 0 ? 0600 : 0640), 0);
		assert_int_equal(
		    cache_file_read(p.path, &reading, &error), CACHE_FILE_READ);
		assert_int_equal(reading.exposed, i);
	}
	assert_int_equal(chmod(p.path, 0620), 0);
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_REFUSED);
	assert_int_equal(chmod(p.path, 0602), 0);
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_REFUSED);
	assert_int_equal(rename(p.path, p.damaged), 0);
	assert_int_equal(symlink(p.damaged, p.path), 0);
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_REFUSED);
	(void)unlink(p.path);
	assert_int_equal(mkfifo(p.path, 0600), 0); /* and does not wait */
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_REFUSED);
	buffer_fini(&bytes);
	remove_place(&p);
}

static void
what_a_killed_writer_left_is_replaced_and_never_followed(void **state)
{
	struct place p;
	struct buffer bytes;
	struct cache_file f;
	struct error error;
	size_t count;
	int fd;

	(void)state;
	make_place(&p);
	encode(&bytes, 1);
	fd = open(p.temporary, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	write_file(&p, buffer_slice(&bytes));
	assert_int_equal(mode_of(p.path), 0600);
	(void)close(fd);
	/* A link to what must not be overwritten. */
	assert_int_equal(symlink(p.path, p.temporary), 0);
	assert_true(cache_file_create(&f, p.path, &error));
	assert_true(cache_file_append(&f, SLICE("x"), &error));
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_READ);
	cache_file_abort(&f);
	assert_int_equal(access(p.temporary, F_OK), -1);
	fd = open(p.temporary, O_WRONLY | O_CREAT, 0600);
	(void)close(fd);
	cache_file_sweep(p.path);
	assert_int_equal(access(p.temporary, F_OK), -1);
	buffer_fini(&bytes);
	remove_place(&p);
}

static void
two_writers_do_not_mix(void **state)
{
	struct place p;
	struct buffer bytes;
	struct cache_file f, g;
	struct error error;
	size_t count;

	(void)state;
	make_place(&p);
	encode(&bytes, 1);
	assert_true(cache_file_create(&f, p.path, &error));
	assert_false(cache_file_create(&g, p.path, &error));
	assert_non_null(strstr(error.text, "CACHE_FILE of its own"));
	cache_file_sweep(p.path);
	assert_true(cache_file_append(&f, buffer_slice(&bytes), &error));
	assert_true(cache_file_commit(&f, &error));
	cache_file_abort(&f); /* does nothing */
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_READ);
	/* Whose name was taken does not replace anything. */
	assert_true(cache_file_create(&f, p.path, &error));
	assert_int_equal(unlink(p.temporary), 0);
	assert_false(cache_file_commit(&f, &error));
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_READ);
	buffer_fini(&bytes);
	remove_place(&p);
}

static void
a_disk_that_is_full_leaves_the_old_file(void **state)
{
	struct place p;
	struct buffer bytes;
	struct rlimit limit, small;
	struct cache_file f;
	struct error error;
	size_t count;

	(void)state;
	make_place(&p);
	encode(&bytes, RECORDS);
	write_file(&p, buffer_slice(&bytes));
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){ 50000, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(cache_file_create(&f, p.path, &error));
	assert_false(cache_file_append(&f, buffer_slice(&bytes), &error));
	assert_non_null(strstr(error.text, "cannot write"));
	cache_file_abort(&f);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(access(p.temporary, F_OK), -1);
	assert_int_equal(read_file(&p, ORIGIN, &count), CACHE_FILE_READ);
	buffer_fini(&bytes);
	remove_place(&p);
}

static void
a_place_that_does_not_do_is_named(void **state)
{
	struct place p;
	struct cache_file f;
	struct error error;

	(void)state;
	make_place(&p);
	assert_true(cache_file_check_place(p.path, &error));
	assert_int_equal(chmod(p.directory, 0770), 0);
	assert_false(cache_file_check_place(p.path, &error));
	assert_non_null(strstr(error.text, "others may write"));
	assert_int_equal(chmod(p.directory, 0700), 0);
	assert_int_equal(mkdir(p.temporary, 0700), 0);
	assert_false(cache_file_create(&f, p.path, &error));
	remove_place(&p);
	assert_false(cache_file_check_place(p.path, &error));
	assert_non_null(strstr(error.text, p.directory));
	assert_false(cache_file_create(&f, p.path, &error));
	assert_false(cache_file_set_aside(p.path, &error));
}

static void
a_damaged_file_is_set_aside_over_an_older_one(void **state)
{
	struct place p;
	struct error error;

	(void)state;
	make_place(&p);
	for (int i = 0; i < 2; i++) {
		write_file(&p, SLICE("nonsense"));
		assert_true(cache_file_set_aside(p.path, &error));
		assert_int_equal(access(p.path, F_OK), -1);
		assert_int_equal(mode_of(p.damaged), 0600);
	}
	remove_place(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_encoded_is_decoded),
		cmocka_unit_test(every_proper_prefix_wants_more),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(
		    records_cannot_be_exchanged_repeated_or_left_out),
		cmocka_unit_test(claims_of_huge_lengths_are_refused_at_once),
		cmocka_unit_test(other_versions_and_other_files_are_foreign),
		cmocka_unit_test(
		    what_is_no_answer_is_refused_though_its_check_is_right),
		cmocka_unit_test(an_end_that_counts_otherwise_is_refused),
		cmocka_unit_test(a_part_that_finds_no_room_changes_nothing),
		cmocka_unit_test(an_entry_is_as_old_as_it_is),
		cmocka_unit_test(a_clock_that_was_set_makes_nothing_younger),
		cmocka_unit_test(absurd_ages_do_not_wrap_into_freshness),
		cmocka_unit_test(
		    a_file_is_private_and_is_read_as_it_was_written),
		cmocka_unit_test(
		    a_file_cut_short_or_with_bytes_to_spare_is_damaged),
		cmocka_unit_test(what_others_may_have_written_is_refused),
		cmocka_unit_test(
		    what_a_killed_writer_left_is_replaced_and_never_followed),
		cmocka_unit_test(two_writers_do_not_mix),
		cmocka_unit_test(a_disk_that_is_full_leaves_the_old_file),
		cmocka_unit_test(a_place_that_does_not_do_is_named),
		cmocka_unit_test(a_damaged_file_is_set_aside_over_an_older_one),
	};

	memset(large_key, 'k', sizeof large_key);
	memset(large_value, 'v', sizeof large_value);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
