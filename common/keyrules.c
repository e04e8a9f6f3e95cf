#include "common/keyrules.h"

#include <stdint.h>

/* One '@' and a local part of one byte: the least an address adds. */
#define ADDRESS_OVERHEAD 2

struct address {
	struct slice local;
	struct slice domain;
	size_t domain_characters;
};

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* What userli allows in a local part, and DNS in practice in a domain. */
static bool
is_name_byte(char c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
	    c == '_' || c == '-';
}

/*
 * The character at the start of in (not empty), and its size in bytes; 0 when
 * the bytes are not UTF-8 as RFC 3629 has it: overlong, a surrogate, above
 * U+10FFFF or cut short.
 */
static size_t
decode(struct slice in, uint32_t *character)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)in.ptr[0];
	size_t size = first < 0x80 ? 1
	    : first < 0xC0         ? 0
	    : first < 0xE0         ? 2
	    : first < 0xF0         ? 3
	    : first < 0xF8         ? 4
				   : 0;
	uint32_t c = first;

	if (size == 0 || size > in.len)
		return 0;
	if (size > 1)
		c = first & (0x7FU >> size);
	for (size_t i = 1; i < size; i++) {
		unsigned char next = (unsigned char)in.ptr[i];

		if ((next & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (next & 0x3F);
	}
	if (c < least[size] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	*character = c;
	return size;
}

/* The last character of in (not empty); as decode(). */
static size_t
decode_last(struct slice in, uint32_t *character)
{
	size_t size = 1;
	struct slice last;

	while (size < 4 && size < in.len &&
	    ((unsigned char)in.ptr[in.len - size] & 0xC0) == 0x80)
		size++;
	last = (struct slice){ in.ptr + in.len - size, size };
	return decode(last, character) == size ? size : 0;
}

/* Go's unicode.IsSpace and unicode.IsControl, and the invisible four. */
static bool
is_trimmed(uint32_t c)
{
	return c <= 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0x1680 ||
	    (c >= 0x2000 && c <= 0x200D) || c == 0x2028 || c == 0x2029 ||
	    c == 0x202F || c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

static struct slice
trim(struct slice in)
{
	uint32_t c;
	size_t size;

	while (in.len > 0 && (size = decode(in, &c)) > 0 && is_trimmed(c)) {
		in.ptr += size;
		in.len -= size;
	}
	while (in.len > 0 && (size = decode_last(in, &c)) > 0 && is_trimmed(c))
		in.len -= size;
	return in;
}

static bool
is_domain(struct slice in, size_t *characters)
{
	char before = '.'; /* so that a leading dot counts as a second one */
	size_t n = 0;

	if (in.len == 0)
		return false;
	for (size_t i = 0; i < in.len; n++) {
		struct slice rest = { in.ptr + i, in.len - i };
		uint32_t c = 0;
		size_t size = decode(rest, &c);

		if (size == 0 || n == KEYRULES_CHARACTERS_MAX)
			return false;
		if (size == 1 &&
		    (!is_name_byte(*rest.ptr) ||
			(before == '.' && *rest.ptr == '.')))
			return false;
		before = *rest.ptr;
		i += size;
	}
	*characters = n;
	return true;
}

/* Split at the only '@', and judge what no delimiter can change. */
static bool
is_address(struct slice key, struct address *out)
{
	const char *at = key.len > 0 ? memchr(key.ptr, '@', key.len) : NULL;

	if (at == NULL)
		return false;
	out->local = (struct slice){ key.ptr, (size_t)(at - key.ptr) };
	out->domain = (struct slice){ at + 1, key.len - out->local.len - 1 };
	/* A second '@' is in the domain part, where none may be. */
	return out->local.len > 0 && is_name_byte(out->local.ptr[0]) &&
	    is_domain(out->domain, &out->domain_characters) &&
	    out->domain_characters + ADDRESS_OVERHEAD <=
	    KEYRULES_CHARACTERS_MAX;
}

static bool
occurs_at(struct slice in, size_t at, struct slice what)
{
	if (what.len == 0 || what.len > in.len - at)
		return false;
	for (size_t i = 0; i < what.len; i++) {
		if (lower(in.ptr[at + i]) != what.ptr[i])
			return false;
	}
	return true;
}

/* The length of the local part without extension, or 0 if userli has none
 * such. */
static size_t
local_length(const struct address *address, struct slice delimiter)
{
	size_t max = KEYRULES_CHARACTERS_MAX - 1 - address->domain_characters;
	size_t n = 0;

	while (n < address->local.len &&
	    !occurs_at(address->local, n, delimiter)) {
		if (n == max || !is_name_byte(address->local.ptr[n]))
			return 0;
		n++;
	}
	return n;
}

static size_t
copy_lower(char *out, struct slice in)
{
	for (size_t i = 0; i < in.len; i++)
		out[i] = lower(in.ptr[i]);
	return in.len;
}

enum keyrules_verdict
keyrules_check(enum lookup_map map, struct slice key)
{
	struct address address;
	size_t characters;
	bool possible;

	if (map >= LOOKUP_MAPS)
		return KEYRULES_ASK;
	key = trim(key);
	possible = map == LOOKUP_DOMAIN ? is_domain(key, &characters)
					: is_address(key, &address);
	return possible ? KEYRULES_ASK : KEYRULES_ABSENT;
}

enum keyrules_verdict
keyrules_apply(enum lookup_map map, struct slice key, struct slice delimiter,
    char out[static KEYRULES_KEY_MAX], size_t *len)
{
	struct address address;
	size_t characters;

	*len = 0;
	if (map >= LOOKUP_MAPS)
		return KEYRULES_ASK;
	key = trim(key);
	if (map == LOOKUP_DOMAIN) {
		if (!is_domain(key, &characters))
			return KEYRULES_ABSENT;
		*len = copy_lower(out, key);
		return KEYRULES_ASK;
	}

	if (!is_address(key, &address))
		return KEYRULES_ABSENT;
	address.local.len = local_length(&address, delimiter);
	if (address.local.len == 0)
		return KEYRULES_ABSENT;
	*len = copy_lower(out, address.local);
	out[(*len)++] = '@';
	*len += copy_lower(out + *len, address.domain);
	return KEYRULES_ASK;
}
