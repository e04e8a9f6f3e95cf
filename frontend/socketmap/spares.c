#include "frontend/socketmap/spares.h"

#include <stdlib.h>

#include "frontend/socketmap/request.h"

#define REQUESTS_MAX 2048         /* about 1 MiB */
#define BUFFERS_BYTES_MAX 4194304 /* all of them */
#define BUFFER_BYTES_MAX 16384    /* a larger one is not kept */

/* Lies in the buffer's own memory; a buffer has 256 bytes at least. */
struct spare_buffer {
	struct spare_buffer *next;
	size_t cap;
};

void
spares_init(struct spares *s)
{
	*s = (struct spares){ 0 };
}

void
spares_fini(struct spares *s)
{
	while (s->requests != NULL) {
		struct socketmap_request *r = s->requests;

		s->requests = r->next;
		free(r);
	}
	while (s->buffers != NULL) {
		struct spare_buffer *b = s->buffers;

		s->buffers = b->next;
		free(b);
	}
	spares_init(s);
}

struct socketmap_request *
spares_take_request(struct spares *s)
{
	struct socketmap_request *r = s->requests;

	if (r == NULL)
		return malloc(sizeof *r);
	s->requests = r->next;
	s->requests_count--;
	return r;
}

void
spares_give_request(struct spares *s, struct socketmap_request *r)
{
	if (s->requests_count >= REQUESTS_MAX) {
		free(r);
		return;
	}
	r->next = s->requests;
	s->requests = r;
	s->requests_count++;
}

void
spares_take_buffer(struct spares *s, struct buffer *b, size_t max)
{
	struct spare_buffer *spare = s->buffers;

	buffer_init(b, max);
	if (spare == NULL)
		return;
	s->buffers = spare->next;
	s->buffers_bytes -= spare->cap;
	b->cap = spare->cap;
	b->data = (char *)spare;
}

void
spares_give_buffer(struct spares *s, struct buffer *b)
{
	struct spare_buffer *spare = (struct spare_buffer *)(void *)b->data;

	if (spare == NULL)
		return;
	if (b->cap < sizeof *spare || b->cap > BUFFER_BYTES_MAX ||
	    b->cap > BUFFERS_BYTES_MAX - s->buffers_bytes) {
		buffer_fini(b);
		return;
	}
	spare->next = s->buffers;
	spare->cap = b->cap;
	s->buffers = spare;
	s->buffers_bytes += b->cap;
	buffer_init(b, b->max);
}
