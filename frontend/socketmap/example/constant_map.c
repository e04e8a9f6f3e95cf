/*
 * constant_map - a small socketmap server
 *
 *   socketmap-example [ADDRESS | /PATH] ...
 *   postmap -q KEY socketmap:inet:127.0.0.1:27823:colour
 *
 * Serves two maps, "colour" with three keys and "echo" whose value is the key,
 * and answers NOTFOUND for every other map.  Without arguments it listens on
 * 127.0.0.1:27823.  It prints where it listens, one line each; ^C stops it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <socketmap.h>

static const char *const colours[][2] = {
	{ "sky", "blue" },
	{ "grass", "green" },
	{ "sun", "yellow" },
};

static struct socketmap_server *server;

/* Handles of one's own may live on the server's loop. */
static uv_signal_t signals[2];

static void
on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	(void)number;
	socketmap_server_stop(server);
}

static void
watch_signals(void)
{
	static const int numbers[2] = { SIGINT, SIGTERM };

	for (int i = 0; i < 2; i++) {
		(void)uv_signal_init(
		    socketmap_server_loop(server), &signals[i]);
		(void)uv_signal_start(&signals[i], on_signal, numbers[i]);
	}
}

static void
colour(struct socketmap_request *request, void *arg)
{
	size_t len;
	const char *key = socketmap_request_key(request, &len);

	(void)arg;
	for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
		const char *value = colours[i][1];

		/* A key may hold any byte, and ends without a NUL. */
		if (strlen(colours[i][0]) == len &&
		    memcmp(colours[i][0], key, len) == 0) {
			socketmap_reply(
			    request, SOCKETMAP_OK, value, strlen(value));
			return;
		}
	}
	socketmap_reply(request, SOCKETMAP_NOTFOUND, NULL, 0);
}

static void
echo(struct socketmap_request *request, void *arg)
{
	size_t len;
	const char *key = socketmap_request_key(request, &len);

	(void)arg;
	socketmap_reply(request, SOCKETMAP_OK, key, len);
}

static void
not_found(struct socketmap_request *request, void *arg)
{
	(void)arg;
	socketmap_reply(request, SOCKETMAP_NOTFOUND, NULL, 0);
}

static int
listen_on(const char *address)
{
	uint16_t port;
	int error;

	if (address[0] == '/') {
		error =
		    socketmap_server_listen_unix(server, address, 0666, -1, -1);
		if (error == 0)
			printf("listening on %s\n", address);
	} else {
		error = socketmap_server_listen_tcp(server, address, &port);
		if (error == 0)
			printf("listening on %s, port %u\n", address,
			    (unsigned)port);
	}
	if (error != 0)
		fprintf(stderr, "%s: %s\n", address, uv_strerror(error));
	(void)fflush(stdout);
	return error;
}

int
main(int argc, char **argv)
{
	int error = socketmap_server_new(&server, NULL, NULL);

	if (error != 0) {
		fprintf(stderr, "%s\n", uv_strerror(error));
		return 1;
	}
	watch_signals();
	error = socketmap_server_map(server, "colour", colour, NULL);
	if (error == 0)
		error = socketmap_server_map(server, "echo", echo, NULL);
	if (error != 0)
		fprintf(stderr, "%s\n", uv_strerror(error));
	socketmap_server_default_map(server, not_found, NULL);
	for (int i = 1; i < argc && error == 0; i++)
		error = listen_on(argv[i]);
	if (argc < 2 && error == 0)
		error = listen_on("127.0.0.1");
	if (error == 0)
		error = socketmap_server_run(server, 5000);
	for (int i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&signals[i], NULL);
	socketmap_server_free(server);
	return error == 0 ? 0 : 1;
}
