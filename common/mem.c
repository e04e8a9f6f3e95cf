#include "common/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/service.h"

void
mem_exhausted(void)
{
	static const char line[] =
	    "{\"level\":\"error\",\"msg\":\"out of memory\"}\n";
	ssize_t ignored = write(STDERR_FILENO, line, sizeof line - 1);

	(void)ignored;
	_exit(SERVICE_EXIT_TEMPORARY);
}

void *
mem_calloc(size_t count, size_t size)
{
	/* calloc(3) may return NULL for no bytes, which is no failure. */
	void *p = count > 0 && size > 0 ? calloc(count, size) : calloc(1, 1);

	if (p == NULL)
		mem_exhausted();
	return p;
}

void *
mem_realloc(void *old, size_t size)
{
	/* realloc(p, 0) may free p and return NULL, which is no failure. */
	void *p = realloc(old, size > 0 ? size : 1);

	if (p == NULL)
		mem_exhausted();
	return p;
}

void *
mem_alloc(size_t size)
{
	return mem_realloc(NULL, size);
}

char *
mem_dup(const char *bytes, size_t len)
{
	char *copy = mem_calloc(len + 1, 1);

	if (len > 0) /* memcpy from NULL is undefined even for 0 */
		memcpy(copy, bytes, len);
	return copy;
}

char *
mem_strdup(const char *string)
{
	return mem_dup(string, strlen(string));
}

void
mem_wipe(char *string)
{
	if (string == NULL)
		return;
	explicit_bzero(string, strlen(string));
	free(string);
}

void
mem_serve_libuv(void)
{
	(void)uv_replace_allocator(mem_alloc, mem_realloc, mem_calloc, free);
}
