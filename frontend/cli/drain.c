#include <stdio.h>

#include "common/quote.h"
#include "frontend/cli/admin_client.h"

static const char drain_help[] =
    "Usage: userli-bridge drain WHO\n"
    "\n"
    "Has a daemon finish what it has and take no more work, as SIGTERM does, "
    "but\n"
    "stay: it is not ready until 'userli-bridge resume WHO'.  A frontend "
    "closes its\n"
    "sockets, a backend has frontends ask the others.\n"
    "\n" ADMIN_CLIENT_WHO "\n"
    "Exit status: 0 done, 75 not now, 69 not reached or not allowed, 64 "
    "usage.\n";

static const char resume_help[] =
    "Usage: userli-bridge resume WHO\n"
    "\n"
    "Has a daemon that was drained take work again.\n"
    "\n" ADMIN_CLIENT_WHO "\n"
    "Exit status: 0 done, 75 not now, 69 not reached or not allowed, 64 "
    "usage.\n";

static const char level_help[] =
    "Usage: userli-bridge log-level WHO [LEVEL]\n"
    "\n"
    "Shows what a daemon logs from, or sets it at once: debug, info, warn or\n"
    "error.  A restart brings LOG_LEVEL back.\n"
    "\n" ADMIN_CLIENT_WHO "\n"
    "Exit status: 0 done, 69 not reached or not allowed, 64 usage.\n";

/* The socket of the first operand, or NULL with *status. */
static const char *
socket_of(
    const struct command *self, const char *who, enum command_exit *status)
{
	const char *socket = admin_client_socket(who);
	char shown[QUOTE_SIZE];

	if (socket == NULL)
		*status = command_usage(self,
		    "%s is neither frontend nor backend nor a path with a /",
		    quote_value(slice_of(who), shown));
	return socket;
}

static enum command_exit
run_simple(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { NULL };
	struct command_options options = { 0 };
	enum command_exit status;
	const char *socket;
	char path[32];
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (argc - at != 1)
		return command_usage(self,
		    "one daemon is needed: frontend, backend or the path of "
		    "its admin socket");
	socket = socket_of(self, argv[at], &status);
	if (socket == NULL)
		return status;
	(void)snprintf(path, sizeof path, "/%s", self->name);
	return admin_client_ask(socket, "POST", path, SLICE(""), NULL);
}

static enum command_exit
show_level(const char *socket)
{
	json_t *json;
	enum command_exit status =
	    admin_client_ask(socket, "GET", "/log-level", SLICE(""), &json);

	if (status != COMMAND_OK)
		return status;
	(void)printf("%s\n", json_text(json, "level"));
	json_decref(json);
	return COMMAND_OK;
}

static enum command_exit
run_level(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { NULL };
	struct command_options options = { 0 };
	enum command_exit status;
	const char *socket;
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (argc - at < 1 || argc - at > 2)
		return command_usage(
		    self, "a daemon is needed, and at most one level");
	socket = socket_of(self, argv[at], &status);
	if (socket == NULL)
		return status;
	if (argc - at == 1)
		return show_level(socket);
	return admin_client_ask(
	    socket, "POST", "/log-level", slice_of(argv[at + 1]), NULL);
}

const struct command command_drain = {
	.name = "drain",
	.summary = "have a daemon take no more work, but stay",
	.help = drain_help,
	.run = run_simple,
};

const struct command command_resume = {
	.name = "resume",
	.summary = "have a drained daemon take work again",
	.help = resume_help,
	.run = run_simple,
};

const struct command command_log_level = {
	.name = "log-level",
	.summary = "show or set what a daemon logs",
	.help = level_help,
	.run = run_level,
};
