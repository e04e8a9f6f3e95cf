#include "frontend/socketmap/netstring.h"

#include <stdbool.h>
#include <string.h>

/* isdigit() depends on the locale and is undefined for negative char. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

enum netstring_status
netstring_decode(
    struct slice in, size_t max, struct slice *payload, size_t *used)
{
	size_t n = 0; /* invariant: n <= max */
	size_t i = 0;

	for (; i < in.len && is_digit(in.ptr[i]); i++) {
		size_t digit = (size_t)(in.ptr[i] - '0');

		if (i == 1 && n == 0)
			return NETSTRING_INVALID; /* leading zero */
		if (n > max / 10 || digit > max - n * 10)
			return NETSTRING_TOO_LONG;
		n = n * 10 + digit;
	}
	if (i == in.len)
		return NETSTRING_PARTIAL;
	if (i == 0 || in.ptr[i] != ':')
		return NETSTRING_INVALID;
	i++;

	if (in.len - i <= n) /* the payload and its ',' are n + 1 bytes */
		return NETSTRING_PARTIAL;
	if (in.ptr[i + n] != ',')
		return NETSTRING_INVALID;

	*payload = (struct slice){ in.ptr + i, n };
	*used = i + n + 1;
	return NETSTRING_OK;
}

size_t
netstring_head(size_t len, char out[static NETSTRING_OVERHEAD])
{
	char reversed[NETSTRING_OVERHEAD];
	size_t digits = 0;

	/* snprintf(3) would be the dearest part of a short reply. */
	do {
		reversed[digits++] = (char)('0' + len % 10);
		len /= 10;
	} while (len > 0);
	for (size_t i = 0; i < digits; i++)
		out[i] = reversed[digits - 1 - i];
	out[digits] = ':';
	return digits + 1;
}

size_t
netstring_encode(struct slice payload, char *out, size_t cap)
{
	char head[NETSTRING_OVERHEAD];
	size_t start = netstring_head(payload.len, head);
	size_t size = start + payload.len + 1;

	if (size > cap)
		return 0;
	memcpy(out, head, start);
	if (payload.len > 0) /* memcpy from NULL is undefined even for 0 */
		memcpy(out + start, payload.ptr, payload.len);
	out[size - 1] = ',';
	return size;
}
