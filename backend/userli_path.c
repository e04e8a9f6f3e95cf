#include "backend/userli_path.h"

#include <stdio.h>

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '~' ||
	    c == '-';
}

/* keyrules passes no such key; nothing else may ask for another path. */
bool
userli_path_fit(enum lookup_map map, struct slice key)
{
	return map < LOOKUP_MAPS && key.len > 0 &&
	    key.len <= KEYRULES_KEY_MAX && !slice_equal(key, SLICE(".")) &&
	    !slice_equal(key, SLICE(".."));
}

void
userli_path_build(
    char path[static USERLI_PATH_MAX], enum lookup_map map, struct slice key)
{
	static const char digits[] = "0123456789ABCDEF";
	char *at = path;

	at += snprintf(path, USERLI_PATH_MAX, USERLI_PATH_PREFIX "%s/",
	    lookup_map_name(map));
	for (size_t i = 0; i < key.len; i++) {
		unsigned char c = (unsigned char)key.ptr[i];

		if (is_unreserved(key.ptr[i])) {
			*at++ = key.ptr[i];
			continue;
		}
		*at++ = '%';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
	}
	*at = '\0';
}
