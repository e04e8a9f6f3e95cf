#include "common/quote.h"

#define ELLIPSIS "\xe2\x80\xa6"

static bool
continues_a_character(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

const char *
quote_value(struct slice value, char out[static QUOTE_SIZE])
{
	size_t shown = value.len;
	char *at = out;

	if (shown > QUOTE_BYTES_MAX) {
		shown = QUOTE_BYTES_MAX;
		while (shown > 0 && continues_a_character(value.ptr[shown]))
			shown--;
	}
	*at++ = '"';
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		*at++ = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	if (shown < value.len) {
		memcpy(at, ELLIPSIS, sizeof ELLIPSIS - 1);
		at += sizeof ELLIPSIS - 1;
	}
	*at++ = '"';
	*at = '\0';
	return out;
}
