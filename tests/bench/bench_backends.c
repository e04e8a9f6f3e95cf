/*
 * bench_backends - a number of backends that know every answer
 *
 *   bench-backends COUNT
 *
 * Each listens on a port of its own and answers every lookup with OK and its
 * key, and every health call with OK.  What a frontend's pool costs is then not
 * hidden by what backends do.  Replies go the way of a backend's (exchange.h):
 * nng drops what it cannot queue for a connection.  Prints their urls,
 * separated by commas.
 */
#include <stdio.h>
#include <stdlib.h>

#include "backend/exchange.h"
#include "common/nngsock.h"
#include "common/rpc.h"

#define COUNT_MAX 100

struct echo {
	struct outbox outbox;
	struct metrics_counter sent, dropped;
	struct rpc_reader *reader; /* they share one */
};

static void
on_message(void *arg, struct slice header, struct slice body)
{
	struct echo *e = arg;
	const struct rpc_call *calls;
	struct exchange *exchange;
	size_t count;

	if (rpc_read_calls(e->reader, body, &calls, &count) != RPC_OK)
		return;
	exchange =
	    exchange_open(&e->outbox, header, rpc_reader_merges(e->reader));
	for (size_t i = 0; i < count; i++) {
		const struct lookup_result result = {
			.outcome = LOOKUP_OK,
			.source = LOOKUP_CACHED,
			.data = calls[i].key,
		};

		exchange_hold(exchange);
		exchange_add(&e->outbox, exchange, calls[i].id, &result);
	}
	exchange_close(&e->outbox, exchange);
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
		outbox_init(&e->outbox, uv_default_loop(), SLICE("echo"),
		    &e->sent, &e->dropped);
		e->outbox.socket = nngsock_listen(uv_default_loop(), &url, 1,
		    NULL, RPC_FRAME_MAX, &events, &error);
		if (e->outbox.socket == NULL) {
			(void)fprintf(stderr, "%s\n", error.text);
			return 1;
		}
		printf("%stcp://127.0.0.1:%u", i > 0 ? "," : "",
		    (unsigned)nngsock_port(e->outbox.socket, 0));
	}
	printf("\n");
	(void)fflush(stdout);
	(void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	return 0;
}
