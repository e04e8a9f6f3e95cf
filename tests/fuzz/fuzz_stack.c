/*
 * Bytes to every door of a running frontend and backend
 *
 * Both daemons run in this process, each in a thread, before a stub userli.
 * The first byte of an input chooses the door; the rest goes in as it is.
 * After it, a lookup through both tiers must be answered right.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/backend.h"
#include "common/config.h"
#include "common/service.h"
#include "frontend/frontend.h"
#include "frontend/socketmap/socketmap.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/stub_http.h"

#define PATIENCE_MS 20000
#define ANSWER_MS 5 /* what an answer to garbage is waited for */

enum door {
	DOOR_SOCKETMAP,
	DOOR_FRONTEND_HTTP,
	DOOR_BACKEND_HTTP,
	DOOR_FRAMES,
	DOORS,
};

static uint16_t ports[DOORS];
static int userli_port;
static pthread_barrier_t userli_started;

static uint16_t
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fuzz_check(fd >= 0);
	fuzz_check(bind(fd, (struct sockaddr *)&a, len) == 0);
	fuzz_check(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	(void)close(fd);
	return ntohs(a.sin_port);
}

static int
dial(enum door door)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(ports[door]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	fuzz_check(fd >= 0);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
		if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
			return fd;
		(void)poll(NULL, 0, 10);
	}
	fuzz_fail("the daemon listens");
}

/* --- What runs ----------------------------------------------------------- */

static void
on_request(void *arg, struct stub_connection *connection)
{
	(void)arg;
	stub_reply(connection, "200 OK", "",
	    strstr(connection->request, "/domain/") != NULL
		? "true"
		: "[\"alice@example.org\"]");
}

static void *
run_userli(void *arg)
{
	static uv_loop_t loop;
	static struct stub_http stub;

	(void)arg;
	fuzz_check(uv_loop_init(&loop) == 0);
	stub_http_init(&stub, &loop, on_request, NULL);
	userli_port = stub.port;
	(void)pthread_barrier_wait(&userli_started);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	return NULL;
}

/* Settings that differ from the defaults, then the thread's life. */
static const struct config *
configure(const struct config_program *program, char *settings[])
{
	char *arguments[] = { (char[]){ "daemon" }, NULL };
	struct config *config;
	enum config_action action;
	struct error error;

	if (config_load(program, 1, arguments, settings, &config, &action,
		&error) != CONFIG_OK) {
		(void)fprintf(stderr, "%s\n", error.text);
		abort();
	}
	return config;
}

static void *
run_backend(void *arg)
{
	_exit(backend_run(arg));
}

static void *
run_frontend(void *arg)
{
	_exit(frontend_run(arg));
}

static void
start(void *(*run)(void *arg), const struct config *config)
{
	pthread_t thread;

	fuzz_check(
	    pthread_create(&thread, NULL, run, (void *)(uintptr_t)config) == 0);
	fuzz_check(pthread_detach(thread) == 0);
}

static void
start_stack(void)
{
	char rpc[64], userli[64], backend_http[64], frontend_http[64],
	    socketmap[64], pool[64];
	char quiet[] = "LOG_LEVEL=error";
	char token[] = "USERLI_TOKEN=secret";
	/* It would hold for the fuzzer, which is the same process. */
	char open[] = "SANDBOX=0";
	char *backend[] = { rpc, userli, backend_http, token, quiet, open,
		NULL };
	char *frontend[] = { socketmap, pool, frontend_http, quiet, open,
		NULL };

	for (int i = 0; i < DOORS; i++)
		ports[i] = free_port();
	(void)pthread_barrier_init(&userli_started, NULL, 2);
	start(run_userli, NULL);
	(void)pthread_barrier_wait(&userli_started);
	(void)snprintf(rpc, sizeof rpc, "BACKEND_LISTEN_URL=tcp://127.0.0.1:%u",
	    ports[DOOR_FRAMES]);
	(void)snprintf(userli, sizeof userli,
	    "USERLI_BASE_URL=http://127.0.0.1:%d", userli_port);
	(void)snprintf(backend_http, sizeof backend_http,
	    "METRICS_LISTEN_ADDR=127.0.0.1:%u", ports[DOOR_BACKEND_HTTP]);
	(void)snprintf(frontend_http, sizeof frontend_http,
	    "METRICS_LISTEN_ADDR=127.0.0.1:%u", ports[DOOR_FRONTEND_HTTP]);
	(void)snprintf(socketmap, sizeof socketmap,
	    "SOCKETMAP_LISTEN_ADDR=127.0.0.1:%u", ports[DOOR_SOCKETMAP]);
	(void)snprintf(pool, sizeof pool, "BACKEND_URLS=tcp://127.0.0.1:%u",
	    ports[DOOR_FRAMES]);
	start(run_backend, configure(&backend_program, backend));
	start(run_frontend, configure(&frontend_program, frontend));
}

/* --- What is sent -------------------------------------------------------- */

static void
send_all(int fd, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the daemon has had enough */
		bytes.ptr += n;
		bytes.len -= (size_t)n;
	}
}

/* As a REQ peer over TCP: the greeting, the message's length, its id. */
static void
send_as_frame(int fd, struct slice frame)
{
	static const char greeting[8] = { 0, 'S', 'P', 0, 0, 0x30, 0, 0 };
	size_t len = frame.len + 4;
	char head[12] = { 0 };

	for (int i = 0; i < 8; i++)
		head[i] = (char)(len >> (56 - i * 8));
	head[8] = (char)0x80;
	send_all(fd, (struct slice){ greeting, sizeof greeting });
	send_all(fd, (struct slice){ head, sizeof head });
	send_all(fd, frame);
}

static void
drain_answer(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char bytes[4096];

	while (poll(&wait, 1, ANSWER_MS) > 0 &&
	    recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
}

static void
check_answers(void)
{
	char address[32];
	struct socketmap_client *client;
	struct socketmap_answer answer = { .data = "" };

	(void)snprintf(
	    address, sizeof address, "127.0.0.1:%u", ports[DOOR_SOCKETMAP]);
	fuzz_check(socketmap_client_new(&client, address, PATIENCE_MS) == 0);
	for (int tries = 0;; tries++) {
		fuzz_check(socketmap_client_lookup(client, "alias",
			       "info@example.org", 16, &answer) == 0);
		if (answer.status == SOCKETMAP_OK)
			break;
		/* While both start: nothing else is a reason. */
		fuzz_check(answer.status == SOCKETMAP_TEMP && tries < 100);
		(void)poll(NULL, 0, 50);
	}
	fuzz_check(strcmp(answer.data, "alice@example.org") == 0);
	socketmap_client_free(client);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct slice in = fuzz_input(data, size);
	enum door door = (enum door)(fuzz_choice(&in) % DOORS);
	int fd;

	if (!started)
		start_stack();
	fd = dial(door);
	if (!started)
		check_answers(); /* both are there: from now on every time */
	started = true;
	if (door == DOOR_FRAMES)
		send_as_frame(fd, in);
	else
		send_all(fd, in);
	if (door != DOOR_FRAMES)
		(void)shutdown(fd, SHUT_WR);
	drain_answer(fd);
	(void)close(fd);
	check_answers();
	return 0;
}
