#include "frontend/socketmap/server.h"

#include <signal.h>
#include <stdlib.h>

#include "frontend/socketmap/deadlines.h"
#include "frontend/socketmap/listener.h"
#include "frontend/socketmap/run.h"

void
server_ref(struct socketmap_server *s)
{
	s->references++;
}

void
server_unref(struct socketmap_server *s)
{
	if (--s->references > 0)
		return;
	maps_fini(&s->maps);
	spares_fini(&s->spares);
	free(s->read_buffer);
	free(s);
}

void
server_handle_opened(struct socketmap_server *s)
{
	s->handles++;
	server_ref(s);
}

/* All connections are gone: the shutdown is over. */
static void
check_done(struct socketmap_server *s)
{
	void (*done)(void *arg) = s->done;

	if (!s->has_shutdown || s->phase < SERVER_ENDING ||
	    socketmap_server_connections(s) > 0)
		return;
	s->has_shutdown = false;
	s->phase = SERVER_CLOSED;
	if (done != NULL)
		done(s->done_arg);
}

void
server_handle_closed(struct socketmap_server *s)
{
	s->handles--;
	check_done(s);
	server_unref(s);
}

void
server_on_closed(uv_handle_t *handle)
{
	server_handle_closed(handle->data);
}

bool
server_reap(struct socketmap_server *s)
{
	struct list *idle = &s->states[CONNECTION_NEW].connections;

	/* A flood of connections that ask nothing shall not cost those which
	 * are in use. */
	if (list_is_empty(idle))
		idle = &s->states[CONNECTION_IDLE].connections;
	if (list_is_empty(idle))
		return false;
	connection_close(LIST_ITEM(idle->next, struct connection, state_link),
	    SOCKETMAP_CLOSED_REAPED);
	return true;
}

void
server_accept_failed(struct socketmap_server *s, int error)
{
	if (s->options.observer.accept_failed != NULL)
		s->options.observer.accept_failed(
		    s->options.observer_arg, error);
}

/* --- The loop turn ------------------------------------------------------ */

static void
on_wake(uv_idle_t *waker)
{
	struct socketmap_server *s = waker->data;

	while (!list_is_empty(&s->changed))
		connection_settle(LIST_ITEM(
		    s->changed.next, struct connection, changed_link));
	/* A shutdown needs one poll that does not block. */
	if (s->has_shutdown && s->phase != SERVER_ENDING)
		s->is_drain_due = true;
	else
		(void)uv_idle_stop(waker);
}

void
server_wake(struct socketmap_server *s)
{
	/* An idle handle, not a prepare handle: what is answered in another
	 * prepare callback must not wait for the poll after it. */
	(void)uv_idle_start(&s->waker, on_wake);
}

/* The poll is over that began after the shutdown: what had come is read. */
static void
on_drain(uv_check_t *drainer)
{
	struct socketmap_server *s = drainer->data;

	if (!s->is_drain_due)
		return;
	(void)uv_check_stop(drainer);
	if (s->phase == SERVER_STOPPED)
		s->phase = SERVER_ENDING;
	for (int i = 0; i < CONNECTION_CLOSING; i++) {
		struct list *head = &s->states[i].connections;
		struct list *next;

		for (struct list *l = head->next; l != head; l = next) {
			struct connection *c =
			    LIST_ITEM(l, struct connection, state_link);

			next = l->next;
			connection_end(c, SOCKETMAP_CLOSED_SHUTDOWN);
			connection_changed(c);
		}
	}
	check_done(s);
}

/* --- Life --------------------------------------------------------------- */

/* libuv writes with write(2), which sends SIGPIPE when the client has gone.
 * A program that handles the signal itself keeps its handler. */
static void
ignore_sigpipe(void)
{
	struct sigaction old;

	if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		(void)signal(SIGPIPE, SIG_IGN);
}

static void
init_handles(struct socketmap_server *s)
{
	/* None of these can fail. */
	(void)uv_timer_init(s->loop, &s->timer);
	(void)uv_timer_init(s->loop, &s->accept_timer);
	(void)uv_idle_init(s->loop, &s->waker);
	(void)uv_check_init(s->loop, &s->drainer);
	s->timer.data = s;
	s->accept_timer.data = s;
	s->waker.data = s;
	s->drainer.data = s;
	for (int i = 0; i < 4; i++)
		server_handle_opened(s);
}

int
socketmap_server_new(struct socketmap_server **server, uv_loop_t *loop,
    const struct socketmap_options *options)
{
	struct socketmap_server *s = calloc(1, sizeof *s);
	int error = UV_ENOMEM;

	if (s == NULL)
		return UV_ENOMEM;
	server_ref(s);
	if (options != NULL)
		s->options = *options;
	else
		socketmap_options_init(&s->options);
	maps_init(&s->maps);
	spares_init(&s->spares);
	list_init(&s->changed);
	list_init(&s->listeners);
	for (int i = 0; i < CONNECTION_STATES; i++)
		list_init(&s->states[i].connections);
	s->timer_due_ms = UINT64_MAX;
	s->loop = loop;
	s->read_buffer = malloc(CONNECTION_READ_BYTES);
	if (s->read_buffer != NULL)
		error = loop == NULL ? run_init(s) : 0;
	if (error != 0) {
		server_unref(s);
		return error;
	}
	init_handles(s);
	ignore_sigpipe();
	*server = s;
	return 0;
}

int
socketmap_server_map(struct socketmap_server *s, const char *name,
    socketmap_handler handler, void *arg)
{
	return maps_set(&s->maps, slice_of(name), handler, arg);
}

void
socketmap_server_default_map(
    struct socketmap_server *s, socketmap_handler handler, void *arg)
{
	s->maps.fallback = (struct map){ .handler = handler, .arg = arg };
}

void
socketmap_server_shutdown(
    struct socketmap_server *s, void (*done)(void *arg), void *arg)
{
	if (s->has_shutdown)
		return;
	s->has_shutdown = true;
	s->done = done;
	s->done_arg = arg;
	if (s->phase == SERVER_OPEN)
		s->phase = SERVER_STOPPED;
	listeners_close(s);
	s->is_drain_due = false;
	(void)uv_check_start(&s->drainer, on_drain);
	server_wake(s);
}

void
socketmap_server_close(struct socketmap_server *s)
{
	listeners_close(s);
	s->phase = SERVER_CLOSED;
	for (int i = 0; i < CONNECTION_CLOSING; i++) {
		struct list *head = &s->states[i].connections;

		while (!list_is_empty(head))
			connection_close(LIST_ITEM(head->next,
					     struct connection, state_link),
			    SOCKETMAP_CLOSED_SHUTDOWN);
	}
}

void
socketmap_server_free(struct socketmap_server *s)
{
	if (s == NULL)
		return;
	s->has_shutdown = false;
	socketmap_server_close(s);
	uv_close((uv_handle_t *)&s->timer, server_on_closed);
	uv_close((uv_handle_t *)&s->accept_timer, server_on_closed);
	uv_close((uv_handle_t *)&s->waker, server_on_closed);
	uv_close((uv_handle_t *)&s->drainer, server_on_closed);
	if (s->owns_loop)
		run_fini(s);
	server_unref(s);
}

uv_loop_t *
socketmap_server_loop(struct socketmap_server *s)
{
	return s->loop;
}

size_t
socketmap_server_connections(const struct socketmap_server *s)
{
	size_t n = 0;

	for (int i = 0; i < CONNECTION_CLOSING; i++)
		n += s->states[i].count;
	return n;
}

size_t
socketmap_server_idle(const struct socketmap_server *s)
{
	return s->states[CONNECTION_NEW].count +
	    s->states[CONNECTION_IDLE].count;
}
