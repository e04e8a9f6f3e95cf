#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/userli_verdict.h"

struct row {
	enum lookup_map map;
	struct http_response response;
	enum lookup_outcome outcome;
	enum userli_failure failure;
	const char *text; /* the value of OK, or part of the reason */
	uint32_t pause_s;
};

/* As SLICE(), for objects of static storage. */
#define BODY(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}
#define ANSWER(number, text)                                               \
	{                                                                  \
		.status = HTTP_DONE, .code = (number), .body = BODY(text), \
		.reason = "", .sent = true                                 \
	}
#define BUSY(number, seconds)                                          \
	{                                                              \
		.status = HTTP_DONE, .code = (number),                 \
		.retry_after_s = (seconds), .reason = "", .sent = true \
	}
#define NO_ANSWER(what, why)                                    \
	{                                                       \
		.status = (what), .reason = (why), .sent = true \
	}

static const struct row rows[] = {
	{ LOOKUP_ALIAS, ANSWER(200, "[\"a@x.org\",\"b@x.org\"]"), LOOKUP_OK,
	    USERLI_FAILURE_NONE, "a@x.org,b@x.org", 0 },
	{ LOOKUP_ALIAS, ANSWER(200, "[]"), LOOKUP_NOTFOUND, USERLI_FAILURE_NONE,
	    "", 0 },
	{ LOOKUP_SENDERS, ANSWER(200, "{\"0\":\"a@x.org\"}"), LOOKUP_OK,
	    USERLI_FAILURE_NONE, "a@x.org", 0 },
	{ LOOKUP_SENDERS, ANSWER(200, "[]"), LOOKUP_NOTFOUND,
	    USERLI_FAILURE_NONE, "", 0 },
	{ LOOKUP_DOMAIN, ANSWER(200, "true"), LOOKUP_OK, USERLI_FAILURE_NONE,
	    "1", 0 },
	{ LOOKUP_DOMAIN, ANSWER(200, "false"), LOOKUP_NOTFOUND,
	    USERLI_FAILURE_NONE, "", 0 },
	{ LOOKUP_MAILBOX, ANSWER(200, "true"), LOOKUP_OK, USERLI_FAILURE_NONE,
	    "1", 0 },
	{ LOOKUP_MAILBOX, ANSWER(200, "false"), LOOKUP_NOTFOUND,
	    USERLI_FAILURE_NONE, "", 0 },

	{ LOOKUP_ALIAS, ANSWER(200, ""), LOOKUP_TEMP, USERLI_FAILURE_NOT_JSON,
	    "not JSON", 0 },
	{ LOOKUP_ALIAS, ANSWER(200, "<html>"), LOOKUP_TEMP,
	    USERLI_FAILURE_NOT_JSON, "not JSON", 0 },
	{ LOOKUP_ALIAS, ANSWER(200, "false"), LOOKUP_TEMP,
	    USERLI_FAILURE_WRONG_TYPE, "wrong type", 0 },
	{ LOOKUP_DOMAIN, ANSWER(200, "[]"), LOOKUP_TEMP,
	    USERLI_FAILURE_WRONG_TYPE, "wrong type", 0 },
	{ LOOKUP_ALIAS, ANSWER(200, "[\"a,b@x.org\"]"), LOOKUP_TEMP,
	    USERLI_FAILURE_BAD_ADDRESS, "cannot be an address", 0 },

	/* A valid body is no answer under another status. */
	{ LOOKUP_ALIAS, ANSWER(201, "[]"), LOOKUP_TEMP, USERLI_FAILURE_STATUS,
	    "HTTP 201", 0 },
	{ LOOKUP_ALIAS, ANSWER(204, ""), LOOKUP_TEMP, USERLI_FAILURE_STATUS,
	    "HTTP 204", 0 },
	{ LOOKUP_ALIAS, ANSWER(206, "[]"), LOOKUP_TEMP, USERLI_FAILURE_STATUS,
	    "HTTP 206", 0 },
	{ LOOKUP_DOMAIN, ANSWER(404, "false"), LOOKUP_TEMP,
	    USERLI_FAILURE_BASE_URL, "HTTP 404: check USERLI_BASE_URL", 0 },
	{ LOOKUP_DOMAIN, ANSWER(301, "false"), LOOKUP_TEMP,
	    USERLI_FAILURE_BASE_URL, "check USERLI_BASE_URL", 0 },
	{ LOOKUP_DOMAIN, ANSWER(302, ""), LOOKUP_TEMP, USERLI_FAILURE_BASE_URL,
	    "check USERLI_BASE_URL", 0 },
	{ LOOKUP_DOMAIN, ANSWER(400, ""), LOOKUP_TEMP, USERLI_FAILURE_BASE_URL,
	    "check USERLI_BASE_URL", 0 },
	{ LOOKUP_DOMAIN, ANSWER(405, ""), LOOKUP_TEMP, USERLI_FAILURE_BASE_URL,
	    "check USERLI_BASE_URL", 0 },
	{ LOOKUP_DOMAIN, ANSWER(499, ""), LOOKUP_TEMP, USERLI_FAILURE_BASE_URL,
	    "check USERLI_BASE_URL", 0 },
	{ LOOKUP_DOMAIN, ANSWER(401, "false"), LOOKUP_TEMP,
	    USERLI_FAILURE_TOKEN, "userli rejected the API token (HTTP 401)",
	    0 },
	{ LOOKUP_DOMAIN, ANSWER(403, "false"), LOOKUP_TEMP,
	    USERLI_FAILURE_TOKEN, "userli rejected the API token (HTTP 403)",
	    0 },
	{ LOOKUP_DOMAIN, ANSWER(500, "false"), LOOKUP_TEMP,
	    USERLI_FAILURE_STATUS, "HTTP 500", 0 },
	{ LOOKUP_DOMAIN, ANSWER(502, ""), LOOKUP_TEMP, USERLI_FAILURE_STATUS,
	    "HTTP 502", 0 },
	{ LOOKUP_DOMAIN, ANSWER(504, ""), LOOKUP_TEMP, USERLI_FAILURE_STATUS,
	    "HTTP 504", 0 },
	{ LOOKUP_DOMAIN, ANSWER(999, "false"), LOOKUP_TEMP,
	    USERLI_FAILURE_STATUS, "HTTP 999", 0 },

	{ LOOKUP_DOMAIN, BUSY(503, 0), LOOKUP_TEMP, USERLI_FAILURE_BUSY,
	    "HTTP 503", 0 },
	{ LOOKUP_DOMAIN, BUSY(429, 0), LOOKUP_TEMP, USERLI_FAILURE_BUSY,
	    "HTTP 429", 0 },
	{ LOOKUP_DOMAIN, BUSY(503, 7), LOOKUP_TEMP, USERLI_FAILURE_BUSY,
	    "userli asked to be left alone for 7 s", 7 },
	{ LOOKUP_DOMAIN, BUSY(429, 7), LOOKUP_TEMP, USERLI_FAILURE_BUSY,
	    "userli asked to be left alone for 7 s", 7 },
	{ LOOKUP_DOMAIN, BUSY(503, UINT32_MAX), LOOKUP_TEMP,
	    USERLI_FAILURE_BUSY, "left alone for 300 s", USERLI_PAUSE_MAX_S },
	/* Retry-After with another status means nothing. */
	{ LOOKUP_DOMAIN, BUSY(500, 7), LOOKUP_TEMP, USERLI_FAILURE_STATUS,
	    "HTTP 500", 0 },
	{ LOOKUP_DOMAIN, BUSY(302, 7), LOOKUP_TEMP, USERLI_FAILURE_BASE_URL,
	    "HTTP 302", 0 },

	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_TIMED_OUT, ""), LOOKUP_TIMEOUT,
	    USERLI_FAILURE_TIMEOUT, "in time", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_QUEUE_FULL, ""), LOOKUP_BUSY,
	    USERLI_FAILURE_QUEUE_FULL, "waiting", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_QUEUE_TIMEOUT, ""), LOOKUP_BUSY,
	    USERLI_FAILURE_QUEUE_TIMEOUT, "too long", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_DROPPED, ""), LOOKUP_TEMP,
	    USERLI_FAILURE_HELD, "left alone", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_CLOSED, ""), LOOKUP_DRAINING,
	    USERLI_FAILURE_BROKEN, "shutting down", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_UNRESOLVED, ""), LOOKUP_TEMP,
	    USERLI_FAILURE_UNRESOLVED, "no address", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_UNREACHABLE, "connection refused"),
	    LOOKUP_TEMP, USERLI_FAILURE_UNREACHABLE,
	    "userli does not answer: connection refused", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_TLS_FAILED, "expired"), LOOKUP_TEMP,
	    USERLI_FAILURE_TLS, "expired", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_BROKEN, "reset"), LOOKUP_TEMP,
	    USERLI_FAILURE_BROKEN, "reset", 0 },
	{ LOOKUP_ALIAS, NO_ANSWER(HTTP_TOO_LARGE, "too large"), LOOKUP_TEMP,
	    USERLI_FAILURE_TOO_LARGE, "too large", 0 },
};

static void
each_response_has_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		struct userli_verdict got;
		struct buffer value;

		buffer_init(&value, USERLI_VALUE_MAX);
		userli_verdict(row->map, &row->response, &value, &got);
		if (got.outcome != row->outcome ||
		    got.failure != row->failure || got.pause_s != row->pause_s)
			fail_msg("row %zu: got %s, %s, %u", i,
			    lookup_outcome_name(got.outcome),
			    userli_failure_name(got.failure),
			    (unsigned)got.pause_s);
		if (row->outcome == LOOKUP_OK)
			assert_true(slice_equal(
			    buffer_slice(&value), slice_of(row->text)));
		else if (strstr(got.reason, row->text) == NULL)
			fail_msg("row %zu: \"%s\"", i, got.reason);
		if (row->outcome != LOOKUP_OK)
			assert_int_equal(buffer_len(&value), 0);
		buffer_fini(&value);
	}
}

/* Whatever the status, a body that says "no" is no NOTFOUND under it. */
static void
only_a_200_is_ever_an_answer(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 1000; code++) {
		for (int status = 0; status < HTTP_STATUSES; status++) {
			struct http_response r = ANSWER(code, "false");
			struct userli_verdict got;
			struct buffer value;

			r.status = (enum http_status)status;
			if (r.status == HTTP_DONE && code == 200)
				continue;
			buffer_init(&value, USERLI_VALUE_MAX);
			userli_verdict(LOOKUP_DOMAIN, &r, &value, &got);
			buffer_fini(&value);
			assert_int_not_equal(got.outcome, LOOKUP_OK);
			assert_int_not_equal(got.outcome, LOOKUP_NOTFOUND);
			assert_int_not_equal(got.failure, USERLI_FAILURE_NONE);
			assert_string_not_equal(got.reason, "");
		}
	}
}

static void
a_value_over_the_limit_is_a_permanent_failure(void **state)
{
	char body[LOOKUP_REPLY_MAX + 16];
	struct http_response r = { .status = HTTP_DONE, .code = 200 };
	struct userli_verdict got;
	struct buffer value;

	(void)state;
	memset(body, 'a', sizeof body);
	memcpy(body, "[\"", 2);
	body[10] = '@';
	for (size_t size = USERLI_VALUE_MAX; size <= USERLI_VALUE_MAX + 1;
	     size++) {
		memcpy(body + 2 + size, "\"]", 2);
		r.body = (struct slice){ body, size + 4 };
		buffer_init(&value, USERLI_VALUE_MAX);
		userli_verdict(LOOKUP_ALIAS, &r, &value, &got);
		buffer_fini(&value);
		memset(body + 2 + size, 'a', 2);
		assert_int_equal(got.outcome,
		    size == USERLI_VALUE_MAX ? LOOKUP_OK : LOOKUP_PERM);
	}
}

static void
failures_have_distinct_names(void **state)
{
	(void)state;
	for (int i = 0; i < USERLI_FAILURES; i++) {
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
			    userli_failure_name((enum userli_failure)i),
			    userli_failure_name((enum userli_failure)j));
	}
}

static void
only_what_is_sent_as_json_is_read(void **state)
{
	static const struct {
		const char *type;
		enum lookup_outcome want;
	} cases[] = {
		{ "", LOOKUP_NOTFOUND },
		{ "application/json", LOOKUP_NOTFOUND },
		{ "Application/JSON; charset=utf-8", LOOKUP_NOTFOUND },
		{ "application/json;x", LOOKUP_NOTFOUND },
		{ "application/ld+json", LOOKUP_NOTFOUND },
		{ "text/html", LOOKUP_TEMP },
		{ "text/plain; charset=utf-8", LOOKUP_TEMP },
		{ "text/json", LOOKUP_TEMP },
		{ "application/", LOOKUP_TEMP },
		{ "application/+json", LOOKUP_TEMP },
		{ "application/jsonp", LOOKUP_TEMP },
		{ "application/jso", LOOKUP_TEMP },
		{ "application/octet-stream", LOOKUP_TEMP },
	};
	struct buffer value;
	struct userli_verdict v;

	(void)state;
	buffer_init(&value, 100);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct http_response r = { .status = HTTP_DONE,
			.code = 200,
			.body = SLICE("false"),
			.content_type = cases[i].type,
			.reason = "" };

		userli_verdict(LOOKUP_DOMAIN, &r, &value, &v);
		if (v.outcome != cases[i].want)
			fail_msg("%s: got %d", cases[i].type, v.outcome);
		if (v.outcome == LOOKUP_TEMP)
			assert_int_equal(v.failure, USERLI_FAILURE_NOT_JSON);
	}
	buffer_fini(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_response_has_its_verdict),
		cmocka_unit_test(only_a_200_is_ever_an_answer),
		cmocka_unit_test(a_value_over_the_limit_is_a_permanent_failure),
		cmocka_unit_test(failures_have_distinct_names),
		cmocka_unit_test(only_what_is_sent_as_json_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
