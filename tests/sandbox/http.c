#include "http.h"

#include <strings.h>

#define BODY_DIGITS_MAX 12 /* a terabyte; the server's own limits are lower */

bool
http_token_equal(struct slice token, const char *name)
{
	return token.len == strlen(name) &&
	    (token.len == 0 || strncasecmp(token.ptr, name, token.len) == 0);
}

struct slice
http_header(const struct http_request *req, const char *name)
{
	for (size_t i = 0; i < req->header_count; i++)
		if (http_token_equal(req->headers[i].name, name))
			return req->headers[i].value;
	return (struct slice){ NULL, 0 };
}

static struct slice
trim(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 &&
	    (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t' ||
		s.ptr[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* Take the next line off *rest, without its line end. */
static struct slice
take_line(struct slice *rest)
{
	const char *end = memchr(rest->ptr, '\n', rest->len);
	size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
	struct slice line = { rest->ptr, len };

	rest->ptr += end == NULL ? len : len + 1;
	rest->len -= end == NULL ? len : len + 1;
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* The target is all between the first and the last blank, whatever it holds:
 * a client that sends a raw blank in it is to be seen doing so. */
static int
parse_request_line(struct slice line, struct http_request *req)
{
	const char *first = memchr(line.ptr, ' ', line.len);
	const char *last = memrchr(line.ptr, ' ', line.len);
	struct slice version;

	if (first == NULL || last == first || first == line.ptr)
		return 400;
	req->method = (struct slice){ line.ptr, (size_t)(first - line.ptr) };
	req->target = (struct slice){ first + 1, (size_t)(last - first - 1) };
	version = (struct slice){ last + 1,
		line.len - (size_t)(last + 1 - line.ptr) };
	if (req->target.len == 0)
		return 400;
	if (slice_equal(version, SLICE("HTTP/1.0")))
		req->http_1_0 = true;
	else if (!slice_equal(version, SLICE("HTTP/1.1")))
		return version.len > 5 && memcmp(version.ptr, "HTTP/", 5) == 0
		    ? 505
		    : 400;
	return HTTP_OK;
}

static int
parse_headers(struct slice rest, struct http_request *req)
{
	while (rest.len > 0) {
		struct slice line = take_line(&rest);
		const char *colon;
		struct http_header *h;

		if (line.len == 0)
			break;
		colon = memchr(line.ptr, ':', line.len);
		if (colon == NULL || colon == line.ptr)
			return 400;
		if (req->header_count == HTTP_HEADERS_MAX)
			return 431;
		h = &req->headers[req->header_count++];
		h->name =
		    (struct slice){ line.ptr, (size_t)(colon - line.ptr) };
		h->value = trim(
		    (struct slice){ colon + 1, line.len - h->name.len - 1 });
	}
	return HTTP_OK;
}

static int
parse_body_length(struct http_request *req)
{
	struct slice length = http_header(req, "content-length");

	if (http_header(req, "transfer-encoding").ptr != NULL)
		return 411;
	if (length.ptr == NULL)
		return HTTP_OK;
	if (length.len == 0 || length.len > BODY_DIGITS_MAX)
		return 400;
	for (size_t i = 0; i < length.len; i++) {
		if (length.ptr[i] < '0' || length.ptr[i] > '9')
			return 400;
		req->body_bytes =
		    req->body_bytes * 10 + (size_t)(length.ptr[i] - '0');
	}
	return HTTP_OK;
}

/* The size of the head with its empty line, or 0 if that has not arrived. */
static size_t
head_size(struct slice in)
{
	const char *at = in.ptr;
	const char *end = in.ptr + in.len;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		if (at < end && *at == '\n')
			return (size_t)(at + 1 - in.ptr);
		if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
			return (size_t)(at + 2 - in.ptr);
	}
	return 0;
}

int
http_parse(struct slice in, struct http_request *req, size_t *used)
{
	size_t skip = 0;
	size_t head;
	struct slice rest;
	struct slice connection;
	int status;

	memset(req, 0, sizeof *req);
	/* RFC 9112 2.2: ignore an empty line before the request line. */
	while (skip < in.len && (in.ptr[skip] == '\r' || in.ptr[skip] == '\n'))
		skip++;
	in.ptr += skip;
	in.len -= skip;
	if (in.len == 0)
		return HTTP_PARTIAL;
	head = head_size(in);
	if (head > HTTP_HEAD_MAX || (head == 0 && in.len > HTTP_HEAD_MAX))
		return 431;
	if (head == 0)
		return HTTP_PARTIAL;

	rest = (struct slice){ in.ptr, head };
	status = parse_request_line(take_line(&rest), req);
	if (status == HTTP_OK)
		status = parse_headers(rest, req);
	if (status == HTTP_OK)
		status = parse_body_length(req);
	if (status != HTTP_OK)
		return status;

	connection = http_header(req, "connection");
	req->keep_alive = req->http_1_0
	    ? http_token_equal(connection, "keep-alive")
	    : !http_token_equal(connection, "close");
	req->expect_continue =
	    http_token_equal(http_header(req, "expect"), "100-continue");
	req->body = (struct slice){ in.ptr + head, in.len - head };
	if (req->body.len < req->body_bytes)
		return HTTP_PARTIAL;
	req->body.len = req->body_bytes;
	*used = skip + head + req->body_bytes;
	return HTTP_OK;
}

const char *
http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 204, "No Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t
http_decode(struct slice in, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		if (in.ptr[i] == '%' && in.len - i > 2 &&
		    hex_digit(in.ptr[i + 1]) >= 0 &&
		    hex_digit(in.ptr[i + 2]) >= 0) {
			out[n++] = (char)(hex_digit(in.ptr[i + 1]) * 16 +
			    hex_digit(in.ptr[i + 2]));
			i += 2;
		} else {
			out[n++] = in.ptr[i];
		}
	}
	return n;
}
