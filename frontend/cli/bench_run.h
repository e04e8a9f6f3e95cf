/*
 * bench_run - a benchmark from its first connection to its last answer
 *
 * Connects all clients, asks for a while that is not counted, measures, and
 * waits for what is under way.  Closed loop: each client asks again as soon as
 * it is answered.  Open loop: requests are due at a steady rate, whatever the
 * answers do, and timed from when they were due, so that a server that stalls
 * cannot hide it by being asked less.  Runs a loop of its own.
 */
#ifndef FRONTEND_CLI_BENCH_RUN_H
#define FRONTEND_CLI_BENCH_RUN_H

#include <netdb.h>

#include "frontend/cli/bench_figures.h"
#include "frontend/cli/bench_plan.h"

struct bench_run_options {
	const char *address; /* for error texts */
	/* Whom to connect to: a UNIX socket, or the first of a list that
	 * answers. */
	const char *path;
	const struct addrinfo *addresses;
	size_t connections;
	size_t pipeline;
	uint64_t duration_ms; /* 0: until count is asked, or for ever */
	uint64_t count;       /* 0: until the duration is over */
	uint64_t warmup_ms;
	uint64_t timeout_ms; /* of one request */
	double rate;         /* a second; 0: closed loop */
	bool live;           /* a line on standard error, twice a second */
};

/*
 * SIGINT and SIGTERM end the measuring early.  False with the reason in *error
 * when nobody could be reached, or not any more.  *unsent is how many requests
 * of an open loop were due and not sent.
 */
bool bench_run(const struct bench_run_options *options, struct bench_plan *plan,
    struct bench_figures *figures, uint64_t *unsent, struct error *error)
    __attribute__((warn_unused_result));

#endif
