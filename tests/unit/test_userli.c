#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/userli.h"
#include "common/mem.h"
#include "tests/support/stub_http.h"

#define RESULTS_MAX 16
#define WATCHDOG_MS 20000
#define LONG_MS 10000
#define SHORT_MS 200
#define CHECK_PATH "/api/postfix/domain/health-check.invalid"

struct result {
	enum lookup_outcome outcome;
	char data[256];
};

struct fixture {
	uv_loop_t loop;
	uv_timer_t watchdog;
	int log_pipe[2];
	struct log *log;
	struct metrics *metrics;
	struct stub_http stub;
	const char *status; /* of the stub's answers */
	const char *headers;
	const char *body;
	const char *check_body;
	const char *check_status;
	char path[8192];       /* of the last lookup */
	unsigned lookups_seen; /* by the stub, checks excluded */
	unsigned checks_seen;
	unsigned refused;             /* of both */
	struct stub_connection *held; /* the first lookup's */
	bool hold;                    /* do not answer lookups */
	const char *accepted;         /* other tokens get a 401; NULL = none */
	struct http *http;
	struct userli *userli;
	struct result results[RESULTS_MAX];
	size_t answered;
	bool inside;
	unsigned again; /* lookups to make from within answers */
};

static void on_answer(void *arg, const struct lookup_result *result);

static void
ask(struct fixture *f, enum lookup_map map, const char *key)
{
	uv_update_time(&f->loop);
	f->inside = true;
	userli_lookup(f->userli, map, slice_of(key), uv_now(&f->loop) + LONG_MS,
	    42, on_answer, f);
	f->inside = false;
}

static void
on_answer(void *arg, const struct lookup_result *result)
{
	struct fixture *f = arg;
	struct result *to = &f->results[f->answered++];

	assert_false(f->inside);
	assert_int_equal(result->source, LOOKUP_FRESH);
	to->outcome = result->outcome;
	assert_in_range(result->data.len, 0, sizeof to->data - 1);
	if (result->data.len > 0)
		memcpy(to->data, result->data.ptr, result->data.len);
	to->data[result->data.len] = '\0';
	if (f->again > 0) {
		f->again--;
		ask(f, LOOKUP_DOMAIN, "again.example");
	}
	uv_stop(&f->loop);
}

static void
on_request(void *arg, struct stub_connection *c)
{
	struct fixture *f = arg;
	char path[sizeof f->path];
	char bearer[64];

	uv_stop(&f->loop);
	stub_path(c, path, sizeof path);
	snprintf(bearer, sizeof bearer, "Authorization: Bearer %s",
	    f->accepted != NULL ? f->accepted : "");
	if (f->accepted != NULL && !stub_has_header(c, bearer)) {
		f->refused++;
		stub_reply(c, "401 No", "", "{}");
		return;
	}
	if (strcmp(path, CHECK_PATH) == 0) {
		f->checks_seen++;
		if (f->check_body != NULL)
			stub_reply(c, f->check_status, "", f->check_body);
		return;
	}
	f->lookups_seen++;
	memcpy(f->path, path, sizeof path);
	if (f->held == NULL)
		f->held = c;
	if (!f->hold)
		stub_reply(c, f->status, f->headers, f->body);
}

static void
on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("nothing has happened for %d ms", WATCHDOG_MS);
}

static void
run_until_answered(struct fixture *f, size_t count)
{
	while (f->answered < count)
		uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void
set_tokens(struct fixture *f, const char *text)
{
	struct error error;

	if (!userli_set_tokens(f->userli, text, &error))
		fail_msg("%s", error.text);
}

static void
start_userli(struct fixture *f, uint64_t timeout_ms)
{
	struct http_options options = { .ca_file = "",
		.user_agent = "test",
		.timeout_ms = timeout_ms,
		.transfers_max = 4,
		.queue_max = 4,
		.body_max = 65536 };
	char url[64];
	struct error error;

	snprintf(url, sizeof url, "http://127.0.0.1:%d", f->stub.port);
	options.base_url = url;
	f->http = http_new(&f->loop, &options, f->log, &error);
	assert_non_null(f->http);
	f->userli = userli_new(&f->loop, f->http, f->metrics, f->log);
	set_tokens(f, "t");
}

static int
set_up(void **state)
{
	struct fixture *f = mem_calloc(1, sizeof *f);
	struct log_options log = { .level = LOG_LEVEL_INFO };

	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->watchdog);
	uv_timer_start(&f->watchdog, on_watchdog, WATCHDOG_MS, 0);
	assert_int_equal(pipe(f->log_pipe), 0);
	log.fd = f->log_pipe[1];
	f->log = log_new(&log);
	f->metrics = metrics_new();
	f->status = "200 OK";
	f->check_status = "200 OK";
	f->headers = "";
	f->body = "[\"a@x.org\"]";
	stub_http_init(&f->stub, &f->loop, on_request, f);
	start_userli(f, LONG_MS);
	*state = f;
	return 0;
}

static void
close_both(struct fixture *f)
{
	http_close(f->http);
	userli_close(f->userli);
	f->http = NULL;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->http != NULL)
		close_both(f);
	stub_http_close(&f->stub);
	uv_close((uv_handle_t *)&f->watchdog, NULL);
	while (uv_run(&f->loop, UV_RUN_DEFAULT) != 0)
		; /* the last answer has stopped it */
	assert_int_equal(uv_loop_close(&f->loop), 0);
	log_free(f->log);
	metrics_free(f->metrics);
	close(f->log_pipe[0]);
	close(f->log_pipe[1]);
	free(f);
	return 0;
}

/* What has been logged since the last call. */
static size_t
read_log(struct fixture *f, char *out, size_t size)
{
	ssize_t n;

	/* So that there is something to read. */
	log_error(f->log, log_msg("end"));
	n = read(f->log_pipe[0], out, size - 1);
	assert_true(n > 0);
	out[n] = '\0';
	return (size_t)n;
}

static size_t
count_of(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		n++;
		text++;
	}
	return n;
}

static void
assert_metric(struct fixture *f, const char *line)
{
	struct buffer out;
	char whole[256];

	snprintf(whole, sizeof whole, "\n" METRICS_PREFIX "%s\n", line);
	buffer_init(&out, 1 << 20);
	assert_true(metrics_write(f->metrics, &out));
	assert_true(buffer_append(&out, "", 1));
	if (strstr(buffer_slice(&out).ptr, whole) == NULL)
		fail_msg("%s is not in\n%s", line, buffer_slice(&out).ptr);
	buffer_fini(&out);
}

static void
each_byte_of_a_key_but_the_unreserved_is_escaped(void **state)
{
	static const struct {
		enum lookup_map map;
		const char *key;
		const char *path;
	} cases[] = {
		{ LOOKUP_ALIAS, "a.b-c_d~9@x.org",
		    "/api/postfix/alias/a.b-c_d~9%40x.org" },
		{ LOOKUP_DOMAIN, "x.org", "/api/postfix/domain/x.org" },
		{ LOOKUP_MAILBOX, "A@x", "/api/postfix/mailbox/A%40x" },
		{ LOOKUP_SENDERS, "../domain/x",
		    "/api/postfix/senders/..%2Fdomain%2Fx" },
		{ LOOKUP_ALIAS, "a?b#c%2f\\d",
		    "/api/postfix/alias/"
		    "a%3Fb%23c%252f%5Cd" },
		{ LOOKUP_ALIAS, " \r\n\x7F\xC3\xBC+",
		    "/api/postfix/alias/%20%0D%0A%7F%C3%BC%2B" },
		{ LOOKUP_ALIAS, "...", "/api/postfix/alias/..." },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ask(f, cases[i].map, cases[i].key);
		run_until_answered(f, i + 1);
		assert_string_equal(f->path, cases[i].path);
	}
}

static void
the_longest_key_is_asked(void **state)
{
	struct fixture *f = *state;
	char key[1021];

	memset(key, '@', 1020);
	key[1020] = '\0';
	ask(f, LOOKUP_SENDERS, key);
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].outcome, LOOKUP_OK);
	assert_int_equal(
	    strlen(f->path), strlen("/api/postfix/senders/") + 3 * 1020);
}

static void
a_key_that_would_ask_something_else_is_never_sent(void **state)
{
	static const char *const keys[] = { "", ".", ".." };
	struct fixture *f = *state;
	char key[1022];

	for (size_t i = 0; i < 3; i++)
		ask(f, LOOKUP_DOMAIN, keys[i]);
	memset(key, 'a', 1021);
	key[1021] = '\0';
	ask(f, LOOKUP_DOMAIN, key);
	ask(f, LOOKUP_MAPS, "x.org");
	run_until_answered(f, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(f->results[i].outcome, LOOKUP_TEMP);
	assert_int_equal(f->lookups_seen, 0);
}

static void
answers_are_told_and_counted(void **state)
{
	struct fixture *f = *state;

	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].outcome, LOOKUP_OK);
	assert_string_equal(f->results[0].data, "a@x.org");
	f->body = "false";
	ask(f, LOOKUP_DOMAIN, "x.org");
	run_until_answered(f, 2);
	assert_int_equal(f->results[1].outcome, LOOKUP_NOTFOUND);
	f->status = "599 Odd";
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 3);
	assert_int_equal(f->results[2].outcome, LOOKUP_TEMP);
	assert_string_equal(f->results[2].data, "userli failed (HTTP 599)");
	assert_metric(f,
	    "http_client_requests_total{endpoint=\"alias\","
	    "status_code=\"200\"} 1");
	assert_metric(f,
	    "http_client_requests_total{endpoint=\"alias\","
	    "status_code=\"other\"} 1");
	assert_metric(f,
	    "http_client_requests_total{endpoint=\"domain\","
	    "status_code=\"200\"} 1");
	assert_metric(f,
	    "http_client_duration_seconds_bucket{endpoint=\"alias\","
	    "status_code=\"200\",le=\"5.12\"} 1");
	assert_metric(f, "userli_failures_total{reason=\"status\"} 1");
	assert_metric(f, "userli_failures_total{reason=\"token\"} 0");
	/* Only the check, which the stub leaves without an answer. */
	assert_int_equal(f->checks_seen, 1);
	assert_metric(f, "http_client_active 1");
	assert_metric(f, "http_client_queued 0");
}

static void
an_answer_may_ask_again(void **state)
{
	struct fixture *f = *state;

	f->again = 3;
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 4);
	assert_int_equal(f->lookups_seen, 4);
}

static void
a_full_queue_is_busy(void **state)
{
	struct fixture *f = *state;

	f->hold = true;
	/* The check takes one of the four transfers, and gets no answer. */
	while (f->checks_seen < 1)
		uv_run(&f->loop, UV_RUN_DEFAULT);
	for (int i = 0; i < 10; i++)
		ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(f->results[i].outcome, LOOKUP_BUSY);
	assert_int_equal(f->answered, 3);
	assert_metric(f, "userli_failures_total{reason=\"queue_full\"} 3");
	assert_metric(f, "http_client_queued 4");
}

static void
userli_is_left_alone_for_as_long_as_it_asks(void **state)
{
	struct fixture *f = *state;
	const char *reason;
	uint64_t start_ms;

	f->status = "503 Busy";
	f->headers = "Retry-After: 1\r\n";
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 1);
	start_ms = uv_now(&f->loop);
	f->again = 2; /* asking again at once must not stall the loop */
	ask(f, LOOKUP_ALIAS, "b@x.org");
	run_until_answered(f, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(f->results[i].outcome, LOOKUP_TEMP);
		assert_string_equal(f->results[i].data,
		    "userli asked to be left alone for 1 s");
	}
	assert_int_equal(f->lookups_seen, 1);
	assert_false(userli_ready(f->userli, &reason));
	assert_non_null(strstr(reason, "left alone"));
	assert_metric(f, "userli_failures_total{reason=\"busy\"} 1");
	assert_metric(f, "userli_failures_total{reason=\"held\"} 3");
	assert_metric(f, "userli_breaker_state{state=\"open\"} 1");
	assert_metric(f, "userli_breaker_state{state=\"closed\"} 0");
	assert_metric(f, "userli_breaker_opens_total{cause=\"asked\"} 1");

	/* No lookup is needed for what comes then. */
	f->status = "200 OK";
	f->headers = "";
	f->check_body = "false";
	while (!userli_ready(f->userli, &reason))
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(uv_now(&f->loop) >= start_ms + 1000);
	assert_int_equal(f->checks_seen, 2);
	assert_false(userli_unwell(f->userli));
	f->answered = 0;
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].outcome, LOOKUP_OK);
	assert_metric(f, "userli_breaker_state{state=\"closed\"} 1");
}

static void
failures_in_a_row_end_the_requests_until_a_check_succeeds(void **state)
{
	struct fixture *f = *state;

	f->status = "500 No";
	f->check_status = "500 No";
	f->check_body = "";
	for (size_t i = 0; i < RESULTS_MAX; i++) {
		ask(f, LOOKUP_ALIAS, "a@x.org");
		run_until_answered(f, i + 1);
		assert_int_equal(f->results[i].outcome, LOOKUP_TEMP);
	}
	/* The check at the start may have been the first. */
	assert_in_range(f->lookups_seen, 4, 5);
	assert_true(userli_unwell(f->userli));
	assert_non_null(strstr(f->results[RESULTS_MAX - 1].data,
	    "userli is failing, next try in 1 s: userli failed (HTTP 500)"));
	assert_metric(f, "userli_breaker_opens_total{cause=\"failing\"} 1");
	f->status = "200 OK";
	f->check_status = "200 OK";
	f->check_body = "false";
	while (userli_unwell(f->userli))
		uv_run(&f->loop, UV_RUN_ONCE);
	f->answered = 0;
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].outcome, LOOKUP_OK);
}

/* Lookups that get no answer, as many as open the breaker and one; away_ms is
 * how long the loop does not turn meanwhile. */
static void
time_out_six_times(struct fixture *f, unsigned away_ms)
{
	f->hold = true;
	for (unsigned round = 1; round <= 2; round++) {
		for (int i = 0; i < 3; i++)
			ask(f, LOOKUP_ALIAS, "a@x.org");
		while (f->lookups_seen < 3 * round)
			uv_run(&f->loop, UV_RUN_DEFAULT);
		uv_sleep(away_ms);
		run_until_answered(f, 3 * round);
		assert_int_equal(f->results[0].outcome, LOOKUP_TIMEOUT);
	}
}

static void
a_process_that_was_stopped_does_not_blame_userli(void **state)
{
	struct fixture *f = *state;

	close_both(f);
	start_userli(f, SHORT_MS);
	f->check_body = "false";
	time_out_six_times(f, SHORT_MS + 500);
	assert_false(userli_unwell(f->userli));
}

static void
timeouts_in_a_row_are_userli_s(void **state)
{
	struct fixture *f = *state;

	close_both(f);
	start_userli(f, SHORT_MS);
	f->hold = true;
	for (size_t n = 0; !userli_unwell(f->userli); n += 3) {
		assert_true(n < 12);
		for (int i = 0; i < 3; i++)
			ask(f, LOOKUP_ALIAS, "a@x.org");
		run_until_answered(f, n + 3);
	}
}

static void
the_second_token_is_taken_when_the_first_is_refused_and_back(void **state)
{
	struct fixture *f = *state;
	char text[16384];

	set_tokens(f, "secret1,secret2");
	f->accepted = "secret2";
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].outcome, LOOKUP_OK);
	assert_metric(f, "userli_token_in_use 2");
	assert_metric(f, "userli_token_switches_total 1");
	assert_metric(f, "userli_failures_total{reason=\"token\"} 0");
	f->refused = 0;
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 2);
	assert_int_equal(f->results[1].outcome, LOOKUP_OK);
	assert_int_equal(f->refused, 0);
	f->accepted = "secret1";
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 3);
	assert_int_equal(f->results[2].outcome, LOOKUP_OK);
	assert_metric(f, "userli_token_in_use 1");
	assert_metric(f, "userli_token_switches_total 2");
	read_log(f, text, sizeof text);
	assert_int_equal(
	    count_of(text, "rejects one token of USERLI_TOKEN"), 2);
	assert_int_equal(count_of(text, "\"in_use\":\"second\""), 1);
	assert_int_equal(count_of(text, "\"in_use\":\"first\""), 1);
	assert_null(strstr(text, "secret"));
}

static void
those_who_wait_are_asked_with_the_token_that_is_taken(void **state)
{
	struct fixture *f = *state;

	set_tokens(f, "secret1,secret2");
	f->accepted = "secret2";
	f->check_body = "false";
	for (int i = 0; i < 7; i++)
		ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(f->results[i].outcome, LOOKUP_OK);
	/* Only those who had been on their way. */
	assert_in_range(f->refused, 1, 5);
	assert_metric(f, "userli_token_switches_total 1");
}

static void
a_token_that_is_refused_ends_the_requests_until_it_is_replaced(void **state)
{
	struct fixture *f = *state;
	const char *reason;

	f->accepted = "new";
	for (size_t i = 0; i < RESULTS_MAX; i++) {
		ask(f, LOOKUP_ALIAS, "a@x.org");
		run_until_answered(f, i + 1);
		assert_int_equal(f->results[i].outcome, LOOKUP_TEMP);
		assert_non_null(
		    strstr(f->results[i].data, "rejected the API token"));
	}
	/* The check at the start, a lookup, the probe that has confirmed it. */
	assert_in_range(f->refused, 1, 3);
	assert_true(userli_unwell(f->userli));
	assert_false(userli_ready(f->userli, &reason));
	f->check_body = "false";
	set_tokens(f, "old,new");
	userli_hurry(f->userli);
	while (userli_unwell(f->userli))
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(userli_ready(f->userli, &reason));
	assert_metric(f, "userli_token_in_use 2");
	assert_metric(f, "userli_breaker_opens_total{cause=\"refused\"} 1");
}

/* As a firewall in front of userli might, for what it does not like. */
static void
a_key_that_is_refused_is_not_held_against_the_token(void **state)
{
	struct fixture *f = *state;
	const char *reason;

	f->status = "403 No";
	f->check_body = "false";
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 1);
	assert_int_equal(f->results[0].outcome, LOOKUP_TEMP);
	while (userli_unwell(f->userli))
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(userli_ready(f->userli, &reason));
	assert_metric(f, "userli_token_in_use 1");
}

static void
a_pause_holds_for_those_who_wait(void **state)
{
	struct fixture *f = *state;
	const char *reason;

	f->hold = true;
	/* The check takes one of the four transfers, and gets no answer. */
	while (f->checks_seen < 1)
		uv_run(&f->loop, UV_RUN_DEFAULT);
	for (int i = 0; i < 7; i++)
		ask(f, LOOKUP_ALIAS, "a@x.org");
	while (f->lookups_seen < 3)
		uv_run(&f->loop, UV_RUN_DEFAULT);
	stub_reply(f->held, "429 Slow down", "Retry-After: 60\r\n", "");
	run_until_answered(f, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(f->results[i].outcome, LOOKUP_TEMP);
		assert_non_null(strstr(f->results[i].data, "left alone"));
	}
	assert_int_equal(f->lookups_seen, 3);
	assert_false(userli_ready(f->userli, &reason));
}

static void
no_pause_follows_a_503_without_retry_after(void **state)
{
	struct fixture *f = *state;

	f->status = "503 Busy";
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 1);
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 2);
	assert_int_equal(f->lookups_seen, 2);
}

static void
the_check_at_the_start_decides_readiness(void **state)
{
	static const struct {
		const char *status, *body;
		bool want;
		const char *reason;
	} cases[] = {
		{ "200 OK", "false", true, "" },
		{ "200 OK", "true", true, "" },
		{ "401 No", "{}", false,
		    "userli rejected the API token (HTTP 401): check "
		    "USERLI_TOKEN and its postfix scope" },
		{ "403 No", "false", false,
		    "userli rejected the API token (HTTP 403): check "
		    "USERLI_TOKEN and its postfix scope" },
		{ "404 No", "", false,
		    "userli answered HTTP 404: check USERLI_BASE_URL" },
		{ "200 OK", "<html>", false, "userli's answer is not JSON" },
		{ "500 No", "false", false, "userli failed (HTTP 500)" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fixture *f = *state;
		const char *reason;

		assert_false(userli_ready(f->userli, &reason));
		assert_string_equal(reason, "userli has not answered yet");
		assert_metric(f, "health_check_status 0");
		f->check_status = cases[i].status;
		f->check_body = cases[i].body;
		while (f->checks_seen < 1)
			uv_run(&f->loop, UV_RUN_DEFAULT);
		while (reason != NULL &&
		    strcmp(reason, "userli has not answered yet") == 0) {
			uv_run(&f->loop, UV_RUN_ONCE);
			(void)userli_ready(f->userli, &reason);
		}
		assert_int_equal(
		    userli_ready(f->userli, &reason), cases[i].want);
		assert_string_equal(reason, cases[i].reason);
		assert_metric(f,
		    cases[i].want ? "health_check_status 1"
				  : "health_check_status 0");
		tear_down(state);
		set_up(state);
	}
}

static void
lookups_tell_readiness_too(void **state)
{
	struct fixture *f = *state;
	const char *reason;

	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 1);
	assert_true(userli_ready(f->userli, &reason));
	assert_string_equal(reason, "");
	/* One lookup that fails says nothing about the others. */
	f->status = "500 No";
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 2);
	assert_true(userli_ready(f->userli, &reason));
	/* A rejected token does. */
	f->status = "401 No";
	ask(f, LOOKUP_ALIAS, "a@x.org");
	run_until_answered(f, 3);
	assert_false(userli_ready(f->userli, &reason));
	assert_non_null(strstr(reason, "API token"));
	assert_metric(f, "userli_failures_total{reason=\"token\"} 1");
}

static void
a_flood_of_failures_is_one_line_and_names_nobody(void **state)
{
	struct fixture *f = *state;
	char text[16384];

	f->status = "500 No";
	for (size_t i = 0; i < 12; i++) {
		ask(f, LOOKUP_ALIAS, "somebody@x.org");
		run_until_answered(f, i + 1);
	}
	read_log(f, text, sizeof text);
	assert_in_range(count_of(text, "lookup failed at userli"), 1, 2);
	assert_null(strstr(text, "somebody"));
	assert_non_null(strstr(text, "\"failure\":\"status\""));
	assert_non_null(strstr(text, "\"request_id\":\"000000000000002a\""));
}

static void
a_shutdown_drains(void **state)
{
	struct fixture *f = *state;

	f->hold = true;
	for (int i = 0; i < 6; i++)
		ask(f, LOOKUP_ALIAS, "a@x.org");
	ask(f, LOOKUP_ALIAS, ".."); /* never sent; told later */
	while (f->lookups_seen < 3)
		uv_run(&f->loop, UV_RUN_DEFAULT);
	close_both(f);
	assert_int_equal(f->answered, 7);
	assert_int_equal(f->results[0].outcome, LOOKUP_TEMP);
	for (size_t i = 1; i < 7; i++)
		assert_int_equal(f->results[i].outcome, LOOKUP_DRAINING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_byte_of_a_key_but_the_unreserved_is_escaped),
		TEST(the_longest_key_is_asked),
		TEST(a_key_that_would_ask_something_else_is_never_sent),
		TEST(answers_are_told_and_counted),
		TEST(an_answer_may_ask_again),
		TEST(a_full_queue_is_busy),
		TEST(userli_is_left_alone_for_as_long_as_it_asks),
		TEST(failures_in_a_row_end_the_requests_until_a_check_succeeds),
		TEST(a_process_that_was_stopped_does_not_blame_userli),
		TEST(timeouts_in_a_row_are_userli_s),
		TEST(
		    the_second_token_is_taken_when_the_first_is_refused_and_back),
		TEST(those_who_wait_are_asked_with_the_token_that_is_taken),
		TEST(
		    a_token_that_is_refused_ends_the_requests_until_it_is_replaced),
		TEST(a_key_that_is_refused_is_not_held_against_the_token),
		TEST(a_pause_holds_for_those_who_wait),
		TEST(no_pause_follows_a_503_without_retry_after),
		TEST(the_check_at_the_start_decides_readiness),
		TEST(lookups_tell_readiness_too),
		TEST(a_flood_of_failures_is_one_line_and_names_nobody),
		TEST(a_shutdown_drains),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
