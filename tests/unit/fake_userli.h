/*
 * fake_userli - a userli and a clock that do what a test says
 *
 * Takes the place of backend/userli.c, of uv_now() and of uv_timer_start() (for
 * one timer): nothing happens but in fake_answer() and fake_advance().  Include
 * it in one test program's only source.
 */
#ifndef TESTS_UNIT_FAKE_USERLI_H
#define TESTS_UNIT_FAKE_USERLI_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>
#include <uv.h>

#include "backend/userli.h"

#define FAKE_CALLS_MAX 64

struct fake_call {
	enum lookup_map map;
	char key[256];
	uint64_t deadline;
	userli_done done; /* NULL once answered */
	void *arg;
};

static struct {
	uint64_t now;
	uv_timer_t *timer;
	uv_timer_cb timer_cb;
	uint64_t timer_ms; /* when it fires; UINT64_MAX = it does not */
	struct fake_call calls[FAKE_CALLS_MAX];
	size_t count; /* of calls, ever */
	bool unwell;
	bool crowded;
} fake;

static inline void
fake_reset(void)
{
	memset(&fake, 0, sizeof fake);
	fake.now = 1000000;
	fake.timer_ms = UINT64_MAX;
}

uint64_t
uv_now(const uv_loop_t *loop)
{
	(void)loop;
	return fake.now;
}

int
uv_timer_start(
    uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
	assert_int_equal(repeat, 0);
	fake.timer = timer;
	fake.timer_cb = cb;
	fake.timer_ms = fake.now + timeout;
	return 0;
}

/* Let time pass, and the timer fire when it is due. */
static inline void
fake_advance(uint64_t ms)
{
	uint64_t until = fake.now + ms;

	while (fake.timer_ms <= until) {
		fake.now = fake.timer_ms;
		fake.timer_ms = UINT64_MAX;
		fake.timer_cb(fake.timer);
	}
	fake.now = until;
}

void
userli_lookup(struct userli *u, enum lookup_map map, struct slice key,
    uint64_t deadline, uint64_t request_id, userli_done done, void *arg)
{
	struct fake_call *call = &fake.calls[fake.count++];

	(void)u;
	(void)request_id;
	assert_in_range(fake.count, 1, FAKE_CALLS_MAX);
	assert_in_range(key.len, 1, sizeof call->key - 1);
	call->map = map;
	memcpy(call->key, key.ptr, key.len);
	call->deadline = deadline;
	call->done = done;
	call->arg = arg;
}

bool
userli_unwell(const struct userli *u)
{
	(void)u;
	return fake.unwell;
}

bool
userli_crowded(const struct userli *u)
{
	(void)u;
	return fake.crowded;
}

/* Answer call i; what was passed is gone afterwards. */
static inline void
fake_answer(size_t i, enum lookup_outcome outcome, const char *data)
{
	userli_done done = fake.calls[i].done;
	char *bytes = strdup(data);
	struct lookup_result result = { .outcome = outcome,
		.source = LOOKUP_FRESH,
		.data = slice_of(bytes) };

	assert_non_null(done);
	assert_in_range(i, 0, fake.count - 1);
	fake.calls[i].done = NULL;
	done(fake.calls[i].arg, &result);
	memset(bytes, '?', strlen(bytes));
	free(bytes);
}

/* Userli was asked so many times, the last time for this. */
static inline void
fake_expect(size_t count, enum lookup_map map, const char *key)
{
	assert_int_equal(fake.count, count);
	assert_int_equal(fake.calls[count - 1].map, map);
	assert_string_equal(fake.calls[count - 1].key, key);
}

#endif
