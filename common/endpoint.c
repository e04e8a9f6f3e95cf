#include "common/endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <strings.h>

#include "common/quote.h"

#define TEXT_OF(macro) TEXT(macro)
#define TEXT(value) #value

static const struct {
	const char *allowed;
	const char *example;
} syntaxes[] = {
	[ENDPOINT_SOCKETMAP] = { ":port, host:port, [IPv6]:port or /path",
	    ":10001" },
	[ENDPOINT_HTTP] = { ":port, host:port or [IPv6]:port", ":10002" },
	[ENDPOINT_RPC] = { "tcp://host:port, tls+tcp://host:port or "
			   "ipc:///path",
	    "tcp://127.0.0.1:10010" },
	[ENDPOINT_POOL] = { "tcp://host:port, tls+tcp://host:port, "
			    "srv+tcp://name, srv+tls+tcp://name or ipc:///path",
	    "tcp://127.0.0.1:10010" },
};

/* One endpoint being read: what was given, for the error text. */
struct reading {
	struct slice given;
	enum endpoint_syntax syntax;
	struct endpoint *out;
	struct error *error;
};

static bool
refuse(const struct reading *r, const char *reason)
{
	char shown[QUOTE_SIZE];

	error_set(r->error, "%s %s: write it as %s, such as %s",
	    quote_value(r->given, shown), reason, syntaxes[r->syntax].allowed,
	    syntaxes[r->syntax].example);
	return false;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

static bool
all_of(struct slice s, bool (*accepts)(char c))
{
	for (size_t i = 0; i < s.len; i++)
		if (!accepts(s.ptr[i]))
			return false;
	return true;
}

static bool
is_numeric_char(char c)
{
	return is_digit(c) || c == '.';
}

/* If s starts with prefix, cut it off. */
static bool
take_prefix(struct slice *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s->len < n || strncasecmp(s->ptr, prefix, n) != 0)
		return false;
	s->ptr += n;
	s->len -= n;
	return true;
}

static struct slice
trim(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (
	    s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool
read_path(const struct reading *r, struct slice path)
{
	if (path.len == 0 || path.ptr[0] != '/')
		return refuse(r, "is not an absolute path");
	if (path.len > ENDPOINT_PATH_MAX)
		return refuse(
		    r, "is longer than the 107 bytes of a socket's path");
	if (path.ptr[path.len - 1] == '/')
		return refuse(r, "names a directory, not a socket");
	for (size_t i = 0; i < path.len; i++)
		if ((unsigned char)path.ptr[i] < 0x20 || path.ptr[i] == 0x7f)
			return refuse(r, "has a control character in its path");
	r->out->kind = ENDPOINT_UNIX;
	memcpy(r->out->path, path.ptr, path.len);
	r->out->path[path.len] = '\0';
	return true;
}

static bool
read_port(const struct reading *r, struct slice text)
{
	unsigned port = 0;

	if (text.len == 0)
		return refuse(r, "has no port");
	for (size_t i = 0; i < text.len; i++) {
		if (!is_digit(text.ptr[i]))
			return refuse(r, "has a port that is not a number");
		port = port * 10 + (unsigned)(text.ptr[i] - '0');
		if (port > UINT16_MAX)
			return refuse(r, "has a port that is not 0 to 65535");
	}
	r->out->port = (uint16_t)port;
	return true;
}

/* The inside of brackets: an IPv6 address with an optional %zone. */
static bool
read_ipv6(const struct reading *r, struct slice host)
{
	const char *percent = memchr(host.ptr, '%', host.len);
	char address[INET6_ADDRSTRLEN];
	struct in6_addr binary;
	size_t len = host.len;

	if (percent != NULL) {
		struct slice zone = { percent + 1,
			(size_t)(host.ptr + host.len - percent - 1) };

		if (zone.len == 0 || zone.len >= IF_NAMESIZE ||
		    !all_of(zone, is_name_char))
			return refuse(r, "has a zone that is no interface's");
		len = (size_t)(percent - host.ptr);
	}
	if (len >= sizeof address)
		return refuse(r, "has no IPv6 address in its brackets");
	memcpy(address, host.ptr, len);
	address[len] = '\0';
	/* A NUL inside the text must not hide what follows it. */
	if (strlen(address) != len ||
	    inet_pton(AF_INET6, address, &binary) != 1)
		return refuse(r, "has no IPv6 address in its brackets");
	memcpy(r->out->host, host.ptr, host.len);
	r->out->host[host.len] = '\0';
	return true;
}

static bool
read_name(const struct reading *r, struct slice host)
{
	struct in_addr binary;

	if (memchr(host.ptr, ':', host.len) != NULL)
		return refuse(r,
		    "has a ':' in its host (an IPv6 address needs brackets)");
	if (host.len == 1 && host.ptr[0] == '*')
		return refuse(
		    r, "has '*' for a host (leave it empty for every address)");
	if (host.len > ENDPOINT_HOST_MAX)
		return refuse(r, "has a host of more than 255 bytes");
	if (!all_of(host, is_name_char))
		return refuse(r, "has a host that is no name and no address");
	memcpy(r->out->host, host.ptr, host.len);
	r->out->host[host.len] = '\0';
	if (host.len > 0 && all_of(host, is_numeric_char) &&
	    inet_pton(AF_INET, r->out->host, &binary) != 1)
		return refuse(r, "has a host that is no IPv4 address");
	return true;
}

/* "host:port" with the host's three forms: empty, name or IPv4, [IPv6]. */
static bool
read_host_port(const struct reading *r, struct slice text)
{
	const char *colon;
	struct slice host;

	if (text.len > 0 && text.ptr[0] == '[') {
		const char *close = memchr(text.ptr, ']', text.len);

		if (close == NULL)
			return refuse(r, "has no ']' after its '['");
		host = (struct slice){ text.ptr + 1,
			(size_t)(close - text.ptr - 1) };
		text.len -= host.len + 2;
		text.ptr = close + 1;
		if (text.len == 0 || text.ptr[0] != ':')
			return refuse(r, "has no port");
		if (!read_ipv6(r, host))
			return false;
		return read_port(
		    r, (struct slice){ text.ptr + 1, text.len - 1 });
	}

	colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;
	if (colon == NULL)
		return refuse(r, "has no port");
	host = (struct slice){ text.ptr, (size_t)(colon - text.ptr) };
	return read_name(r, host) &&
	    read_port(r, (struct slice){ colon + 1, text.len - host.len - 1 });
}

/* The name of SRV records: no address, and no port, which they hold. */
static bool
read_srv(const struct reading *r, struct slice name)
{
	if (r->syntax != ENDPOINT_POOL)
		return refuse(r,
		    "asks for SRV records, which is not possible "
		    "here");
	if (name.len == 0)
		return refuse(r, "has no name");
	if (memchr(name.ptr, ':', name.len) != NULL)
		return refuse(r, "has a port, which SRV records give");
	if (all_of(name, is_numeric_char))
		return refuse(r, "has an address, which has no SRV records");
	r->out->by_srv = true;
	return read_name(r, name);
}

static bool
read_rpc(const struct reading *r, struct slice text)
{
	bool by_srv;

	if (take_prefix(&text, "ipc://"))
		return read_path(r, text);
	by_srv = take_prefix(&text, "srv+");
	if (take_prefix(&text, "tls+tcp://"))
		r->out->kind = ENDPOINT_TLS;
	else if (!take_prefix(&text, "tcp://"))
		return refuse(r, "is no URL that the tiers can talk over");
	if (by_srv)
		return read_srv(r, text);
	if (!read_host_port(r, text))
		return false;
	if (r->syntax != ENDPOINT_POOL)
		return true;
	if (r->out->host[0] == '\0')
		return refuse(r, "has no host to connect to");
	return r->out->port != 0 ||
	    refuse(r, "has port 0, where nobody can listen");
}

static bool
read_plain(const struct reading *r, struct slice text)
{
	bool has_prefix = take_prefix(&text, "unix:");

	if (has_prefix || (text.len > 0 && text.ptr[0] == '/')) {
		if (r->syntax == ENDPOINT_HTTP)
			return refuse(
			    r, "is a path, which is not possible here");
		return read_path(r, text);
	}
	if (memmem(text.ptr, text.len, "://", 3) != NULL)
		return refuse(r, "is a URL, which is not possible here");
	if (take_prefix(&text, "inet:"))
		return refuse(r, "starts with inet:, as only main.cf needs it");
	return read_host_port(r, text);
}

bool
endpoint_parse(struct slice text, enum endpoint_syntax syntax,
    struct endpoint *out, struct error *error)
{
	struct endpoint read = { .kind = ENDPOINT_TCP };
	struct reading r = { text, syntax, &read, error };
	bool ok;

	if (text.len == 0)
		return refuse(&r, "is empty");
	ok = syntax == ENDPOINT_RPC || syntax == ENDPOINT_POOL
	    ? read_rpc(&r, text)
	    : read_plain(&r, text);
	if (ok)
		*out = read;
	return ok;
}

/* Two listeners on port 0 get a port each, so they are not the same. */
static bool
is_same(const struct endpoint *a, const struct endpoint *b)
{
	if ((a->kind == ENDPOINT_UNIX) != (b->kind == ENDPOINT_UNIX))
		return false;
	if (a->kind == ENDPOINT_UNIX)
		return strcmp(a->path, b->path) == 0;
	return a->by_srv == b->by_srv && (a->by_srv || a->port != 0) &&
	    a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

static bool
add(struct endpoint_list *list, const struct reading *r)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_same(&list->items[i], r->out))
			return refuse(r, "is in the list twice");
	if (list->count == ENDPOINT_LIST_MAX)
		return refuse(r,
		    "is one more than the " TEXT_OF(
			ENDPOINT_LIST_MAX) " a list can have");
	list->items[list->count++] = *r->out;
	return true;
}

bool
endpoint_list_parse(struct slice text, enum endpoint_syntax syntax,
    struct endpoint_list *out, struct error *error)
{
	struct slice rest = text;
	struct endpoint one;

	out->count = 0;
	for (;;) {
		const char *comma =
		    rest.len > 0 ? memchr(rest.ptr, ',', rest.len) : NULL;
		size_t len =
		    comma != NULL ? (size_t)(comma - rest.ptr) : rest.len;
		struct slice item = trim((struct slice){ rest.ptr, len });
		struct reading r = { item, syntax, &one, error };

		if (item.len == 0 && trim(text).len > 0) {
			r.given = text;
			return refuse(&r, "has an empty element");
		}
		if (!endpoint_parse(item, syntax, &one, error) || !add(out, &r))
			return false;
		if (comma == NULL)
			return true;
		rest = (struct slice){ comma + 1, rest.len - len - 1 };
	}
}

void
endpoint_format(const struct endpoint *e, enum endpoint_syntax syntax,
    char out[static ENDPOINT_TEXT_MAX])
{
	bool is_ipv6 = strchr(e->host, ':') != NULL;
	const char *scheme = "";

	if (syntax == ENDPOINT_RPC || syntax == ENDPOINT_POOL)
		scheme = e->kind == ENDPOINT_TCP ? "tcp://"
		    : e->kind == ENDPOINT_TLS    ? "tls+tcp://"
						 : "ipc://";
	if (e->kind == ENDPOINT_UNIX)
		(void)snprintf(out, ENDPOINT_TEXT_MAX, "%s%s", scheme, e->path);
	else if (e->by_srv)
		(void)snprintf(
		    out, ENDPOINT_TEXT_MAX, "srv+%s%s", scheme, e->host);
	else
		(void)snprintf(out, ENDPOINT_TEXT_MAX, "%s%s%s%s:%u", scheme,
		    is_ipv6 ? "[" : "", e->host, is_ipv6 ? "]" : "",
		    (unsigned)e->port);
}

bool
endpoint_is_local(const struct endpoint *e)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (e->kind == ENDPOINT_UNIX)
		return true;
	if (e->by_srv)
		return false;
	if (strcasecmp(e->host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, e->host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, e->host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) ||
		    (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
	return false;
}
