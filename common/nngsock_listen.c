#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "common/mem.h"
#include "common/nngsock_private.h"
#include "common/watch.h"

#define GREETING_MS 1000

/* --- Listeners ----------------------------------------------------------- */

static const char ipc[] = "ipc://";
static const size_t ipc_len = sizeof ipc - 1;

static bool
is_ipc(const char *url)
{
	return strncmp(url, ipc, ipc_len) == 0;
}

/*
 * nng 1.5.2 lets a second listener take over an IPC path and so kills the
 * first: ask whether somebody serves it.  Whoever serves greets at once; to
 * leave before that has been seen to kill nng's listener as well.
 */
static bool
ipc_is_served(const char *url)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct pollfd greeting = { .events = POLLIN };
	size_t len = strlen(url);
	bool served;

	if (!is_ipc(url) || len - ipc_len >= sizeof sun.sun_path)
		return false;
	memcpy(sun.sun_path, url + ipc_len, len - ipc_len);
	greeting.fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (greeting.fd < 0)
		return false;
	served = connect(greeting.fd, (const struct sockaddr *)&sun,
		     sizeof sun) == 0;
	if (served)
		(void)poll(&greeting, 1, GREETING_MS);
	else
		served = errno == EAGAIN; /* its queue is full */
	close(greeting.fd);
	return served;
}

/* The address a TCP listener was bound to; false for another transport. */
static bool
bound_address(const struct nngsock_listener *l, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	nng_sockaddr address;

	*out = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
	if (nng_listener_get_addr(l->nng, NNG_OPT_LOCADDR, &address) != 0)
		return false;
	if (address.s_family == NNG_AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = address.s_in.sa_port;
		v4->sin_addr.s_addr = address.s_in.sa_addr;
		return true;
	}
	if (address.s_family == NNG_AF_INET6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = address.s_in6.sa_port;
		memcpy(&v6->sin6_addr, address.s_in6.sa_addr,
		    sizeof v6->sin6_addr);
		v6->sin6_scope_id = address.s_in6.sa_scope;
		return true;
	}
	return false;
}

/* False for what nng cannot write: an address with a zone. */
static bool
format_url(bool tls, const struct sockaddr_storage *address,
    char out[static NNGSOCK_URL_MAX])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	bool is_v4 = address->ss_family == AF_INET;
	char host[INET6_ADDRSTRLEN];

	if (!is_v4 && v6->sin6_scope_id != 0)
		return false;
	if (inet_ntop(address->ss_family,
		is_v4 ? (const void *)&v4->sin_addr
		      : (const void *)&v6->sin6_addr,
		host, sizeof host) == NULL)
		return false;
	(void)snprintf(out, NNGSOCK_URL_MAX,
	    is_v4 ? "%s://%s:%u" : "%s://[%s]:%u", tls ? "tls+tcp" : "tcp",
	    host, (unsigned)ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
	return true;
}

/* Every address becomes loopback of the same family. */
static void
make_local(struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET &&
	    v4->sin_addr.s_addr == htonl(INADDR_ANY))
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (address->ss_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		v6->sin6_addr = in6addr_loopback;
}

/*
 * Remember where the listener is bound, so that it can be opened there again:
 * the configured port may be 0, and a host name would be looked up while the
 * loop waits.  False when the system does not tell.
 */
static bool
note_address(struct nngsock_listener *l)
{
	struct sockaddr_storage address;
	char url[NNGSOCK_URL_MAX];

	if (!bound_address(l, &address))
		return is_ipc(l->url);
	l->port = ntohs(address.ss_family == AF_INET
		? ((const struct sockaddr_in *)&address)->sin_port
		: ((const struct sockaddr_in6 *)&address)->sin6_port);
	if (!format_url(l->tls, &address, url))
		return true;
	free(l->url);
	l->url = mem_strdup(url);
	return true;
}

static bool
open_listener(
    struct nngsock *s, struct nngsock_listener *l, struct error *error)
{
	int rv = ipc_is_served(l->url) ? NNG_EADDRINUSE : 0;
	bool created = false;

	if (rv == 0) {
		rv = nng_listener_create(&l->nng, s->socket, l->url);
		created = rv == 0;
	}
	if (rv == 0 && l->tls)
		rv = nng_listener_set_ptr(l->nng, NNG_OPT_TLS_CONFIG, s->tls);
	if (rv == 0)
		rv = nng_listener_start(l->nng, 0);
	if (rv == 0 && !note_address(l))
		rv = NNG_ENOMEM;
	if (rv != 0) {
		error_set(
		    error, "cannot listen on %s: %s", l->url, nng_strerror(rv));
		if (created)
			(void)nng_listener_close(l->nng);
		return false;
	}
	l->open = true;
	return true;
}

struct nngsock *
nngsock_listen(uv_loop_t *loop, const char *const *urls, size_t count,
    const struct nngsock_tls *tls, size_t message_max,
    const struct nngsock_events *events, struct error *error)
{
	struct nngsock *s =
	    nngsock_open(loop, nng_rep0_open_raw, message_max, events, error);

	assert(count <= NNGSOCK_URLS_MAX);
	if (s == NULL)
		return NULL;
	nngsock_useless_init(s);
	for (size_t i = 0; i < count; i++) {
		struct nngsock_listener *l = &s->listeners[i];

		l->url = mem_strdup(urls[i]);
		l->tls = nngsock_tls_needed(urls[i]);
		s->listener_count++;
		if ((l->tls && s->tls == NULL &&
			!nngsock_tls_config(NNG_TLS_MODE_SERVER, urls[i], tls,
			    &s->tls, error)) ||
		    !open_listener(s, l, error)) {
			nngsock_close(s);
			return NULL;
		}
	}
	return s;
}

uint16_t
nngsock_port(const struct nngsock *s, size_t i)
{
	return i < s->listener_count ? s->listeners[i].port : 0;
}

bool
nngsock_local_url(
    const struct nngsock *s, size_t i, char out[static NNGSOCK_URL_MAX])
{
	const struct nngsock_listener *l = &s->listeners[i];
	struct sockaddr_storage address;

	assert(i < s->listener_count);
	if (l->open && bound_address(l, &address)) {
		make_local(&address);
		return format_url(l->tls, &address, out);
	}
	return l->port == 0 &&
	    snprintf(out, NNGSOCK_URL_MAX, "%s", l->url) < NNGSOCK_URL_MAX;
}

bool
nngsock_relisten(struct nngsock *s, size_t i, struct error *error)
{
	struct nngsock_listener *l = &s->listeners[i];

	assert(i < s->listener_count);
	if (l->open)
		(void)nng_listener_close(l->nng);
	l->open = false;
	memset(l->counted, 0, sizeof l->counted);
	return open_listener(s, l, error);
}

/* --- New certificates ---------------------------------------------------- */

/*
 * A connection to ourselves, closed as soon as it is there.  nng's TLS listener
 * takes its configuration when it begins to wait for a connection, so that the
 * next one would still be met with the old: this uses that one up.
 */
struct nngsock_nudge {
	struct nngsock_nudge *prev, *next;
	struct nngsock *socket;
	uv_tcp_t tcp;
	uv_connect_t connect;
};

static void
on_nudge_closed(uv_handle_t *handle)
{
	struct nngsock_nudge *nudge = handle->data;
	struct nngsock *s = nudge->socket;

	free(nudge);
	nngsock_release(s);
}

static void
end_nudge(struct nngsock_nudge *nudge)
{
	if (uv_is_closing((uv_handle_t *)&nudge->tcp))
		return;
	DL_DELETE(nudge->socket->nudges, nudge);
	uv_close((uv_handle_t *)&nudge->tcp, on_nudge_closed);
}

static void
on_nudge_connected(uv_connect_t *connect, int status)
{
	(void)status; /* nobody there is as good */
	end_nudge(connect->data);
}

static void
nudge_listener(struct nngsock *s, const struct nngsock_listener *l)
{
	struct sockaddr_storage address;
	struct nngsock_nudge *nudge;
	uv_os_fd_t fd;

	if (!bound_address(l, &address))
		return;
	make_local(&address);
	nudge = mem_calloc(1, sizeof *nudge);
	nudge->socket = s;
	(void)uv_tcp_init(s->loop, &nudge->tcp);
	nudge->tcp.data = nudge;
	nudge->connect.data = nudge;
	s->handles++;
	DL_APPEND(s->nudges, nudge);
	if (uv_tcp_connect(&nudge->connect, &nudge->tcp,
		(const struct sockaddr *)&address, on_nudge_connected) != 0 ||
	    uv_fileno((uv_handle_t *)&nudge->tcp, &fd) != 0 ||
	    watch_add(s->loop, fd) != 0)
		end_nudge(nudge);
}

bool
nngsock_set_tls(
    struct nngsock *s, const struct nngsock_tls *tls, struct error *error)
{
	nng_tls_config *config;
	bool ok = true;

	if (s->tls == NULL)
		return true; /* no listener needs it */
	if (!nngsock_tls_config(
		NNG_TLS_MODE_SERVER, "tls+tcp", tls, &config, error))
		return false;
	if (s->tls_before != NULL)
		nng_tls_config_free(s->tls_before);
	s->tls_before = s->tls;
	s->tls = config;
	for (size_t i = 0; i < s->listener_count; i++) {
		struct nngsock_listener *l = &s->listeners[i];

		if (!l->tls || !l->open)
			continue;
		if (nng_listener_set_ptr(l->nng, NNG_OPT_TLS_CONFIG, config) ==
		    0)
			nudge_listener(s, l);
		else /* an nng that does not change an open listener */
			ok = nngsock_relisten(s, i, error) && ok;
	}
	return ok;
}

/* --- Life ---------------------------------------------------------------- */

void
nngsock_listeners_close(struct nngsock *s)
{
	struct nngsock_nudge *nudge;
	struct nngsock_nudge *next;

	DL_FOREACH_SAFE (s->nudges, nudge, next)
		end_nudge(nudge);
}

void
nngsock_listeners_fini(struct nngsock *s)
{
	free(s->notes);
	for (size_t i = 0; i < s->listener_count; i++)
		free(s->listeners[i].url);
	if (s->tls != NULL)
		nng_tls_config_free(s->tls);
	if (s->tls_before != NULL)
		nng_tls_config_free(s->tls_before);
}
