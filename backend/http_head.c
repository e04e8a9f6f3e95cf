#include "backend/http_head.h"

#include <string.h>
#include <strings.h>

void
http_head_init(struct http_head *h)
{
	*h = (struct http_head){ 0 };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice
trimmed(struct slice s)
{
	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static bool
equals(struct slice s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.ptr, text, s.len) == 0;
}

static const char *
read_length(struct http_head *h, struct slice value)
{
	size_t digits = 0;

	while (digits < value.len && value.ptr[digits] >= '0' &&
	    value.ptr[digits] <= '9')
		digits++;
	if (digits == 0 || digits < value.len || digits > sizeof h->length)
		return "its length is no number";
	if (h->length_digits > 0 &&
	    (h->length_digits != digits ||
		memcmp(h->length, value.ptr, digits) != 0))
		return "it has two lengths";
	memcpy(h->length, value.ptr, digits);
	h->length_digits = digits;
	return NULL;
}

static const char *
read_header(struct http_head *h, struct slice line)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	const char *flaw = NULL;
	struct slice name;
	struct slice value;

	if (is_blank(line.ptr[0]))
		return "a header goes on in a second line";
	if (colon == NULL)
		return NULL; /* says nothing of the body */
	name = trimmed((struct slice){ line.ptr, (size_t)(colon - line.ptr) });
	value = trimmed((struct slice){
	    colon + 1, line.len - (size_t)(colon + 1 - line.ptr) });
	if (equals(name, "Content-Length"))
		flaw = read_length(h, value);
	else if (!equals(name, "Transfer-Encoding"))
		return NULL;
	else if (h->is_chunked || !equals(value, "chunked"))
		flaw = "its transfer coding was not asked for";
	else
		h->is_chunked = true;
	if (flaw == NULL && h->is_chunked && h->length_digits > 0)
		flaw = "it has a length and chunks";
	return flaw;
}

const char *
http_head_line(struct http_head *h, struct slice line)
{
	if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
		http_head_init(h);
		return line.len >= 7 && memcmp(line.ptr, "HTTP/1.", 7) == 0
		    ? NULL
		    : "it is of another version of HTTP";
	}
	if (h->ended)
		return NULL;
	if (trimmed(line).len == 0) {
		h->ended = true;
		return NULL;
	}
	return read_header(h, line);
}
