/* What other backends are told, by real sockets on a loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/peer.h"
#include "backend/peers.h"
#include "common/nngsock.h"

#define PATIENCE_MS 20000 /* of a test, for what must happen */
#define OTHERS 3

/* Another backend, as far as it matters here. */
struct other {
	struct fixture *fixture;
	struct nngsock *socket;
	char url[ENDPOINT_TEXT_MAX];
	uint16_t port;
	enum lookup_outcome outcome; /* that it answers with */
	unsigned mute;               /* messages to leave without an answer */
	size_t messages;
	size_t count; /* of purges heard */
	char last_map[RPC_MAP_NAME_MAX + 1];
	char last_key[64];
	bool relay;
};

struct fixture {
	uv_loop_t loop;
	struct metrics *metrics;
	struct log *log;
	struct rpc_reader *reader;
	struct endpoint_list endpoints;
	struct peers *peers;
	struct other others[OTHERS];
	uv_timer_t deadline;
	bool late;
};

/* --- The others ----------------------------------------------------------- */

static void
take_text(char *out, size_t size, struct slice text)
{
	(void)snprintf(
	    out, size, "%.*s", (int)text.len, text.len > 0 ? text.ptr : "");
}

static void
on_message(void *arg, struct slice header, struct slice body)
{
	struct other *o = arg;
	struct fixture *f = o->fixture;
	const struct rpc_call *calls;
	struct rpc_writer writer;
	struct buffer frame;
	size_t count;

	o->messages++;
	assert_int_equal(
	    rpc_read_calls(f->reader, body, &calls, &count), RPC_OK);
	rpc_writer_init(&writer);
	buffer_init(&frame, RPC_FRAME_MAX);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(calls[i].method, RPC_PURGE);
		assert_false(calls[i].invalid);
		o->relay |= calls[i].relay;
		take_text(o->last_map, sizeof o->last_map, calls[i].map);
		take_text(o->last_key, sizeof o->last_key, calls[i].key);
		assert_true(rpc_add_result(&writer,
		    &(struct rpc_result){ .id = calls[i].id,
			.lookup = { .outcome = o->outcome } }));
	}
	o->count += count;
	assert_true(rpc_finish_results(&writer, SLICE("other"), &frame));
	if (o->mute > 0)
		o->mute--;
	else
		assert_int_equal(
		    nngsock_reply(o->socket, header, buffer_slice(&frame)),
		    NNGSOCK_SENT);
	buffer_fini(&frame);
	rpc_writer_fini(&writer);
}

/* On the port that it had before, if it had one. */
static void
open_other(struct other *o)
{
	struct nngsock_events events = { .message = on_message, .arg = o };
	char url[ENDPOINT_TEXT_MAX];
	const char *urls[] = { url };
	struct error error;

	(void)snprintf(url, sizeof url, "tcp://127.0.0.1:%u", o->port);
	o->socket = nngsock_listen(
	    &o->fixture->loop, urls, 1, NULL, RPC_FRAME_MAX, &events, &error);
	if (o->socket == NULL)
		fail_msg("%s", error.text);
	o->port = nngsock_port(o->socket, 0);
	(void)snprintf(o->url, sizeof o->url, "tcp://127.0.0.1:%u", o->port);
}

static void
close_other(struct other *o)
{
	nngsock_close(o->socket);
	o->socket = NULL;
}

/* --- The fixture ---------------------------------------------------------- */

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (f == NULL)
		return -1;
	*state = f;
	(void)uv_loop_init(&f->loop);
	f->metrics = metrics_new();
	f->log = log_new(&(struct log_options){
	    .level = LOG_LEVEL_ERROR, .fd = STDERR_FILENO });
	f->reader = rpc_reader_new();
	(void)uv_timer_init(&f->loop, &f->deadline);
	f->deadline.data = f;
	for (size_t i = 0; i < OTHERS; i++) {
		f->others[i].fixture = f;
		open_other(&f->others[i]);
	}
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->peers != NULL)
		peers_close(f->peers);
	for (size_t i = 0; i < OTHERS; i++) {
		if (f->others[i].socket != NULL)
			close_other(&f->others[i]);
	}
	uv_close((uv_handle_t *)&f->deadline, NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	rpc_reader_free(f->reader);
	metrics_free(f->metrics);
	log_free(f->log);
	free(f);
	return 0;
}

static void
start(struct fixture *f, uint64_t patience_ms)
{
	struct peers_options options = { .endpoints = &f->endpoints,
		.resolve_interval_ms = 1000,
		.patience_ms = patience_ms,
		.dns = &dns_system,
		.metrics = f->metrics,
		.log = f->log };
	char list[OTHERS * ENDPOINT_TEXT_MAX];
	struct error error;

	(void)snprintf(list, sizeof list, "%s,%s,%s", f->others[0].url,
	    f->others[1].url, f->others[2].url);
	assert_true(endpoint_list_parse(
	    slice_of(list), ENDPOINT_POOL, &f->endpoints, &error));
	f->peers = peers_new(&f->loop, &options);
	assert_int_equal(peers_count(f->peers), OTHERS);
}

static uint64_t
counted(struct fixture *f, const char *result)
{
	static const char *const label[] = { "result", NULL };

	return metrics_counter(
	    metrics_counters(f->metrics, "peer_purges_total",
		"Purges that other backends were to be told of", label),
	    (const char *const[]){ result, NULL })
	    ->value;
}

static void
on_deadline(uv_timer_t *timer)
{
	struct fixture *f = timer->data;

	f->late = true;
}

/* Turn the loop until so many purges have come to this end. */
static void
await(struct fixture *f, const char *result, uint64_t want)
{
	f->late = false;
	(void)uv_timer_start(&f->deadline, on_deadline, PATIENCE_MS, 0);
	while (counted(f, result) < want && !f->late)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&f->deadline);
	assert_int_equal(counted(f, result), want);
}

/* --- Tests ---------------------------------------------------------------- */

static void
every_peer_is_told_and_shall_tell_nobody(void **state)
{
	struct fixture *f = *state;

	start(f, PATIENCE_MS);
	peers_purge(f->peers, SLICE("alias"), SLICE("a@b"));
	await(f, "told", OTHERS);
	for (size_t i = 0; i < OTHERS; i++) {
		assert_int_equal(f->others[i].count, 1);
		assert_string_equal(f->others[i].last_map, "alias");
		assert_string_equal(f->others[i].last_key, "a@b");
		assert_false(f->others[i].relay);
	}
	/* Over the same connection, and with nothing in it. */
	peers_purge(f->peers, SLICE(""), SLICE(""));
	await(f, "told", 2 * OTHERS);
	for (size_t i = 0; i < OTHERS; i++) {
		assert_string_equal(f->others[i].last_map, "");
		assert_string_equal(f->others[i].last_key, "");
	}
}

static void
many_share_a_frame_in_their_order(void **state)
{
	struct fixture *f = *state;
	char key[64];

	start(f, PATIENCE_MS);
	for (unsigned i = 0; i < 700; i++) {
		(void)snprintf(key, sizeof key, "user%u@example.org", i);
		peers_purge(f->peers, SLICE(""), slice_of(key));
	}
	await(f, "told", (uint64_t)700 * OTHERS);
	for (size_t i = 0; i < OTHERS; i++) {
		assert_int_equal(f->others[i].count, 700);
		assert_int_equal(f->others[i].messages, 3);
		assert_string_equal(
		    f->others[i].last_key, "user699@example.org");
	}
}

static void
one_that_is_away_keeps_no_other_waiting_and_is_told_when_back(void **state)
{
	struct fixture *f = *state;

	start(f, PATIENCE_MS);
	close_other(&f->others[1]);
	peers_purge(f->peers, SLICE(""), SLICE("a@b"));
	await(f, "told", OTHERS - 1);
	assert_int_equal(f->others[0].count, 1);
	assert_int_equal(f->others[2].count, 1);
	open_other(&f->others[1]);
	await(f, "told", OTHERS);
	assert_int_equal(f->others[1].count, 1);
	assert_int_equal(counted(f, "failed"), 0);
}

static void
one_that_stays_away_is_given_up(void **state)
{
	struct fixture *f = *state;

	start(f, 1000);
	close_other(&f->others[1]);
	peers_purge(f->peers, SLICE(""), SLICE("a@b"));
	peers_purge(f->peers, SLICE(""), SLICE("c@d"));
	await(f, "told", (uint64_t)2 * (OTHERS - 1));
	await(f, "failed", 2);
	/* And told again of what comes after. */
	open_other(&f->others[1]);
	peers_purge(f->peers, SLICE(""), SLICE("e@f"));
	await(f, "told", (uint64_t)2 * (OTHERS - 1) + OTHERS);
	assert_string_equal(f->others[1].last_key, "e@f");
}

static void
what_is_not_answered_is_said_again(void **state)
{
	struct fixture *f = *state;

	start(f, PATIENCE_MS);
	f->others[1].mute = 1;
	peers_purge(f->peers, SLICE(""), SLICE("a@b"));
	await(f, "told", OTHERS);
	assert_int_equal(f->others[1].messages, 2);
	assert_int_equal(f->others[0].messages, 1);
}

static void
a_lost_connection_is_made_anew(void **state)
{
	struct fixture *f = *state;

	start(f, PATIENCE_MS);
	peers_purge(f->peers, SLICE(""), SLICE("a@b"));
	await(f, "told", OTHERS);
	for (size_t i = 0; i < OTHERS; i++) {
		close_other(&f->others[i]);
		open_other(&f->others[i]);
	}
	peers_purge(f->peers, SLICE(""), SLICE("c@d"));
	await(f, "told", 2 * OTHERS);
}

static void
an_older_one_is_not_asked_twice(void **state)
{
	struct fixture *f = *state;

	start(f, PATIENCE_MS);
	f->others[1].outcome = LOOKUP_UNIMPLEMENTED;
	peers_purge(f->peers, SLICE(""), SLICE("a@b"));
	await(f, "refused", 1);
	await(f, "told", OTHERS - 1);
	assert_int_equal(f->others[1].messages, 1);
}

static void
more_than_can_wait_becomes_everything(void **state)
{
	struct fixture *f = *state;
	char key[64];

	start(f, PATIENCE_MS);
	close_other(&f->others[1]);
	for (unsigned i = 0; i < PEERS_QUEUE_MAX + 1; i++) {
		(void)snprintf(key, sizeof key, "user%u@example.org", i);
		peers_purge(f->peers, SLICE("alias"), slice_of(key));
	}
	open_other(&f->others[1]);
	/* The loop has not turned: nothing was on its way to anybody. */
	await(f, "told", OTHERS);
	for (size_t i = 0; i < OTHERS; i++) {
		assert_int_equal(f->others[i].count, 1);
		assert_string_equal(f->others[i].last_map, "");
		assert_string_equal(f->others[i].last_key, "");
	}
}

static void
closing_ends_what_is_under_way(void **state)
{
	struct fixture *f = *state;

	start(f, PATIENCE_MS);
	f->others[1].mute = UINT32_MAX;
	close_other(&f->others[2]);
	peers_purge(f->peers, SLICE(""), SLICE("a@b"));
	await(f, "told", 1);
	peers_close(f->peers);
	f->peers = NULL;
	assert_int_equal(counted(f, "failed"), 2);
}

static void
without_peers_nobody_is_told(void **state)
{
	struct fixture *f = *state;
	struct peers_options options = { .endpoints = &f->endpoints,
		.resolve_interval_ms = 1000,
		.dns = &dns_system,
		.metrics = f->metrics,
		.log = f->log };

	f->peers = peers_new(&f->loop, &options);
	assert_int_equal(peers_count(f->peers), 0);
	peers_purge(f->peers, SLICE(""), SLICE("a@b"));
}

static int
fini_library(void **state)
{
	(void)state;
	nngsock_fini_library();
	return 0;
}

#define WITH_FIXTURE(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(every_peer_is_told_and_shall_tell_nobody),
		WITH_FIXTURE(many_share_a_frame_in_their_order),
		WITH_FIXTURE(
		    one_that_is_away_keeps_no_other_waiting_and_is_told_when_back),
		WITH_FIXTURE(one_that_stays_away_is_given_up),
		WITH_FIXTURE(what_is_not_answered_is_said_again),
		WITH_FIXTURE(a_lost_connection_is_made_anew),
		WITH_FIXTURE(an_older_one_is_not_asked_twice),
		WITH_FIXTURE(more_than_can_wait_becomes_everything),
		WITH_FIXTURE(closing_ends_what_is_under_way),
		WITH_FIXTURE(without_peers_nobody_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, fini_library);
}
