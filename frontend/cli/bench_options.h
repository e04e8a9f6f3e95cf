/*
 * bench_options - the command line of "userli-bridge bench"
 *
 * Reads all of it, the files that it names included, before anything is sent.
 */
#ifndef FRONTEND_CLI_BENCH_OPTIONS_H
#define FRONTEND_CLI_BENCH_OPTIONS_H

#include "common/endpoint.h"
#include "frontend/cli/bench_plan.h"
#include "frontend/cli/bench_run.h"
#include "frontend/cli/command.h"

#define BENCH_CONNECTIONS_MAX 100000
#define BENCH_PIPELINE_MAX 10000
#define BENCH_KEY_OPTIONS_MAX 16

/* One --key or --keys. */
struct bench_key_option {
	const char *text; /* the pattern or the path */
	bool is_file;
	char map[BENCH_MAP_NAME_MAX + 1]; /* empty: of every map without one */
};

struct bench_options {
	struct bench_run_options run;
	struct endpoint endpoint;
	char address[ENDPOINT_TEXT_MAX];
	bool json;
	bool quiet;
	const char *maps;
	struct bench_key_option keys[BENCH_KEY_OPTIONS_MAX];
	size_t key_count;
	uint64_t first, last; /* of the numbers in patterns */
	enum bench_order order;
	double zipf_s;
	uint64_t seed;
	const char *expect;
};

/*
 * Fill *options and *plan, which bench_plan_fini() frees.  False, with what is
 * wrong on standard error, when the program is to exit with *status; also for
 * --help.
 */
bool bench_options_parse(const struct command *self, int argc,
    char *const argv[], struct bench_options *options, struct bench_plan *plan,
    enum command_exit *status) __attribute__((warn_unused_result));

#endif
