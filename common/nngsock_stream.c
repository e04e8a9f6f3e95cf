/*
 * Stands between nng's transports and nng's streams, for the whole process.
 *
 * nng 1.5.2's TLS transport may still send over a pipe that another thread has
 * just closed.  The stream then refuses the operation, as nng_aio_begin()
 * does: it sets NNG_ECANCELED and calls nobody.  The transport waits for that
 * call, the thread that ends pipes waits for the transport, and every
 * nng_close() from then on waits for that thread, for good.
 *
 * So an operation that has been refused is finished here, with the call that
 * the transport waits for.  One that was accepted cannot be taken for it: the
 * transport holds the lock that its callback needs, and what is cut short when
 * a pipe is closed ends with NNG_ECLOSED.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/nngsock_private.h"

typedef void (*stream_fn)(nng_stream *stream, nng_aio *aio);

static _Atomic(stream_fn) next_send, next_recv;
static atomic_bool refuses_in_silence;

static stream_fn
find(const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);
	stream_fn found;

	if (symbol == NULL)
		abort(); /* nng has it */
	memcpy(&found, &symbol, sizeof found);
	return found;
}

void
nngsock_stream_init(void)
{
	atomic_store(&next_send, find("nng_stream_send"));
	atomic_store(&next_recv, find("nng_stream_recv"));
	/* Later ones may make the call themselves. */
	atomic_store(
	    &refuses_in_silence, strncmp(nng_version(), "1.5.", 4) == 0);
}

static void
pass(_Atomic(stream_fn) *next, nng_stream *stream, nng_aio *aio)
{
	stream_fn call = atomic_load(next);

	if (call == NULL) {
		nngsock_stream_init();
		call = atomic_load(next);
	}
	call(stream, aio);
	if (atomic_load(&refuses_in_silence) &&
	    nng_aio_result(aio) == NNG_ECANCELED)
		nng_aio_finish(aio, NNG_ECLOSED);
}

__attribute__((visibility("default"))) void
nng_stream_send(nng_stream *stream, nng_aio *aio)
{
	pass(&next_send, stream, aio);
}

__attribute__((visibility("default"))) void
nng_stream_recv(nng_stream *stream, nng_aio *aio)
{
	pass(&next_recv, stream, aio);
}
