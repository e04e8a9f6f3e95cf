/*
 * full_disk - a disk that is full at a chosen step
 *
 * For LD_PRELOAD, tests only: while the link exists that the variable FULL_DISK
 * names, the step that it leads to fails with ENOSPC: "fsync" or "rename".  A
 * link can be read where the daemon's sandbox lets no file be opened.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
is_full(const char *step)
{
	const char *path = getenv("FULL_DISK");
	char text[16] = "";

	return path != NULL && readlink(path, text, sizeof text - 1) > 0 &&
	    strcmp(text, step) == 0;
}

int
fsync(int fd)
{
	int (*real)(int) = NULL;

	if (is_full("fsync")) {
		errno = ENOSPC;
		return -1;
	}
	/* ISO C knows no conversion from an object's pointer. */
	*(void **)&real = dlsym(RTLD_NEXT, "fsync");
	return real(fd);
}

int
rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = NULL;

	if (is_full("rename")) {
		errno = ENOSPC;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "rename");
	return real(from, to);
}
