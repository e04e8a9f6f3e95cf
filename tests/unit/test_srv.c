#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/srv.h"
#include "tests/unit/srv_answer.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define RECORDS_MAX 16
#define QUESTION "_userli-bridge._tcp.example.org"
#define RANDOM_ROUNDS 100000

static enum srv_verdict
parse(const struct answer *a, struct srv_record records[static RECORDS_MAX],
    size_t *count)
{
	return srv_parse((struct slice){ (const char *)a->bytes, a->len },
	    records, RECORDS_MAX, count);
}

/* --- What is asked for --------------------------------------------------- */

static void
a_name_is_the_service_s_unless_it_starts_with_an_underscore(void **state)
{
	char name[SRV_NAME_MAX];
	char longest[ENDPOINT_HOST_MAX + 1];

	(void)state;
	srv_query_name("example.org", name);
	assert_string_equal(name, "_userli-bridge._tcp.example.org");
	srv_query_name("_rpc._tcp.example.org", name);
	assert_string_equal(name, "_rpc._tcp.example.org");
	memset(longest, 'x', ENDPOINT_HOST_MAX);
	longest[ENDPOINT_HOST_MAX] = '\0';
	srv_query_name(longest, name);
	assert_int_equal(strlen(name), strlen(SRV_SERVICE) + ENDPOINT_HOST_MAX);
}

/* --- Good answers -------------------------------------------------------- */

static void
records_are_read_and_sorted_by_priority(void **state)
{
	static const struct srv_record want[] = {
		{ 1, 65535, 65535, "a.example.org" },
		{ 1, 0, 1, "c.example.org" },
		{ 2, 7, 10010, "b.example.org" },
		{ 65535, 1, 10010, "a.example.org" },
	};
	struct srv_record got[RECORDS_MAX];
	struct answer a;
	size_t count;

	(void)state;
	answer_begin(&a, QUESTION);
	for (size_t i = COUNT(want); i-- > 0;)
		answer_add_srv(&a, want[i].priority, want[i].weight,
		    want[i].port, want[i].target);
	assert_int_equal(parse(&a, got, &count), SRV_OK);
	assert_int_equal(count, COUNT(want));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(got[i].priority, want[i].priority);
		assert_int_equal(got[i].weight, want[i].weight);
		assert_int_equal(got[i].port, want[i].port);
		assert_string_equal(got[i].target, want[i].target);
	}
}

static void
a_compressed_target_is_read(void **state)
{
	/* "b" and then what the question has from byte 32 on: "example.org". */
	static const unsigned char data[] = { 0, 1, 0, 2, 0, 3, 1, 'b', 0xc0,
		32 };
	struct srv_record got[RECORDS_MAX];
	struct answer a;
	size_t count;

	(void)state;
	answer_begin(&a, QUESTION);
	answer_add(&a, ANSWER_TYPE_SRV, ANSWER_CLASS_IN, data, sizeof data);
	assert_int_equal(parse(&a, got, &count), SRV_OK);
	assert_string_equal(got[0].target, "b.example.org");
}

static void
an_alias_on_the_way_is_no_record(void **state)
{
	static const unsigned char alias[] = { 1, 'x', 0 };
	struct srv_record got[RECORDS_MAX];
	struct answer a;
	size_t count;

	(void)state;
	answer_begin(&a, QUESTION);
	answer_add(&a, ANSWER_TYPE_CNAME, ANSWER_CLASS_IN, alias, sizeof alias);
	assert_int_equal(parse(&a, got, &count), SRV_NONE);
	answer_add_srv(&a, 0, 1, 10010, "b.example");
	assert_int_equal(parse(&a, got, &count), SRV_OK);
	assert_int_equal(count, 1);
}

static void
there_are_no_more_records_than_there_is_room(void **state)
{
	struct srv_record got[RECORDS_MAX + 1];
	struct answer a;
	size_t count;

	(void)state;
	memset(got, 0x5a, sizeof got);
	answer_begin(&a, QUESTION);
	for (unsigned i = 1; i <= 3000; i++)
		answer_add_srv(&a, 0, 1, i, "b");
	assert_int_equal(parse(&a, got, &count), SRV_OK);
	assert_int_equal(count, RECORDS_MAX);
	assert_int_equal(got[RECORDS_MAX].port, 0x5a5a);
}

/* --- Answers that are not for us ----------------------------------------- */

#define LABEL_63 \
	"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static const struct {
	const char *what;
	unsigned port;
	const char *target;
	enum srv_verdict alone, beside; /* a good record */
} odd[] = {
	{ "not offered", 1, "", SRV_REFUSED, SRV_OK },
	{ "port 0", 0, "b.example", SRV_NONE, SRV_OK },
	{ "a space", 1, "b example", SRV_NONE, SRV_OK },
	{ "a byte", 1, "b\xff.example", SRV_NONE, SRV_OK },
	{ "a slash", 1, "b/c", SRV_NONE, SRV_OK },
	{ "a colon", 1, "b:1", SRV_NONE, SRV_OK },
	{ "longest name", 1,
	    LABEL_63 "." LABEL_63 "." LABEL_63 "."
		     "abcdefgh",
	    SRV_OK, SRV_OK },
	{ "longer than a name may be", 1,
	    LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63,
	    SRV_MALFORMED, SRV_MALFORMED },
};

static void
records_that_cannot_be_used_are_left_out(void **state)
{
	struct srv_record got[RECORDS_MAX];
	struct answer a;
	size_t count;

	(void)state;
	for (size_t i = 0; i < COUNT(odd); i++) {
		enum srv_verdict verdict;

		answer_begin(&a, QUESTION);
		answer_add_srv(&a, 0, 0, odd[i].port, odd[i].target);
		verdict = parse(&a, got, &count);
		if (verdict != odd[i].alone)
			fail_msg("%s: %d", odd[i].what, verdict);
		assert_int_equal(count, verdict == SRV_OK);
		answer_add_srv(&a, 1, 1, 10010, "good.example");
		verdict = parse(&a, got, &count);
		if (verdict != odd[i].beside)
			fail_msg(
			    "%s, and a good one: %d", odd[i].what, verdict);
		if (verdict == SRV_OK)
			assert_string_equal(
			    got[count - 1].target, "good.example");
	}
}

static const struct {
	const char *what;
	unsigned type, class;
	const char *data;
	size_t len;
	enum srv_verdict want;
} raw[] = {
	{ "no data", ANSWER_TYPE_SRV, ANSWER_CLASS_IN, "", 0, SRV_MALFORMED },
	{ "no target", ANSWER_TYPE_SRV, ANSWER_CLASS_IN, "\0\1\0\2\0\3", 6,
	    SRV_MALFORMED },
	{ "the root", ANSWER_TYPE_SRV, ANSWER_CLASS_IN, "\0\1\0\2\0\3\0", 7,
	    SRV_REFUSED },
	{ "bytes after the target", ANSWER_TYPE_SRV, ANSWER_CLASS_IN,
	    "\0\1\0\2\0\3\1b\0x", 10, SRV_MALFORMED },
	{ "a label cut off", ANSWER_TYPE_SRV, ANSWER_CLASS_IN,
	    "\0\1\0\2\0\3\77b", 8, SRV_MALFORMED },
	{ "a pointer beyond the end", ANSWER_TYPE_SRV, ANSWER_CLASS_IN,
	    "\0\1\0\2\0\3\377\377", 8, SRV_MALFORMED },
	/* 12 of the header, 37 of the question, 12 before the data, 6 of it. */
	{ "a pointer to itself", ANSWER_TYPE_SRV, ANSWER_CLASS_IN,
	    "\0\1\0\2\0\3\300\103", 8, SRV_MALFORMED },
	{ "a pointer into a loop", ANSWER_TYPE_SRV, ANSWER_CLASS_IN,
	    "\0\1\0\2\0\3\1b\300\103", 10, SRV_MALFORMED },
	{ "a label type of old", ANSWER_TYPE_SRV, ANSWER_CLASS_IN,
	    "\0\1\0\2\0\3\101b\0", 9, SRV_MALFORMED },
	{ "another class", ANSWER_TYPE_SRV, ANSWER_CLASS_CH,
	    "\0\1\0\2\0\3\1b\0", 9, SRV_NONE },
	{ "another type", 16, ANSWER_CLASS_IN, "\3abc", 4, SRV_NONE },
};

static void
broken_records_are_malformed(void **state)
{
	struct srv_record got[RECORDS_MAX];
	struct answer a;
	size_t count;

	(void)state;
	for (size_t i = 0; i < COUNT(raw); i++) {
		enum srv_verdict verdict;

		answer_begin(&a, QUESTION);
		answer_add(
		    &a, raw[i].type, raw[i].class, raw[i].data, raw[i].len);
		verdict = parse(&a, got, &count);
		if (verdict != raw[i].want)
			fail_msg("%s: %d", raw[i].what, verdict);
		assert_int_equal(count, 0);
	}
	answer_begin(&a, QUESTION);
	assert_int_equal(parse(&a, got, &count), SRV_NONE);
}

/* --- Hostile answers ------------------------------------------------------ */

/* Bytes that end where memory ends: whoever reads on is killed, the C library
 * included. */
struct guarded {
	unsigned char *memory;
	size_t size, page;
};

static struct guarded
guarded_new(size_t size)
{
	struct guarded g = { .page = (size_t)sysconf(_SC_PAGESIZE) };

	g.size = (size + g.page - 1) / g.page * g.page;
	g.memory = mmap(NULL, g.size + g.page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(g.memory, MAP_FAILED);
	assert_int_equal(mprotect(g.memory + g.size, g.page, PROT_NONE), 0);
	return g;
}

static struct slice
guarded_bytes(const struct guarded *g, size_t len)
{
	return (struct slice){ (const char *)g->memory + g->size - len, len };
}

static void
check_records(const struct srv_record *records, size_t count)
{
	assert_true(count <= RECORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *target = records[i].target;

		assert_int_not_equal(records[i].port, 0);
		assert_non_null(memchr(target, '\0', ENDPOINT_HOST_MAX + 1));
		assert_int_not_equal(strlen(target), 0);
		assert_int_equal(
		    strcspn(target, "\\/ :@%[]\n"), strlen(target));
		if (i > 0)
			assert_true(
			    records[i - 1].priority <= records[i].priority);
	}
}

/* The verdict, once what came with it has been found sound. */
static enum srv_verdict
parse_checked(struct slice bytes)
{
	struct srv_record records[RECORDS_MAX];
	size_t count;
	enum srv_verdict verdict =
	    srv_parse(bytes, records, RECORDS_MAX, &count);

	check_records(records, count);
	assert_int_equal(verdict == SRV_OK, count > 0);
	return verdict;
}

static void
sample(struct answer *a)
{
	static const unsigned char compressed[] = { 0, 1, 0, 2, 0, 3, 1, 'b',
		0xc0, 32 };
	static const unsigned char alias[] = { 1, 'x', 0 };

	answer_begin(a, QUESTION);
	answer_add(a, ANSWER_TYPE_CNAME, ANSWER_CLASS_IN, alias, sizeof alias);
	answer_add_srv(a, 1, 20, 10010, "backend1.example.org");
	answer_add(
	    a, ANSWER_TYPE_SRV, ANSWER_CLASS_IN, compressed, sizeof compressed);
	answer_add_srv(a, 0, 0, 65535, "");
}

static void
every_prefix_is_malformed(void **state)
{
	struct answer a;
	struct guarded g = guarded_new(ANSWER_MAX);

	(void)state;
	sample(&a);
	for (size_t len = 0; len <= a.len; len++) {
		struct slice bytes = guarded_bytes(&g, len);
		enum srv_verdict verdict;

		memcpy(g.memory + g.size - len, a.bytes, len);
		verdict = parse_checked(bytes);
		if (verdict != (len < a.len ? SRV_MALFORMED : SRV_OK))
			fail_msg("%zu of %zu bytes: %d", len, a.len, verdict);
	}
	assert_int_equal(munmap(g.memory, g.size + g.page), 0);
}

static void
no_changed_byte_does_harm(void **state)
{
	struct answer a;
	struct guarded g = guarded_new(ANSWER_MAX);
	struct slice bytes;
	unsigned char *start;
	size_t verdicts[SRV_MALFORMED + 1] = { 0 };

	(void)state;
	sample(&a);
	bytes = guarded_bytes(&g, a.len);
	start = g.memory + g.size - a.len;
	memcpy(start, a.bytes, a.len);
	for (size_t i = 0; i < a.len; i++) {
		for (unsigned value = 0; value < 256; value++) {
			start[i] = (unsigned char)value;
			verdicts[parse_checked(bytes)]++;
		}
		start[i] = a.bytes[i];
	}
	assert_true(verdicts[SRV_OK] > 1000);
	assert_true(verdicts[SRV_MALFORMED] > 1000);
	assert_int_equal(munmap(g.memory, g.size + g.page), 0);
}

static void
no_garbage_does_harm(void **state)
{
	struct answer a;
	struct guarded g = guarded_new(ANSWER_MAX);
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15);

	(void)state;
	sample(&a);
	for (int i = 0; i < RANDOM_ROUNDS; i++) {
		unsigned char *start = g.memory + g.size - a.len;
		size_t changes;

		memcpy(start, a.bytes, a.len);
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		changes = random % 8 + 2;
		for (size_t j = 0; j < changes; j++)
			start[(random >> (8 * j % 48)) % a.len] =
			    (unsigned char)(random >> (5 * j % 56));
		(void)parse_checked(guarded_bytes(&g, a.len));
	}
	assert_int_equal(
	    parse_checked((struct slice){ NULL, 0 }), SRV_MALFORMED);
	assert_int_equal(munmap(g.memory, g.size + g.page), 0);
}

/* --- Weights -------------------------------------------------------------- */

static void
weights_are_relative_and_none_is_nothing(void **state)
{
	static const struct {
		uint16_t weight, heaviest;
		double share; /* of the heaviest's */
	} cases[] = {
		{ 0, 0, 1 },
		{ 5, 5, 1 },
		{ 10, 40, 0.25 },
		{ 0, 100, 0.01 },
		{ 1, 100, 0.01 },
		{ 2, 100, 0.02 },
		{ 1, 65535, 0.01 },
		{ 0, 1, 0.01 },
		{ 65535, 65535, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		double got = (double)srv_scaled_weight(
				 cases[i].weight, cases[i].heaviest) /
		    srv_scaled_weight(cases[i].heaviest, cases[i].heaviest);

		if (got < cases[i].share * 0.999 ||
		    got > cases[i].share * 1.001)
			fail_msg("%u of %u: %f", cases[i].weight,
			    cases[i].heaviest, got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_name_is_the_service_s_unless_it_starts_with_an_underscore),
		cmocka_unit_test(records_are_read_and_sorted_by_priority),
		cmocka_unit_test(a_compressed_target_is_read),
		cmocka_unit_test(an_alias_on_the_way_is_no_record),
		cmocka_unit_test(there_are_no_more_records_than_there_is_room),
		cmocka_unit_test(records_that_cannot_be_used_are_left_out),
		cmocka_unit_test(broken_records_are_malformed),
		cmocka_unit_test(every_prefix_is_malformed),
		cmocka_unit_test(no_changed_byte_does_harm),
		cmocka_unit_test(no_garbage_does_harm),
		cmocka_unit_test(weights_are_relative_and_none_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
