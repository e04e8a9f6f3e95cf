#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/mem.h"
#include "frontend/cli/asker.h"
#include "frontend/cli/bench_options.h"

#define FILES_BESIDE 32 /* descriptors for other things than connections */

static const char help[] =
    "Usage: userli-bridge bench [OPTION...]\n"
    "\n"
    "Asks a socketmap server for keys, as fast as it answers or at a given "
    "rate,\n"
    "and reports rates and latencies.  Any socketmap server will do.\n"
    "\n"
    "  -a, --addr ADDRESS   host:port or /path "
    "(default " ASKER_SOCKETMAP_ADDRESS ")\n"
    "  -c, --connections N  connections (default 1)\n"
    "  -p, --pipeline N     requests under way on each (default 1, as "
    "Postfix)\n"
    "  -d, --duration D     how long to measure (default 10s)\n"
    "  -n, --count N        how many requests to measure\n"
    "      --warmup D       ask for so long before, uncounted (default 0)\n"
    "  -r, --rate R         open loop: R requests a second, whatever the "
    "answers do,\n"
    "                       timed from when they were due\n"
    "      --timeout D      a request that takes longer is lost (default "
    "15s)\n"
    "\n"
    "  -m, --map MAPS       a map, or several with weights: alias=5,domain=3\n"
    "                       (default alias)\n"
    "      --key [MAP=]PATTERN  keys; %d runs over the range (default\n"
    "                       user%d@example.org; example%d.org for domain)\n"
    "      --keys [MAP=]FILE  keys from a file, one a line\n"
    "      --range A-B      numbers for %d (default 0-999); N is 0 to N-1\n"
    "      --random         keys at random; otherwise they come in turn\n"
    "      --zipf S         few keys often, many seldom: the k-th as 1/k^S\n"
    "      --seed N         another sequence of random keys\n"
    "      --expect WHAT    ok, notfound, temp, timeout, perm: what every "
    "answer must\n"
    "                       be; or a file with lines MAP KEY<tab>ANSWER\n"
    "\n"
    "      --json           the report as one line of JSON\n"
    "  -q, --quiet          no live line on the terminal\n"
    "\n"
    "Exit status: 0 done, 1 answers were not as expected, 75 requests had no "
    "answer,\n"
    "69 not reached, 64 usage.\n";

/* One descriptor for each connection; a soft limit can be raised. */
static bool
raise_files(size_t connections)
{
	struct rlimit limit;
	rlim_t want = connections + FILES_BESIDE;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return true;
	if (want <= limit.rlim_max) {
		limit.rlim_cur = want;
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
			return true;
	}
	command_complain(
	    "bench: %zu connections need %llu open files, and %llu are "
	    "allowed; raise 'ulimit -n'",
	    connections, (unsigned long long)want,
	    (unsigned long long)limit.rlim_max);
	return false;
}

static bool
resolve(const struct endpoint *endpoint, struct addrinfo **list)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char port[8];
	int failure;

	(void)snprintf(port, sizeof port, "%u", (unsigned)endpoint->port);
	failure = getaddrinfo(endpoint->host, port, &hints, list);
	if (failure == 0)
		return true;
	command_complain("bench: cannot resolve %s: %s", endpoint->host,
	    gai_strerror(failure));
	return false;
}

static enum command_exit
report(const struct bench_options *options, const struct bench_figures *figures,
    uint64_t unsent)
{
	const struct bench_setting setting = {
		.address = options->address,
		.connections = options->run.connections,
		.pipeline = options->run.pipeline,
		.rate = options->run.rate,
		.unsent = unsent,
	};

	if (options->json)
		bench_figures_print_json(figures, &setting, stdout);
	else
		bench_figures_print(figures, &setting, stdout);
	if (figures->wrong > 0)
		return COMMAND_WRONG;
	return figures->lost > 0 || figures->malformed > 0 ? COMMAND_TEMPORARY
							   : COMMAND_OK;
}

static enum command_exit
run(const struct command *self, int argc, char *const argv[])
{
	enum command_exit status = COMMAND_UNAVAILABLE;
	struct addrinfo *addresses = NULL;
	struct bench_figures *figures;
	struct bench_options options;
	struct bench_plan plan;
	struct error error;
	uint64_t unsent;

	if (!bench_options_parse(self, argc, argv, &options, &plan, &status))
		return status;
	status = COMMAND_UNAVAILABLE;
	figures = mem_calloc(1, sizeof *figures);
	if (options.endpoint.kind == ENDPOINT_UNIX)
		options.run.path = options.endpoint.path;
	else if (!resolve(&options.endpoint, &addresses))
		goto cleanup;
	options.run.addresses = addresses;
	options.run.live = !options.quiet && isatty(STDERR_FILENO) != 0;
	if (!raise_files(options.run.connections))
		goto cleanup;
	if (bench_run(&options.run, &plan, figures, &unsent, &error))
		status = report(&options, figures, unsent);
	else
		command_complain("bench: %s", error.text);

cleanup:
	if (addresses != NULL)
		freeaddrinfo(addresses);
	free(figures);
	bench_plan_fini(&plan);
	return status;
}

const struct command command_bench = {
	.name = "bench",
	.summary = "measure how fast a frontend answers",
	.help = help,
	.run = run,
};
