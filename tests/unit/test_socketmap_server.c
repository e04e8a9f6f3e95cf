#include "socketmap_fixture.h"

/* --- What is asked and answered ----------------------------------------- */

static void
each_request_gets_its_reply(void **state)
{
	static const struct {
		const char *send, *want;
	} cases[] = {
		{ "8:echo key,", "6:OK key," },
		{ "10:echo a b c,", "8:OK a b c," },
		{ "5:echo ,", "3:OK ," },
		{ "4:echo,", "27:PERM Invalid request format," },
		{ "0:,", "27:PERM Invalid request format," },
		{ "7:other x,", "21:PERM Unknown map name," },
		{ "2: x,", "21:PERM Unknown map name," },
		{ "7:bytes 2,", "5:OK xx," },
	};
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		client_send(fd, cases[i].send, strlen(cases[i].send));
		client_expect(&f, fd, cases[i].want);
	}
	assert_int_equal(f.invalid, 2);
	assert_int_equal(f.answered, 6);
	assert_string_equal(f.last_map, "bytes");
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_default_map_answers_for_unknown_names(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	socketmap_server_default_map(f.server, handle_echo, &f);
	fd = client_connect(&f);
	client_ask(fd, "other x");
	client_expect(&f, fd, "4:OK x,");
	assert_string_equal(f.last_map, "other");
	socketmap_server_default_map(f.server, NULL, NULL);
	client_ask(fd, "other x");
	client_expect(&f, fd, "21:PERM Unknown map name,");
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_second_handler_for_a_map_replaces_the_first(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(
	    socketmap_server_map(f.server, "echo", handle_bytes, &f), 0);
	fd = client_connect(&f);
	client_ask(fd, "echo 3");
	client_expect(&f, fd, "6:OK xxx,");
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_key_keeps_every_byte(void **state)
{
	struct fixture f;
	char frame[300];
	char want[300];
	char got[300];
	size_t have = 0;
	size_t n = 0;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	n = (size_t)snprintf(frame, sizeof frame, "261:echo ");
	memcpy(want, "259:OK ", 7);
	for (int i = 0; i < 256; i++) {
		frame[n + (size_t)i] = (char)i;
		want[7 + i] = (char)i;
	}
	frame[n + 256] = ',';
	want[7 + 256] = ',';
	client_send(fd, frame, n + 257);
	while (have < 7 + 257) {
		ssize_t r = client_read(&f, fd, got + have, sizeof got - have);

		assert_true(r > 0);
		have += (size_t)r;
	}
	assert_memory_equal(got, want, 7 + 257);
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_stream_may_be_split_anywhere(void **state)
{
	static const char stream[] = "8:echo one,4:echo,8:echo two,";
	static const char want[] =
	    "6:OK one,27:PERM Invalid request format,6:OK two,";
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	for (size_t i = 0; i < sizeof stream; i++) {
		client_send(fd, stream, i);
		fixture_settle(&f);
		client_send(fd, stream + i, sizeof stream - 1 - i);
		client_expect(&f, fd, want);
	}
	for (size_t i = 0; i < sizeof stream - 1; i++) {
		client_send(fd, stream + i, 1);
		fixture_settle(&f);
	}
	client_expect(&f, fd, want);
	assert_int_equal(socketmap_server_idle(f.server), 1);
	(void)close(fd);
	fixture_fini(&f);
}

static void
a_reply_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	struct fixture f;
	char *want = malloc(100020);
	int n;
	int fd;

	(void)state;
	assert_non_null(want);
	fixture_init(&f);
	fixture_start(&f);
	fd = client_connect(&f);
	client_ask(fd, "bytes 99997");
	n = snprintf(want, 100020, "100000:OK ");
	memset(want + n, 'x', 99997);
	memcpy(want + n + 99997, ",", 2);
	client_expect(&f, fd, want);
	assert_int_equal(f.last_status, SOCKETMAP_OK);
	client_ask(fd, "bytes 99998");
	client_expect(&f, fd, "26:PERM The reply is too long,");
	assert_int_equal(f.last_status, SOCKETMAP_PERM);
	(void)close(fd);
	free(want);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_gets_its_reply),
		cmocka_unit_test(a_default_map_answers_for_unknown_names),
		cmocka_unit_test(a_second_handler_for_a_map_replaces_the_first),
		cmocka_unit_test(a_key_keeps_every_byte),
		cmocka_unit_test(a_stream_may_be_split_anywhere),
		cmocka_unit_test(
		    a_reply_may_be_as_long_as_the_limit_and_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
