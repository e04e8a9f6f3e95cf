/*
 * selfprobe - asks our own listeners, as a frontend would
 *
 * Each probe is a new connection with one health call in a frame: what answers
 * it has accepted, shaken hands, read and written.  watchdog.h decides what an
 * answer that stays out means.  Over TLS our own certificate is shown, and must
 * be one that our listener believes: where it is not, that listener cannot be
 * probed.  Loop's thread only.
 */
#ifndef BACKEND_SELFPROBE_H
#define BACKEND_SELFPROBE_H

#include <uv.h>

#include "backend/worker.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/rpctls.h"

struct selfprobe;

struct selfprobe_options {
	struct worker *worker;    /* borrowed: closed after us */
	const struct rpctls *tls; /* borrowed */
	size_t listeners;         /* of the worker */
	struct metrics *metrics;
	struct log *log;
	/* A listener is dead and no new one helps. */
	void (*give_up)(void *arg);
	void *arg;
};

/* Never NULL; probes until it is closed. */
struct selfprobe *selfprobe_new(
    uv_loop_t *loop, const struct selfprobe_options *options);

/*
 * For a drain: probe no more, but leave a probe that is under way alone, since
 * closing its socket may hang in nng while lookups wait.
 */
void selfprobe_pause(struct selfprobe *s);

/* End the probes, and free once the loop has closed the handles.  May be
 * called from give_up. */
void selfprobe_close(struct selfprobe *s);

#endif
