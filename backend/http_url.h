/*
 * http_url - the base URL that requests go to, as configuration writes it
 *
 *   http://host  https://host:8443/prefix  http://[::1]:8000  unix:/run/x.sock
 *   unix:/run/x.sock:/prefix
 *
 * Pure.  A prefix is kept without its final '/'.  Refused, with what to change
 * in the error: another scheme, user names and passwords, a query, a fragment,
 * a host beyond ASCII, bytes that no URL holds, "." and ".." in the prefix.
 */
#ifndef BACKEND_HTTP_URL_H
#define BACKEND_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "common/error.h"

#define HTTP_URL_PREFIX_MAX 512 /* bytes */
/* "https://[host]:65535prefix" and the NUL */
#define HTTP_URL_TEXT_MAX (ENDPOINT_HOST_MAX + HTTP_URL_PREFIX_MAX + 18)

struct http_url {
	bool tls;
	bool numeric; /* host is an address: nothing to resolve */
	bool ipv6;    /* host is an IPv6 address */
	uint16_t port;
	char host[ENDPOINT_HOST_MAX + 1];        /* without brackets */
	char socket_path[ENDPOINT_PATH_MAX + 1]; /* of "unix:", or "" */
	char prefix[HTTP_URL_PREFIX_MAX + 1];    /* "" or "/..." */
};

/*
 * False with the reason, a sentence about "it" that never repeats the text (it
 * may hold a password); *out is then undefined.
 */
bool http_url_parse(const char *text, struct http_url *out, struct error *error)
    __attribute__((warn_unused_result));

/*
 * What a request's path is appended to.  A UNIX socket's host is "localhost".
 * out is NUL-terminated; returns its length.
 */
size_t http_url_format(
    const struct http_url *url, char out[static HTTP_URL_TEXT_MAX]);

#endif
