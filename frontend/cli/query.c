#include <stdio.h>
#include <stdlib.h>

#include "common/quote.h"
#include "frontend/cli/admin_client.h"
#include "frontend/cli/asker.h"
#include "frontend/cli/command.h"
#include "frontend/cli/query_explain.h"

/* Longer than the frontend's own limit, so that its reason is seen. */
#define TIMEOUT_MS 15000

static const char help[] =
    "Usage: userli-bridge query MAP KEY [--via socketmap|backend|userli]\n"
    "                           [--addr ADDRESS] [--timeout DURATION]\n"
    "       userli-bridge query MAP - ...\n"
    "       userli-bridge query MAP KEY --explain [--json] [--admin SOCKET] "
    "...\n"
    "\n"
    "Looks KEY up in MAP (alias, domain, mailbox, senders) and prints its\n"
    "value, as 'postmap -q' does.  With '-' the keys are read from standard\n"
    "input, one a line, and 'key<TAB>value' is printed for each that is "
    "found.\n"
    "\n"
    "  --via socketmap  ask a frontend, as Postfix does (the default)\n"
    "  --via backend    ask a backend, as a frontend does\n"
    "  --via userli     have a backend ask userli, whatever it remembers\n"
    "  --explain        show every step, and how long each took\n"
    "  --json           ... as JSON\n"
    "  --admin SOCKET   the frontend's admin socket, which explains "
    "(default\n"
    "                   " ADMIN_CLIENT_FRONTEND ");\n"
    "                   with --via backend or userli a backend at --addr "
    "does,\n"
    "                   unless this is given\n"
    "  --addr ADDRESS   whom to ask: host:port or /path of a frontend "
    "(default\n"
    "                   " ASKER_SOCKETMAP_ADDRESS
    "), tcp://host:port or ipc:///path of a\n"
    "                   backend (default " ASKER_BACKEND_ADDRESS "); one with\n"
    "                   :// implies --via backend\n"
    "  --timeout D      the longest to wait for an answer (default 15s)\n"
    "\n"
    "Exit status: 0 found (with '-': at least one), 1 not found,\n"
    "75 TEMP, TIMEOUT or no answer in time, 69 PERM or not reached, 64 "
    "usage.\n"
    "A reason goes to standard error.  A KEY that starts with '-' goes after "
    "'--'.\n";

/* One run of the command: the map, and what has come of its keys so far. */
struct query {
	struct asker *asker;
	const char *map;
	bool many; /* keys come from standard input */
	bool found;
	bool failed; /* TEMP, TIMEOUT */
	bool broken; /* PERM, unreachable */
};

/* Tell why a key has no answer; for one of many, which. */
static void
explain(const struct query *q, struct slice key, const char *outcome,
    struct slice reason)
{
	char shown[1000];
	char name[QUOTE_SIZE];

	command_complain("%s: %s%s%s%s%s", q->map,
	    q->many ? quote_value(key, name) : "", q->many ? ": " : "", outcome,
	    reason.len > 0 ? " " : "",
	    command_printable(reason, shown, sizeof shown));
}

static void
print_value(const struct query *q, struct slice key, struct slice value)
{
	if (q->many) {
		(void)fwrite(key.ptr, 1, key.len, stdout);
		(void)fputc('\t', stdout);
	}
	(void)fwrite(value.ptr, 1, value.len, stdout);
	(void)fputc('\n', stdout);
}

static void
take_answer(
    struct query *q, struct slice key, const struct lookup_result *answer)
{
	switch (answer->outcome) {
	case LOOKUP_OK:
		if (answer->data.len > 0) {
			print_value(q, key, answer->data);
			q->found = true;
			return;
		}
		explain(q, key, "OK",
		    SLICE("with nothing after it, which Postfix takes for a "
			  "configuration error"));
		q->broken = true;
		return;
	case LOOKUP_NOTFOUND:
		return;
	case LOOKUP_PERM:
	case LOOKUP_UNIMPLEMENTED:
		q->broken = true;
		break;
	default: /* TEMP, TIMEOUT, BUSY, DRAINING */
		q->failed = true;
		break;
	}
	explain(q, key, lookup_outcome_name(answer->outcome), answer->data);
}

/* Ask for one key; false when asking for another makes no sense. */
static bool
ask(struct query *q, struct slice key)
{
	struct lookup_result answer;
	struct error error;

	switch (q->asker->ask(q->asker, q->map, key, &answer, &error)) {
	case ASKER_ANSWERED:
		take_answer(q, key, &answer);
		return true;
	case ASKER_TIMEOUT:
		explain(q, key, "TIMEOUT", slice_of(error.text));
		q->failed = true;
		return true;
	default:
		command_complain("%s: %s", q->map, error.text);
		q->broken = true;
		return false;
	}
}

static void
ask_each_line(struct query *q)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			len--;
		if (!ask(q, (struct slice){ line, (size_t)len }))
			break;
		/* Whoever writes the keys may wait for each answer. */
		if (fflush(stdout) != 0)
			break; /* main() complains */
	}
	if (ferror(stdin) != 0) {
		command_complain("%s: cannot read standard input", q->map);
		q->broken = true;
	}
	free(line);
}

static enum command_exit
verdict(const struct query *q)
{
	if (q->broken)
		return COMMAND_UNAVAILABLE;
	if (q->failed)
		return COMMAND_TEMPORARY;
	return q->found ? COMMAND_OK : COMMAND_NOTFOUND;
}

/* Make the asker that --via and --addr name; false is a usage error. */
static bool
choose_asker(const struct command *self, const struct command_options *options,
    struct query *q)
{
	const char *address = options->address;
	const char *via = options->via;
	char shown[QUOTE_SIZE];
	struct error error;

	if (via == NULL)
		via = address != NULL && strstr(address, "://") != NULL
		    ? "backend"
		    : "socketmap";
	if (strcmp(via, "socketmap") == 0) {
		q->asker = asker_socketmap(
		    address != NULL ? address : ASKER_SOCKETMAP_ADDRESS,
		    options->timeout_ms, &error);
	} else if (strcmp(via, "backend") == 0) {
		q->asker = asker_backend(
		    address != NULL ? address : ASKER_BACKEND_ADDRESS,
		    options->timeout_ms, RPC_HOW_USUAL, &error);
	} else if (strcmp(via, "userli") == 0) {
		q->asker = asker_backend(
		    address != NULL ? address : ASKER_BACKEND_ADDRESS,
		    options->timeout_ms, RPC_HOW_DIRECT, &error);
	} else {
		(void)command_usage(self,
		    "--via %s is none of socketmap, backend and userli",
		    quote_value(slice_of(via), shown));
		return false;
	}
	if (q->asker == NULL) {
		(void)command_usage(self, "--addr: %s", error.text);
		return false;
	}
	return true;
}

static enum command_exit
run(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { "via", "addr", "timeout",
		"explain", "json", "admin", NULL };
	struct command_options options = { .timeout_ms = TIMEOUT_MS };
	struct query q = { 0 };
	enum command_exit status;
	char shown[QUOTE_SIZE];
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (argc - at != 2)
		return command_usage(self,
		    argc - at < 2 ? "a map and a key are needed"
				  : "one key at a time; more with '-'");
	q.map = argv[at];
	q.many = strcmp(argv[at + 1], "-") == 0;
	if (q.map[0] == '\0' || strpbrk(q.map, " \t\n") != NULL)
		return command_usage(self,
		    "%s cannot be a map's name: it is empty or has a blank",
		    quote_value(slice_of(q.map), shown));
	if (options.explain) {
		if (q.many)
			return command_usage(
			    self, "one key at a time is explained");
		return query_explain(self, &options, q.map, argv[at + 1]);
	}
	if (!choose_asker(self, &options, &q))
		return COMMAND_USAGE;
	if (q.many)
		ask_each_line(&q);
	else
		(void)ask(&q, slice_of(argv[at + 1]));
	q.asker->free(q.asker);
	return verdict(&q);
}

const struct command command_query = {
	.name = "query",
	.summary = "look a key up, through a frontend or at a backend",
	.help = help,
	.run = run,
};
