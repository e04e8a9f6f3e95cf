#include "frontend/cli/bench_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "common/mem.h"
#include "common/quote.h"

char *
bench_keys_read_file(const char *path, size_t *len, struct error *error)
{
	FILE *file = fopen(path, "re");
	char shown[QUOTE_SIZE];
	struct buffer text;
	char *room;
	char *whole = NULL;
	size_t n = 1;

	(void)quote_value(slice_of(path), shown);
	if (file == NULL) {
		error_set(error, "%s: %s", shown, strerror(errno));
		return NULL;
	}
	buffer_init(&text, BENCH_KEYS_FILE_MAX);
	while (n > 0 && (room = buffer_reserve(&text, BUFSIZ)) != NULL) {
		n = fread(room, 1, BUFSIZ, file);
		buffer_commit(&text, n);
	}
	if (ferror(file) != 0)
		error_set(error, "%s: cannot be read", shown);
	else if (n > 0)
		error_set(error, "%s: larger than %zu bytes", shown,
		    BENCH_KEYS_FILE_MAX);
	else
		whole = mem_dup(buffer_slice(&text).ptr, buffer_len(&text));
	*len = buffer_len(&text);
	buffer_fini(&text);
	(void)fclose(file);
	return whole;
}

/* Replace "%%" by "%"; true for "%d", which is cut out, *at its place. */
static bool
unescape(char *text, char **at, bool *ok)
{
	bool found = false;
	char *to = text;

	*ok = true;
	for (const char *from = text; *from != '\0'; from++) {
		if (*from != '%') {
			*to++ = *from;
		} else if (from[1] == '%') {
			*to++ = '%';
			from++;
		} else if (from[1] == 'd' && !found) {
			*at = to;
			found = true;
			from++;
		} else {
			*ok = false;
			return false;
		}
	}
	*to = '\0';
	return found;
}

bool
bench_keys_pattern(struct bench_keys *keys, const char *text, uint64_t first,
    uint64_t last, struct error *error)
{
	char shown[QUOTE_SIZE];
	char *at = NULL;
	bool ok;

	*keys = (struct bench_keys){ .count = 1, .first = first };
	(void)quote_value(slice_of(text), shown);
	if (strlen(text) > BENCH_KEY_MAX - BENCH_NUMBER_DIGITS) {
		error_set(error, "%s is longer than a key may be", shown);
		return false;
	}
	keys->text = mem_strdup(text);
	keys->numbered = unescape(keys->text, &at, &ok);
	if (!ok) {
		error_set(error,
		    "%s is no pattern: one %%d stands for the number, %%%% for "
		    "a %%",
		    shown);
		bench_keys_fini(keys);
		return false;
	}
	if (!keys->numbered)
		at = keys->text + strlen(keys->text);
	else
		keys->count = last - first + 1;
	keys->before = (struct slice){ keys->text, (size_t)(at - keys->text) };
	keys->after = slice_of(at);
	return true;
}

/* Point lines at those of text; with NULL only count them.  0: one is too
 * long. */
static uint64_t
split(char *text, size_t len, struct slice *lines)
{
	const char *end = text + len;
	uint64_t count = 0;

	for (char *line = text; line < end;) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t size = (size_t)((stop != NULL ? stop : end) - line);

		if (size > BENCH_KEY_MAX)
			return 0;
		if (size > 0) {
			if (lines != NULL)
				lines[count] = (struct slice){ line, size };
			count++;
		}
		line += size + 1;
	}
	return count;
}

bool
bench_keys_file(struct bench_keys *keys, const char *path, struct error *error)
{
	char shown[QUOTE_SIZE];
	size_t len;

	*keys = (struct bench_keys){ 0 };
	keys->text = bench_keys_read_file(path, &len, error);
	if (keys->text == NULL)
		return false;
	keys->count = split(keys->text, len, NULL);
	if (keys->count == 0) {
		error_set(error,
		    "%s: holds no key, or one longer than %d bytes; a key a "
		    "line",
		    quote_value(slice_of(path), shown), BENCH_KEY_MAX);
		bench_keys_fini(keys);
		return false;
	}
	keys->lines = mem_calloc(keys->count, sizeof *keys->lines);
	(void)split(keys->text, len, keys->lines);
	return true;
}

void
bench_keys_fini(struct bench_keys *keys)
{
	free(keys->lines);
	free(keys->text);
	*keys = (struct bench_keys){ 0 };
}

static size_t
write_number(uint64_t number, char *out)
{
	char reversed[BENCH_NUMBER_DIGITS];
	size_t digits = 0;

	do {
		reversed[digits++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	for (size_t i = 0; i < digits; i++)
		out[i] = reversed[digits - 1 - i];
	return digits;
}

size_t
bench_keys_write(const struct bench_keys *keys, uint64_t index,
    char out[static BENCH_KEY_MAX])
{
	size_t len;

	if (keys->lines != NULL) {
		memcpy(out, keys->lines[index].ptr, keys->lines[index].len);
		return keys->lines[index].len;
	}
	len = keys->before.len;
	memcpy(out, keys->before.ptr, len);
	if (keys->numbered)
		len += write_number(keys->first + index, out + len);
	memcpy(out + len, keys->after.ptr, keys->after.len);
	return len + keys->after.len;
}
