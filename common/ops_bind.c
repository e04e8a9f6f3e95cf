#include "common/ops_bind.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ops_unix.h"

#define BACKLOG 128

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint16_t
port_of(const union address *address)
{
	return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port
							: address->v4.sin_port);
}

/* Learn what the kernel bound fd to; false with errno. */
static bool
describe(int fd, struct ops_socket *out)
{
	union address address = { .v6 = { 0 } };
	socklen_t len = sizeof address;
	char host[OPS_BIND_TEXT_MAX - sizeof "[]:65535"];
	bool v6;

	if (getsockname(fd, &address.any, &len) != 0)
		return false;
	if (getnameinfo(&address.any, len, host, sizeof host, NULL, 0,
		NI_NUMERICHOST) != 0)
		memcpy(host, "?", sizeof "?");
	v6 = address.any.sa_family == AF_INET6;
	*out = (struct ops_socket){ .fd = fd, .port = port_of(&address) };
	(void)snprintf(out->address, sizeof out->address, "%s%s%s:%u",
	    v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)out->port);
	return true;
}

/* Returns 0 or an errno value. */
static int
bind_one(const struct addrinfo *ai, bool dual_stack, struct ops_socket *out)
{
	int one = 1;
	int only_v6 = !dual_stack;
	int fd = socket(ai->ai_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	int status = 0;

	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    (ai->ai_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6,
		    sizeof only_v6) != 0) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
	    listen(fd, BACKLOG) != 0 || !describe(fd, out)) {
		status = errno;
		(void)close(fd);
	}
	return status;
}

/* An address family or address that this host is configured without. */
static bool
is_absent(int status)
{
	return status == EADDRNOTAVAIL || status == EAFNOSUPPORT;
}

/* Every local address: one dual-stack socket, or IPv4's where IPv6 is off. */
static int
bind_any(uint16_t port, struct ops_socket *out)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_ANY_INIT,
		.sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(port) };
	struct addrinfo ai = { .ai_family = AF_INET6,
		.ai_addr = (struct sockaddr *)&any6,
		.ai_addrlen = sizeof any6 };
	int status = bind_one(&ai, true, out);

	if (is_absent(status)) {
		ai.ai_family = AF_INET;
		ai.ai_addr = (struct sockaddr *)&any4;
		ai.ai_addrlen = sizeof any4;
		status = bind_one(&ai, false, out);
	}
	return status;
}

/* /etc/hosts often leads to the same address twice. */
static bool
is_repeated(const struct addrinfo *all, const struct addrinfo *ai)
{
	for (; all != ai; all = all->ai_next) {
		if (all->ai_addrlen == ai->ai_addrlen &&
		    memcmp(all->ai_addr, ai->ai_addr, ai->ai_addrlen) == 0)
			return true;
	}
	return false;
}

/* Returns false with the reason; *found says how many sockets were made. */
static bool
bind_host(const struct endpoint *e, struct ops_socket *out, size_t room,
    size_t *found, struct error *error)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *all = NULL;
	char port[sizeof "65535"];
	int status = 0;
	int rc;

	(void)snprintf(port, sizeof port, "%u", (unsigned)e->port);
	rc = getaddrinfo(e->host, port, &hints, &all);
	if (rc != 0) {
		error_set(error, "cannot resolve \"%s\" to listen on: %s",
		    e->host, gai_strerror(rc));
		return false;
	}
	for (const struct addrinfo *ai = all; ai != NULL && *found < room;
	     ai = ai->ai_next) {
		int one;

		if (is_repeated(all, ai))
			continue;
		one = bind_one(ai, false, &out[*found]);
		if (one == 0)
			(*found)++;
		else if (status == 0 || is_absent(status))
			status = one;
	}
	freeaddrinfo(all);
	if (status == 0 || (*found > 0 && is_absent(status)))
		return true;
	error_set(error, "cannot listen on %s:%u: %s", e->host,
	    (unsigned)e->port, strerror(status));
	return false;
}

bool
ops_bind(const struct endpoint *e, struct ops_socket out[static OPS_BIND_MAX],
    size_t *count, struct error *error)
{
	size_t found = 0;
	bool ok;
	int status;

	if (*count == OPS_BIND_MAX) {
		error_set(
		    error, "more than %d sockets to listen on", OPS_BIND_MAX);
		return false;
	}
	if (e->kind == ENDPOINT_UNIX) {
		ok = ops_unix_bind(e->path, &out[*count], error);
		*count += ok;
		return ok;
	}
	if (e->host[0] != '\0') {
		ok = bind_host(
		    e, out + *count, OPS_BIND_MAX - *count, &found, error);
		*count += found;
		return ok;
	}
	status = bind_any(e->port, &out[*count]);
	if (status != 0) {
		error_set(error, "cannot listen on :%u: %s", (unsigned)e->port,
		    strerror(status));
		return false;
	}
	(*count)++;
	return true;
}
