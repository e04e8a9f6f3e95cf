#include <stdio.h>

#include "common/quote.h"
#include "frontend/cli/admin_client.h"
#include "frontend/cli/table.h"
#include "frontend/cli/watch.h"

#define COLUMNS 12

static const char help[] =
    "Usage: userli-bridge pool [--admin SOCKET] [-w SECONDS] [--json]\n"
    "\n"
    "Shows a frontend's backends: their state, weight, lookups in flight, "
    "answers\n"
    "and failures a second and in all, mean latency, version and build.\n"
    "\n"
    "  --admin SOCKET  the frontend's admin socket (default\n"
    "                  " ADMIN_CLIENT_FRONTEND ")\n"
    "  -w SECONDS      again and again\n"
    "  --json          as JSON\n"
    "\n"
    "Exit status: 0 at least one is up, 75 none is, 69 not reached or not\n"
    "allowed, 64 usage.\n";

static enum style
style_of(const char *state)
{
	if (strcmp(state, "up") == 0)
		return STYLE_GOOD;
	if (strcmp(state, "ejected") == 0 || strcmp(state, "connecting") == 0)
		return STYLE_BAD;
	return STYLE_WARN;
}

static void
add_head(struct table *t)
{
	static const char *const heads[COLUMNS] = { "BACKEND", "NAME", "STATE",
		"WEIGHT", "IN FLIGHT", "ANSWERS/S", "FAILED/S", "LATENCY",
		"ANSWERS", "FAILED", "VERSION", "BUILD" };

	for (size_t i = 0; i < COLUMNS; i++)
		table_add(t, STYLE_BOLD, "%s", heads[i]);
}

static void
add_member(struct table *t, const json_t *m)
{
	const char *state = json_text(m, "state");
	const json_t *latency = json_object_get(m, "latency");

	table_add(t, STYLE_NONE, "%s", json_text(m, "url"));
	table_add(t, STYLE_NONE, "%s", json_text(m, "name"));
	table_add(t, style_of(state), "%s", state);
	table_add(t, STYLE_NONE, "%.2f", json_figure(m, "weight"));
	table_add(t, STYLE_NONE, "%.0f", json_figure(m, "in_flight"));
	table_add(t, STYLE_NONE, "%.1f", json_figure(m, "rate"));
	table_add(t,
	    json_figure(m, "failure_rate") > 0.05 ? STYLE_BAD : STYLE_NONE,
	    "%.1f", json_figure(m, "failure_rate"));
	if (json_is_number(latency))
		table_add(t, STYLE_NONE, "%.1f ms",
		    json_number_value(latency) * 1000);
	else
		table_add(t, STYLE_NONE, "-");
	table_add(t, STYLE_NONE, "%.0f", json_figure(m, "calls"));
	table_add(t, STYLE_NONE, "%.0f", json_figure(m, "failures"));
	table_add(t, STYLE_NONE, "%s", json_text(m, "version"));
	table_add(t, STYLE_NONE, "%s", json_text(m, "build"));
}

/* Print one round. */
static enum command_exit
show(const json_t *pool, const struct command_options *options)
{
	enum command_exit status = COMMAND_TEMPORARY;
	struct table table;
	size_t i;
	json_t *m;

	table_init(&table, COLUMNS);
	add_head(&table);
	json_array_foreach(json_object_get(pool, "members"), i, m)
	{
		add_member(&table, m);
		if (strcmp(json_text(m, "state"), "up") == 0)
			status = COMMAND_OK;
	}
	if (options->json) {
		(void)json_dumpf(pool, stdout,
		    options->watch_ms > 0 ? JSON_COMPACT : JSON_INDENT(2));
		(void)fputc('\n', stdout);
	} else {
		watch_begin(options->watch_ms > 0);
		table_print(&table, stdout);
	}
	table_fini(&table);
	return status;
}

static enum command_exit
run(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { "admin", "watch", "json",
		NULL };
	struct command_options options = { .admin = "frontend" };
	enum command_exit status;
	const char *socket;
	char shown[QUOTE_SIZE];
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (at < argc)
		return command_usage(self,
		    "no operand is expected; the socket goes after --admin");
	socket = admin_client_socket(options.admin);
	if (socket == NULL)
		return command_usage(self,
		    "--admin %s is no path with a / in it",
		    quote_value(slice_of(options.admin), shown));
	for (;;) {
		json_t *pool;

		status =
		    admin_client_ask(socket, "GET", "/pool", SLICE(""), &pool);
		if (status != COMMAND_OK)
			return status;
		status = show(pool, &options);
		json_decref(pool);
		if (options.watch_ms == 0 || !watch_end())
			return status;
		watch_sleep(options.watch_ms);
	}
}

const struct command command_pool = {
	.name = "pool",
	.summary = "show a frontend's backends",
	.help = help,
	.run = run,
};
