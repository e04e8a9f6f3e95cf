#include "tests/unit/fake_userli.h"

#include "backend/fetch.h"

#define KEY SLICE("alice@example.org")
#define LIMIT_MS 5000

struct waiter {
	struct fetch_waiter waiter;
	unsigned told;
	bool woken;
	bool forgotten;
	enum lookup_outcome outcome;
	char data[64];
};

struct fixture {
	uv_loop_t loop;
	struct fetches *fetches;
	unsigned landed;
	unsigned told_when_landed;
	struct waiter waiters[8];
	bool closed;
};

static void
on_landed(void *arg, const struct fetch_about *about,
    const struct lookup_result *result)
{
	struct fixture *f = arg;

	(void)result;
	assert_true(about->key.len > 0);
	f->landed++;
	for (size_t i = 0; i < 8; i++)
		f->told_when_landed += f->waiters[i].told;
}

static void
on_told(struct fetch_waiter *waiter, const struct fetch_about *about,
    const struct lookup_result *result)
{
	struct waiter *w = (struct waiter *)waiter;

	w->told++;
	w->woken = result == NULL;
	if (result == NULL) {
		assert_null(about);
		return;
	}
	w->forgotten = about->forgotten;
	w->outcome = result->outcome;
	assert_in_range(result->data.len, 0, sizeof w->data - 1);
	memcpy(w->data, result->data.ptr, result->data.len);
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct fetch_options options = {
		.limit_ms = LIMIT_MS, .landed = on_landed, .arg = f
	};

	fake_reset();
	uv_loop_init(&f->loop);
	f->fetches = fetches_new(&f->loop, &options);
	for (size_t i = 0; i < 8; i++)
		f->waiters[i].waiter.told = on_told;
	*state = f;
	return 0;
}

static void
on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	fetches_close(f->fetches, on_closed, f);
	for (size_t i = 0; i < fake.count; i++) {
		if (fake.calls[i].done != NULL)
			fake_answer(i, LOOKUP_DRAINING, "");
	}
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void
start(struct fixture *f)
{
	assert_true(fetch_start(f->fetches, LOOKUP_ALIAS, KEY, 1, false));
}

static void
await(struct fixture *f, size_t i, uint64_t ms)
{
	fetch_wait(f->fetches, &f->waiters[i].waiter, LOOKUP_ALIAS, KEY,
	    fake.now + ms);
}

static void
all_who_wait_are_told_once_after_the_keeper(void **state)
{
	struct fixture *f = *state;

	assert_null(fetch_find(f->fetches, LOOKUP_ALIAS, KEY));
	start(f);
	for (size_t i = 0; i < 8; i++)
		await(f, i, 1000 + i);
	assert_non_null(fetch_find(f->fetches, LOOKUP_ALIAS, KEY));
	assert_null(fetch_find(f->fetches, LOOKUP_SENDERS, KEY));
	fake_expect(1, LOOKUP_ALIAS, "alice@example.org");
	fake_answer(0, LOOKUP_OK, "a@b.example");
	assert_null(fetch_find(f->fetches, LOOKUP_ALIAS, KEY));
	assert_int_equal(f->landed, 1);
	assert_int_equal(f->told_when_landed, 0);
	fake_advance(20000);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(f->waiters[i].told, 1);
		assert_string_equal(f->waiters[i].data, "a@b.example");
	}
}

static void
who_is_in_haste_leaves_and_the_fetch_goes_on(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(fake.calls[0].deadline, fake.now + LIMIT_MS);
	await(f, 0, 300);
	await(f, 1, 100);
	await(f, 2, 4000);
	fake_advance(99);
	assert_int_equal(f->waiters[1].told, 0);
	fake_advance(1);
	assert_true(f->waiters[1].woken);
	assert_int_equal(f->waiters[0].told, 0);
	fake_advance(200);
	assert_true(f->waiters[0].woken);
	fake_advance(2000);
	assert_int_equal(f->waiters[2].told, 0);
	fake_answer(0, LOOKUP_OK, "late");
	assert_string_equal(f->waiters[2].data, "late");
	assert_int_equal(f->waiters[0].told, 1);
	assert_int_equal(f->waiters[1].told, 1);
	assert_int_equal(f->landed, 1);
}

static void
a_fetch_that_nobody_waits_for_still_lands(void **state)
{
	struct fixture *f = *state;

	start(f);
	await(f, 0, 10);
	fake_advance(10);
	fake_answer(0, LOOKUP_OK, "1");
	assert_int_equal(f->landed, 1);
	assert_true(fetch_start(f->fetches, LOOKUP_ALIAS, KEY, 1, true));
	assert_int_equal(fetches_background(f->fetches), 1);
	fake_answer(1, LOOKUP_TEMP, "");
	assert_int_equal(fetches_background(f->fetches), 0);
	assert_int_equal(f->landed, 2);
}

static void
who_came_after_a_purge_does_not_get_what_was_asked_before(void **state)
{
	struct fixture *f = *state;

	start(f);
	await(f, 0, 1000);
	await(f, 1, 100);
	assert_int_equal(fetches_forget(f->fetches, LOOKUP_ALIAS, KEY), 1);
	assert_int_equal(fetches_forget(f->fetches, LOOKUP_ALIAS, KEY), 0);
	assert_null(fetch_find(f->fetches, LOOKUP_ALIAS, KEY));
	start(f);
	await(f, 2, 1000);
	fake_advance(100);
	assert_true(f->waiters[1].woken);
	fake_answer(0, LOOKUP_NOTFOUND, "");
	assert_int_equal(f->waiters[0].outcome, LOOKUP_NOTFOUND);
	assert_true(f->waiters[0].forgotten);
	assert_int_equal(f->waiters[2].told, 0);
	fake_answer(1, LOOKUP_OK, "new");
	assert_string_equal(f->waiters[2].data, "new");
	assert_false(f->waiters[2].forgotten);
}

static void
a_whole_map_can_be_forgotten(void **state)
{
	struct fixture *f = *state;
	struct slice none = { NULL, 0 };

	start(f);
	(void)fetch_start(f->fetches, LOOKUP_ALIAS, SLICE("b@c.org"), 1, false);
	(void)fetch_start(f->fetches, LOOKUP_DOMAIN, SLICE("c.org"), 1, false);
	assert_int_equal(fetches_forget(f->fetches, LOOKUP_ALIAS, none), 2);
	assert_int_equal(fetches_forget(f->fetches, LOOKUP_ALIAS, none), 0);
	assert_non_null(fetch_find(f->fetches, LOOKUP_DOMAIN, SLICE("c.org")));
}

static void
on_told_start(struct fetch_waiter *waiter, const struct fetch_about *about,
    const struct lookup_result *result)
{
	struct waiter *w = (struct waiter *)waiter;
	struct fixture *f =
	    (struct fixture *)((char *)w - offsetof(struct fixture, waiters));

	on_told(waiter, about, result);
	assert_false(
	    fetch_start(f->fetches, LOOKUP_DOMAIN, SLICE("x.org"), 1, false));
}

static int
tear_down_if_up(void **state)
{
	return *state != NULL ? tear_down(state) : 0;
}

static void
who_is_told_of_the_end_cannot_ask_again(void **state)
{
	struct fixture *f = *state;

	f->waiters[0].waiter.told = on_told_start;
	start(f);
	await(f, 0, 100);
	fetches_close(f->fetches, on_closed, f);
	fake_answer(0, LOOKUP_DRAINING, "");
	assert_int_equal(f->waiters[0].told, 1);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(fake.count, 1);
	free(f);
	*state = NULL;
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down_if_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_who_wait_are_told_once_after_the_keeper),
		TEST(who_is_in_haste_leaves_and_the_fetch_goes_on),
		TEST(a_fetch_that_nobody_waits_for_still_lands),
		TEST(who_came_after_a_purge_does_not_get_what_was_asked_before),
		TEST(a_whole_map_can_be_forgotten),
		TEST(who_is_told_of_the_end_cannot_ask_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
