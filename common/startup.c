#include "common/startup.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/service.h"

static void
put(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

/* A signal handler: only what signal-safety(7) allows, and strerrordesc_np(3).
 * errno is as a rule still what made the library give up. */
static void
on_abort(int number)
{
	const char *reason = strerrordesc_np(errno);

	(void)number;
	put("{\"level\":\"error\",\"msg\":\"cannot start\",\"error\":\"a "
	    "library "
	    "gave up: no thread, no memory or no descriptor to be had, last "
	    "of all: ");
	put(reason != NULL ? reason : "unknown error");
	put("\"}\n");
	_exit(SERVICE_EXIT_TEMPORARY);
}

void
startup_begin(void)
{
	struct sigaction action = { .sa_handler = on_abort };

	(void)sigaction(SIGABRT, &action, NULL);
}

bool
startup_loop(uv_loop_t *loop, struct log *log)
{
	int status = uv_loop_init(loop);

	if (status != 0)
		log_error(log, log_msg("cannot start"),
		    log_str("error", "cannot make an event loop"),
		    log_str("reason", uv_strerror(status)));
	return status == 0;
}

static void
do_nothing(uv_work_t *work)
{
	(void)work;
}

static void
on_done(uv_work_t *work, int status)
{
	(void)status;
	free(work);
}

void
startup_threads(uv_loop_t *loop)
{
	uv_work_t *work = mem_calloc(1, sizeof *work);

	/* Fails only without a callback. */
	(void)uv_queue_work(loop, work, do_nothing, on_done);
}

void
startup_end(uv_loop_t *loop)
{
	(void)uv_run(loop, UV_RUN_NOWAIT);
	(void)signal(SIGABRT, SIG_DFL);
}
