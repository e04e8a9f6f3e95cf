/*
 * allocations - count what a test program and its libraries allocate
 *
 * Include it in the one source file of a test program and call
 * allocations_start() at the start of main().  One thread.
 */
#ifndef TESTS_UNIT_ALLOCATIONS_H
#define TESTS_UNIT_ALLOCATIONS_H

#include <stddef.h>
#include <stdint.h>

static size_t allocations;
static size_t allocated_bytes;

static void
count_allocation(size_t size)
{
	allocations++;
	allocated_bytes += size;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER
#endif

#ifdef SANITIZER
/* As <sanitizer/allocator_interface.h> has it, which is not always there. */
int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void *p, size_t size),
    void (*on_free)(const volatile void *p));

static void
count_malloc(const volatile void *p, size_t size)
{
	(void)p;
	count_allocation(size);
}

static void
ignore_free(const volatile void *p)
{
	(void)p;
}

static inline void
allocations_start(void)
{
	(void)__sanitizer_install_malloc_and_free_hooks(
	    count_malloc, ignore_free);
}
#else
/* These take the place of the C library's, for every library too. */
#define EXPORTED __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
EXPORTED void *malloc(size_t size);
EXPORTED void *calloc(size_t count, size_t size);
EXPORTED void *realloc(void *old, size_t size);

void *
malloc(size_t size)
{
	count_allocation(size);
	return __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	count_allocation(count * size);
	return __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	count_allocation(size);
	return __libc_realloc(old, size);
}

static inline void
allocations_start(void)
{
}
#endif

#endif
