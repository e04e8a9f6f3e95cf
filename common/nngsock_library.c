#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/nngsock_private.h"

/* What nng 1.5 starts: at most 16 + 256 that grow with the processors, four
 * for names, one each to poll, to reap, to sleep; rounded up. */
#define TASK_THREADS_MAX 16
#define EXPIRE_THREADS_MAX 256
#define OTHER_THREADS 8

static size_t
threads_wanted(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	size_t processors = online > 0 ? (size_t)online : 1;
	size_t tasks = 2 * processors;

	if (tasks > TASK_THREADS_MAX)
		tasks = TASK_THREADS_MAX;
	if (processors > EXPIRE_THREADS_MAX)
		processors = EXPIRE_THREADS_MAX;
	return tasks + processors + OTHER_THREADS;
}

static void *
wait_for_end(void *arg)
{
	pthread_mutex_t *until = arg;

	(void)pthread_mutex_lock(until);
	(void)pthread_mutex_unlock(until);
	return NULL;
}

/* Returns 0 or what pthread_create(3) says. */
static int
try_threads(size_t count)
{
	pthread_t *threads = mem_calloc(count, sizeof threads[0]);
	pthread_mutex_t until = PTHREAD_MUTEX_INITIALIZER;
	size_t made = 0;
	int status = 0;

	(void)pthread_mutex_lock(&until);
	while (made < count && status == 0) {
		status =
		    pthread_create(&threads[made], NULL, wait_for_end, &until);
		made += status == 0;
	}
	(void)pthread_mutex_unlock(&until);
	for (size_t i = 0; i < made; i++)
		(void)pthread_join(threads[i], NULL);
	free(threads);
	return status;
}

bool
nngsock_init_library(struct error *error)
{
	size_t count = threads_wanted();
	int status = try_threads(count);
	nng_socket socket;
	int rv;

	if (status != 0) {
		error_set(error,
		    "no threads for nng, which may take %zu: %s (TasksMax=, "
		    "pids.max, ulimit -u)",
		    count, strerror(status));
		return false;
	}
	if ((rv = nng_req0_open_raw(&socket)) != 0) {
		error_set(
		    error, "nng cannot be initialised: %s", nng_strerror(rv));
		return false;
	}
	(void)nng_close(socket);
	return true;
}

void
nngsock_fini_library(void)
{
	nng_fini();
}
