/*
 * spares - memory kept for the next request, so that a busy server calls
 * malloc(3) for none
 *
 * Free lists of request objects and of buffers, bounded in bytes: what a burst
 * needed beyond that goes back to the allocator.  Belongs to one server.
 */
#ifndef SOCKETMAP_SPARES_H
#define SOCKETMAP_SPARES_H

#include "common/buffer.h"

struct socketmap_request;
struct spare_buffer;

struct spares {
	struct socketmap_request *requests;
	size_t requests_count;
	struct spare_buffer *buffers;
	size_t buffers_bytes;
};

void spares_init(struct spares *s);
void spares_fini(struct spares *s);

/* A request object with undefined contents, or NULL when memory is out. */
struct socketmap_request *spares_take_request(struct spares *s)
    __attribute__((warn_unused_result));
void spares_give_request(struct spares *s, struct socketmap_request *request);

/* Make *b an empty buffer, with the memory of a spare one if there is any. */
void spares_take_buffer(struct spares *s, struct buffer *b, size_t max);
/* Leave *b empty and without memory. */
void spares_give_buffer(struct spares *s, struct buffer *b);

#endif
