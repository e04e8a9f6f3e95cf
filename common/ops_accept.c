#include "common/ops_accept.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/ops_unix.h"
#include "common/watch.h"

#define BATCH 16        /* connections taken in one turn */
#define SHORTAGE_MS 500 /* how long to look away */
#define REPORT_MS 60000 /* at most one line about it in so long */

struct listener {
	struct ops_accept *owner;
	uv_poll_t poll;
	struct ops_socket socket;
};

struct ops_accept {
	uv_loop_t *loop;
	struct log *log;
	ops_accept_fn fn;
	void *arg;
	uv_timer_t shortage; /* active: out of descriptors or memory */
	bool full;           /* the owner is */
	bool stopped;
	uint64_t report_at_ms;                        /* of uv_now() */
	struct metrics_counter *no_files, *no_memory; /* may be NULL */
	uint16_t port;
	size_t handles; /* on the loop; freed with the last */
	size_t count;
	struct listener listeners[];
};

static void on_readable(uv_poll_t *poll, int status, int events);
static void update(struct ops_accept *a);

static void
on_shortage_over(uv_timer_t *timer)
{
	update(timer->data);
}

/* The sockets are polled unless there is a reason not to. */
static void
update(struct ops_accept *a)
{
	bool wanted = !a->full && !a->stopped &&
	    !uv_is_active((uv_handle_t *)&a->shortage);

	for (size_t i = 0; i < a->count; i++) {
		struct listener *l = &a->listeners[i];

		if (!wanted)
			(void)uv_poll_stop(&l->poll);
		else if (watch_add(a->loop, l->socket.fd) == 0)
			(void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
		else
			(void)uv_timer_start(
			    &a->shortage, on_shortage_over, SHORTAGE_MS, 0);
	}
}

static void
count(struct metrics_counter *counter)
{
	if (counter != NULL)
		metrics_inc(counter);
}

static void
on_error(struct ops_accept *a, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOBUFS &&
	    error != ENOMEM)
		return; /* no client left, or one client's own fault */
	count(error == EMFILE || error == ENFILE ? a->no_files : a->no_memory);
	(void)uv_timer_start(&a->shortage, on_shortage_over, SHORTAGE_MS, 0);
	update(a);
	if (uv_now(a->loop) < a->report_at_ms)
		return;
	a->report_at_ms = uv_now(a->loop) + REPORT_MS;
	log_warn(a->log, log_msg("cannot accept connections for now"),
	    log_str("service", "metrics"), log_str("reason", strerror(error)));
}

/* The mode keeps others out; this is for the day when it does not. */
static void
refuse(struct ops_accept *a, int fd)
{
	(void)close(fd);
	if (uv_now(a->loop) < a->report_at_ms)
		return;
	a->report_at_ms = uv_now(a->loop) + REPORT_MS;
	log_warn(a->log, log_msg("another user's connection refused"),
	    log_str("service", "admin"));
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;
	struct ops_accept *a = listener->owner;

	(void)status, (void)events;
	for (int i = 0; i < BATCH && !a->full && !a->stopped; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof peer;
		int fd = accept4(listener->socket.fd, (struct sockaddr *)&peer,
		    &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			on_error(a, errno);
			return;
		}
		if (listener->socket.is_unix && !ops_unix_may_ask(fd)) {
			refuse(a, fd);
			continue;
		}
		a->fn(a->arg, fd, (struct sockaddr *)&peer, len);
	}
}

void
ops_accept_count(struct ops_accept *a, struct metrics_counter *files,
    struct metrics_counter *memory)
{
	a->no_files = files;
	a->no_memory = memory;
}

void
ops_accept_pause(struct ops_accept *a)
{
	a->full = true;
	update(a);
}

void
ops_accept_resume(struct ops_accept *a)
{
	a->full = false;
	update(a);
}

uint16_t
ops_accept_port(const struct ops_accept *a)
{
	return a->port;
}

static void
on_closed(uv_handle_t *handle)
{
	struct ops_accept *a = handle->data;

	if (--a->handles == 0)
		free(a);
}

void
ops_accept_stop(struct ops_accept *a)
{
	a->stopped = true;
	for (size_t i = 0; i < a->count; i++) {
		struct listener *l = &a->listeners[i];

		l->poll.data = a;
		/* Out of the loop's epoll set before it is closed. */
		uv_close((uv_handle_t *)&l->poll, on_closed);
		(void)close(l->socket.fd);
		ops_unix_remove(&l->socket);
	}
	uv_close((uv_handle_t *)&a->shortage, on_closed);
}

static bool
bind_all(const struct endpoint_list *listen,
    struct ops_socket sockets[static OPS_BIND_MAX], size_t *count,
    struct error *error)
{
	for (size_t i = 0; i < listen->count; i++) {
		if (ops_bind(&listen->items[i], sockets, count, error))
			continue;
		while (*count > 0) {
			(void)close(sockets[--*count].fd);
			ops_unix_remove(&sockets[*count]);
		}
		return false;
	}
	return true;
}

static struct ops_accept *
new_accept(uv_loop_t *loop, struct log *log, size_t count)
{
	struct ops_accept *a =
	    mem_calloc(1, sizeof *a + count * sizeof a->listeners[0]);

	a->loop = loop;
	a->log = log;
	(void)uv_timer_init(loop, &a->shortage);
	a->shortage.data = a;
	a->handles = 1;
	return a;
}

/* Put a bound socket on the loop; it is closed with a, or here on failure. */
static int
add_listener(struct ops_accept *a, const struct ops_socket *s)
{
	struct listener *l = &a->listeners[a->count];
	int status = uv_poll_init(a->loop, &l->poll, s->fd);

	if (status != 0) {
		(void)close(s->fd);
		return status;
	}
	l->owner = a;
	l->socket = *s;
	l->poll.data = l;
	a->count++;
	a->handles++;
	return 0;
}

struct ops_accept *
ops_accept_start(uv_loop_t *loop, const struct endpoint_list *listen,
    struct log *log, ops_accept_fn fn, void *arg, struct error *error)
{
	struct ops_socket sockets[OPS_BIND_MAX];
	size_t count = 0;
	int failed = 0;
	struct ops_accept *a;

	if (!bind_all(listen, sockets, &count, error))
		return NULL;
	a = new_accept(loop, log, count);
	a->fn = fn;
	a->arg = arg;
	a->port = count > 0 ? sockets[0].port : 0;
	for (size_t i = 0; i < count; i++) {
		int status = add_listener(a, &sockets[i]);

		if (status == 0)
			continue;
		failed = status;
		error_set(error, "cannot listen on %s: %s", sockets[i].address,
		    uv_strerror(status));
	}
	if (failed != 0) {
		ops_accept_stop(a);
		return NULL;
	}
	update(a);
	for (size_t i = 0; i < count; i++)
		log_info(log, log_msg("listening"),
		    log_str(
			"service", sockets[i].is_unix ? "admin" : "metrics"),
		    log_str("address", sockets[i].address));
	return a;
}
