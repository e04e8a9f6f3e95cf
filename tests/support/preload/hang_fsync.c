/*
 * hang_fsync - an fsync() that takes as long as a dead disk's
 *
 * For LD_PRELOAD, tests only: hangs while the file exists that the variable
 * HANG_FSYNC names.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int
fsync(int fd)
{
	const char *path = getenv("HANG_FSYNC");
	int (*real)(int) = NULL;

	while (path != NULL && access(path, F_OK) == 0)
		(void)usleep(1000);
	/* ISO C knows no conversion from an object's pointer. */
	*(void **)&real = dlsym(RTLD_NEXT, "fsync");
	return real(fd);
}
