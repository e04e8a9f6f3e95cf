/*
 * mem - the daemons' allocator: it succeeds or the process ends
 *
 * A daemon that is out of memory cannot answer truthfully; its supervisor
 * starts a fresh one.  The end is one line on standard error and
 * SERVICE_EXIT_TEMPORARY, at once: nothing is answered, saved or freed any
 * more.  libsocketmap and the codecs do not use this: they return the failure.
 */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include <stddef.h>

/* Zeroed memory for count objects of size bytes; free() releases it. */
void *mem_calloc(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull));

/* As malloc(3), but 0 bytes are memory, too. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* As realloc(3), but 0 bytes are memory too, for free() to release. */
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));

/* A NUL-terminated copy of len bytes, or of a C string. */
char *mem_dup(const char *bytes, size_t len)
    __attribute__((malloc, returns_nonnull));
char *mem_strdup(const char *string) __attribute__((malloc, returns_nonnull));

/* Overwrite a string, which may be a secret, and free it; NULL does nothing. */
void mem_wipe(char *string);

/* The end, for who has found out otherwise that memory is out. */
_Noreturn void mem_exhausted(void);

/* Have libuv ask here, too: by itself it aborts where it gets no memory for
 * the descriptors that it watches.  Before the first loop. */
void mem_serve_libuv(void);

#endif
