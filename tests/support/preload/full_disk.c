/*
 * full_disk - a disk that is full at a chosen step
 *
 * For LD_PRELOAD, tests only: while the file exists that the variable FULL_DISK
 * names, the step that it names fails with ENOSPC: "fsync" or "rename".
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
is_full(const char *step)
{
	const char *path = getenv("FULL_DISK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[16] = "";

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof text - 1) < 0)
		text[0] = '\0';
	(void)close(fd);
	return strcmp(text, step) == 0;
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
