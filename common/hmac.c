#include "common/hmac.h"

#include <mbedtls/md.h>

/* Without <ctype.h>, which asks the locale. */
static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
hmac_read(const char *text, uint8_t out[static HMAC_BYTES])
{
	if (strlen(text) != (size_t)HMAC_BYTES * 2)
		return false;
	for (size_t i = 0; i < HMAC_BYTES; i++) {
		int high = digit_of(text[i * 2]);
		int low = digit_of(text[i * 2 + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool
hmac_make(struct slice key, struct slice text, uint8_t out[static HMAC_BYTES])
{
	return mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
		   (const unsigned char *)key.ptr, key.len,
		   (const unsigned char *)text.ptr, text.len, out) == 0;
}

bool
hmac_verify(
    struct slice key, struct slice text, const uint8_t mac[static HMAC_BYTES])
{
	uint8_t want[HMAC_BYTES];
	volatile unsigned char differ = 0; /* volatile: no early way out */

	if (!hmac_make(key, text, want))
		return false;
	for (size_t i = 0; i < HMAC_BYTES; i++)
		differ = (unsigned char)(differ | (want[i] ^ mac[i]));
	return differ == 0;
}
