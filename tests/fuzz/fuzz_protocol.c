#include "frontend/socketmap/protocol.h"
#include "tests/fuzz/fuzz.h"

#define REPLY_MAX 300

static void
check_request(struct slice text)
{
	struct slice map;
	struct slice key;

	if (!protocol_parse_request(text, &map, &key)) {
		fuzz_check(
		    text.len == 0 || memchr(text.ptr, ' ', text.len) == NULL);
		return;
	}
	fuzz_check(map.ptr == text.ptr && map.len + 1 + key.len == text.len);
	fuzz_check(map.len == 0 || memchr(map.ptr, ' ', map.len) == NULL);
}

/* What is sent is read as it was meant, however long it was. */
static void
check_reply(struct reply reply)
{
	char out[REPLY_MAX + PROTOCOL_REPLY_OVERHEAD];
	struct reply sent = protocol_limit(reply, REPLY_MAX);
	struct reply read;
	struct slice text;
	size_t len;
	size_t used;

	fuzz_check(protocol_reply_size(sent) <= sizeof out);
	len = protocol_encode_reply(sent, out);
	fuzz_check(len == protocol_reply_size(sent));
	fuzz_check(netstring_decode((struct slice){ out, len }, REPLY_MAX,
		       &text, &used) == NETSTRING_OK);
	fuzz_check(protocol_parse_reply(text, &read));
	fuzz_check(read.status == sent.status);
	fuzz_check(slice_equal(read.data, sent.data));
	fuzz_check(sent.status == reply.status ||
	    (reply.status == SOCKETMAP_OK && sent.status == SOCKETMAP_PERM));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum socketmap_status statuses[] = { SOCKETMAP_OK,
		SOCKETMAP_NOTFOUND, SOCKETMAP_TEMP, SOCKETMAP_TIMEOUT,
		SOCKETMAP_PERM };
	struct slice in = fuzz_input(data, size);
	struct reply reply;

	check_request(in);
	if (protocol_parse_reply(in, &reply))
		check_reply(reply);
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		check_reply((struct reply){ statuses[i], in });
	return 0;
}
