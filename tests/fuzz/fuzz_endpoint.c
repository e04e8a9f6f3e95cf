#include "common/endpoint.h"
#include "tests/fuzz/fuzz.h"

static bool
same(const struct endpoint *a, const struct endpoint *b)
{
	return a->kind == b->kind && a->by_srv == b->by_srv &&
	    a->port == b->port && strcmp(a->host, b->host) == 0 &&
	    strcmp(a->path, b->path) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct endpoint_list list; /* 40 KiB */
	struct slice text = fuzz_input(data, size);
	enum endpoint_syntax syntax =
	    (enum endpoint_syntax)(fuzz_choice(&text) % (ENDPOINT_POOL + 1));
	struct error error;

	if (!endpoint_list_parse(text, syntax, &list, &error)) {
		fuzz_check(error.text[0] != '\0');
		return 0;
	}
	fuzz_check(list.count <= ENDPOINT_LIST_MAX);
	for (size_t i = 0; i < list.count; i++) {
		char written[ENDPOINT_TEXT_MAX];
		struct endpoint again;

		(void)endpoint_is_local(&list.items[i]);
		endpoint_format(&list.items[i], syntax, written);
		fuzz_check(
		    endpoint_parse(slice_of(written), syntax, &again, &error));
		fuzz_check(same(&again, &list.items[i]));
	}
	return 0;
}
