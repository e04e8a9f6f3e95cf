#include "common/resolver.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/mem.h"

struct resolver {
	const struct dns_calls *calls;
	struct dns_question question;
	struct dns_answer answer; /* the thread's until it has sent answered */
	resolver_done done;
	void *arg;
	uv_async_t answered;

	uv_mutex_t lock;
	bool abandoned;   /* answered may be closed */
	unsigned holders; /* the thread, and the loop's handle */
};

static void
release(struct resolver *r)
{
	unsigned left;

	uv_mutex_lock(&r->lock);
	left = --r->holders;
	uv_mutex_unlock(&r->lock);
	if (left > 0)
		return;
	uv_mutex_destroy(&r->lock);
	addresses_fini(&r->answer.found);
	free(r);
}

static void *
run(void *arg)
{
	struct resolver *r = arg;

	dns_resolve(r->calls, &r->question, &r->answer);
	uv_mutex_lock(&r->lock);
	if (!r->abandoned)
		(void)uv_async_send(&r->answered);
	uv_mutex_unlock(&r->lock);
	release(r);
	return NULL;
}

static void
on_closed(uv_handle_t *handle)
{
	release(handle->data);
}

void
resolver_abandon(struct resolver *r)
{
	uv_mutex_lock(&r->lock);
	r->abandoned = true;
	uv_mutex_unlock(&r->lock);
	uv_close((uv_handle_t *)&r->answered, on_closed);
}

static void
on_answered(uv_async_t *handle)
{
	struct resolver *r = handle->data;

	/* The lock hands the answer over: what a uv_async_t orders is not
	 * said in libuv's documentation. */
	uv_mutex_lock(&r->lock);
	uv_mutex_unlock(&r->lock);
	r->done(r->arg, &r->answer);
	uv_close((uv_handle_t *)handle, on_closed);
}

/* Detached, and deaf to signals, which are the loop's. */
static bool
start_thread(struct resolver *r)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;
	sigset_t before;
	bool ok;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	ok = pthread_create(&thread, &attributes, run, r) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	return ok;
}

struct resolver *
resolver_ask(uv_loop_t *loop, const struct dns_calls *calls,
    const struct dns_question *question, resolver_done done, void *arg)
{
	struct resolver *r = mem_calloc(1, sizeof *r);

	r->calls = calls;
	r->question = *question;
	r->done = done;
	r->arg = arg;
	r->holders = 2;
	r->answered.data = r;
	if (uv_mutex_init(&r->lock) != 0 ||
	    uv_async_init(loop, &r->answered, on_answered) != 0)
		abort(); /* out of memory, or of the loop's own descriptors */
	if (start_thread(r))
		return r;
	r->holders = 1;
	resolver_abandon(r);
	return NULL;
}
