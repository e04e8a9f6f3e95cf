#include "common/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* How much longer than the loop's own timer the last resort waits. */
#define LAST_RESORT_EXTRA_MS 1000

static void
handled_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGHUP);
}

void
service_block_signals(void)
{
	sigset_t set;

	handled_signals(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Returns the size of systemd's address in *out, 0 without one to use. */
static socklen_t
notify_address(struct sockaddr_un *out)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path == NULL ? 0 : strlen(path);

	if (len < 2 || len >= sizeof out->sun_path ||
	    (path[0] != '/' && path[0] != '@'))
		return 0;
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(out->sun_path, path, len);
	/* unix(7): an abstract name starts with a NUL, its size ends it. */
	if (path[0] == '@')
		out->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/*
 * One datagram to systemd.  The socket is not connected, so that a manager
 * which bound its address anew is still found.
 */
static void
notify(const struct service *s, const char *text)
{
	struct sockaddr_un address;
	socklen_t size = notify_address(&address);

	if (s->notify_fd < 0 || size == 0)
		return;
	if (sendto(s->notify_fd, text, strlen(text),
		MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
		size) < 0)
		log_warn(s->log, log_msg("cannot notify the service manager"),
		    log_str("reason", strerror(errno)));
}

static void
open_notify(struct service *s)
{
	const char *given = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;

	s->notify_fd = -1;
	if (given == NULL || given[0] == '\0')
		return;
	if (notify_address(&address) == 0) {
		log_warn(s->log, log_msg("cannot use NOTIFY_SOCKET"),
		    log_str("value", given));
		return;
	}
	s->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->notify_fd < 0)
		log_warn(s->log, log_msg("cannot use NOTIFY_SOCKET"),
		    log_str("reason", strerror(errno)));
}

static void
close_notify(struct service *s)
{
	if (s->notify_fd >= 0)
		(void)close(s->notify_fd);
	s->notify_fd = -1;
}

static bool
number_from_environment(const char *name, unsigned long long *out)
{
	const char *text = getenv(name);
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static void
on_watchdog(uv_timer_t *timer)
{
	notify(timer->data, "WATCHDOG=1");
}

/* sd_watchdog_enabled(3): half the interval, if it is this process's. */
static void
start_watchdog(struct service *s)
{
	unsigned long long interval_us;
	unsigned long long pid;
	uint64_t period_ms;

	if (!number_from_environment("WATCHDOG_USEC", &interval_us) ||
	    interval_us == 0)
		return;
	if (getenv("WATCHDOG_PID") != NULL &&
	    (!number_from_environment("WATCHDOG_PID", &pid) ||
		pid != (unsigned long long)getpid()))
		return;
	period_ms = interval_us / 2000;
	if (period_ms == 0)
		period_ms = 1;
	(void)uv_timer_start(&s->watchdog, on_watchdog, period_ms, period_ms);
	uv_unref((uv_handle_t *)&s->watchdog);
}

static void
on_end(uv_signal_t *handle, int signal)
{
	struct service *s = handle->data;
	const char *name = signal == SIGTERM ? "SIGTERM" : "SIGINT";

	if (s->draining) {
		log_warn(s->log, log_msg("exiting at once"),
		    log_str("signal", name));
		_exit(128 + signal);
	}
	s->draining = true;
	log_info(s->log, log_msg("draining"), log_str("signal", name));
	notify(s, "STOPPING=1");
	s->hooks.drain(s->hooks.arg);
}

static void
on_hangup(uv_signal_t *handle, int signal)
{
	struct service *s = handle->data;
	struct timespec now;
	char text[64];

	(void)signal;
	if (s->hooks.reload == NULL || s->draining) {
		log_info(s->log, log_msg("SIGHUP ignored"));
		return;
	}
	/* systemd.service(5), Type=notify-reload, matches by this time. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify(s, text);
	log_info(s->log, log_msg("reloading"));
	s->hooks.reload(s->hooks.arg);
	notify(s, "READY=1");
}

static void
unblock_signals(void)
{
	sigset_t set;

	handled_signals(&set);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Returns 0 or a UV_ error, with no handle to close. */
static int
init_handles(struct service *s)
{
	int status = uv_signal_init(s->loop, &s->terminate);

	if (status != 0)
		return status;
	/* Only a loop's first signal handle needs descriptors. */
	(void)uv_signal_init(s->loop, &s->interrupt);
	(void)uv_signal_init(s->loop, &s->hangup);
	(void)uv_timer_init(s->loop, &s->watchdog);
	(void)uv_timer_init(s->loop, &s->limit);
	spare_memory_init(&s->memory, s->loop);
	s->terminate.data = s;
	s->interrupt.data = s;
	s->hangup.data = s;
	s->watchdog.data = s;
	s->limit.data = s;
	return 0;
}

/* Returns 0 or a UV_ error. */
static int
start_signals(struct service *s)
{
	int status = uv_signal_start(&s->terminate, on_end, SIGTERM);

	if (status == 0)
		status = uv_signal_start(&s->interrupt, on_end, SIGINT);
	if (status == 0)
		status = uv_signal_start(&s->hangup, on_hangup, SIGHUP);
	return status;
}

bool
service_init(struct service *s, uv_loop_t *loop, struct log *log,
    const struct service_hooks *hooks, struct error *error)
{
	int status;

	*s = (struct service){ .loop = loop, .log = log, .hooks = *hooks };
	(void)signal(SIGPIPE, SIG_IGN);
	open_notify(s);
	status = init_handles(s);
	if (status != 0) {
		close_notify(s);
	} else {
		status = start_signals(s);
		if (status != 0)
			service_stop(s);
	}
	if (status != 0) {
		error_set(
		    error, "cannot handle signals: %s", uv_strerror(status));
		return false;
	}
	start_watchdog(s);
	unblock_signals();
	return true;
}

void
service_ready(struct service *s)
{
	notify(s, "READY=1");
}

static void
on_limit(uv_timer_t *timer)
{
	struct service *s = timer->data;

	log_error(s->log, log_msg("draining took too long, exiting"));
	_exit(SERVICE_EXIT_TEMPORARY);
}

/* A signal handler: only what signal-safety(7) allows. */
static void
on_last_resort(int signal)
{
	(void)signal;
	_exit(SERVICE_EXIT_TEMPORARY);
}

/* The same, when nothing is lost by it. */
static void
on_closing_hangs(int signal)
{
	(void)signal;
	_exit(SERVICE_EXIT_OK);
}

/* The loop's timers fire only while it turns; a signal always does. */
static void
set_alarm(uint64_t after_ms, void (*handler)(int signal))
{
	struct itimerval after = {
		.it_value = { .tv_sec = (time_t)(after_ms / 1000),
		    .tv_usec = (suseconds_t)(after_ms % 1000 * 1000) }
	};
	struct sigaction action = { .sa_handler = handler };

	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &after, NULL);
}

void
service_drained(struct service *s)
{
	(void)uv_timer_stop(&s->limit);
	set_alarm(SERVICE_CLOSE_MS, on_closing_hangs);
}

void
service_limit_drain(struct service *s, uint64_t limit_ms)
{
	(void)uv_timer_start(&s->limit, on_limit, limit_ms, 0);
	uv_unref((uv_handle_t *)&s->limit);
	set_alarm(limit_ms + LAST_RESORT_EXTRA_MS, on_last_resort);
}

void
service_stop(struct service *s)
{
	if (uv_is_closing((uv_handle_t *)&s->terminate))
		return;
	uv_close((uv_handle_t *)&s->terminate, NULL);
	uv_close((uv_handle_t *)&s->interrupt, NULL);
	uv_close((uv_handle_t *)&s->hangup, NULL);
	uv_close((uv_handle_t *)&s->watchdog, NULL);
	uv_close((uv_handle_t *)&s->limit, NULL);
	spare_memory_close(&s->memory);
	close_notify(s);
}

void
service_open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

uint64_t
service_raise_files(struct log *log, uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return wanted;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < wanted)
		log_warn(log,
		    log_msg("open files are limited to fewer than may be "
			    "wanted: raise the limit (ulimit -Hn, or "
			    "LimitNOFILE= in the unit)"),
		    log_uint("limit", limit.rlim_max),
		    log_uint("wanted", wanted));
	return limit.rlim_max;
}

void
service_forbid_dumps(struct log *log)
{
	struct rlimit none = { 0, 0 };

	/* The limit alone does not hold for handlers that the kernel pipes a
	 * dump to (core(5)). */
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_warn(log, log_msg("cannot forbid core dumps"),
		    log_str("reason", strerror(errno)));
}
