/*
 * buffer - growing bytes with a maximum
 *
 * Every buffer gets its maximum when it is made and never holds more.  Bytes
 * are appended at the end and consumed at the front.  No global state: a
 * buffer belongs to one thread at a time.
 */
#ifndef COMMON_BUFFER_H
#define COMMON_BUFFER_H

#include "common/slice.h"

struct buffer {
	char *data;
	size_t start; /* first byte not yet consumed */
	size_t end;   /* one past the last byte */
	size_t cap;   /* bytes allocated, but for one for printf's NUL */
	size_t max;   /* most bytes held at once */
};

/* An empty buffer that allocates nothing until bytes arrive. */
void buffer_init(struct buffer *b, size_t max);

/* Free the memory; the buffer is empty and usable again with the same max. */
void buffer_fini(struct buffer *b);

/* The bytes held; valid until the next call that changes the buffer. */
static inline struct slice
buffer_slice(const struct buffer *b)
{
	/* NULL + 0 is undefined in C. */
	return (struct slice){ b->data != NULL ? b->data + b->start : NULL,
		b->end - b->start };
}

static inline size_t
buffer_len(const struct buffer *b)
{
	return b->end - b->start;
}

/*
 * Make room for n more bytes and return where they go, or NULL (nothing
 * changed) if that would exceed max or memory is out.  buffer_commit() then
 * says how many were written.
 */
char *buffer_reserve(struct buffer *b, size_t n)
    __attribute__((warn_unused_result));
void buffer_commit(struct buffer *b, size_t n);

/* Append bytes; false (nothing changed) over max or out of memory. */
bool buffer_append(struct buffer *b, const void *bytes, size_t n)
    __attribute__((warn_unused_result));
bool buffer_append_slice(struct buffer *b, struct slice bytes)
    __attribute__((warn_unused_result));
bool buffer_printf(struct buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/* Drop the first n bytes (n <= buffer_len) or all of them; keeps memory. */
void buffer_consume(struct buffer *b, size_t n);
void buffer_clear(struct buffer *b);

#endif
