#include "socketmap_fixture.h"

#include <pthread.h>

/*
 * A server that says what the test wants: each string answers one request, a
 * NULL closes the connection, and after the last entry it closes for good.
 */
struct script {
	const char *const *lines;
	size_t count;
	int listener;
	char address[32];
	pthread_t thread;
	size_t connections; /* read after script_stop() */
};

static void *
play(void *arg)
{
	struct script *s = arg;
	char byte;
	int fd = -1;

	for (size_t i = 0; i < s->count; i++) {
		const char *line = s->lines[i];
		char last = 0;

		if (fd < 0) {
			fd = accept(s->listener, NULL, NULL);
			s->connections++;
		}
		/* A request ends at its first ','. */
		while (last != ',' && recv(fd, &byte, 1, 0) == 1)
			last = byte;
		if (line != NULL) {
			(void)send(fd, line, strlen(line), MSG_NOSIGNAL);
			continue;
		}
		(void)close(fd);
		fd = -1;
	}
	if (fd >= 0) {
		(void)shutdown(fd, SHUT_WR);
		while (recv(fd, &byte, 1, 0) > 0)
			;
		(void)close(fd);
	}
	return NULL;
}

static void
script_start(struct script *s, const char *const *lines, size_t count)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;

	*s = (struct script){ .lines = lines, .count = count };
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(s->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(
	    getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
	(void)snprintf(s->address, sizeof s->address, "127.0.0.1:%hu",
	    ntohs(address.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, play, s), 0);
}

/* Once the client has gone. */
static void
script_stop(struct script *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	(void)close(s->listener);
}

static struct socketmap_client *
client_for(const char *address, uint64_t timeout_ms)
{
	struct socketmap_client *client;

	assert_int_equal(socketmap_client_new(&client, address, timeout_ms), 0);
	return client;
}

static void
each_reply_becomes_its_answer(void **state)
{
	static const char *const lines[] = { "6:OK a,b,", "9:NOTFOUND ,",
		"8:NOTFOUND,", "7:TEMP x ,", "12:TIMEOUT slow,", "7:PERM no,",
		"3:OK ," };
	static const struct {
		enum socketmap_status status;
		const char *data;
	} want[] = { { SOCKETMAP_OK, "a,b" }, { SOCKETMAP_NOTFOUND, "" },
		{ SOCKETMAP_NOTFOUND, "" }, { SOCKETMAP_TEMP, "x " },
		{ SOCKETMAP_TIMEOUT, "slow" }, { SOCKETMAP_PERM, "no" },
		{ SOCKETMAP_OK, "" } };
	struct socketmap_client *client;
	struct socketmap_answer got;
	struct script script;

	(void)state;
	script_start(&script, lines, sizeof lines / sizeof lines[0]);
	client = client_for(script.address, WAIT_MS);
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
		assert_int_equal(
		    socketmap_client_lookup(client, "m", "k", 1, &got), 0);
		assert_int_equal(got.status, want[i].status);
		assert_string_equal(got.data, want[i].data);
		assert_int_equal(got.len, strlen(want[i].data));
	}
	socketmap_client_free(client);
	script_stop(&script);
	assert_int_equal(script.connections, 1);
}

static void
a_reply_that_is_not_socketmap_is_an_error(void **state)
{
	static const struct {
		const char *line; /* NULL: closes without a reply */
		int error;
	} cases[] = {
		{ "HTTP/1.1 400 Bad Request\r\n", UV_EPROTO },
		{ "2:ab,", UV_EPROTO },
		{ "4:OK x;", UV_EPROTO },
		{ "4:OK x,4:OK y,", UV_EPROTO },
		{ "100001:OK ", UV_EMSGSIZE },
		{ "10:OK ", UV_EOF },
		{ NULL, UV_EOF },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct socketmap_client *client;
		struct socketmap_answer got;
		struct script script;
		int error;

		script_start(&script, &cases[i].line, 1);
		client = client_for(script.address, WAIT_MS);
		error = socketmap_client_lookup(client, "m", "k", 1, &got);
		if (error != cases[i].error)
			fail_msg("case %zu: got %s", i, uv_strerror(error));
		socketmap_client_free(client);
		script_stop(&script);
	}
}

static void
a_connection_that_was_closed_meanwhile_is_made_anew_once(void **state)
{
	/* Answer, close on the second request, answer it the second time. */
	static const char *const lines[] = { "4:OK 1,", NULL, "4:OK 2,", NULL,
		NULL };
	struct socketmap_client *client;
	struct socketmap_answer got;
	struct script script;

	(void)state;
	script_start(&script, lines, sizeof lines / sizeof lines[0]);
	client = client_for(script.address, WAIT_MS);
	assert_int_equal(socketmap_client_lookup(client, "m", "k", 1, &got), 0);
	assert_string_equal(got.data, "1");
	assert_int_equal(socketmap_client_lookup(client, "m", "k", 1, &got), 0);
	assert_string_equal(got.data, "2");
	/* Closed twice in a row is the server's word. */
	assert_int_equal(
	    socketmap_client_lookup(client, "m", "k", 1, &got), UV_EOF);
	socketmap_client_free(client);
	script_stop(&script);
	assert_int_equal(script.connections, 3);
}

static void
a_server_that_says_nothing_times_out(void **state)
{
	struct socketmap_client *client;
	struct socketmap_answer got;
	struct fixture f; /* listens, and its loop is never turned */
	char address[32];

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	(void)snprintf(address, sizeof address, "127.0.0.1:%hu", f.port);
	client = client_for(address, 30);
	assert_int_equal(
	    socketmap_client_lookup(client, "m", "k", 1, &got), UV_ETIMEDOUT);
	socketmap_client_free(client);
	fixture_fini(&f);
}

static void
nobody_there_is_a_refused_connection(void **state)
{
	struct socketmap_client *client;
	struct socketmap_answer got;
	struct fixture f;
	char address[32];

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	(void)snprintf(address, sizeof address, "127.0.0.1:%hu", f.port);
	fixture_fini(&f);
	client = client_for(address, WAIT_MS);
	assert_int_equal(socketmap_client_lookup(client, "m", "k", 1, &got),
	    UV_ECONNREFUSED);
	socketmap_client_free(client);
	client = client_for("/nonexistent/socket", WAIT_MS);
	assert_int_equal(
	    socketmap_client_lookup(client, "m", "k", 1, &got), UV_ENOENT);
	socketmap_client_free(client);
}

static void
what_cannot_be_asked_is_refused(void **state)
{
	struct socketmap_client *client;
	struct socketmap_answer got;
	char *key = malloc(SOCKETMAP_QUERY_BYTES_MAX);

	(void)state;
	assert_non_null(key);
	assert_int_equal(
	    socketmap_client_new(&client, "host:1:2", 0), UV_EINVAL);
	client = client_for("127.0.0.1:1", WAIT_MS);
	memset(key, 'x', SOCKETMAP_QUERY_BYTES_MAX);
	assert_int_equal(
	    socketmap_client_lookup(client, "", "k", 1, &got), UV_EINVAL);
	assert_int_equal(
	    socketmap_client_lookup(client, "a b", "k", 1, &got), UV_EINVAL);
	assert_int_equal(socketmap_client_lookup(client, "m", key,
			     SOCKETMAP_QUERY_BYTES_MAX - 1, &got),
	    UV_E2BIG);
	socketmap_client_free(client);
	free(key);
}

static void *
run_server(void *arg)
{
	return (void *)(intptr_t)socketmap_server_run(arg, WAIT_MS);
}

static void
client_and_server_agree_up_to_their_limits(void **state)
{
	enum {
		MAX = SOCKETMAP_QUERY_BYTES_MAX - 5
	}; /* "echo " */
	char directory[] = "/tmp/test-socketmap-XXXXXX";
	char path[sizeof directory + 16];
	struct socketmap_server *server;
	struct socketmap_client *client;
	struct socketmap_answer got;
	struct fixture f; /* only counts */
	char *key = malloc(MAX);
	pthread_t thread;

	(void)state;
	assert_non_null(key);
	memset(&f, 0, sizeof f);
	for (size_t i = 0; i < MAX; i++)
		key[i] = (char)(i * 7);
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof path, "%s/socket", directory);
	assert_int_equal(socketmap_server_new(&server, NULL, NULL), 0);
	assert_int_equal(
	    socketmap_server_map(server, "echo", handle_echo, &f), 0);
	assert_int_equal(
	    socketmap_server_listen_unix(server, path, 0600, -1, -1), 0);
	assert_int_equal(pthread_create(&thread, NULL, run_server, server), 0);
	client = client_for(path, WAIT_MS);
	for (size_t len = 0; len <= MAX; len = len * 3 + 1) {
		assert_int_equal(
		    socketmap_client_lookup(client, "echo", key, len, &got), 0);
		assert_int_equal(got.status, SOCKETMAP_OK);
		assert_int_equal(got.len, len);
		assert_memory_equal(got.data, key, len);
		assert_int_equal(got.data[len], '\0');
	}
	assert_int_equal(
	    socketmap_client_lookup(client, "echo", key, MAX, &got), 0);
	assert_int_equal(got.len, MAX);
	socketmap_client_free(client);
	socketmap_server_stop(server);
	assert_int_equal(pthread_join(thread, NULL), 0);
	socketmap_server_free(server);
	assert_int_equal(rmdir(directory), 0);
	free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reply_becomes_its_answer),
		cmocka_unit_test(a_reply_that_is_not_socketmap_is_an_error),
		cmocka_unit_test(
		    a_connection_that_was_closed_meanwhile_is_made_anew_once),
		cmocka_unit_test(a_server_that_says_nothing_times_out),
		cmocka_unit_test(nobody_there_is_a_refused_connection),
		cmocka_unit_test(what_cannot_be_asked_is_refused),
		cmocka_unit_test(client_and_server_agree_up_to_their_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
