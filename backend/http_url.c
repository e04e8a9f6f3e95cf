#include "backend/http_url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/slice.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool
take_scheme(struct slice *rest, const char *scheme)
{
	size_t size = strlen(scheme);

	if (rest->len < size || strncasecmp(rest->ptr, scheme, size) != 0)
		return false;
	rest->ptr += size;
	rest->len -= size;
	return true;
}

/* How many bytes at the start of in are of the set. */
static size_t
span(struct slice in, const char *set)
{
	size_t n = 0;

	while (
	    n < in.len && in.ptr[n] != '\0' && strchr(set, in.ptr[n]) != NULL)
		n++;
	return n;
}

static bool
has_byte(struct slice in, char c)
{
	return in.len > 0 && memchr(in.ptr, c, in.len) != NULL;
}

static void
copy(char *to, struct slice from)
{
	if (from.len > 0)
		memcpy(to, from.ptr, from.len);
	to[from.len] = '\0';
}

/* curl would keep "." and ".." as they are: they are never meant. */
static bool
has_dot_segment(struct slice prefix)
{
	size_t start = 0;

	for (size_t i = 0; i <= prefix.len; i++) {
		struct slice segment = { prefix.ptr + start, i - start };

		if (i < prefix.len && prefix.ptr[i] != '/')
			continue;
		if (slice_equal(segment, SLICE(".")) ||
		    slice_equal(segment, SLICE("..")))
			return true;
		start = i + 1;
	}
	return false;
}

static bool
parse_prefix(struct slice in, struct http_url *out, struct error *error)
{
	if (has_byte(in, '?') || has_byte(in, '#')) {
		error_set(error,
		    "a query or fragment cannot be part of it: "
		    "remove what follows '?' or '#'");
		return false;
	}
	while (in.len > 0 && in.ptr[in.len - 1] == '/')
		in.len--;
	if (in.len > HTTP_URL_PREFIX_MAX) {
		error_set(error, "its path is longer than %d bytes",
		    HTTP_URL_PREFIX_MAX);
		return false;
	}
	if (span(in, LETTERS DIGITS "/-._~%!$&'()*+,;=:@") != in.len ||
	    has_dot_segment(in)) {
		error_set(error,
		    "its path has a character that must be "
		    "percent-encoded, or \".\" or \"..\"");
		return false;
	}
	copy(out->prefix, in);
	return true;
}

static bool
parse_unix(struct slice in, struct http_url *out, struct error *error)
{
	const char *colon = in.len > 0 ? memchr(in.ptr, ':', in.len) : NULL;
	struct slice path = in;
	struct slice prefix = { "", 0 };

	if (colon != NULL) {
		path.len = (size_t)(colon - in.ptr);
		prefix = (struct slice){ colon + 1, in.len - path.len - 1 };
	}
	if (path.len == 0 || *path.ptr != '/') {
		error_set(error,
		    "a UNIX socket is written unix:/path or "
		    "unix:/path:/prefix");
		return false;
	}
	if (path.len > ENDPOINT_PATH_MAX) {
		error_set(error, "a UNIX socket's path has at most %d bytes",
		    ENDPOINT_PATH_MAX);
		return false;
	}
	if (prefix.len > 0 && *prefix.ptr != '/') {
		error_set(error,
		    "what follows the UNIX socket's path must "
		    "start with '/'");
		return false;
	}
	copy(out->socket_path, path);
	copy(out->host, SLICE("localhost"));
	return parse_prefix(prefix, out, error);
}

static bool
parse_port(struct slice in, struct http_url *out, struct error *error)
{
	unsigned long port = 0;

	if (in.len > 0 && in.len <= 5 && span(in, DIGITS) == in.len) {
		for (size_t i = 0; i < in.len; i++)
			port = port * 10 + (unsigned long)(in.ptr[i] - '0');
	}
	if (port == 0 || port > UINT16_MAX) {
		error_set(error, "the port after ':' must be 1 to 65535");
		return false;
	}
	out->port = (uint16_t)port;
	return true;
}

/* The host, with an IPv6 address's brackets taken off. */
static bool
parse_host(struct slice host, bool bracketed, struct http_url *out,
    struct error *error)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (host.len == 0) {
		error_set(error, "the host is missing");
		return false;
	}
	if (host.len > ENDPOINT_HOST_MAX) {
		error_set(error, "the host is longer than %d bytes",
		    ENDPOINT_HOST_MAX);
		return false;
	}
	if (!bracketed && span(host, LETTERS DIGITS "-._") != host.len) {
		error_set(error,
		    "the host may have letters, digits, '-', "
		    "'.' and '_' only; write other names in "
		    "their xn-- form and IPv6 in brackets");
		return false;
	}
	copy(out->host, host);
	out->ipv6 = inet_pton(AF_INET6, out->host, address) == 1;
	out->numeric = out->ipv6 || inet_pton(AF_INET, out->host, address) == 1;
	if (bracketed && !out->ipv6) {
		error_set(error, "what is in brackets is no IPv6 address");
		return false;
	}
	return true;
}

static bool
parse_authority(struct slice in, struct http_url *out, struct error *error)
{
	struct slice host = in;
	struct slice rest;
	bool bracketed = in.len > 0 && *in.ptr == '[';
	const char *end;

	if (has_byte(in, '@')) {
		error_set(error,
		    "a user name or password cannot be part of "
		    "it: userli takes the token alone");
		return false;
	}
	if (bracketed) {
		end = memchr(in.ptr, ']', in.len);
		if (end == NULL) {
			error_set(error, "']' is missing");
			return false;
		}
		host = (struct slice){ in.ptr + 1, (size_t)(end - in.ptr) - 1 };
		rest = (struct slice){ end + 1, in.len - host.len - 2 };
	} else {
		end = in.len > 0 ? memchr(in.ptr, ':', in.len) : NULL;
		if (end != NULL)
			host.len = (size_t)(end - in.ptr);
		rest = (struct slice){ in.ptr + host.len, in.len - host.len };
	}
	if (!parse_host(host, bracketed, out, error))
		return false;
	if (rest.len == 0)
		return true;
	if (*rest.ptr != ':') {
		error_set(error, "only a port may follow ']'");
		return false;
	}
	return parse_port(
	    (struct slice){ rest.ptr + 1, rest.len - 1 }, out, error);
}

static bool
parse(struct slice rest, struct http_url *out, struct error *error)
{
	size_t authority = 0;

	if (take_scheme(&rest, "unix:"))
		return parse_unix(rest, out, error);
	out->tls = take_scheme(&rest, "https://");
	if (!out->tls && !take_scheme(&rest, "http://")) {
		error_set(
		    error, "it must start with http://, https:// or unix:/");
		return false;
	}
	out->port = out->tls ? 443 : 80;
	while (
	    authority < rest.len && strchr("/?#", rest.ptr[authority]) == NULL)
		authority++;
	return parse_authority(
		   (struct slice){ rest.ptr, authority }, out, error) &&
	    parse_prefix(
		(struct slice){ rest.ptr + authority, rest.len - authority },
		out, error);
}

bool
http_url_parse(const char *text, struct http_url *out, struct error *error)
{
	*out = (struct http_url){ 0 };
	return parse(slice_of(text), out, error);
}

size_t
http_url_format(const struct http_url *url, char out[static HTTP_URL_TEXT_MAX])
{
	int n;

	if (url->socket_path[0] != '\0')
		n = snprintf(
		    out, HTTP_URL_TEXT_MAX, "http://localhost%s", url->prefix);
	else
		n = snprintf(out, HTTP_URL_TEXT_MAX, "%s://%s%s%s:%u%s",
		    url->tls ? "https" : "http", url->ipv6 ? "[" : "",
		    url->host, url->ipv6 ? "]" : "", (unsigned)url->port,
		    url->prefix);
	return (size_t)n;
}
