#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buffer.h"

#define SEED UINT64_C(0x9e3779b97f4a7c15)
#define STEPS 20000

/* xorshift64: the same walk in every run. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* What the buffer should hold, kept the simplest way. */
struct model {
	char bytes[512];
	size_t len;
};

static void
model_append(struct model *m, const char *bytes, size_t n)
{
	memcpy(m->bytes + m->len, bytes, n);
	m->len += n;
}

static void
model_consume(struct model *m, size_t n)
{
	m->len -= n;
	memmove(m->bytes, m->bytes + n, m->len);
}

static void
assert_same(const struct buffer *b, const struct model *m)
{
	struct slice got = buffer_slice(b);

	assert_int_equal(got.len, m->len);
	assert_int_equal(buffer_len(b), m->len);
	if (m->len > 0)
		assert_memory_equal(got.ptr, m->bytes, m->len);
}

/* One random operation on both; every refusal must be the maximum's. */
static void
step(struct buffer *b, struct model *m, uint64_t *random)
{
	char bytes[64];
	size_t n = next_random(random) % sizeof bytes;
	bool fits = n <= b->max - m->len;
	bool done = fits;

	memset(bytes, (int)(next_random(random) % 26 + 'a'), sizeof bytes);
	switch (next_random(random) % 8) {
	case 0:
	case 1:
		done = buffer_append(b, bytes, n);
		break;
	case 2:
		done = buffer_append_slice(b, (struct slice){ bytes, n });
		break;
	case 3:
		done = buffer_printf(b, "%.*s", (int)n, bytes);
		break;
	case 4: {
		char *to = buffer_reserve(b, n);

		done = to != NULL;
		if (done) {
			memcpy(to, bytes, n);
			buffer_commit(b, n);
		}
		break;
	}
	case 5:
		if (next_random(random) % 16 == 0) {
			buffer_fini(b);
			m->len = 0;
		}
		return;
	default:
		n = n < m->len ? n : m->len;
		buffer_consume(b, n);
		model_consume(m, n);
		return;
	}
	assert_int_equal(done, fits);
	if (done)
		model_append(m, bytes, n);
}

static void
a_buffer_holds_what_was_appended_and_not_consumed(void **state)
{
	static const size_t maxima[] = { 0, 1, 7, 63, 255, 256, 257, 512 };
	uint64_t random = SEED;

	(void)state;
	for (size_t i = 0; i < sizeof maxima / sizeof maxima[0]; i++) {
		struct model m = { .len = 0 };
		struct buffer b;

		buffer_init(&b, maxima[i]);
		for (int j = 0; j < STEPS; j++) {
			step(&b, &m, &random);
			assert_same(&b, &m);
			assert_true(b.cap <= b.max);
		}
		buffer_fini(&b);
	}
}

static void
a_buffer_can_be_filled_to_the_last_byte_in_every_way(void **state)
{
	struct buffer b;
	char *to;

	(void)state;
	buffer_init(&b, 8);
	assert_true(buffer_append(&b, "12345678", 8));
	assert_false(buffer_append(&b, "9", 1));
	buffer_clear(&b);
	assert_true(buffer_printf(&b, "%s", "12345678"));
	assert_false(buffer_printf(&b, "%d", 9));
	buffer_consume(&b, 3);
	assert_true(buffer_printf(&b, "%s", "abc"));
	assert_memory_equal(buffer_slice(&b).ptr, "45678abc", 8);
	buffer_clear(&b);
	to = buffer_reserve(&b, 8);
	assert_non_null(to);
	assert_null(buffer_reserve(&b, 9));
	buffer_fini(&b);
}

static void
a_refusal_changes_nothing(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b, 4);
	assert_true(buffer_append(&b, "abc", 3));
	assert_false(buffer_append(&b, "de", 2));
	assert_false(buffer_printf(&b, "%s", "de"));
	assert_null(buffer_reserve(&b, SIZE_MAX));
	assert_int_equal(buffer_len(&b), 3);
	assert_memory_equal(buffer_slice(&b).ptr, "abc", 3);
	buffer_fini(&b);
}

static void
an_empty_buffer_owns_no_memory_and_takes_no_bytes_from_null(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b, 4);
	assert_null(b.data);
	assert_null(buffer_slice(&b).ptr);
	assert_true(buffer_append(&b, NULL, 0));
	assert_int_equal(buffer_len(&b), 0);
	buffer_consume(&b, 0);
	buffer_fini(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_buffer_holds_what_was_appended_and_not_consumed),
		cmocka_unit_test(
		    a_buffer_can_be_filled_to_the_last_byte_in_every_way),
		cmocka_unit_test(a_refusal_changes_nothing),
		cmocka_unit_test(
		    an_empty_buffer_owns_no_memory_and_takes_no_bytes_from_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
