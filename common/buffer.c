#include "common/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_ALLOCATION 256

void
buffer_init(struct buffer *b, size_t max)
{
	*b = (struct buffer){ .max = max };
}

void
buffer_fini(struct buffer *b)
{
	free(b->data);
	buffer_init(b, b->max);
}

char *
buffer_reserve(struct buffer *b, size_t n)
{
	size_t len = buffer_len(b);
	size_t cap = b->cap;
	char *grown;

	if (n > b->max - len)
		return NULL;
	if (b->start > 0 && n > b->cap - b->end) {
		memmove(b->data, b->data + b->start, len);
		b->start = 0;
		b->end = len;
	}
	if (b->data != NULL && n <= b->cap - b->end)
		return b->data + b->end;

	if (cap == 0)
		cap = b->max < FIRST_ALLOCATION ? b->max : FIRST_ALLOCATION;
	while (cap < len + n)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	/* One byte more than is ever held: vsnprintf(3) ends with a NUL. */
	grown = cap < SIZE_MAX ? realloc(b->data, cap + 1) : NULL;
	if (grown == NULL)
		return NULL;
	b->data = grown;
	b->cap = cap;
	return b->data + b->end;
}

void
buffer_commit(struct buffer *b, size_t n)
{
	assert(n <= b->cap - b->end);
	b->end += n;
}

bool
buffer_append(struct buffer *b, const void *bytes, size_t n)
{
	char *to = buffer_reserve(b, n);

	if (to == NULL)
		return false;
	if (n > 0) /* memcpy from NULL is undefined even for 0 */
		memcpy(to, bytes, n);
	b->end += n;
	return true;
}

bool
buffer_append_slice(struct buffer *b, struct slice bytes)
{
	return buffer_append(b, bytes.ptr, bytes.len);
}

bool
buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list args;
	va_list again;
	char *to;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	to = n < 0 ? NULL : buffer_reserve(b, (size_t)n);
	if (to != NULL) {
		(void)vsnprintf(to, (size_t)n + 1, format, again);
		b->end += (size_t)n;
	}
	va_end(again);
	va_end(args);
	return to != NULL;
}

void
buffer_consume(struct buffer *b, size_t n)
{
	assert(n <= buffer_len(b));
	b->start += n;
	if (b->start == b->end)
		buffer_clear(b);
}

void
buffer_clear(struct buffer *b)
{
	b->start = 0;
	b->end = 0;
}
