#include <stdio.h>
#include <uv.h>

#include "frontend/cli/asker.h"
#include "frontend/cli/command.h"
#include "frontend/cli/rpc_client.h"

#define TIMEOUT_MS 5000

static const char help[] =
    "Usage: userli-bridge ping [--addr URL] [--timeout DURATION]\n"
    "\n"
    "Asks a backend whether it takes lookups, over the connection that a\n"
    "frontend would use, and prints its name, its state and the time it took.\n"
    "\n"
    "  --addr URL   tcp://host:port or ipc:///path (default\n"
    "               " ASKER_BACKEND_ADDRESS ")\n"
    "  --timeout D  the longest to wait (default 5s)\n"
    "\n"
    "Exit status: 0 it does, 75 it is busy, draining or silent, 69 not "
    "reached,\n"
    "64 usage.\n";

static enum command_exit
report(const struct rpc_client *client, const char *address,
    const struct lookup_result *answer, uint64_t took_us)
{
	char name[RPC_BACKEND_NAME_MAX + 1];
	char reason[200];

	(void)printf("%s %s: %s%s%s (%.1f ms)\n", address,
	    command_printable(rpc_client_backend(client), name, sizeof name),
	    lookup_outcome_name(answer->outcome),
	    answer->data.len > 0 ? " " : "",
	    command_printable(answer->data, reason, sizeof reason),
	    (double)took_us / 1000);
	switch (answer->outcome) {
	case LOOKUP_OK:
		return COMMAND_OK;
	case LOOKUP_PERM:
	case LOOKUP_UNIMPLEMENTED:
		return COMMAND_UNAVAILABLE;
	default:
		return COMMAND_TEMPORARY;
	}
}

static enum command_exit
run(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { "addr", "timeout", NULL };
	struct command_options options = {
		.address = ASKER_BACKEND_ADDRESS,
		.timeout_ms = TIMEOUT_MS,
	};
	struct rpc_call call = { .method = RPC_HEALTH };
	struct lookup_result answer;
	struct rpc_client *client;
	enum rpc_client_status got;
	enum command_exit status;
	struct error error;
	uint64_t start;
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (at < argc)
		return command_usage(
		    self, "no operand is expected; the URL goes after --addr");
	client = rpc_client_new(options.address, options.timeout_ms, &error);
	if (client == NULL)
		return command_usage(self, "--addr: %s", error.text);
	start = uv_hrtime();
	got = rpc_client_call(client, &call, &answer, &error);
	if (got == RPC_CLIENT_OK) {
		status = report(client, options.address, &answer,
		    (uv_hrtime() - start) / 1000);
	} else {
		command_complain("%s", error.text);
		status = got == RPC_CLIENT_TIMEOUT ? COMMAND_TEMPORARY
						   : COMMAND_UNAVAILABLE;
	}
	rpc_client_free(client);
	return status;
}

const struct command command_ping = {
	.name = "ping",
	.summary = "ask a backend whether it takes lookups",
	.help = help,
	.run = run,
};
