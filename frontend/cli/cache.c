#include <stdio.h>

#include "common/quote.h"
#include "frontend/cli/admin_client.h"
#include "frontend/cli/asker.h"
#include "frontend/cli/cache_look.h"
#include "frontend/cli/command.h"
#include "frontend/cli/rpc_client.h"

#define TIMEOUT_MS 5000
#define SHOWN_MAX 200

static const char help[] =
    "Usage: userli-bridge cache flush [MAP [KEY]] [--addr URL] "
    "[--timeout DURATION]\n"
    "       userli-bridge cache stat [--json] [--admin SOCKET]\n"
    "       userli-bridge cache get MAP KEY [--json] [--admin SOCKET]\n"
    "\n"
    "flush has a backend forget its answers: all, those of MAP (alias, "
    "domain,\n"
    "mailbox, senders), or the one for KEY in MAP.  MAP 'all' with a KEY "
    "forgets that\n"
    "address in all maps.  The backend tells those of its BACKEND_PEERS, "
    "which forget\n"
    "the same.  stat counts what a backend remembers; get shows what it "
    "remembers of\n"
    "KEY, over its admin socket, since that is an address.\n"
    "\n"
    "  --addr URL      flush: tcp://host:port, tls+tcp://host:port (with\n"
    "                  RPC_TLS_CERT, RPC_TLS_KEY and RPC_TLS_CA in the\n"
    "                  environment) or ipc:///path (default\n"
    "                  " ASKER_BACKEND_ADDRESS ")\n"
    "  --timeout D     flush: the longest to wait (default 5s)\n"
    "  --admin SOCKET  stat, get: the backend's admin socket (default\n"
    "                  " ADMIN_CLIENT_BACKEND ")\n"
    "  --json          stat, get: as JSON\n"
    "\n"
    "Exit status: 0 done, for get: remembered, 1 not remembered, 75 no answer "
    "in\n"
    "time, 69 not reached or refused, 64 usage.  A KEY that starts with '-' "
    "goes\n"
    "after '--'.\n";

/* --- The command line ---------------------------------------------------- */

static bool
read_map(const struct command *self, const char *name, struct rpc_call *call)
{
	char shown[QUOTE_SIZE];

	if (strcmp(name, "all") == 0)
		return true;
	call->map = slice_of(name);
	if (lookup_map_of(call->map) != LOOKUP_MAPS)
		return true;
	(void)command_usage(self,
	    "%s is no map; the maps are alias, domain, mailbox, senders and "
	    "all",
	    quote_value(call->map, shown));
	return false;
}

/* From "flush [MAP [KEY]]"; false is a usage error. */
static bool
read_operands(const struct command *self, int count, char *const operands[],
    struct rpc_call *call)
{
	char shown[QUOTE_SIZE];

	if (count == 0) {
		(void)command_usage(
		    self, "what to do is missing: stat, get or flush");
		return false;
	}
	if (strcmp(operands[0], "flush") != 0) {
		(void)command_usage(self, "%s is none of stat, get and flush",
		    quote_value(slice_of(operands[0]), shown));
		return false;
	}
	if (count > 3) {
		(void)command_usage(self, "one map and one key at a time");
		return false;
	}
	if (count > 1 && !read_map(self, operands[1], call))
		return false;
	if (count < 3)
		return true;
	call->key = slice_of(operands[2]);
	if (call->key.len > 0 && call->key.len <= LOOKUP_KEY_MAX)
		return true;
	/* An empty key would mean all of them. */
	(void)command_usage(self,
	    call->key.len == 0 ? "the key is empty; leave it out for all keys"
			       : "the key is too long");
	return false;
}

/* --- The answer ---------------------------------------------------------- */

static enum command_exit
report(const struct rpc_client *client, const struct lookup_result *answer)
{
	char name[RPC_BACKEND_NAME_MAX + 1];
	char text[SHOWN_MAX];

	(void)command_printable(rpc_client_backend(client), name, sizeof name);
	(void)command_printable(answer->data, text, sizeof text);
	switch (answer->outcome) {
	case LOOKUP_OK:
		(void)printf("%s %s flushed by %s; it tells its "
			     "BACKEND_PEERS to do the same\n",
		    text, strcmp(text, "1") == 0 ? "entry" : "entries", name);
		return COMMAND_OK;
	case LOOKUP_UNIMPLEMENTED:
		command_complain("cache: %s is of an older version, which "
				 "remembers nothing",
		    name);
		return COMMAND_UNAVAILABLE;
	case LOOKUP_PERM:
		command_complain("cache: %s refuses: %s", name, text);
		return COMMAND_UNAVAILABLE;
	default:
		command_complain("cache: %s: %s %s", name,
		    lookup_outcome_name(answer->outcome), text);
		return COMMAND_TEMPORARY;
	}
}

static enum command_exit
run(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { "addr", "timeout", "admin",
		"json", NULL };
	struct command_options options = {
		.address = ASKER_BACKEND_ADDRESS,
		.timeout_ms = TIMEOUT_MS,
	};
	struct rpc_call call = { .method = RPC_PURGE, .relay = true };
	struct lookup_result answer;
	struct rpc_client *client;
	enum rpc_client_status got;
	enum command_exit status;
	struct error error;
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (argc > at && cache_look_is(argv[at]))
		return cache_look(self, &options, argc - at, argv + at);
	if (!read_operands(self, argc - at, argv + at, &call))
		return COMMAND_USAGE;
	client = rpc_client_new(options.address, options.timeout_ms, &error);
	if (client == NULL)
		return command_usage(self, "--addr: %s", error.text);
	got = rpc_client_call(client, &call, &answer, &error);
	if (got == RPC_CLIENT_OK) {
		status = report(client, &answer);
	} else {
		command_complain("cache: %s", error.text);
		status = got == RPC_CLIENT_TIMEOUT ? COMMAND_TEMPORARY
						   : COMMAND_UNAVAILABLE;
	}
	rpc_client_free(client);
	return status;
}

const struct command command_cache = {
	.name = "cache",
	.summary = "see what a backend remembers, or have all forget it",
	.help = help,
	.run = run,
};
