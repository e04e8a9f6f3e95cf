#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void
out_of_memory(void)
{
	fputs("userli-sandbox: out of memory\n", stderr);
	abort();
}

void
text_put(struct buffer *b, struct slice bytes)
{
	if (!buffer_append_slice(b, bytes))
		out_of_memory();
}

void
text_printf(struct buffer *b, const char *format, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof text)
		abort(); /* every caller's text is short */
	text_put(b, (struct slice){ text, (size_t)n });
}

/* Decode the valid UTF-8 character at s into *code; returns its bytes. */
static size_t
utf8_next(const unsigned char *s, size_t left, uint32_t *code)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	static const unsigned char first_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };

	if (n > left)
		n = left; /* cannot happen with valid UTF-8 */
	*code = s[0] & first_bits[n];
	for (size_t i = 1; i < n; i++)
		*code = *code << 6 | (s[i] & 0x3fu);
	return n;
}

static void
put_character(struct buffer *b, uint32_t code)
{
	static const char shorthand[] = "\b\f\n\r\t";
	static const char letters[] = "bfnrt";
	const char *at;

	if (code >= 0x10000) {
		code -= 0x10000;
		text_printf(b, "\\u%04x\\u%04x", 0xd800 + (code >> 10),
		    0xdc00 + (code & 0x3ff));
	} else if (code == '/' || code == '\\') {
		text_printf(b, "\\%c", (int)code);
	} else if (code != 0 && code < 0x20 &&
	    (at = strchr(shorthand, (int)code)) != NULL) {
		text_printf(b, "\\%c", letters[at - shorthand]);
	} else if (code < 0x20 || code >= 0x80 ||
	    strchr("<>&'\"", (int)code) != NULL) {
		/* PHP writes the five in capitals and the rest in small. */
		text_printf(b,
		    code >= 0x20 && code < 0x80 ? "\\u%04X" : "\\u%04x", code);
	} else {
		char c = (char)code;

		text_put(b, (struct slice){ &c, 1 });
	}
}

void
text_json_string(struct buffer *b, struct slice utf8)
{
	const unsigned char *at = (const unsigned char *)utf8.ptr;
	size_t left = utf8.len;

	text_put(b, SLICE("\""));
	while (left > 0) {
		uint32_t code;
		size_t n = utf8_next(at, left, &code);

		put_character(b, code);
		at += n;
		left -= n;
	}
	text_put(b, SLICE("\""));
}

void
text_json_bytes(struct buffer *b, struct slice bytes)
{
	text_put(b, SLICE("\""));
	for (size_t i = 0; i < bytes.len; i++)
		put_character(b, (unsigned char)bytes.ptr[i]);
	text_put(b, SLICE("\""));
}

void
text_lower(char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] >= 'A' && bytes[i] <= 'Z')
			bytes[i] = (char)(bytes[i] + ('a' - 'A'));
}
