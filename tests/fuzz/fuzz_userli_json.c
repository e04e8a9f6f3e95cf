#include "backend/userli_json.h"
#include "backend/userli_verdict.h"
#include "tests/fuzz/fuzz.h"

/* Postfix would deliver to whatever stands here. */
static void
check_addresses(struct slice value)
{
	const char *at = value.ptr;
	const char *end = value.ptr + value.len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma != NULL ? comma : end;

		fuzz_check(stop > at);
		fuzz_check(memchr(at, '@', (size_t)(stop - at)) != NULL);
		fuzz_check(comma == NULL || comma + 1 < end);
		at = stop + 1;
	}
	for (size_t i = 0; i < value.len; i++)
		fuzz_check((unsigned char)value.ptr[i] >= ' ');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = fuzz_input(data, size);
	enum lookup_map map =
	    (enum lookup_map)(fuzz_choice(&body) % LOOKUP_MAPS);
	enum userli_json_verdict verdict;
	struct buffer out;

	buffer_init(&out, USERLI_VALUE_MAX);
	verdict = userli_json_read(map, body, &out);
	fuzz_check(verdict < USERLI_JSON_VERDICTS);
	fuzz_check(userli_json_verdict_name(verdict) != NULL);
	if (verdict != USERLI_JSON_FOUND) {
		fuzz_check(buffer_len(&out) == 0);
	} else if (map == LOOKUP_DOMAIN || map == LOOKUP_MAILBOX) {
		fuzz_check(slice_equal(buffer_slice(&out), SLICE("1")));
	} else {
		fuzz_check(buffer_len(&out) > 0);
		check_addresses(buffer_slice(&out));
	}
	buffer_fini(&out);
	return 0;
}
