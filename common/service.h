/*
 * service - what makes a loop a daemon: signals, readiness, drain
 *
 * Owned by main's struct, used on the loop's thread.  SIGTERM and SIGINT ask
 * once for a drain; a second one exits at once with 128 + signal.  SIGHUP asks
 * for a reload.  SIGPIPE is ignored.  When NOTIFY_SOCKET is set, systemd is
 * told READY=1, RELOADING=1, STOPPING=1 and, with WATCHDOG_USEC, WATCHDOG=1
 * from the loop (sd_notify(3), without its library).
 */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include <uv.h>

#include "common/error.h"
#include "common/log.h"
#include "common/spare_memory.h"

/* sysexits(3); 1 is never used. */
enum service_exit {
	SERVICE_EXIT_OK = 0,
	SERVICE_EXIT_USAGE = 64,
	SERVICE_EXIT_UNAVAILABLE = 69,
	SERVICE_EXIT_TEMPORARY = 75,
	SERVICE_EXIT_CONFIG = 78,
};

struct service_hooks {
	/* Stop taking work, finish what is in flight, then close everything
	 * so that the loop runs empty. */
	void (*drain)(void *arg);
	void (*reload)(void *arg); /* may be NULL */
	void *arg;
};

struct service {
	uv_loop_t *loop;
	struct log *log;
	struct service_hooks hooks;
	uv_signal_t terminate, interrupt, hangup;
	uv_timer_t watchdog, limit;
	struct spare_memory memory;
	int notify_fd;
	bool draining;
};

/*
 * Have what of standard input, output and error is closed lead nowhere: what is
 * opened next, a connection perhaps, would take its number, and the log's
 * lines. Call first of all.
 */
void service_open_standard(void);

/*
 * Block the signals the loop handles, in this thread and in those it makes;
 * call before the first one is made, that is before the first nng call.
 * libuv's handler may run in any thread, so this is not for its sake: a
 * signal would interrupt another library's system calls, and one that comes
 * before service_init() ends the process without a drain instead of waiting.
 */
void service_block_signals(void);

/*
 * Start handling signals, and let this thread, the loop's, receive them.
 * False with the reason in *error; the loop must still run to close handles.
 */
bool service_init(struct service *s, uv_loop_t *loop, struct log *log,
    const struct service_hooks *hooks, struct error *error)
    __attribute__((warn_unused_result));

/*
 * Raise the limit of open files (RLIMIT_NOFILE) to the hard limit, and warn
 * when that is less than wanted.  Returns the limit.
 */
uint64_t service_raise_files(struct log *log, uint64_t wanted);

/*
 * Have the kernel write no core file of this process, nor hand one to a crash
 * handler: it would hold addresses, and perhaps a token.  Other processes of
 * the same user can then not read its memory either.
 */
void service_forbid_dumps(struct log *log);

/* Tell systemd that the daemon answers. */
void service_ready(struct service *s);

/*
 * From the drain hook: exit the process with SERVICE_EXIT_TEMPORARY if it
 * still runs after limit_ms.  Should the loop itself be stuck (nng_close() has
 * been seen to hang) SIGALRM ends the process a second later; service_stop()
 * leaves that alarm on, so that it also bounds what main does after the loop.
 */
void service_limit_drain(struct service *s, uint64_t limit_ms);

/*
 * All that was in flight has been answered; what is left is to close.  Should
 * a library hang in that, as nng_close() has been seen to, the process ends
 * with SERVICE_EXIT_OK after SERVICE_CLOSE_MS.
 */
#define SERVICE_CLOSE_MS 1000
void service_drained(struct service *s);

/*
 * Close the handles, so that the loop can run empty.  From then on a signal
 * has its default effect again.  A second call does nothing.
 */
void service_stop(struct service *s);

#endif
