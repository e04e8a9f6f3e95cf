/*
 * bench_backends - a number of backends that know every answer
 *
 *   bench-backends COUNT
 *
 * Each listens on a port of its own and answers every lookup with OK and its
 * key, and every health call with OK.  What a frontend's pool costs is then not
 * hidden by what backends do.  Prints their urls, separated by commas.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/nngsock.h"
#include "common/rpc.h"

#define COUNT_MAX 100

struct echo {
	struct nngsock *socket;
	struct rpc_reader *reader; /* they share one */
	struct rpc_writer writer;
	struct buffer frame;
};

static void
on_message(void *arg, struct slice header, struct slice body)
{
	struct echo *e = arg;
	const struct rpc_call *calls;
	enum nngsock_sent sent;
	size_t count;

	if (rpc_read_calls(e->reader, body, &calls, &count) != RPC_OK)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct rpc_result result = {
			.id = calls[i].id,
			.lookup = { .outcome = LOOKUP_OK,
			    .source = LOOKUP_CACHED,
			    .data = calls[i].key },
		};

		if (!rpc_add_result(&e->writer, &result))
			exit(1);
	}
	buffer_clear(&e->frame);
	if (!rpc_finish_results(&e->writer, SLICE("echo"), &e->frame))
		exit(1);
	do {
		sent =
		    nngsock_reply(e->socket, header, buffer_slice(&e->frame));
	} while (sent == NNGSOCK_FULL); /* nng's threads will make room */
	if (sent == NNGSOCK_DEAD)
		exit(1);
}

int
main(int argc, char **argv)
{
	static struct echo echoes[COUNT_MAX];
	static const char *const url = "tcp://127.0.0.1:0";
	long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	struct rpc_reader *reader = rpc_reader_new();
	struct error error;

	if (count < 1 || count > COUNT_MAX || reader == NULL) {
		(void)fprintf(
		    stderr, "usage: bench-backends 1-%d\n", COUNT_MAX);
		return 64;
	}
	for (long i = 0; i < count; i++) {
		struct echo *e = &echoes[i];
		const struct nngsock_events events = { on_message, NULL, e };

		e->reader = reader;
		rpc_writer_init(&e->writer);
		buffer_init(&e->frame, RPC_FRAME_MAX);
		e->socket = nngsock_listen(uv_default_loop(), &url, 1, NULL,
		    RPC_FRAME_MAX, &events, &error);
		if (e->socket == NULL) {
			(void)fprintf(stderr, "%s\n", error.text);
			return 1;
		}
		printf("%stcp://127.0.0.1:%u", i > 0 ? "," : "",
		    (unsigned)nngsock_port(e->socket, 0));
	}
	printf("\n");
	(void)fflush(stdout);
	(void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	return 0;
}
