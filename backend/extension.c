#include "backend/extension.h"

#include <strings.h>

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

struct slice
extension_find(struct slice key, struct slice delimiter)
{
	const char *end = memchr(key.ptr, '@', key.len);
	struct slice found = { NULL, 0 };

	if (end == NULL || delimiter.len == 0)
		return found;
	for (const char *p = key.ptr; p + delimiter.len <= end; p++) {
		if (strncasecmp(p, delimiter.ptr, delimiter.len) == 0) {
			found = (struct slice){ p, (size_t)(end - p) };
			break;
		}
	}
	for (size_t i = 0; i < found.len; i++) {
		if (!is_plain(found.ptr[i]))
			return (struct slice){ NULL, 0 };
	}
	return found;
}

/* The length of the first address of value. */
static size_t
first_length(struct slice value)
{
	const char *comma = memchr(value.ptr, ',', value.len);

	return comma != NULL ? (size_t)(comma - value.ptr) : value.len;
}

static bool
add_one(struct slice address, struct slice extension, struct buffer *out)
{
	const char *at = memrchr(address.ptr, '@', address.len);
	size_t local = at != NULL ? (size_t)(at - address.ptr) : address.len;

	/* A quoted local part ends with its quote. */
	if (address.ptr[0] == '"')
		return buffer_append_slice(out, address);
	return buffer_append(out, address.ptr, local) &&
	    buffer_append_slice(out, extension) &&
	    buffer_append(out, address.ptr + local, address.len - local);
}

bool
extension_add(struct slice value, struct slice extension, struct buffer *out)
{
	while (value.len > 0) {
		struct slice one = { value.ptr, first_length(value) };
		size_t step = one.len + (one.len < value.len);

		if (one.len > 0 && !add_one(one, extension, out))
			return false;
		if (step > one.len && !buffer_append(out, ",", 1))
			return false;
		value.ptr += step;
		value.len -= step;
	}
	return true;
}
