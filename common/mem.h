/*
 * mem - the daemons' allocator: it succeeds or the process ends
 *
 * A daemon that is out of memory cannot answer truthfully; its supervisor
 * starts a fresh one.  libsocketmap and the codecs do not use this: they
 * return the failure.
 */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include <stddef.h>

/* Zeroed memory for count objects of size bytes; free() releases it. */
void *mem_calloc(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull));

/* As realloc(3), but 0 bytes are memory too, for free() to release. */
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull));

/* A NUL-terminated copy of len bytes, or of a C string. */
char *mem_dup(const char *bytes, size_t len)
    __attribute__((malloc, returns_nonnull));
char *mem_strdup(const char *string) __attribute__((malloc, returns_nonnull));

/* Overwrite a string, which may be a secret, and free it; NULL does nothing. */
void mem_wipe(char *string);

#endif
