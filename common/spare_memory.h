/*
 * spare_memory - gives memory back to the kernel after a rush
 *
 * The C library keeps what was freed, above all where something small that is
 * still in use lies behind it.  Every SPARE_MEMORY_TICK_MS what it keeps is
 * looked at; once that has grown by SPARE_MEMORY_BYTES, the library is told to
 * let go of it.  glibc only; elsewhere nothing is done.  Loop's thread only.
 */
#ifndef COMMON_SPARE_MEMORY_H
#define COMMON_SPARE_MEMORY_H

#include <stddef.h>
#include <uv.h>

#define SPARE_MEMORY_TICK_MS 5000
#define SPARE_MEMORY_BYTES (4u << 20)

struct spare_memory {
	uv_timer_t timer;
	size_t least; /* bytes unused at a tick, since they were let go of */
};

/* Keeps no loop running. */
void spare_memory_init(struct spare_memory *s, uv_loop_t *loop);
void spare_memory_close(struct spare_memory *s);

#endif
