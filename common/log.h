/*
 * log - one event a line, as JSON or as text, to a file descriptor
 *
 * Owned by main and passed down; called from the loop's thread only.  A line
 * is built in a bounded buffer (LOG_LINE_MAX bytes) and written with one
 * write(2); a descriptor that would block never stalls the caller, a pipe whose
 * other writers are faster neither: the line is dropped and counted, and the
 * count is reported as "dropped_lines" with the next line that gets through.
 * What a descriptor takes only a part of is completed before the next line, so
 * lines are always whole.
 *
 *   {"level":"info","ts":"2026-01-02T03:04:05.678Z","msg":"listening",
 *    "address":"127.0.0.1:10001"}
 *   2026-01-02T03:04:05.678Z INFO listening address="127.0.0.1:10001"
 *
 * Every line is valid JSON, whatever bytes a value holds: NUL and what is not
 * UTF-8 show as U+FFFD, a value that exceeds LOG_VALUE_MAX or the line is cut
 * and ends in "…", and where whole fields found no room the line ends with
 * "truncated":true.  A number that is not finite is null.
 *
 * Addresses are personal data.  log_personal() shows a keyed hash of its value
 * ("h:0123456789abcdef"; the key is drawn at start, so that hashes compare
 * within a process and mean nothing outside it) unless LOG_PII=1.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

#define LOG_LINE_MAX 4096  /* bytes, PIPE_BUF: a pipe takes a line whole */
#define LOG_VALUE_MAX 1024 /* bytes of a value as written, without quotes */

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
};

enum log_format {
	LOG_FORMAT_JSON,
	LOG_FORMAT_TEXT,
};

/* "debug" …, "json" …, by value; NULL-terminated. */
extern const char *const log_level_names[];
extern const char *const log_format_names[];

struct log_options {
	enum log_level level;
	enum log_format format;
	bool show_personal; /* LOG_PII */
	int fd;             /* borrowed, normally STDERR_FILENO */
};

struct log;

enum log_field_type {
	LOG_FIELD_END,
	LOG_FIELD_STRING,
	LOG_FIELD_PERSONAL,
	LOG_FIELD_INTEGER,
	LOG_FIELD_UNSIGNED,
	LOG_FIELD_HEX, /* 16 hex digits, for request ids */
	LOG_FIELD_DOUBLE,
	LOG_FIELD_BOOL,
};

struct log_field {
	const char *name; /* a literal in snake_case; NULL for the message */
	enum log_field_type type;
	union {
		struct slice string;
		int64_t integer;
		uint64_t unsigned_integer;
		double number;
		bool boolean;
	} value;
};

/* Never NULL: out of memory ends the process. */
struct log *log_new(const struct log_options *options);
void log_free(struct log *log);

void log_set_level(struct log *log, enum log_level level);
enum log_level log_level(const struct log *log);
bool log_enabled(const struct log *log, enum log_level level);

/* Lines dropped since the start: the descriptor would have blocked or failed.
 */
uint64_t log_dropped(const struct log *log);

/* log_lines_dropped_total; the log must outlive the last exposition. */
struct metrics;
void log_add_metrics(struct log *log, struct metrics *m);

/* Write one line; fields end with a LOG_FIELD_END, the first is log_msg(). */
void log_write(
    struct log *log, enum log_level level, const struct log_field *fields);

/*
 * log_info(log, log_msg("listening"), log_str("address", text));
 *
 * Nothing after the level test is evaluated for a level that is off.
 */
#define log_at(log, level, ...)                                            \
	do {                                                               \
		if (log_enabled((log), (level)))                           \
			log_write((log), (level),                          \
			    (const struct log_field[]){                    \
				__VA_ARGS__, { .type = LOG_FIELD_END } }); \
	} while (0)
#define log_debug(log, ...) log_at((log), LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(log, ...) log_at((log), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(log, ...) log_at((log), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(log, ...) log_at((log), LOG_LEVEL_ERROR, __VA_ARGS__)

static inline struct log_field
log_msg(const char *text)
{
	return (struct log_field){ .name = NULL,
		.type = LOG_FIELD_STRING,
		.value.string = slice_of(text) };
}

static inline struct log_field
log_slice(const char *name, struct slice value)
{
	return (struct log_field){
		.name = name, .type = LOG_FIELD_STRING, .value.string = value
	};
}

static inline struct log_field
log_str(const char *name, const char *value)
{
	return log_slice(name, slice_of(value));
}

/* A key, an address, anything that names a person. */
static inline struct log_field
log_personal(const char *name, struct slice value)
{
	return (struct log_field){
		.name = name, .type = LOG_FIELD_PERSONAL, .value.string = value
	};
}

static inline struct log_field
log_int(const char *name, int64_t value)
{
	return (struct log_field){
		.name = name, .type = LOG_FIELD_INTEGER, .value.integer = value
	};
}

static inline struct log_field
log_uint(const char *name, uint64_t value)
{
	return (struct log_field){ .name = name,
		.type = LOG_FIELD_UNSIGNED,
		.value.unsigned_integer = value };
}

static inline struct log_field
log_hex(const char *name, uint64_t value)
{
	return (struct log_field){ .name = name,
		.type = LOG_FIELD_HEX,
		.value.unsigned_integer = value };
}

static inline struct log_field
log_double(const char *name, double value)
{
	return (struct log_field){
		.name = name, .type = LOG_FIELD_DOUBLE, .value.number = value
	};
}

static inline struct log_field
log_bool(const char *name, bool value)
{
	return (struct log_field){
		.name = name, .type = LOG_FIELD_BOOL, .value.boolean = value
	};
}

#endif
