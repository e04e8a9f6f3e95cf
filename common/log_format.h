/*
 * log_format - one event as one line of JSON or of text
 *
 * Pure: fields and a time in, bytes out.  The line's promises (valid JSON,
 * bounds, marks for what was cut) are log.h's.
 */
#ifndef COMMON_LOG_FORMAT_H
#define COMMON_LOG_FORMAT_H

#include <time.h>

#include "common/log.h"

#define LOG_SECRET_SIZE 192 /* bytes, XXH3_SECRET_DEFAULT_SIZE */
#define LOG_TIME_SIZE sizeof "2026-01-02T03:04:05.678Z"

/* How a process writes its lines; fixed at its start. */
struct log_style {
	enum log_format format;
	bool show_personal;
	unsigned char secret[LOG_SECRET_SIZE]; /* keys the personal hash */
};

/* Remembers the last second's text: breaking a time down is the dear part. */
struct log_clock {
	time_t second;
	char text[LOG_TIME_SIZE]; /* all zero at first */
};

/* "2026-01-02T03:04:05.678Z" (UTC); valid until the next call. */
const char *log_format_time(
    struct log_clock *clock, const struct timespec *now);

/*
 * Write one line with its final newline, without a NUL, to out and return its
 * length, at most LOG_LINE_MAX.  fields end with LOG_FIELD_END; a field
 * without a name is the message.  dropped, if not 0, becomes "dropped_lines".
 */
size_t log_format_line(const struct log_style *style, const char *time,
    enum log_level level, const struct log_field *fields, uint64_t dropped,
    char out[static LOG_LINE_MAX]);

#endif
