/*
 * hang_nng_close - an nng_close() that never returns, as nng's has been seen to
 *
 * For LD_PRELOAD, tests only: hangs once the file exists that the variable
 * HANG_NNG_CLOSE names.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include <nng/nng.h>

int
nng_close(nng_socket socket)
{
	const char *path = getenv("HANG_NNG_CLOSE");
	int (*real)(nng_socket) = NULL;

	while (path != NULL && access(path, F_OK) == 0)
		(void)pause();
	/* ISO C knows no conversion from an object's pointer. */
	*(void **)&real = dlsym(RTLD_NEXT, "nng_close");
	return real(socket);
}
