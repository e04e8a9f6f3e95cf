#include "frontend/socketmap/protocol.h"

static const struct slice words[] = {
	[SOCKETMAP_OK] = { "OK ", 3 },
	[SOCKETMAP_NOTFOUND] = { "NOTFOUND ", 9 },
	[SOCKETMAP_TEMP] = { "TEMP ", 5 },
	[SOCKETMAP_TIMEOUT] = { "TIMEOUT ", 8 },
	[SOCKETMAP_PERM] = { "PERM ", 5 },
};

#define WORDS (sizeof words / sizeof words[0])

const char *
socketmap_status_name(enum socketmap_status status)
{
	static const char *const names[WORDS] = { "OK", "NOTFOUND", "TEMP",
		"TIMEOUT", "PERM" };

	return (size_t)status < WORDS ? names[status] : "TEMP";
}

bool
protocol_parse_request(struct slice text, struct slice *map, struct slice *key)
{
	const char *space =
	    text.len > 0 ? memchr(text.ptr, ' ', text.len) : NULL;

	if (space == NULL)
		return false;
	map->ptr = text.ptr;
	map->len = (size_t)(space - text.ptr);
	key->ptr = space + 1;
	key->len = text.len - map->len - 1;
	return true;
}

bool
protocol_parse_reply(struct slice text, struct reply *reply)
{
	for (size_t i = 0; i < WORDS; i++) {
		size_t len = words[i].len;

		if (slice_equal(text, (struct slice){ words[i].ptr, len - 1 }))
			len--;
		else if (text.len < len ||
		    memcmp(text.ptr, words[i].ptr, len) != 0)
			continue;
		*reply = (struct reply){ (enum socketmap_status)i,
			{ text.ptr + len, text.len - len } };
		return true;
	}
	return false;
}

/* The greatest length up to max that does not split a UTF-8 character. */
static size_t
cut_length(struct slice text, size_t max)
{
	size_t n = max;

	while (
	    n > 0 && max - n < 3 && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static size_t
text_len(struct reply reply)
{
	return words[reply.status].len + reply.data.len;
}

struct reply
protocol_limit(struct reply reply, size_t max)
{
	size_t word;

	if ((size_t)reply.status >= WORDS) /* Postfix reads it as TEMP, too */
		reply.status = SOCKETMAP_TEMP;
	if (max == 0 || text_len(reply) <= max)
		return reply;
	if (reply.status == SOCKETMAP_OK)
		reply = (struct reply){ SOCKETMAP_PERM,
			SLICE("The reply is too long") };
	word = words[reply.status].len;
	if (text_len(reply) > max)
		reply.data.len =
		    cut_length(reply.data, max > word ? max - word : 0);
	return reply;
}

size_t
protocol_reply_size(struct reply reply)
{
	char head[NETSTRING_OVERHEAD];
	size_t len = text_len(reply);

	return netstring_head(len, head) + len + 1;
}

size_t
protocol_encode_reply(struct reply reply, char *out)
{
	char head[NETSTRING_OVERHEAD];
	struct slice word = words[reply.status];
	size_t start = netstring_head(word.len + reply.data.len, head);
	size_t size = start + word.len + reply.data.len + 1;

	/* The data first: it may lie where the head goes. */
	if (reply.data.len > 0)
		memmove(out + start + word.len, reply.data.ptr, reply.data.len);
	memcpy(out, head, start);
	memcpy(out + start, word.ptr, word.len);
	out[size - 1] = ',';
	return size;
}
