#include "frontend/socketmap/sockaddrs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool
parse_port(const char *text, char out[static sizeof "65535"])
{
	unsigned value = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
		return false;
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	if (value > UINT16_MAX)
		return false;
	(void)snprintf(out, sizeof "65535", "%hu", (unsigned short)value);
	return true;
}

int
host_port_parse(const char *text, uint16_t default_port, struct host_port *out)
{
	const char *host = text;
	const char *end = strchr(text, ':');
	const char *port = end;

	if (text[0] == '[') {
		host = text + 1;
		end = strchr(text, ']');
		if (end == NULL || end == host)
			return UV_EINVAL;
		port = end + 1;
		if (*port != ':' && *port != '\0')
			return UV_EINVAL;
	} else if (end == NULL) {
		end = text + strlen(text);
		port = end;
	} else if (strchr(end + 1, ':') != NULL) {
		return UV_EINVAL; /* where would its port begin? */
	}
	if ((size_t)(end - host) > SOCKADDRS_HOST_MAX)
		return UV_EINVAL;
	memcpy(out->host, host, (size_t)(end - host));
	out->host[end - host] = '\0';
	(void)snprintf(
	    out->port, sizeof out->port, "%hu", (unsigned short)default_port);
	if (*port == ':' && !parse_port(port + 1, out->port))
		return UV_EINVAL;
	return 0;
}

static int
translate(int eai)
{
	switch (eai) {
	case 0:
		return 0;
	case EAI_AGAIN:
		return UV_EAI_AGAIN;
	case EAI_FAIL:
		return UV_EAI_FAIL;
	case EAI_FAMILY:
		return UV_EAI_FAMILY;
	case EAI_MEMORY:
		return UV_ENOMEM;
	case EAI_SERVICE:
		return UV_EAI_SERVICE;
	case EAI_SYSTEM:
		return uv_translate_sys_error(errno);
	default:
		return UV_EAI_NONAME;
	}
}

int
sockaddrs_resolve(
    const struct host_port *address, int flags, struct addrinfo **list)
{
	struct addrinfo hints = {
		.ai_flags = flags | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};

	return translate(
	    getaddrinfo(address->host[0] != '\0' ? address->host : NULL,
		address->port, &hints, list));
}

void
peer_format(const union peer *peer, char out[static PEER_TEXT_MAX])
{
	/* What a dual-stack socket makes of an IPv4 client. */
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const unsigned char *bytes = peer->in6.sin6_addr.s6_addr;
	char host[INET6_ADDRSTRLEN] = "?";
	unsigned short port = ntohs(peer->in.sin_port);

	if (peer->family == AF_INET6 &&
	    memcmp(bytes, mapped, sizeof mapped) != 0) {
		(void)inet_ntop(AF_INET6, bytes, host, sizeof host);
		port = ntohs(peer->in6.sin6_port);
		(void)snprintf(out, PEER_TEXT_MAX, "[%s]:%hu", host, port);
	} else if (peer->family == AF_INET6) {
		(void)inet_ntop(AF_INET, bytes + 12, host, sizeof host);
		port = ntohs(peer->in6.sin6_port);
		(void)snprintf(out, PEER_TEXT_MAX, "%s:%hu", host, port);
	} else if (peer->family == AF_INET) {
		(void)inet_ntop(AF_INET, &peer->in.sin_addr, host, sizeof host);
		(void)snprintf(out, PEER_TEXT_MAX, "%s:%hu", host, port);
	} else {
		(void)snprintf(out, PEER_TEXT_MAX, "unix");
	}
}
