#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/log.h"
#include "common/log_format.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SEED UINT64_C(0x2545f4914f6cdd1d)
#define TIME "2026-01-02T03:04:05.678Z"
#define END                           \
	{                             \
		.type = LOG_FIELD_END \
	}
#define ELLIPSIS "\xe2\x80\xa6"

static const struct log_style json_style = { .format = LOG_FORMAT_JSON };
static const struct log_style text_style = { .format = LOG_FORMAT_TEXT };

/* xorshift64: the same walk in every run. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t
format(const struct log_style *style, const struct log_field *fields,
    uint64_t dropped, char line[static LOG_LINE_MAX + 1])
{
	size_t size =
	    log_format_line(style, TIME, LOG_LEVEL_INFO, fields, dropped, line);

	assert_true(size <= LOG_LINE_MAX);
	assert_int_equal(line[size - 1], '\n');
	assert_null(memchr(line, '\n', size - 1));
	line[size] = '\0';
	return size;
}

/* The line as jansson reads it: one object, no name twice. */
static json_t *
parse(const char *line, size_t size)
{
	json_error_t error;
	json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	if (object == NULL)
		fail_msg("%s in %.*s", error.text, (int)size, line);
	assert_true(json_is_object(object));
	return object;
}

static const char *
string_in(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	assert_non_null(value);
	return value;
}

static void
each_type_is_written_as_json_and_as_text_has_it(void **state)
{
	const struct {
		struct log_field field;
		const char *json, *text;
	} cases[] = {
		{ log_str("a", "rpc"), ",\"a\":\"rpc\"", " a=rpc" },
		{ log_str("a", ""), ",\"a\":\"\"", " a=\"\"" },
		{ log_str("a", "x y"), ",\"a\":\"x y\"", " a=\"x y\"" },
		{ log_str("a", "x=y"), ",\"a\":\"x=y\"", " a=\"x=y\"" },
		{ log_str("a", "127.0.0.1:1"), ",\"a\":\"127.0.0.1:1\"",
		    " a=\"127.0.0.1:1\"" },
		{ log_str("a", "\"\\/"), ",\"a\":\"\\\"\\\\/\"",
		    " a=\"\\\"\\\\/\"" },
		{ log_str("a", "\n\r\t\x01\x1b\x7f"),
		    ",\"a\":\"\\n\\r\\t\\u0001\\u001b\\u007f\"",
		    " a=\"\\n\\r\\t\\u0001\\u001b\\u007f\"" },
		{ log_str("a", "\xc3\xa4\xf0\x9f\x93\xac"),
		    ",\"a\":\"\xc3\xa4\xf0\x9f\x93\xac\"",
		    " a=\"\xc3\xa4\xf0\x9f\x93\xac\"" },
		{ log_slice("a", (struct slice){ "x\0y", 3 }),
		    ",\"a\":\"x\xef\xbf\xbdy\"", " a=\"x\xef\xbf\xbdy\"" },
		{ log_str("a", "\xc2\x9b"), ",\"a\":\"\\u009b\"",
		    " a=\"\\u009b\"" },
		{ log_int("a", INT64_MIN), ",\"a\":-9223372036854775808",
		    " a=-9223372036854775808" },
		{ log_uint("a", UINT64_MAX), ",\"a\":18446744073709551615",
		    " a=18446744073709551615" },
		{ log_hex("a", 0xabc), ",\"a\":\"0000000000000abc\"",
		    " a=0000000000000abc" },
		{ log_double("a", 0.25), ",\"a\":0.25", " a=0.25" },
		{ log_double("a", -1e300), ",\"a\":-1e+300", " a=-1e+300" },
		{ log_double("a", (double)NAN), ",\"a\":null", " a=null" },
		{ log_double("a", (double)-INFINITY), ",\"a\":null",
		    " a=null" },
		{ log_bool("a", true), ",\"a\":true", " a=true" },
		{ log_bool("a", false), ",\"a\":false", " a=false" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct log_field fields[] = { log_msg("m"),
			cases[i].field, END };
		char got[LOG_LINE_MAX + 1];
		char want[LOG_LINE_MAX + 1];

		(void)format(&json_style, fields, 0, got);
		(void)snprintf(want, sizeof want,
		    "{\"level\":\"info\",\"ts\":\"" TIME
		    "\",\"msg\":\"m\"%s}\n",
		    cases[i].json);
		assert_string_equal(got, want);
		(void)format(&text_style, fields, 0, got);
		(void)snprintf(
		    want, sizeof want, TIME " INFO m%s\n", cases[i].text);
		assert_string_equal(got, want);
	}
}

static void
what_is_not_utf8_shows_as_the_replacement_character(void **state)
{
	static const char *const bad[] = { "\x80", "\xbf", "\xc0", "\xc1",
		"\xc3", "\xe2\x82", "\xf5", "\xff", "\xf0\x9f\x93" };
	static const char *const bad_pairs[] = {
		"\xc0\x80",         /* overlong */
		"\xe0\x80\x80",     /* overlong */
		"\xed\xa0\x80",     /* a surrogate */
		"\xf0\x80\x80\x80", /* overlong */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
	};
	char line[LOG_LINE_MAX + 1];
	json_t *object;

	(void)state;
	for (size_t i = 0; i < COUNT(bad) + COUNT(bad_pairs); i++) {
		const char *bytes =
		    i < COUNT(bad) ? bad[i] : bad_pairs[i - COUNT(bad)];
		const struct log_field fields[] = { log_str("a", bytes), END };
		const char *got;

		object = parse(line, format(&json_style, fields, 0, line));
		got = string_in(object, "a");
		assert_int_equal(strlen(got), 3 * strlen(bytes));
		for (size_t j = 0; j < strlen(bytes); j++)
			assert_memory_equal(got + 3 * j, "\xef\xbf\xbd", 3);
		json_decref(object);
	}
}

/* Bytes of a kind: any, printable, or mostly what must be escaped. */
static void
fill(char *bytes, size_t n, uint64_t *random)
{
	static const char escaped[] = "\"\\\n\x01\x7f\xc3\xa4\xe2\x82\xac";
	uint64_t kind = next_random(random) % 3;

	for (size_t i = 0; i < n; i++) {
		uint64_t r = next_random(random) >> 8;

		bytes[i] = kind == 0 ? (char)r
		    : kind == 1      ? (char)(' ' + r % 95)
				     : escaped[r % (sizeof escaped - 1)];
	}
}

static void
lines_of_random_bytes_are_json_and_keep_what_is_valid(void **state)
{
	static char bytes[3][6000];
	uint64_t random = SEED;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct slice s[3];
		char line[LOG_LINE_MAX + 1];
		json_t *object;

		for (size_t j = 0; j < COUNT(s); j++) {
			s[j].ptr = bytes[j];
			s[j].len = next_random(&random) %
			    (next_random(&random) % 4 == 0 ? sizeof bytes[0]
							   : 300);
			fill(bytes[j], s[j].len, &random);
		}
		const struct log_field fields[] = { log_msg("random"),
			log_slice("a", s[0]), log_slice("b", s[1]),
			log_slice("c", s[2]), log_uint("n", 7), END };

		object = parse(line,
		    format(
			&json_style, fields, next_random(&random) % 2, line));
		assert_string_equal(string_in(object, "msg"), "random");
		assert_int_equal(
		    json_integer_value(json_object_get(object, "n")), 7);
		for (size_t j = 0; j < COUNT(s); j++) {
			const char name[] = { (char)('a' + j), '\0' };
			json_t *want = json_stringn(s[j].ptr, s[j].len);
			const json_t *got = json_object_get(object, name);

			/* jansson takes no more and no less for UTF-8. */
			if (want != NULL && s[j].len < 160 &&
			    memchr(s[j].ptr, 0, s[j].len) == NULL)
				assert_true(json_equal(got, want));
			json_decref(want);
		}
		json_decref(object);
		(void)format(&text_style, fields, 0, line);
	}
}

static void
a_long_value_is_cut_and_marked_at_every_length(void **state)
{
	static const char *const units[] = { "x", "\"", "\x01", "\xff",
		"\xc3\xa4", "\xf0\x9f\x93\xac" };
	static char value[8192];

	(void)state;
	for (size_t u = 0; u < COUNT(units); u++) {
		size_t unit = strlen(units[u]);

		for (size_t i = 0; i + unit <= sizeof value; i += unit)
			memcpy(value + i, units[u], unit);
		for (size_t n = 0; n < 1100; n++) {
			const struct log_field fields[] = { log_msg("m"),
				log_slice(
				    "a", (struct slice){ value, n * unit }),
				END };
			char line[LOG_LINE_MAX + 1];
			json_t *object =
			    parse(line, format(&json_style, fields, 0, line));
			const char *got = string_in(object, "a");
			size_t len = strlen(got);

			assert_true(len <= LOG_VALUE_MAX);
			if (n > LOG_VALUE_MAX)
				assert_string_equal(
				    got + len - strlen(ELLIPSIS), ELLIPSIS);
			else if (n < LOG_VALUE_MAX / 6)
				assert_null(strstr(got, ELLIPSIS));
			json_decref(object);
		}
	}
}

static void
a_full_line_says_so_and_still_tells_the_dropped_lines(void **state)
{
	static char value[8192];
	struct slice v = { value, 0 };
	bool seen_truncated = false;

	(void)state;
	memset(value, 'x', sizeof value);
	for (v.len = 0; v.len < 1100; v.len++) {
		const struct log_field fields[] = { log_msg("m"),
			log_slice("a", v), log_slice("b", v), log_slice("c", v),
			log_slice("d", v), log_slice("e", v), log_uint("n", 1),
			END };
		char line[LOG_LINE_MAX + 1];
		json_t *object =
		    parse(line, format(&json_style, fields, INT64_MAX, line));
		bool truncated =
		    json_is_true(json_object_get(object, "truncated"));

		assert_non_null(json_object_get(object, "dropped_lines"));
		assert_int_equal(truncated,
		    json_object_get(object, "e") == NULL ||
			json_object_get(object, "n") == NULL);
		seen_truncated |= truncated;
		json_decref(object);
	}
	assert_true(seen_truncated);
}

static void
times_are_utc_with_milliseconds_and_follow_the_clock(void **state)
{
	static const struct {
		struct timespec now;
		const char *want;
	} cases[] = {
		{ { 0, 0 }, "1970-01-01T00:00:00.000Z" },
		{ { 0, 999999999 }, "1970-01-01T00:00:00.999Z" },
		{ { 1767323045, 678000000 }, TIME },
		{ { 1767323045, 679999999 }, "2026-01-02T03:04:05.679Z" },
		{ { 1767323046, 1000000 }, "2026-01-02T03:04:06.001Z" },
		{ { 1767323045, 0 }, "2026-01-02T03:04:05.000Z" },
	};
	struct log_clock clock = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(
		    log_format_time(&clock, &cases[i].now), cases[i].want);
}

/* --- Through a descriptor ------------------------------------------------ */

struct pair {
	int read_fd, write_fd;
};

static struct pair
pipe_pair(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	/* Reading in a test never waits. */
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	return (struct pair){ fds[0], fds[1] };
}

static void
pair_close(struct pair p)
{
	(void)close(p.read_fd);
	(void)close(p.write_fd);
}

static struct log *
log_to(int fd, bool show_personal)
{
	return log_new(&(struct log_options){ .level = LOG_LEVEL_INFO,
	    .format = LOG_FORMAT_JSON,
	    .show_personal = show_personal,
	    .fd = fd });
}

/* Read one line that is there and parse it. */
static json_t *
read_line(int fd)
{
	char line[LOG_LINE_MAX];
	ssize_t n = read(fd, line, sizeof line);

	assert_true(n > 0);
	return parse(line, (size_t)n);
}

static void
a_line_is_one_write_with_level_and_time_first(void **state)
{
	static const char *const levels[] = { "info", "warn", "error" };
	struct pair p = pipe_pair();
	struct log *log;

	(void)state;
	/* A pipe in packet mode gives each write to one read. */
	assert_int_equal(fcntl(p.write_fd, F_SETFL, O_DIRECT), 0);
	log = log_to(p.write_fd, false);
	log_info(log, log_msg("listening"), log_str("service", "rpc"));
	log_warn(log, log_msg("listening"), log_str("service", "rpc"));
	log_error(log, log_msg("listening"), log_str("service", "rpc"));
	for (size_t i = 0; i < COUNT(levels); i++) {
		json_t *object = read_line(p.read_fd);

		assert_string_equal(string_in(object, "level"), levels[i]);
		assert_string_equal(string_in(object, "service"), "rpc");
		json_decref(object);
	}
	log_free(log);
	pair_close(p);
}

static unsigned evaluated;

static struct log_field
count_evaluation(void)
{
	evaluated++;
	return log_msg("evaluated");
}

static void
nothing_is_evaluated_for_a_level_that_is_off(void **state)
{
	struct pair p = pipe_pair();
	struct log *log = log_to(p.write_fd, false);
	char byte;

	(void)state;
	evaluated = 0;
	log_debug(log, count_evaluation());
	assert_int_equal(evaluated, 0);
	assert_int_equal(read(p.read_fd, &byte, 1), -1);
	log_set_level(log, LOG_LEVEL_DEBUG);
	assert_true(log_enabled(log, LOG_LEVEL_DEBUG));
	log_debug(log, count_evaluation());
	assert_int_equal(evaluated, 1);
	assert_int_equal(read(p.read_fd, &byte, 1), 1);
	log_free(log);
	pair_close(p);
}

/* What log shows of a personal value; the caller frees it. */
static char *
shown_by(struct log *log, int read_fd, const char *value)
{
	json_t *object;
	char *shown;

	log_info(log, log_msg("m"), log_personal("key", slice_of(value)));
	object = read_line(read_fd);
	shown = strdup(string_in(object, "key"));
	json_decref(object);
	assert_non_null(shown);
	return shown;
}

static void
personal_values_are_hashed_with_a_key_of_the_process(void **state)
{
	struct pair p = pipe_pair();
	struct log *one = log_to(p.write_fd, false);
	struct log *other = log_to(p.write_fd, false);
	char *a = shown_by(one, p.read_fd, "alice@example.org");
	char *again = shown_by(one, p.read_fd, "alice@example.org");
	char *b = shown_by(one, p.read_fd, "bob@example.org");
	char *elsewhere = shown_by(other, p.read_fd, "alice@example.org");

	(void)state;
	assert_int_equal(strlen(a), strlen("h:0123456789abcdef"));
	assert_memory_equal(a, "h:", 2);
	assert_int_equal(strspn(a + 2, "0123456789abcdef"), 16);
	assert_string_equal(a, again);
	assert_string_not_equal(a, b);
	assert_string_not_equal(a, elsewhere);
	free(a);
	free(again);
	free(b);
	free(elsewhere);
	log_free(one);
	log_free(other);
	pair_close(p);
}

static void
personal_values_are_shown_when_asked_for(void **state)
{
	struct pair p = pipe_pair();
	struct log *log = log_to(p.write_fd, true);
	char *got = shown_by(log, p.read_fd, "alice@example.org");

	(void)state;
	assert_string_equal(got, "alice@example.org");
	free(got);
	log_free(log);
	pair_close(p);
}

static void
drain(int fd)
{
	char bytes[4096];

	while (read(fd, bytes, sizeof bytes) > 0)
		;
}

static void
a_blocked_pipe_drops_lines_and_the_next_line_tells_how_many(void **state)
{
	struct pair p = pipe_pair();
	struct log *log = log_to(p.write_fd, false);
	uint64_t lost;
	json_t *object;

	(void)state;
	while (log_dropped(log) < 3) /* a pipe that waited would hang here */
		log_info(log, log_msg("filling"));
	lost = log_dropped(log);
	drain(p.read_fd);

	log_info(log, log_msg("after"));
	object = read_line(p.read_fd);
	assert_string_equal(string_in(object, "msg"), "after");
	assert_int_equal(
	    json_integer_value(json_object_get(object, "dropped_lines")), lost);
	json_decref(object);

	log_info(log, log_msg("later"));
	object = read_line(p.read_fd);
	assert_null(json_object_get(object, "dropped_lines"));
	json_decref(object);
	assert_int_equal(log_dropped(log), lost);
	log_free(log);
	pair_close(p);
}

static void
a_pipe_without_a_reader_drops_lines_and_kills_nobody(void **state)
{
	struct pair p = pipe_pair();
	struct log *log = log_to(p.write_fd, false);

	(void)state;
	(void)close(p.read_fd);
	log_info(log, log_msg("nobody reads this"));
	assert_int_equal(log_dropped(log), 1);
	log_free(log);
	(void)close(p.write_fd);
}

/* It would hang here, if it waited for room for the rest of a line. */
static void
a_terminal_that_nobody_reads_stalls_nobody(void **state)
{
	int screen = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct log *log;
	char *name;
	int fd;

	(void)state;
	assert_true(screen >= 0);
	assert_int_equal(grantpt(screen), 0);
	assert_int_equal(unlockpt(screen), 0);
	name = ptsname(screen);
	assert_non_null(name);
	fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	log = log_to(fd, false);
	while (log_dropped(log) < 3)
		log_info(log, log_msg("filling"));
	log_free(log);
	(void)close(fd);
	(void)close(screen);
}

static void
others_have_the_descriptor_as_it_was(void **state)
{
	struct pair p = pipe_pair();
	struct log *log = log_to(p.write_fd, false);

	(void)state;
	log_info(log, log_msg("one"));
	assert_int_equal(fcntl(p.write_fd, F_GETFL) & O_NONBLOCK, 0);
	log_free(log);
	pair_close(p);
}

static void *
write_lines(void *arg)
{
	for (int i = 0; i < 100000; i++)
		log_info((struct log *)arg, log_msg("filling"));
	return NULL;
}

/* Each would wait, if the other took the room that it has just seen. */
static void
two_writers_of_one_pipe_stall_neither(void **state)
{
	struct pair p = pipe_pair();
	struct log *logs[2] = { log_to(p.write_fd, false),
		log_to(p.write_fd, false) };
	pthread_t threads[2];
	char bytes[LOG_LINE_MAX];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, write_lines, logs[i]), 0);
	for (int i = 0; i < 2; i++) {
		while (pthread_tryjoin_np(threads[i], NULL) != 0)
			assert_true(read(p.read_fd, bytes, sizeof bytes) != 0);
		assert_true(log_dropped(logs[i]) > 0);
		log_free(logs[i]);
	}
	pair_close(p);
}

/* Everything a socket's reader got, split into lines. */
struct reader {
	int fd;
	size_t len;
	size_t lines;
	json_int_t told; /* sum of dropped_lines */
	char bytes[1 << 16];
};

static void
reader_take(struct reader *r, size_t max)
{
	size_t room = sizeof r->bytes - r->len;
	ssize_t n = read(r->fd, r->bytes + r->len, max < room ? max : room);
	char *end;

	if (n > 0)
		r->len += (size_t)n;
	while ((end = memchr(r->bytes, '\n', r->len)) != NULL) {
		size_t size = (size_t)(end - r->bytes) + 1;
		json_t *object = parse(r->bytes, size);

		r->lines++;
		r->told += json_integer_value(
		    json_object_get(object, "dropped_lines"));
		json_decref(object);
		r->len -= size;
		memmove(r->bytes, end + 1, r->len);
	}
}

static void
a_socket_that_takes_parts_never_gets_a_broken_line(void **state)
{
	static struct reader r;
	static char value[1000];
	uint64_t random = SEED;
	size_t written = 0;
	struct log *log;
	int small = 1;
	int fds[2];

	(void)state;
	memset(value, 'x', sizeof value);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(
	    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	r = (struct reader){ .fd = fds[0] };
	log = log_to(fds[1], false);
	for (; written < 5000; written++) {
		struct slice v = { value, next_random(&random) % sizeof value };

		log_info(log, log_msg("m"), log_slice("a", v),
		    log_slice("b", v), log_slice("c", v));
		reader_take(&r, next_random(&random) % 2500);
	}
	do { /* the last line tells what is still untold */
		reader_take(&r, sizeof r.bytes);
		log_info(log, log_msg("end"));
		written++;
		reader_take(&r, sizeof r.bytes);
	} while (r.lines + (size_t)r.told < written);

	assert_true(log_dropped(log) > 0);
	assert_int_equal(r.told, log_dropped(log));
	assert_int_equal(r.lines, written - log_dropped(log));
	assert_int_equal(r.len, 0);
	log_free(log);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    each_type_is_written_as_json_and_as_text_has_it),
		cmocka_unit_test(
		    what_is_not_utf8_shows_as_the_replacement_character),
		cmocka_unit_test(
		    lines_of_random_bytes_are_json_and_keep_what_is_valid),
		cmocka_unit_test(
		    a_long_value_is_cut_and_marked_at_every_length),
		cmocka_unit_test(
		    a_full_line_says_so_and_still_tells_the_dropped_lines),
		cmocka_unit_test(
		    times_are_utc_with_milliseconds_and_follow_the_clock),
		cmocka_unit_test(a_line_is_one_write_with_level_and_time_first),
		cmocka_unit_test(nothing_is_evaluated_for_a_level_that_is_off),
		cmocka_unit_test(
		    personal_values_are_hashed_with_a_key_of_the_process),
		cmocka_unit_test(personal_values_are_shown_when_asked_for),
		cmocka_unit_test(
		    a_blocked_pipe_drops_lines_and_the_next_line_tells_how_many),
		cmocka_unit_test(a_terminal_that_nobody_reads_stalls_nobody),
		cmocka_unit_test(others_have_the_descriptor_as_it_was),
		cmocka_unit_test(two_writers_of_one_pipe_stall_neither),
		cmocka_unit_test(
		    a_pipe_without_a_reader_drops_lines_and_kills_nobody),
		cmocka_unit_test(
		    a_socket_that_takes_parts_never_gets_a_broken_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
