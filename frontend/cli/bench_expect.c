#include "frontend/cli/bench_expect.h"

#include <stdlib.h>
#include <xxhash.h>

#include "common/mem.h"
#include "common/quote.h"
#include "frontend/cli/bench_keys.h"

/* Open addressing, at most half full: a probe rarely takes a second look. */
struct bench_expect {
	char *owned;
	size_t mask;
	size_t count;
	struct bench_expected slots[];
};

static size_t
count_lines(const char *text, size_t len)
{
	size_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

static struct bench_expect *
table_of(size_t lines)
{
	size_t size = 2;
	struct bench_expect *e;

	while (size < lines * 2)
		size *= 2;
	e = mem_calloc(1, sizeof *e + size * sizeof e->slots[0]);
	e->mask = size - 1;
	return e;
}

/* Where the question is, or would be. */
static size_t
slot_of(const struct bench_expect *e, struct slice question)
{
	size_t i = XXH3_64bits(question.ptr, question.len) & e->mask;

	while (e->slots[i].question.ptr != NULL &&
	    !slice_equal(e->slots[i].question, question))
		i = (i + 1) & e->mask;
	return i;
}

static bool
parse_line(struct slice line, struct bench_expected *out)
{
	const char *tab = memchr(line.ptr, '\t', line.len);
	struct slice map;
	struct slice key;
	struct slice answer;
	struct reply reply;

	if (tab == NULL)
		return false;
	out->question = (struct slice){ line.ptr, (size_t)(tab - line.ptr) };
	answer = (struct slice){ tab + 1, line.len - out->question.len - 1 };
	if (!protocol_parse_request(out->question, &map, &key) ||
	    !protocol_parse_reply(answer, &reply))
		return false;
	out->status = reply.status;
	out->text = reply.data;
	out->any_text = reply.data.len == 0 && reply.status != SOCKETMAP_OK;
	return true;
}

struct bench_expect *
bench_expect_parse(char *text, size_t len, struct error *error)
{
	struct bench_expect *e = table_of(count_lines(text, len));
	size_t number = 0;
	char *stop;

	for (char *line = text; line < text + len; line = stop + 1) {
		struct bench_expected expected;
		struct slice bytes;

		stop = memchr(line, '\n', (size_t)(text + len - line));
		if (stop == NULL)
			stop = text + len;
		number++;
		bytes = (struct slice){ line, (size_t)(stop - line) };
		if (bytes.len == 0)
			continue;
		if (!parse_line(bytes, &expected)) {
			error_set(error,
			    "line %zu is not \"MAP KEY<tab>ANSWER\", with an "
			    "answer such as \"OK value\" or \"NOTFOUND\"",
			    number);
			bench_expect_free(e);
			return NULL;
		}
		e->slots[slot_of(e, expected.question)] = expected;
		e->count++;
	}
	if (e->count == 0) {
		error_set(error, "holds no answer");
		bench_expect_free(e);
		return NULL;
	}
	return e;
}

struct bench_expect *
bench_expect_read(const char *path, struct error *error)
{
	struct bench_expect *e;
	char shown[QUOTE_SIZE];
	struct error reason;
	size_t len;
	char *text = bench_keys_read_file(path, &len, error);

	if (text == NULL)
		return NULL;
	e = bench_expect_parse(text, len, &reason);
	if (e == NULL) {
		error_set(error, "%s: %s", quote_value(slice_of(path), shown),
		    reason.text);
		free(text);
		return NULL;
	}
	e->owned = text;
	return e;
}

void
bench_expect_free(struct bench_expect *e)
{
	if (e == NULL)
		return;
	free(e->owned);
	free(e);
}

const struct bench_expected *
bench_expect_find(const struct bench_expect *e, struct slice question)
{
	const struct bench_expected *found = &e->slots[slot_of(e, question)];

	return found->question.ptr != NULL ? found : NULL;
}

bool
bench_expected_is(
    const struct bench_expected *expected, const struct reply *reply)
{
	return expected->status == reply->status &&
	    (expected->any_text || slice_equal(expected->text, reply->data));
}
