#include "frontend/socketmap/netstring.h"
#include "tests/fuzz/fuzz.h"

#define PAYLOAD_MAX 1000

static void
check_prefixes(struct slice in, size_t used)
{
	struct slice payload;
	size_t other;

	for (size_t len = 0; len < used; len++)
		fuzz_check(
		    netstring_decode((struct slice){ in.ptr, len }, PAYLOAD_MAX,
			&payload, &other) == NETSTRING_PARTIAL);
}

static void
check_encoded(struct slice payload)
{
	char out[PAYLOAD_MAX + NETSTRING_OVERHEAD];
	struct slice again;
	size_t len = netstring_encode(payload, out, sizeof out);
	size_t used;

	fuzz_check(len > payload.len);
	fuzz_check(netstring_encode(payload, out, len - 1) == 0);
	fuzz_check(netstring_decode((struct slice){ out, len }, PAYLOAD_MAX,
		       &again, &used) == NETSTRING_OK);
	fuzz_check(used == len && slice_equal(again, payload));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = fuzz_input(data, size);
	struct slice payload;
	size_t used;

	switch (netstring_decode(in, PAYLOAD_MAX, &payload, &used)) {
	case NETSTRING_OK:
		fuzz_check(used <= in.len && payload.len <= PAYLOAD_MAX);
		fuzz_check(payload.ptr > in.ptr &&
		    payload.ptr + payload.len < in.ptr + used);
		check_prefixes(in, used);
		check_encoded(payload);
		break;
	case NETSTRING_PARTIAL:
		fuzz_check(in.len < PAYLOAD_MAX + NETSTRING_OVERHEAD);
		break;
	case NETSTRING_INVALID:
	case NETSTRING_TOO_LONG:
		break;
	}
	return 0;
}
