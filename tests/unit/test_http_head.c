#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/http_head.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* The first flaw of the lines of text, or NULL. */
static const char *
read_all(struct http_head *h, const char *text)
{
	const char *flaw = NULL;

	http_head_init(h);
	while (flaw == NULL && *text != '\0') {
		const char *newline = strchr(text, '\n');
		size_t len = newline != NULL ? (size_t)(newline + 1 - text)
					     : strlen(text);

		flaw = http_head_line(h, (struct slice){ text, len });
		text += len;
	}
	return flaw;
}

static void
what_says_once_where_the_body_ends_is_believed(void **state)
{
	static const char *const heads[] = {
		OK "\r\n",
		"HTTP/1.0 200 OK\r\nX: y\r\n\r\n",
		OK "Content-Length: 5\r\n\r\n",
		OK "content-length:5 \r\n\r\n",
		OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n",
		OK "TRANSFER-ENCODING:\tChunked\n\n",
		OK "X-Content-Length: 5\r\nContent-Length: 4\r\n\r\n",
		OK "Content-Lengths: 5, 6\r\n\r\n",
		OK "no colon\r\n\r\n",
		/* Each answer has its own. */
		"HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n" OK
		"Transfer-Encoding: chunked\r\n\r\n",
		/* Trailers say nothing any more. */
		OK "Transfer-Encoding: chunked\r\n\r\nContent-Length: 5\r\n",
	};
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		const char *flaw = read_all(&h, heads[i]);

		if (flaw != NULL)
			fail_msg("\"%s\": %s", heads[i], flaw);
		assert_true(h.ended);
	}
}

static void
what_contradicts_itself_is_not(void **state)
{
	static const struct {
		const char *head, *want;
	} cases[] = {
		{ OK "Content-Length: 5\r\nContent-Length: 6\r\n", "two" },
		{ OK "Content-Length: 5\r\nContent-Length: 05\r\n", "two" },
		{ OK "Content-Length: 5, 6\r\n", "number" },
		{ OK "Content-Length: 5, 5\r\n", "number" },
		{ OK "Content-Length: -5\r\n", "number" },
		{ OK "Content-Length: +5\r\n", "number" },
		{ OK "Content-Length: 0x5\r\n", "number" },
		{ OK "Content-Length:\r\n", "number" },
		{ OK "Content-Length: 1111111111111111111111111\r\n",
		    "number" },
		{ OK "Transfer-Encoding: gzip\r\n", "coding" },
		{ OK "Transfer-Encoding: gzip, chunked\r\n", "coding" },
		{ OK "Transfer-Encoding: identity\r\n", "coding" },
		{ OK "Transfer-Encoding: chunked\r\n"
		     "Transfer-Encoding: chunked\r\n",
		    "coding" },
		{ OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		    "length and chunks" },
		{ OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		    "length and chunks" },
		{ OK "Content-Length : 5\r\nContent-Length: 6\r\n", "two" },
		{ OK "Content-Length: 5\r\n 6\r\n", "second line" },
		{ "HTTP/2 200\r\n", "version" },
		{ "HTTP/0.9 200\r\n", "version" },
		{ "HTTP/", "version" },
	};
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *flaw = read_all(&h, cases[i].head);

		if (flaw == NULL || strstr(flaw, cases[i].want) == NULL)
			fail_msg("\"%s\": got %s, want …%s…", cases[i].head,
			    flaw != NULL ? flaw : "nothing", cases[i].want);
	}
}

static void
a_head_that_breaks_off_has_not_ended(void **state)
{
	struct http_head h;

	(void)state;
	assert_null(read_all(&h, OK "Content-Length: 5\r\n"));
	assert_false(h.ended);
	assert_null(read_all(&h, ""));
	assert_false(h.ended);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    what_says_once_where_the_body_ends_is_believed),
		cmocka_unit_test(what_contradicts_itself_is_not),
		cmocka_unit_test(a_head_that_breaks_off_has_not_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
