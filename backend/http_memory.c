#include "backend/http_memory.h"

#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static void
wipe_and_free(void *old)
{
	if (old != NULL)
		explicit_bzero(old, malloc_usable_size(old));
	free(old);
}

/* realloc(3) would leave what it copies from as it is. */
static void *
move(void *old, size_t size)
{
	size_t had = old != NULL ? malloc_usable_size(old) : 0;
	void *fresh;

	if (old != NULL && size <= had && size >= had / 2)
		return old;
	fresh = mem_alloc(size);
	if (old != NULL)
		memcpy(fresh, old, had < size ? had : size);
	wipe_and_free(old);
	return fresh;
}

bool
http_memory_start_curl(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc,
		   wipe_and_free, move, mem_strdup, mem_calloc) == CURLE_OK;
}
