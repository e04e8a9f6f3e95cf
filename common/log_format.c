#include "common/log_format.h"
#include "common/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <xxhash.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define ELLIPSIS_SIZE (sizeof ELLIPSIS - 1)
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

const char *const log_level_names[] = { "debug", "info", "warn", "error",
	NULL };
const char *const log_format_names[] = { "json", "text", NULL };

/* Kept free for what must follow the fields. */
#define TAIL_SIZE                                         \
	(sizeof ",\"dropped_lines\":18446744073709551615" \
		",\"truncated\":true}\n")

/* Kept free for what must follow a string: its mark and its quote. */
#define STRING_TAIL_SIZE (ELLIPSIS_SIZE + 1)

/* invariant: at <= end, and what must still follow fits behind end */
struct line {
	char *at;
	char *end;
	const struct log_style *style;
};

const char *
log_format_time(struct log_clock *clock, const struct timespec *now)
{
	unsigned ms = (unsigned)(now->tv_nsec / 1000000) % 1000;
	char *fraction = clock->text + sizeof "2026-01-02T03:04:05." - 1;

	if (clock->text[0] == '\0' || clock->second != now->tv_sec) {
		struct tm utc;

		if (gmtime_r(&now->tv_sec, &utc) == NULL ||
		    strftime(clock->text, sizeof clock->text,
			"%Y-%m-%dT%H:%M:%S.000Z", &utc) == 0)
			memcpy(clock->text, "0000-00-00T00:00:00.000Z",
			    sizeof clock->text);
		clock->second = now->tv_sec;
	}
	fraction[0] = (char)('0' + ms / 100);
	fraction[1] = (char)('0' + ms / 10 % 10);
	fraction[2] = (char)('0' + ms % 10);
	return clock->text;
}

static size_t
room(const struct line *l)
{
	return (size_t)(l->end - l->at);
}

static void
put(struct line *l, const char *bytes, size_t n)
{
	if (n > 0)
		memcpy(l->at, bytes, n);
	l->at += n;
}

static void
put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/*
 * Write the character at p to out as JSON escapes it; *size is its length
 * there, the result the number of bytes read.  Control characters are escaped
 * beyond what JSON asks (DEL, U+0080 to U+009F): a log is read on terminals.
 */
static size_t
escape(const unsigned char *p, size_t n, char out[static 8], size_t *size)
{
	const char *shorthand = NULL;
	size_t length = p[0] < 0x80 ? 1 : utf8_length(p, n);
	unsigned code = p[0];

	/* \u0000 is JSON, but many a reader takes none of it. */
	if (length == 0 || code == 0) {
		*size = sizeof REPLACEMENT - 1;
		memcpy(out, REPLACEMENT, *size);
		return 1;
	}
	if (code >= 0x80)
		code = code == 0xc2 ? p[1] : 0x100;
	if (code == '"')
		shorthand = "\\\"";
	else if (code == '\\')
		shorthand = "\\\\";
	else if (code == '\n')
		shorthand = "\\n";
	else if (code == '\r')
		shorthand = "\\r";
	else if (code == '\t')
		shorthand = "\\t";

	if (shorthand != NULL) {
		*size = 2;
		memcpy(out, shorthand, 2);
	} else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
		*size = 6;
		(void)snprintf(out, 8, "\\u%04x", code & 0xff);
	} else {
		*size = length;
		memcpy(out, p, length);
	}
	return length;
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* As much of value as there is room for, escaped; the caller has left
 * STRING_TAIL_SIZE bytes for what follows. */
static void
put_escaped(struct line *l, struct slice value)
{
	const unsigned char *p = (const unsigned char *)value.ptr;
	size_t left = room(l) - STRING_TAIL_SIZE;
	size_t i = 0;

	if (left > LOG_VALUE_MAX - ELLIPSIS_SIZE)
		left = LOG_VALUE_MAX - ELLIPSIS_SIZE;
	while (i < value.len) {
		char escaped[8];
		size_t run = 0;
		size_t size;
		size_t used;

		while (
		    run < left && i + run < value.len && is_plain(p[i + run]))
			run++;
		put(l, value.ptr + i, run);
		left -= run;
		i += run;
		if (i == value.len)
			break;
		used = escape(p + i, value.len - i, escaped, &size);
		if (size > left) {
			put(l, ELLIPSIS, ELLIPSIS_SIZE);
			break;
		}
		put(l, escaped, size);
		left -= size;
		i += used;
	}
}

/* In text, what needs no quotes: a word that cannot be taken for syntax. */
static bool
is_bare(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
			c == '.'))
			return false;
	}
	return value.len > 0;
}

static void
put_string(struct line *l, struct slice value)
{
	bool quoted = l->style->format == LOG_FORMAT_JSON || !is_bare(value);

	if (quoted)
		put(l, "\"", 1);
	put_escaped(l, value);
	if (quoted)
		put(l, "\"", 1);
}

/* A value that is not a string, as JSON writes it. */
static void
format_number(const struct log_field *f, char out[static 32])
{
	switch (f->type) {
	case LOG_FIELD_INTEGER:
		(void)snprintf(out, 32, "%" PRId64, f->value.integer);
		break;
	case LOG_FIELD_UNSIGNED:
		(void)snprintf(out, 32, "%" PRIu64, f->value.unsigned_integer);
		break;
	case LOG_FIELD_HEX:
		(void)snprintf(
		    out, 32, "%016" PRIx64, f->value.unsigned_integer);
		break;
	case LOG_FIELD_DOUBLE:
		(void)snprintf(out, 32, "%.9g", f->value.number);
		if (!isfinite(f->value.number))
			memcpy(out, "null", sizeof "null");
		break;
	case LOG_FIELD_BOOL:
		(void)snprintf(
		    out, 32, "%s", f->value.boolean ? "true" : "false");
		break;
	default:
		memcpy(out, "null", sizeof "null");
	}
}

static void
put_value(struct line *l, const struct log_field *f)
{
	char text[32];

	if (f->type == LOG_FIELD_PERSONAL && !l->style->show_personal) {
		(void)snprintf(text, sizeof text, "h:%016" PRIx64,
		    (uint64_t)XXH3_64bits_withSecret(f->value.string.ptr,
			f->value.string.len, l->style->secret,
			sizeof l->style->secret));
		put_string(l, slice_of(text));
	} else if (f->type == LOG_FIELD_STRING ||
	    f->type == LOG_FIELD_PERSONAL) {
		put_string(l, f->value.string);
	} else {
		format_number(f, text);
		if (f->type == LOG_FIELD_HEX)
			put_string(l, slice_of(text));
		else
			put_text(l, text);
	}
}

/* A name, its punctuation, and the least that a value needs. */
static bool
has_room(const struct line *l, const struct log_field *f)
{
	size_t name = f->name != NULL ? strlen(f->name) : sizeof "msg";

	return room(l) >= name + sizeof ",\"\":\"" + 32 + STRING_TAIL_SIZE;
}

static void
put_field(struct line *l, const struct log_field *f)
{
	bool json = l->style->format == LOG_FORMAT_JSON;

	if (f->name == NULL && !json) { /* the message stands bare */
		put(l, " ", 1);
		put_escaped(l, f->value.string);
		return;
	}
	put_text(l, json ? ",\"" : " ");
	put_text(l, f->name != NULL ? f->name : "msg");
	put_text(l, json ? "\":" : "=");
	put_value(l, f);
}

static void
put_head(struct line *l, const char *time, enum log_level level)
{
	static const char *const text_names[] = { "DEBUG", "INFO", "WARN",
		"ERROR" };

	if (l->style->format == LOG_FORMAT_JSON) {
		put_text(l, "{\"level\":\"");
		put_text(l, log_level_names[level]);
		put_text(l, "\",\"ts\":\"");
		put_text(l, time);
		put_text(l, "\"");
	} else {
		put_text(l, time);
		put_text(l, " ");
		put_text(l, text_names[level]);
	}
}

size_t
log_format_line(const struct log_style *style, const char *time,
    enum log_level level, const struct log_field *fields, uint64_t dropped,
    char out[static LOG_LINE_MAX])
{
	struct line l = { out, out + LOG_LINE_MAX - TAIL_SIZE, style };
	struct log_field tail[] = {
		log_uint("dropped_lines", dropped),
		log_bool("truncated", true),
	};
	bool truncated = false;

	put_head(&l, time, level);
	for (; fields->type != LOG_FIELD_END; fields++) {
		/* What comes later may be shorter: try every field. */
		if (has_room(&l, fields))
			put_field(&l, fields);
		else
			truncated = true;
	}
	l.end = out + LOG_LINE_MAX;
	if (dropped > 0)
		put_field(&l, &tail[0]);
	if (truncated)
		put_field(&l, &tail[1]);
	put_text(&l, style->format == LOG_FORMAT_JSON ? "}\n" : "\n");
	return (size_t)(l.at - out);
}
