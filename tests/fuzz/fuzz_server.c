/*
 * A client's bytes through a whole socketmap server, on one loop: whatever
 * comes, what is sent back is whole replies, and nobody else is disturbed.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend/socketmap/protocol.h"
#include "frontend/socketmap/socketmap.h"
#include "tests/fuzz/fuzz.h"

#define QUERY_MAX 200
#define REPLIES_MAX (1 << 20)

static uv_loop_t loop;
static struct socketmap_server *server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void
on_echo(struct socketmap_request *request, void *arg)
{
	size_t len;
	const char *key = socketmap_request_key(request, &len);

	(void)arg;
	socketmap_reply(request, SOCKETMAP_OK, key, len);
}

static void
start(void)
{
	struct socketmap_options options;

	if (server != NULL)
		return;
	(void)snprintf(address.sun_path, sizeof address.sun_path,
	    "/tmp/fuzz-server-%ld", (long)getpid());
	socketmap_options_init(&options);
	options.query_bytes_max = QUERY_MAX;
	options.pipeline_max = 8;
	fuzz_check(uv_loop_init(&loop) == 0);
	fuzz_check(socketmap_server_new(&server, &loop, &options) == 0);
	fuzz_check(socketmap_server_map(server, "echo", on_echo, NULL) == 0);
	fuzz_check(socketmap_server_listen_unix(
		       server, address.sun_path, 0600, -1, -1) == 0);
}

static int
dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	fuzz_check(fd >= 0);
	fuzz_check(connect(fd, (const struct sockaddr *)&address,
		       sizeof address) == 0);
	return fd;
}

/* Turn the loop until the server has closed the connection. */
static size_t
read_to_end(int fd, char *out, size_t cap)
{
	size_t len = 0;

	for (int turns = 0; turns < 10000; turns++) {
		ssize_t n = read(fd, out + len, cap - len);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return len;
		if (n > 0)
			len += (size_t)n;
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
	fuzz_fail("the connection ends");
}

static void
check_replies(struct slice in)
{
	struct slice text;
	struct reply reply;
	size_t used;

	while (in.len > 0) {
		if (netstring_decode(in, REPLIES_MAX, &text, &used) !=
		    NETSTRING_OK)
			return; /* cut off by the end of the connection */
		fuzz_check(protocol_parse_reply(text, &reply));
		in.ptr += used;
		in.len -= used;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[REPLIES_MAX];
	struct slice in = fuzz_input(data, size);
	size_t piece;
	int fd;

	start();
	fd = dial();
	piece = (size_t)fuzz_choice(&in) + 1;
	while (in.len > 0) {
		ssize_t n = send(
		    fd, in.ptr, piece < in.len ? piece : in.len, MSG_NOSIGNAL);

		if (n < 0)
			break; /* the server has had enough */
		in.ptr += n;
		in.len -= (size_t)n;
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
	(void)shutdown(fd, SHUT_WR);
	check_replies((struct slice){ out, read_to_end(fd, out, sizeof out) });
	(void)close(fd);
	for (int turns = 0; socketmap_server_connections(server) > 0; turns++) {
		fuzz_check(turns < 1000);
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
	return 0;
}
