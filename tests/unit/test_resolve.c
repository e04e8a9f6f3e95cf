#include "tests/unit/fake_userli.h"

#include <fcntl.h>
#include <unistd.h>

#include "backend/resolve.h"

#define TTL_MS 100000
#define NEGATIVE_MS 10000
#define STALE_MS 1000000
#define SLOW_MS 1800
#define PATIENCE_MS 10000
#define ANSWERS_MAX 600

struct got {
	enum lookup_outcome outcome;
	enum lookup_source source;
	uint32_t age_ms;
	char data[128];
};

struct fixture {
	uv_loop_t loop;
	struct resolve_options options;
	struct resolve *resolve;
	struct metrics *metrics;
	struct log *log;
	int null;
	struct got got[ANSWERS_MAX];
	size_t told;
};

static void
on_done(void *arg, const struct lookup_result *result)
{
	struct fixture *f = arg;
	struct got *got = &f->got[f->told++];

	assert_in_range(f->told, 1, ANSWERS_MAX);
	assert_in_range(result->data.len, 0, sizeof got->data - 1);
	got->outcome = result->outcome;
	got->source = result->source;
	got->age_ms = result->age_ms;
	memset(got->data, 0, sizeof got->data);
	if (result->data.len > 0)
		memcpy(got->data, result->data.ptr, result->data.len);
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	fake_reset();
	uv_loop_init(&f->loop);
	f->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	f->log = log_new(&(struct log_options){ .fd = f->null });
	f->options = (struct resolve_options){
		.delimiter = SLICE("+"),
		.answers = { .ttl_ms = TTL_MS, .stale_ttl_ms = STALE_MS },
		.cache_bytes_max = 1 << 20,
		.stale_after_ms = SLOW_MS,
		.fetch_limit_ms = 5000,
		.refreshes_max = 2,
		.log = f->log,
	};
	for (int i = 0; i < LOOKUP_MAPS; i++)
		f->options.answers.negative_ttl_ms[i] = NEGATIVE_MS;
	*state = f;
	return 0;
}

/* After a test has had its way with the options. */
static struct fixture *
begin(void **state)
{
	struct fixture *f = *state;

	f->metrics = metrics_new();
	f->options.metrics = f->metrics;
	f->resolve = resolve_new(&f->loop, &f->options);
	return f;
}

static struct fixture *
begin_gated(void **state)
{
	((struct fixture *)*state)->options.gate = true;
	return begin(state);
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	resolve_close(f->resolve);
	for (size_t i = 0; i < fake.count; i++) {
		if (fake.calls[i].done != NULL)
			fake_answer(i, LOOKUP_DRAINING, "");
	}
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	metrics_free(f->metrics);
	log_free(f->log);
	(void)close(f->null);
	free(f);
	return 0;
}

static void
look_up_within(
    struct fixture *f, enum lookup_map map, const char *key, uint64_t ms)
{
	resolve_lookup(
	    f->resolve, map, slice_of(key), fake.now + ms, 7, on_done, f);
}

static void
look_up(struct fixture *f, enum lookup_map map, const char *key)
{
	look_up_within(f, map, key, PATIENCE_MS);
}

static void
expect(const struct fixture *f, size_t told, enum lookup_outcome outcome,
    enum lookup_source source, const char *data)
{
	const struct got *last = &f->got[told - 1];

	assert_int_equal(f->told, told);
	assert_int_equal(last->outcome, outcome);
	assert_int_equal(last->source, source);
	if (data != NULL)
		assert_string_equal(last->data, data);
}

/* userli says so of a key that is not remembered; the first lookup. */
static void
warm(struct fixture *f, enum lookup_map map, const char *key,
    enum lookup_outcome outcome, const char *data)
{
	look_up(f, map, key);
	fake_answer(fake.count - 1, outcome, data);
	assert_int_equal(f->got[f->told - 1].outcome, outcome);
	f->told = 0;
	fake.count = 0;
}

/* --- One request --------------------------------------------------------- */

static void
five_hundred_who_ask_at_once_share_one_request(void **state)
{
	struct fixture *f = begin(state);

	for (int i = 0; i < 500; i++)
		look_up(f, LOOKUP_ALIAS, i % 2 ? "a@b.org" : "A@B.org");
	fake_expect(1, LOOKUP_ALIAS, "a@b.org");
	assert_int_equal(f->told, 0);
	fake_answer(0, LOOKUP_OK, "x@y.org");
	expect(f, 500, LOOKUP_OK, LOOKUP_FRESH, "x@y.org");
	look_up(f, LOOKUP_SENDERS, "a@b.org");
	fake_expect(2, LOOKUP_SENDERS, "a@b.org");
}

static void
without_a_cache_only_those_who_ask_at_once_share(void **state)
{
	struct fixture *f = *state;

	f->options.answers.ttl_ms = 0;
	f->options.gate = true;
	(void)begin(state);
	assert_null(resolve_cache(f->resolve));
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_expect(1, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_OK, "x@y.org");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_expect(2, LOOKUP_ALIAS, "a@b.org");
	fake_answer(1, LOOKUP_TEMP, "userli failed");
	expect(f, 3, LOOKUP_TEMP, LOOKUP_FRESH, "userli failed");
	assert_int_equal(
	    resolve_purge(f->resolve, LOOKUP_MAPS, SLICE("a@b.org")), 0);
}

static void
one_in_haste_times_out_alone(void **state)
{
	struct fixture *f = begin(state);

	look_up_within(f, LOOKUP_ALIAS, "a@b.org", 50);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_advance(50);
	expect(f, 1, LOOKUP_TIMEOUT, LOOKUP_FRESH,
	    "userli did not answer in time");
	fake_advance(2000);
	fake_answer(0, LOOKUP_OK, "x@y.org");
	expect(f, 2, LOOKUP_OK, LOOKUP_FRESH, "x@y.org");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 3, LOOKUP_OK, LOOKUP_CACHED, "x@y.org");
	assert_int_equal(fake.count, 1);
}

static void
what_cannot_exist_is_never_asked(void **state)
{
	struct fixture *f = begin(state);

	look_up(f, LOOKUP_MAPS, "a@b.org");
	expect(f, 1, LOOKUP_PERM, LOOKUP_RULE, "Unknown map name");
	look_up(f, LOOKUP_ALIAS, "b.org");
	expect(f, 2, LOOKUP_NOTFOUND, LOOKUP_RULE, "");
	assert_int_equal(fake.count, 0);
}

/* --- Fresh --------------------------------------------------------------- */

static void
an_answer_is_told_again_until_it_expires(void **state)
{
	static const struct {
		enum lookup_outcome outcome;
		const char *data;
		uint64_t life_ms;
	} cases[] = {
		{ LOOKUP_OK, "x@y.org", TTL_MS },
		{ LOOKUP_NOTFOUND, "", NEGATIVE_MS },
	};
	struct fixture *f = begin(state);

	for (size_t i = 0; i < 2; i++) {
		uint64_t early = cases[i].life_ms * 8 / 10;
		char key[] = "0@b.org";

		key[0] = (char)('0' + i);
		warm(f, LOOKUP_ALIAS, key, cases[i].outcome, cases[i].data);
		fake_advance(early);
		look_up(f, LOOKUP_ALIAS, key);
		expect(f, 1, cases[i].outcome, LOOKUP_CACHED, cases[i].data);
		assert_int_equal(f->got[0].age_ms, early);
		assert_int_equal(fake.count, 0);
		fake_advance(cases[i].life_ms - early);
		look_up(f, LOOKUP_ALIAS, key);
		assert_int_equal(f->told, 1);
		fake_expect(1, LOOKUP_ALIAS, key);
		fake_answer(0, LOOKUP_OK, "new@y.org");
		expect(f, 2, LOOKUP_OK, LOOKUP_FRESH, "new@y.org");
	}
}

static void
failures_are_never_told_again(void **state)
{
	static const enum lookup_outcome failures[] = { LOOKUP_TEMP,
		LOOKUP_TIMEOUT, LOOKUP_PERM, LOOKUP_BUSY };
	struct fixture *f = begin(state);

	for (size_t i = 0; i < 4; i++) {
		look_up(f, LOOKUP_ALIAS, "a@b.org");
		fake_answer(i, failures[i], "why");
		expect(f, i + 1, failures[i], LOOKUP_FRESH, "why");
		assert_int_equal(fake.count, i + 1);
	}
}

static void
an_answer_in_use_is_fetched_again_before_it_expires(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "old@y.org");
	fake_advance(TTL_MS * 94 / 100);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 2, LOOKUP_OK, LOOKUP_CACHED, "old@y.org");
	fake_expect(1, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_OK, "new@y.org");
	fake_advance(TTL_MS * 8 / 10);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 3, LOOKUP_OK, LOOKUP_CACHED, "new@y.org");
	assert_int_equal(f->got[2].age_ms, TTL_MS * 8 / 10);
	assert_int_equal(fake.count, 1);
}

static void
a_refresh_that_fails_harms_nothing_and_is_not_repeated_at_once(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	fake_advance(TTL_MS * 90 / 100);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_TEMP, "userli failed");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 2, LOOKUP_OK, LOOKUP_CACHED, "x@y.org");
	assert_int_equal(fake.count, 1);
	fake_advance(ANSWERS_HOLD_MS - 1);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	assert_int_equal(fake.count, 1);
}

static void
refreshes_are_few_and_give_way_to_those_who_wait(void **state)
{
	static const char *const keys[] = { "a@b.org", "c@b.org", "d@b.org" };
	struct fixture *f = begin(state);

	for (size_t i = 0; i < 3; i++)
		warm(f, LOOKUP_ALIAS, keys[i], LOOKUP_OK, "x@y.org");
	fake_advance(TTL_MS * 92 / 100);
	fake.crowded = true;
	look_up(f, LOOKUP_ALIAS, keys[0]);
	fake.crowded = false;
	fake.unwell = true;
	look_up(f, LOOKUP_ALIAS, keys[0]);
	fake.unwell = false;
	assert_int_equal(fake.count, 0);
	for (size_t i = 0; i < 3; i++)
		look_up(f, LOOKUP_ALIAS, keys[i]);
	fake_expect(2, LOOKUP_ALIAS, keys[1]);
	fake_answer(0, LOOKUP_OK, "x@y.org");
	look_up(f, LOOKUP_ALIAS, keys[2]);
	fake_expect(3, LOOKUP_ALIAS, keys[2]);
	expect(f, 6, LOOKUP_OK, LOOKUP_CACHED, "x@y.org");
}

/* --- Stale --------------------------------------------------------------- */

static void
expire(uint64_t more_ms)
{
	fake_advance(TTL_MS + more_ms);
}

static void
an_expired_ok_is_told_when_userli_fails(void **state)
{
	static const enum lookup_outcome failures[] = { LOOKUP_TEMP,
		LOOKUP_TIMEOUT, LOOKUP_BUSY, LOOKUP_DRAINING };
	struct fixture *f = begin(state);

	for (size_t i = 0; i < 4; i++) {
		char key[] = "0@b.org";

		key[0] = (char)('0' + i);
		warm(f, LOOKUP_ALIAS, key, LOOKUP_OK, "x@y.org");
		expire(5000);
		look_up(f, LOOKUP_ALIAS, key);
		assert_int_equal(f->told, 0);
		fake_answer(0, failures[i], "why");
		expect(f, 1, LOOKUP_OK, LOOKUP_STALE, "x@y.org");
		assert_int_equal(f->got[0].age_ms, TTL_MS + 5000);
	}
}

static void
after_a_failure_userli_is_left_alone_for_that_key(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	expire(0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_TEMP, "userli failed");
	for (size_t i = 2; i < 7; i++) {
		look_up(f, LOOKUP_ALIAS, "a@b.org");
		expect(f, i, LOOKUP_OK, LOOKUP_STALE, "x@y.org");
		fake_advance(ANSWERS_HOLD_MS / 5);
	}
	assert_int_equal(fake.count, 1);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	assert_int_equal(f->told, 6);
	fake_expect(2, LOOKUP_ALIAS, "a@b.org");
	fake_answer(1, LOOKUP_OK, "new@y.org");
	expect(f, 7, LOOKUP_OK, LOOKUP_FRESH, "new@y.org");
}

static void
while_userli_is_known_to_fail_stale_is_told_unasked(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	expire(0);
	fake.unwell = true;
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 1, LOOKUP_OK, LOOKUP_STALE, "x@y.org");
	assert_int_equal(fake.count, 0);
	fake.unwell = false;
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_NOTFOUND, "");
	expect(f, 2, LOOKUP_NOTFOUND, LOOKUP_FRESH, "");
}

static void
when_userli_is_slow_stale_is_told_and_the_fetch_goes_on(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "old@y.org");
	expire(0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_advance(SLOW_MS - 1);
	assert_int_equal(f->told, 0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_advance(1);
	expect(f, 2, LOOKUP_OK, LOOKUP_STALE, "old@y.org");
	/* The next need not wait that long again. */
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 3, LOOKUP_OK, LOOKUP_STALE, "old@y.org");
	fake_answer(0, LOOKUP_OK, "new@y.org");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 4, LOOKUP_OK, LOOKUP_CACHED, "new@y.org");
	assert_int_equal(fake.count, 1);
}

static void
a_short_deadline_beats_the_wait_for_stale(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	expire(0);
	look_up_within(f, LOOKUP_ALIAS, "a@b.org", 200);
	/* In time to be told of it. */
	fake_advance(179);
	assert_int_equal(f->told, 0);
	fake_advance(1);
	expect(f, 1, LOOKUP_OK, LOOKUP_STALE, "x@y.org");
}

static void
stale_has_an_end(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	expire(STALE_MS);
	fake.unwell = true;
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_TEMP, "userli failed");
	expect(f, 1, LOOKUP_TEMP, LOOKUP_FRESH, "userli failed");
}

static void
an_expired_notfound_never_answers(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_NOTFOUND, "");
	fake_advance(NEGATIVE_MS);
	fake.unwell = true;
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_TEMP, "userli failed");
	expect(f, 1, LOOKUP_TEMP, LOOKUP_FRESH, "userli failed");
	fake.unwell = false;
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_advance(PATIENCE_MS);
	expect(f, 2, LOOKUP_TIMEOUT, LOOKUP_FRESH, NULL);
}

static void
what_userli_says_replaces_what_it_said(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	expire(0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_NOTFOUND, "");
	expect(f, 1, LOOKUP_NOTFOUND, LOOKUP_FRESH, "");
	fake_advance(NEGATIVE_MS);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(1, LOOKUP_TEMP, "userli failed");
	expect(f, 2, LOOKUP_TEMP, LOOKUP_FRESH, "userli failed");

	warm(f, LOOKUP_ALIAS, "b@b.org", LOOKUP_OK, "x@y.org");
	expire(0);
	look_up(f, LOOKUP_ALIAS, "b@b.org");
	fake_answer(0, LOOKUP_PERM, "too large");
	expect(f, 1, LOOKUP_PERM, LOOKUP_FRESH, "too large");
	look_up(f, LOOKUP_ALIAS, "b@b.org");
	fake_answer(1, LOOKUP_TEMP, "userli failed");
	expect(f, 2, LOOKUP_TEMP, LOOKUP_FRESH, "userli failed");
}

static void
a_notfound_that_is_not_kept_removes_the_ok(void **state)
{
	struct fixture *f = *state;

	f->options.answers.negative_ttl_ms[LOOKUP_ALIAS] = 0;
	(void)begin(state);
	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	expire(0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_NOTFOUND, "");
	fake.unwell = true;
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(1, LOOKUP_TEMP, "userli failed");
	expect(f, 2, LOOKUP_TEMP, LOOKUP_FRESH, "userli failed");
}

/* --- The gate ------------------------------------------------------------ */

static void
one_request_for_a_domain_serves_all_its_addresses(void **state)
{
	static const enum lookup_map maps[] = { LOOKUP_ALIAS, LOOKUP_MAILBOX,
		LOOKUP_SENDERS };
	struct fixture *f = begin_gated(state);

	for (size_t i = 0; i < 3; i++)
		look_up(f, maps[i], "a@elsewhere.org");
	fake_expect(1, LOOKUP_DOMAIN, "elsewhere.org");
	fake_answer(0, LOOKUP_NOTFOUND, "");
	expect(f, 3, LOOKUP_NOTFOUND, LOOKUP_FRESH, "");
	for (size_t i = 0; i < 3; i++)
		look_up(f, maps[i], "postmaster@elsewhere.org");
	look_up(f, LOOKUP_DOMAIN, "elsewhere.org");
	expect(f, 7, LOOKUP_NOTFOUND, LOOKUP_CACHED, "");
	assert_int_equal(fake.count, 1);
	/* Only as long as userli's word is fresh. */
	fake_advance(NEGATIVE_MS);
	look_up(f, LOOKUP_ALIAS, "a@elsewhere.org");
	fake_expect(2, LOOKUP_DOMAIN, "elsewhere.org");
	fake_answer(1, LOOKUP_OK, "1");
	fake_expect(3, LOOKUP_ALIAS, "a@elsewhere.org");
	fake_answer(2, LOOKUP_OK, "x@y.org");
	expect(f, 8, LOOKUP_OK, LOOKUP_FRESH, "x@y.org");
}

static void
an_address_of_a_domain_that_is_there_is_asked_for(void **state)
{
	struct fixture *f = begin_gated(state);

	warm(f, LOOKUP_DOMAIN, "b.org", LOOKUP_OK, "1");
	look_up(f, LOOKUP_ALIAS, "postmaster@b.org");
	fake_expect(1, LOOKUP_ALIAS, "postmaster@b.org");
	fake_answer(0, LOOKUP_OK, "x@y.org");
	expect(f, 1, LOOKUP_OK, LOOKUP_FRESH, "x@y.org");
}

static void
a_domain_that_fails_says_nothing_of_its_addresses(void **state)
{
	static const enum lookup_outcome failures[] = { LOOKUP_TEMP,
		LOOKUP_TIMEOUT, LOOKUP_PERM };
	struct fixture *f = begin_gated(state);

	for (size_t i = 0; i < 3; i++) {
		look_up(f, LOOKUP_ALIAS, "a@b.org");
		fake_answer(2 * i, failures[i], "why");
		assert_int_equal(f->told, i);
		fake_expect(2 * i + 2, LOOKUP_ALIAS, "a@b.org");
		fake_answer(2 * i + 1, LOOKUP_TEMP, "userli failed");
		expect(f, i + 1, LOOKUP_TEMP, LOOKUP_FRESH, "userli failed");
	}
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(6, LOOKUP_BUSY, "queue");
	expect(f, 4, LOOKUP_BUSY, LOOKUP_FRESH, "queue");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_advance(PATIENCE_MS);
	expect(f, 5, LOOKUP_TIMEOUT, LOOKUP_FRESH, NULL);
}

static void
an_address_that_was_there_waits_for_no_domain(void **state)
{
	struct fixture *f = begin_gated(state);

	warm(f, LOOKUP_DOMAIN, "b.org", LOOKUP_OK, "1");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_OK, "x@y.org");
	expire(0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	/* The domain in the background. */
	assert_int_equal(fake.count, 3);
	fake_expect(3, LOOKUP_ALIAS, "a@b.org");
	assert_int_equal(fake.calls[1].map, LOOKUP_DOMAIN);
	fake_answer(2, LOOKUP_OK, "new@y.org");
	expect(f, 2, LOOKUP_OK, LOOKUP_FRESH, "new@y.org");
	/* Nor if nothing is known of its domain. */
	(void)resolve_purge(f->resolve, LOOKUP_DOMAIN, SLICE("b.org"));
	expire(0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_expect(4, LOOKUP_ALIAS, "a@b.org");
	fake_answer(3, LOOKUP_OK, "new@y.org");
	expect(f, 3, LOOKUP_OK, LOOKUP_FRESH, "new@y.org");
	fake_answer(1, LOOKUP_NOTFOUND, "");
	/* And its domain does not outlive userli's word. */
	warm(f, LOOKUP_DOMAIN, "b.org", LOOKUP_NOTFOUND, "");
	look_up(f, LOOKUP_SENDERS, "a@b.org");
	expect(f, 1, LOOKUP_NOTFOUND, LOOKUP_CACHED, "");
}

static void
a_closed_gate_beats_stale_and_not_what_is_fresh(void **state)
{
	struct fixture *f = begin_gated(state);

	warm(f, LOOKUP_DOMAIN, "b.org", LOOKUP_OK, "1");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_OK, "x@y.org");
	(void)resolve_purge(f->resolve, LOOKUP_DOMAIN, SLICE("b.org"));
	look_up(f, LOOKUP_DOMAIN, "b.org");
	fake_answer(1, LOOKUP_NOTFOUND, "");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 3, LOOKUP_OK, LOOKUP_CACHED, "x@y.org");
	expire(0);
	look_up(f, LOOKUP_DOMAIN, "b.org");
	fake_answer(2, LOOKUP_NOTFOUND, "");
	fake.unwell = true;
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 5, LOOKUP_NOTFOUND, LOOKUP_CACHED, "");
}

/* --- Purges -------------------------------------------------------------- */

static void
a_purge_forgets_a_key_however_it_is_written(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	warm(f, LOOKUP_MAILBOX, "a@b.org", LOOKUP_NOTFOUND, "");
	warm(f, LOOKUP_ALIAS, "c@b.org", LOOKUP_OK, "x@y.org");
	assert_int_equal(
	    resolve_purge(f->resolve, LOOKUP_MAPS, SLICE(" A+ext@B.org")), 2);
	assert_int_equal(
	    resolve_purge(f->resolve, LOOKUP_MAPS, SLICE("no address")), 0);
	look_up(f, LOOKUP_ALIAS, "c@b.org");
	assert_int_equal(fake.count, 0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_expect(1, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_TEMP, "userli failed");
	expect(f, 2, LOOKUP_TEMP, LOOKUP_FRESH, NULL);
	assert_int_equal(
	    resolve_purge(f->resolve, LOOKUP_MAPS, (struct slice){ NULL, 0 }),
	    1);
}

static void
what_was_asked_before_a_purge_is_told_and_not_kept(void **state)
{
	struct fixture *f = begin(state);

	look_up(f, LOOKUP_ALIAS, "a@b.org");
	(void)resolve_purge(f->resolve, LOOKUP_ALIAS, SLICE("a@b.org"));
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	assert_int_equal(fake.count, 2);
	fake_answer(0, LOOKUP_NOTFOUND, "");
	expect(f, 1, LOOKUP_NOTFOUND, LOOKUP_FRESH, "");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(1, LOOKUP_OK, "x@y.org");
	expect(f, 3, LOOKUP_OK, LOOKUP_FRESH, "x@y.org");
	assert_int_equal(fake.count, 2);
	/* Nor in place of what was asked later and came earlier. */
	(void)resolve_purge(f->resolve, LOOKUP_ALIAS, SLICE("a@b.org"));
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	(void)resolve_purge(f->resolve, LOOKUP_ALIAS, SLICE("a@b.org"));
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_answer(3, LOOKUP_OK, "new@y.org");
	fake_answer(2, LOOKUP_NOTFOUND, "");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	expect(f, 6, LOOKUP_OK, LOOKUP_CACHED, "new@y.org");
}

static void
a_purge_while_one_hopes_for_stale_leaves_it_waiting(void **state)
{
	struct fixture *f = begin(state);

	warm(f, LOOKUP_ALIAS, "a@b.org", LOOKUP_OK, "x@y.org");
	expire(0);
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	(void)resolve_purge(f->resolve, LOOKUP_ALIAS, SLICE("a@b.org"));
	fake_advance(SLOW_MS);
	assert_int_equal(f->told, 0);
	fake_expect(2, LOOKUP_ALIAS, "a@b.org");
	fake_answer(1, LOOKUP_OK, "new@y.org");
	expect(f, 1, LOOKUP_OK, LOOKUP_FRESH, "new@y.org");
	fake_answer(0, LOOKUP_OK, "x@y.org");
	assert_int_equal(f->told, 1);
}

static void
a_purged_address_may_be_the_first_of_a_new_domain(void **state)
{
	struct fixture *f = begin_gated(state);

	warm(f, LOOKUP_DOMAIN, "new.org", LOOKUP_NOTFOUND, "");
	warm(f, LOOKUP_DOMAIN, "old.org", LOOKUP_OK, "1");
	assert_int_equal(
	    resolve_purge(f->resolve, LOOKUP_MAPS, SLICE("a@new.org")), 1);
	assert_int_equal(
	    resolve_purge(f->resolve, LOOKUP_MAPS, SLICE("a@old.org")), 0);
	look_up(f, LOOKUP_MAILBOX, "a@new.org");
	fake_expect(1, LOOKUP_DOMAIN, "new.org");
	/* Once more, while the domain is asked for: it may be older. */
	(void)resolve_purge(f->resolve, LOOKUP_MAPS, SLICE("a@new.org"));
	fake_answer(0, LOOKUP_NOTFOUND, "");
	fake_expect(2, LOOKUP_MAILBOX, "a@new.org");
	fake_answer(1, LOOKUP_OK, "1");
	expect(f, 1, LOOKUP_OK, LOOKUP_FRESH, "1");
}

/* --- Extensions ---------------------------------------------------------- */

static void
extensions_are_added_to_aliases_and_not_remembered(void **state)
{
	struct fixture *f = *state;

	f->options.propagate_extension = true;
	(void)begin(state);
	look_up(f, LOOKUP_ALIAS, "a+one@b.org");
	look_up(f, LOOKUP_ALIAS, "A+Two@b.org");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	fake_expect(1, LOOKUP_ALIAS, "a@b.org");
	fake_answer(0, LOOKUP_OK, "x@y.org,z@y.org");
	expect(f, 3, LOOKUP_OK, LOOKUP_FRESH, "x@y.org,z@y.org");
	assert_string_equal(f->got[0].data, "x+one@y.org,z+one@y.org");
	assert_string_equal(f->got[1].data, "x+Two@y.org,z+Two@y.org");
	look_up(f, LOOKUP_ALIAS, "a+three@b.org");
	expect(f, 4, LOOKUP_OK, LOOKUP_CACHED, "x+three@y.org,z+three@y.org");
	warm(f, LOOKUP_SENDERS, "a+one@b.org", LOOKUP_OK, "x@y.org");
	look_up(f, LOOKUP_SENDERS, "a+one@b.org");
	expect(f, 1, LOOKUP_OK, LOOKUP_CACHED, "x@y.org");
}

static void
extensions_are_cut_and_forgotten_by_default(void **state)
{
	struct fixture *f = begin(state);

	look_up(f, LOOKUP_ALIAS, "a+one@b.org");
	fake_answer(0, LOOKUP_OK, "x@y.org");
	expect(f, 1, LOOKUP_OK, LOOKUP_FRESH, "x@y.org");
}

/* --- Figures ------------------------------------------------------------- */

static void
expect_figure(const struct fixture *f, const char *line)
{
	struct buffer out;

	buffer_init(&out, 1 << 20);
	assert_true(metrics_write(f->metrics, &out));
	assert_true(buffer_append(&out, "", 1));
	if (strstr(buffer_slice(&out).ptr, line) == NULL)
		fail_msg("no %s in %s", line, buffer_slice(&out).ptr);
	buffer_fini(&out);
}

static void
what_happened_is_counted(void **state)
{
	struct fixture *f = begin_gated(state);

	warm(f, LOOKUP_DOMAIN, "b.org", LOOKUP_OK, "1");
	warm(f, LOOKUP_DOMAIN, "c.org", LOOKUP_NOTFOUND, "");
	look_up(f, LOOKUP_ALIAS, "a@c.org");
	for (int i = 0; i < 3; i++)
		look_up(f, LOOKUP_MAILBOX, "a@b.org");
	fake_answer(0, LOOKUP_OK, "1");
	look_up(f, LOOKUP_MAILBOX, "a@b.org");
	fake_advance(TTL_MS * 93 / 100);
	look_up(f, LOOKUP_MAILBOX, "a@b.org");
	fake_answer(1, LOOKUP_TEMP, "userli failed");
	expire(0);
	fake.unwell = true;
	look_up(f, LOOKUP_MAILBOX, "a@b.org");
	expect_figure(f, "_gate_answers_total{map=\"alias\"} 1\n");
	expect_figure(f, "_cache_hits_total{map=\"mailbox\"} 2\n");
	expect_figure(f, "_cache_misses_total{map=\"mailbox\"} 3\n");
	expect_figure(f, "_lookups_coalesced_total{map=\"mailbox\"} 2\n");
	expect_figure(f, "_cache_refreshes_total{result=\"failed\"} 1\n");
	expect_figure(f, "_cache_refreshes_total{result=\"ok\"} 0\n");
	expect_figure(f, "_stale_answers_total{map=\"mailbox\"} 1\n");
	expect_figure(f, "_stale_answer_age_seconds 193\n");
	expect_figure(f, "_cache_entries 3\n");
	/* The oldest is forgotten after a while. */
	fake_advance(2 * 60000);
	expect_figure(f, "_stale_answer_age_seconds 0\n");
}

/* --- The end ------------------------------------------------------------- */

static void
at_the_end_all_who_wait_are_told(void **state)
{
	struct fixture *f = begin_gated(state);

	warm(f, LOOKUP_DOMAIN, "b.org", LOOKUP_OK, "1");
	look_up(f, LOOKUP_ALIAS, "a@b.org");
	look_up(f, LOOKUP_ALIAS, "a@c.org");
	resolve_close(f->resolve);
	fake_answer(0, LOOKUP_TEMP, "userli failed");
	fake_answer(1, LOOKUP_TEMP, "userli failed");
	assert_int_equal(f->told, 2);
	assert_int_equal(f->got[0].outcome, LOOKUP_TEMP);
	assert_int_equal(f->got[1].outcome, LOOKUP_DRAINING);
	look_up(f, LOOKUP_ALIAS, "d@b.org");
	expect(f, 3, LOOKUP_DRAINING, LOOKUP_FRESH, NULL);
	assert_int_equal(fake.count, 2);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	metrics_free(f->metrics);
	/* For the fixture to close. */
	(void)begin(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(five_hundred_who_ask_at_once_share_one_request),
		TEST(without_a_cache_only_those_who_ask_at_once_share),
		TEST(one_in_haste_times_out_alone),
		TEST(what_cannot_exist_is_never_asked),
		TEST(an_answer_is_told_again_until_it_expires),
		TEST(failures_are_never_told_again),
		TEST(an_answer_in_use_is_fetched_again_before_it_expires),
		TEST(
		    a_refresh_that_fails_harms_nothing_and_is_not_repeated_at_once),
		TEST(refreshes_are_few_and_give_way_to_those_who_wait),
		TEST(an_expired_ok_is_told_when_userli_fails),
		TEST(after_a_failure_userli_is_left_alone_for_that_key),
		TEST(while_userli_is_known_to_fail_stale_is_told_unasked),
		TEST(when_userli_is_slow_stale_is_told_and_the_fetch_goes_on),
		TEST(a_short_deadline_beats_the_wait_for_stale),
		TEST(stale_has_an_end),
		TEST(an_expired_notfound_never_answers),
		TEST(what_userli_says_replaces_what_it_said),
		TEST(a_notfound_that_is_not_kept_removes_the_ok),
		TEST(one_request_for_a_domain_serves_all_its_addresses),
		TEST(an_address_of_a_domain_that_is_there_is_asked_for),
		TEST(a_domain_that_fails_says_nothing_of_its_addresses),
		TEST(an_address_that_was_there_waits_for_no_domain),
		TEST(a_closed_gate_beats_stale_and_not_what_is_fresh),
		TEST(a_purge_forgets_a_key_however_it_is_written),
		TEST(what_was_asked_before_a_purge_is_told_and_not_kept),
		TEST(a_purge_while_one_hopes_for_stale_leaves_it_waiting),
		TEST(a_purged_address_may_be_the_first_of_a_new_domain),
		TEST(extensions_are_added_to_aliases_and_not_remembered),
		TEST(extensions_are_cut_and_forgotten_by_default),
		TEST(what_happened_is_counted),
		TEST(at_the_end_all_who_wait_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
