/*
 * The cache's file: any bytes, and what is written from any answers
 */
#include "backend/cache_codec.h"
#include "tests/fuzz/fuzz.h"

#define RECORDS_MAX 16
#define FILE_MAX ((size_t)1 << 20)

static const struct cache_codec_head head = { 7,
	{ .wall_ms = 1700000000000, .boot = 9, .up_ms = 60000 } };

struct answers {
	struct cache_codec_record records[RECORDS_MAX];
	size_t count;
};

static struct slice
take(struct slice *in, size_t len)
{
	struct slice taken = { in->ptr, len < in->len ? len : in->len };

	in->ptr += taken.len;
	in->len -= taken.len;
	return taken;
}

static uint64_t
take_number(struct slice *in)
{
	struct slice bytes = take(in, fuzz_choice(in) % 9);
	uint64_t number = 0;

	memcpy(&number, bytes.ptr, bytes.len);
	return number;
}

static void
take_answers(struct slice in, struct answers *a)
{
	while (in.len > 0 && a->count < RECORDS_MAX) {
		struct cache_codec_record *r = &a->records[a->count++];

		r->map = (enum lookup_map)(fuzz_choice(&in) % LOOKUP_MAPS);
		r->outcome =
		    fuzz_choice(&in) % 2 == 0 ? LOOKUP_OK : LOOKUP_NOTFOUND;
		r->age_ms = take_number(&in);
		r->life_ms = take_number(&in);
		r->key = take(&in, fuzz_choice(&in));
		if (r->outcome == LOOKUP_OK)
			r->value = take(&in, fuzz_choice(&in));
	}
}

static void
check_entry(const struct cache_codec_record *r)
{
	static const struct cache_codec_moment moments[] = { { 0, 0, 0 },
		{ 1700000000000, 9, 60000 }, { 1800000000000, 0, 0 },
		{ 0, 8, UINT64_MAX }, { UINT64_MAX, 9, UINT64_MAX } };
	const uint64_t now = 5000;

	for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
		struct cache_entry entry =
		    cache_codec_entry_of(r, &head, now, &moments[i]);

		fuzz_check(!cache_before(now, entry.stored_ms));
		fuzz_check(
		    !cache_before(entry.fresh_until_ms, entry.stored_ms));
		/* A clock that went backwards makes nothing fresh. */
		fuzz_check(moments[i].wall_ms >= head.written.wall_ms ||
		    !cache_before(now, entry.fresh_until_ms));
		fuzz_check(cache_codec_record_of(&entry, now).age_ms ==
		    now - entry.stored_ms);
	}
}

static void
check_record(
    const struct cache_codec_record *got, const struct cache_codec_record *want)
{
	fuzz_check(got->map == want->map && got->outcome == want->outcome);
	fuzz_check(slice_equal(got->key, want->key));
	fuzz_check(slice_equal(got->value, want->value));
	fuzz_check(got->age_ms == want->age_ms);
	fuzz_check(got->life_ms == want->life_ms);
}

/* How a file of these answers reads; want NULL: it may be anybody's. */
static enum cache_codec_verdict
read_file(struct slice bytes, const struct answers *want)
{
	struct cache_codec codec = { 0 };
	struct cache_codec_head got;
	struct cache_codec_record record;
	enum cache_codec_verdict verdict;
	size_t used = 0;

	verdict = cache_codec_take_head(&codec, bytes, &used, &got);
	while (verdict == CACHE_CODEC_PART) {
		fuzz_check(used > 0 && used <= bytes.len);
		(void)take(&bytes, used);
		verdict = cache_codec_take(&codec, bytes, &used, &record);
		if (verdict != CACHE_CODEC_PART)
			break;
		fuzz_check(record.key.len <= LOOKUP_KEY_MAX);
		fuzz_check(record.value.len <= LOOKUP_REPLY_MAX);
		check_entry(&record);
		if (want != NULL)
			check_record(
			    &record, &want->records[codec.records - 1]);
	}
	if (verdict == CACHE_CODEC_MORE)
		fuzz_check(bytes.len < CACHE_CODEC_PART_MAX);
	return verdict;
}

static void
check_written(const struct answers *a, unsigned at, unsigned mask)
{
	struct cache_codec codec = { 0 };
	struct buffer out;
	struct slice bytes;

	buffer_init(&out, FILE_MAX);
	fuzz_check(cache_codec_put_head(&codec, &out, &head));
	for (size_t i = 0; i < a->count; i++)
		fuzz_check(
		    cache_codec_put_record(&codec, &out, &a->records[i]));
	fuzz_check(cache_codec_put_end(&codec, &out));
	bytes = buffer_slice(&out);
	fuzz_check(read_file(bytes, a) == CACHE_CODEC_END);
	fuzz_check(read_file((struct slice){ bytes.ptr, at % bytes.len }, a) ==
	    CACHE_CODEC_MORE);
	/* What precedes the damage is read as it was written. */
	out.data[at % bytes.len] ^= (char)mask;
	fuzz_check(mask == 0 || read_file(bytes, a) != CACHE_CODEC_END);
	buffer_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = fuzz_input(data, size);
	struct answers answers = { .count = 0 };
	unsigned at, mask;

	if (fuzz_choice(&in) % 2 == 0) {
		(void)read_file(in, NULL);
		return 0;
	}
	at = fuzz_choice(&in) * 256U;
	at += fuzz_choice(&in);
	mask = fuzz_choice(&in);
	take_answers(in, &answers);
	check_written(&answers, at, mask);
	return 0;
}
