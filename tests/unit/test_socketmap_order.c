#include "socketmap_fixture.h"

/* --- Order -------------------------------------------------------------- */

static void
a_hundred_pipelined_requests_come_back_in_order(void **state)
{
	struct fixture f;
	char send[4096] = "";
	char want[4096] = "";
	size_t s = 0;
	size_t w = 0;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	for (int i = 0; i < 100; i++) {
		s += (size_t)snprintf(
		    send + s, sizeof send - s, "8:echo %03d,", i);
		w += (size_t)snprintf(
		    want + w, sizeof want - w, "6:OK %03d,", i);
	}
	client_send(fd, send, s);
	client_expect(&f, fd, want);
	assert_int_equal(f.answered, 100);
	(void)close(fd);
	fixture_fini(&f);
}

static void
replies_keep_the_order_of_requests_whatever_that_of_answers(void **state)
{
	/* Long keys, so that replies do not fit into the request object. */
	enum {
		COUNT = 17,
		LONG = 700
	};
	struct fixture f;
	char text[LONG + 64];
	char want[COUNT][LONG + 64];
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	for (int i = 0; i < COUNT; i++) {
		int width = i % 2 == 0 ? 3 : LONG;

		(void)snprintf(text, sizeof text, "hold %0*d", width, i);
		client_ask(fd, text);
		(void)snprintf(want[i], sizeof want[i], "%d:OK %0*d,",
		    width + 3, width, i);
	}
	fixture_wait(&f, f.held_count == COUNT);
	assert_int_equal(socketmap_server_idle(f.server), 0);
	/* 5 is prime to 17: every request once, in a wild order. */
	for (size_t i = 0; i < COUNT; i++) {
		fixture_answer(&f, (3 + i * 5) % COUNT);
		fixture_settle(&f);
	}
	for (int i = 0; i < COUNT; i++)
		client_expect(&f, fd, want[i]);
	assert_int_equal(f.answered, COUNT);
	(void)close(fd);
	fixture_fini(&f);
}

static void
what_is_answered_at_once_waits_for_what_came_before(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	client_ask(fd, "hold first");
	client_ask(fd, "echo second");
	client_ask(fd, "invalid");
	client_ask(fd, "unknown x");
	fixture_wait(&f, f.answered == 2);
	fixture_answer(&f, 0);
	client_expect(&f, fd,
	    "8:OK first,9:OK second,27:PERM Invalid request format,"
	    "21:PERM Unknown map name,");
	(void)close(fd);
	fixture_fini(&f);
}

static void
answer_everything(uv_prepare_t *prepare)
{
	struct fixture *f = prepare->data;

	for (size_t i = 0; i < f->held_count; i++)
		if (f->held[i] != NULL)
			fixture_answer(f, i);
	(void)uv_prepare_stop(prepare);
}

static void
a_reply_from_any_phase_of_the_loop_goes_out_before_it_blocks(void **state)
{
	struct fixture f;
	uv_prepare_t prepare;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(uv_prepare_init(&f.loop, &prepare), 0);
	prepare.data = &f;
	fd = client_connect(&f);
	client_ask(fd, "hold x");
	fixture_wait(&f, f.held_count == 1);
	fixture_settle(&f);
	/* Nothing else wakes the loop: a reply left behind is late. */
	assert_int_equal(uv_prepare_start(&prepare, answer_everything), 0);
	client_expect(&f, fd, "4:OK x,");
	uv_close((uv_handle_t *)&prepare, NULL);
	(void)close(fd);
	fixture_fini(&f);
}

static void
handle_answer_the_held(struct socketmap_request *request, void *arg)
{
	fixture_answer(arg, 0);
	socketmap_reply(request, SOCKETMAP_OK, "done", 4);
}

static void
a_handler_may_answer_another_connections_request(void **state)
{
	struct fixture f;
	int waiting;
	int other;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(
	    socketmap_server_map(f.server, "free", handle_answer_the_held, &f),
	    0);
	waiting = client_connect(&f);
	other = client_connect(&f);
	client_ask(waiting, "hold x");
	fixture_wait(&f, f.held_count == 1);
	client_ask(other, "free y");
	client_expect(&f, other, "7:OK done,");
	client_expect(&f, waiting, "4:OK x,");
	(void)close(waiting);
	(void)close(other);
	fixture_fini(&f);
}

/* A fixed sequence that looks like chance (xorshift). */
static unsigned
chance(unsigned below)
{
	static uint32_t x = 2463534242U;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % below;
}

struct stream {
	int fd;
	char sent[8192];
	size_t sent_len;
	size_t sent_so_far;
	char want[8192];
	size_t want_len;
};

static void
write_stream(struct stream *s, int id)
{
	for (int i = 0; i < 40; i++) {
		static const char *const maps[] = { "echo", "hold", "echo",
			"hold", "none" };
		const char *map = maps[chance(5)];
		int width = 1 + (int)chance(90);
		bool is_known = map[0] != 'n';

		s->sent_len += (size_t)snprintf(s->sent + s->sent_len,
		    sizeof s->sent - s->sent_len, "%d:%s %0*d,", width + 5, map,
		    width, id);
		s->want_len += (size_t)snprintf(s->want + s->want_len,
		    sizeof s->want - s->want_len,
		    is_known ? "%d:OK %0*d," : "21:PERM Unknown map name,",
		    width + 3, width, id);
	}
}

static void
answer_backwards(struct fixture *f)
{
	for (size_t i = f->held_count; i-- > 0;)
		if (f->held[i] != NULL)
			fixture_answer(f, i);
}

static void
any_mixture_of_splits_and_answers_keeps_the_order(void **state)
{
	enum {
		CLIENTS = 7
	};
	static struct stream streams[CLIENTS];
	struct fixture f;
	bool is_sending = true;

	(void)state;
	fixture_init(&f);
	f.options.pipeline_max = 9;
	fixture_start(&f);
	for (int i = 0; i < CLIENTS; i++) {
		streams[i].fd = client_connect(&f);
		write_stream(&streams[i], i);
	}
	while (is_sending) {
		is_sending = false;
		for (int i = 0; i < CLIENTS; i++) {
			struct stream *s = &streams[i];
			size_t left = s->sent_len - s->sent_so_far;
			size_t n = chance(200);

			n = n < left ? n : left;
			client_send(s->fd, s->sent + s->sent_so_far, n);
			s->sent_so_far += n;
			is_sending = is_sending || left > n;
		}
		(void)uv_run(&f.loop, UV_RUN_NOWAIT);
		for (size_t i = 0; i < f.held_count; i++)
			if (f.held[i] != NULL && chance(4) == 0)
				fixture_answer(&f, i);
	}
	/* The rest, backwards, as far as pipeline_max lets it in. */
	fixture_wait(&f, (answer_backwards(&f), f.answered == CLIENTS * 40));
	for (int i = 0; i < CLIENTS; i++) {
		client_expect(&f, streams[i].fd, streams[i].want);
		(void)close(streams[i].fd);
	}
	fixture_fini(&f);
}

/* --- Clients that go ---------------------------------------------------- */

static void
a_client_that_vanishes_leaves_its_requests_valid(void **state)
{
	struct fixture f;
	size_t len;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	client_ask(fd, "hold one");
	client_ask(fd, "hold two");
	client_ask(fd, "echo three");
	fixture_wait(&f, f.calls == 3);
	assert_true(socketmap_request_wanted(f.held[0]));
	client_reset(fd);
	fixture_wait(&f, CLOSED(&f, BY_CLIENT) == 1);
	assert_false(socketmap_request_wanted(f.held[0]));
	assert_memory_equal(socketmap_request_key(f.held[1], &len), "two", 3);
	assert_int_equal(len, 3);
	assert_int_equal(f.answered, 1);
	fixture_answer(&f, 1);
	fixture_answer(&f, 0);
	fixture_settle(&f);
	assert_int_equal(f.answered, 1);
	assert_int_equal(socketmap_server_connections(f.server), 0);
	assert_true(strncmp(f.peer, "127.0.0.1:", 10) == 0);
	fixture_fini(&f);
}

static void
a_client_that_only_stops_sending_gets_its_replies(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	client_ask(fd, "hold one");
	client_ask(fd, "echo two");
	client_send(fd, "9:par", 5);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	fixture_wait(&f, f.calls == 2);
	fixture_settle(&f);
	fixture_answer(&f, 0);
	client_expect(&f, fd, "6:OK one,6:OK two,");
	client_expect_end(&f, fd);
	assert_int_equal(CLOSED(&f, BY_CLIENT), 1);
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_fault_closes_its_own_connection_after_the_earlier_replies(void **state)
{
	static const struct {
		const char *bytes;
		enum socketmap_close_reason reason;
	} cases[] = {
		{ "x", SOCKETMAP_CLOSED_MALFORMED },
		{ "3:abcd", SOCKETMAP_CLOSED_MALFORMED },
		{ "01:a,", SOCKETMAP_CLOSED_MALFORMED },
		{ "GET / HTTP/1.1\r\n\r\n", SOCKETMAP_CLOSED_MALFORMED },
		{ "51:", SOCKETMAP_CLOSED_TOO_LONG },
		{ "99999999999999999999999999", SOCKETMAP_CLOSED_TOO_LONG },
	};
	struct fixture f;
	int bystander;

	(void)state;
	fixture_init(&f);
	f.options.query_bytes_max = 50;
	fixture_start(&f);
	bystander = client_connect(&f);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t held = f.held_count;
		int fd = client_connect(&f);

		client_ask(fd, "hold one");
		client_ask(fd, "echo two");
		client_send(fd, cases[i].bytes, strlen(cases[i].bytes));
		client_ask(fd, "echo never");
		fixture_wait(&f, f.held_count == held + 1);
		fixture_settle(&f);
		fixture_answer(&f, held);
		client_expect(&f, fd, "6:OK one,6:OK two,");
		client_expect_end(&f, fd);
		assert_int_equal(f.closed[cases[i].reason], 1);
		f.closed[cases[i].reason] = 0;
		(void)close(fd);
	}
	client_ask(bystander, "echo here");
	client_expect(&f, bystander, "7:OK here,");
	(void)close(bystander);
	fixture_fini(&f);
}

/* --- Back-pressure ------------------------------------------------------ */

static void
a_connection_is_not_read_beyond_its_pipeline_limit(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	f.options.pipeline_max = 3;
	fixture_start(&f);
	fd = client_connect(&f);
	for (int i = 0; i < 8; i++) {
		char text[16];

		(void)snprintf(text, sizeof text, "hold %d", i);
		client_ask(fd, text);
	}
	fixture_wait(&f, f.held_count == 3);
	fixture_settle(&f);
	assert_int_equal(f.held_count, 3);
	/* Not the oldest: nothing can be sent, nothing more be read. */
	fixture_answer(&f, 1);
	fixture_settle(&f);
	assert_int_equal(f.held_count, 3);
	fixture_answer(&f, 0);
	fixture_wait(&f, f.held_count == 5);
	for (size_t i = 2; i < 8; i++) {
		fixture_wait(&f, f.held_count > i);
		fixture_answer(&f, i);
	}
	client_expect(&f, fd,
	    "4:OK 0,4:OK 1,4:OK 2,4:OK 3,4:OK 4,4:OK 5,"
	    "4:OK 6,4:OK 7,");
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_client_that_takes_no_replies_is_not_read(void **state)
{
	enum {
		COUNT = 400,
		REPLY = 8 + 50003 + 1
	};
	struct fixture f;
	size_t calls;
	size_t have = 0;
	char *bytes = malloc(65536);
	int fd;

	(void)state;
	assert_non_null(bytes);
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	for (int i = 0; i < COUNT; i++)
		client_ask(fd, "bytes 50000");
	fixture_wait(&f, f.calls > 0);
	fixture_settle(&f);
	calls = f.calls;
	assert_true(calls < COUNT);
	fixture_settle(&f);
	assert_int_equal(f.calls, calls);
	while (have < (size_t)COUNT * (6 + 50003 + 1)) {
		ssize_t n = client_read(&f, fd, bytes, 65536);

		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_int_equal(f.calls, COUNT);
	fixture_wait(&f, socketmap_server_idle(f.server) == 1);
	(void)close(fd);
	free(bytes);
	fixture_fini(&f);
}

static void
a_client_whose_replies_pile_up_is_closed(void **state)
{
	enum {
		COUNT = 100,
		REPLY = 90000
	};
	struct fixture f;
	char *data = calloc(1, REPLY);
	int fd;

	(void)state;
	assert_non_null(data);
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	for (int i = 0; i < COUNT; i++)
		client_ask(fd, "hold x");
	fixture_wait(&f, f.held_count == COUNT);
	/* None can be sent before the first is there. */
	for (int i = COUNT - 1; i >= 0; i--) {
		size_t kept = (size_t)(COUNT - i) * REPLY;

		socketmap_reply(f.held[i], SOCKETMAP_OK, data, REPLY);
		f.held[i] = NULL;
		if (kept <= f.options.unread_bytes_max)
			assert_int_equal(CLOSED(&f, UNREAD), 0);
		if (kept > f.options.unread_bytes_max)
			assert_int_equal(CLOSED(&f, UNREAD), 1);
	}
	fixture_wait(&f, socketmap_server_connections(f.server) == 0);
	(void)close(fd);
	free(data);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_hundred_pipelined_requests_come_back_in_order),
		cmocka_unit_test(
		    replies_keep_the_order_of_requests_whatever_that_of_answers),
		cmocka_unit_test(
		    what_is_answered_at_once_waits_for_what_came_before),
		cmocka_unit_test(
		    a_reply_from_any_phase_of_the_loop_goes_out_before_it_blocks),
		cmocka_unit_test(
		    a_handler_may_answer_another_connections_request),
		cmocka_unit_test(
		    any_mixture_of_splits_and_answers_keeps_the_order),
		cmocka_unit_test(
		    a_client_that_vanishes_leaves_its_requests_valid),
		cmocka_unit_test(
		    a_client_that_only_stops_sending_gets_its_replies),
		cmocka_unit_test(
		    a_fault_closes_its_own_connection_after_the_earlier_replies),
		cmocka_unit_test(
		    a_connection_is_not_read_beyond_its_pipeline_limit),
		cmocka_unit_test(a_client_that_takes_no_replies_is_not_read),
		cmocka_unit_test(a_client_whose_replies_pile_up_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
