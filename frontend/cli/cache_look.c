#include "frontend/cli/cache_look.h"

#include <stdio.h>

#include "common/buffer.h"
#include "common/quote.h"
#include "frontend/cli/admin_client.h"

bool
cache_look_is(const char *operand)
{
	return strcmp(operand, "stat") == 0 || strcmp(operand, "get") == 0;
}

static void
print_json(const json_t *json)
{
	(void)json_dumpf(json, stdout, JSON_INDENT(2));
	(void)fputc('\n', stdout);
}

static enum command_exit
get_stat(const char *socket, bool as_json)
{
	enum command_exit status;
	json_t *json;

	status = admin_client_ask(socket, "GET", "/cache", SLICE(""), &json);
	if (status != COMMAND_OK)
		return status;
	if (as_json)
		print_json(json);
	else if (!json_is_true(json_object_get(json, "on")))
		(void)printf("off: LOOKUP_CACHE_TTL is 0\n");
	else
		(void)printf("entries    %.0f\nbytes      %.0f\nevictions  "
			     "%.0f\n",
		    json_figure(json, "entries"), json_figure(json, "bytes"),
		    json_figure(json, "evictions"));
	json_decref(json);
	return COMMAND_OK;
}

static void
print_entry(const json_t *json)
{
	double good_for = json_figure(json, "good_for");

	if (strcmp(json_text(json, "state"), "none") == 0) {
		(void)printf("not remembered\n");
		return;
	}
	(void)printf("key      %s\nstate    %s\nanswer   %s %s\nage      %.1f "
		     "s\n%s  %.1f s\n",
	    json_text(json, "key"), json_text(json, "state"),
	    json_text(json, "outcome"), json_text(json, "value"),
	    json_figure(json, "age"), good_for >= 0 ? "good for" : "expired ",
	    good_for >= 0 ? good_for : -good_for);
}

static enum command_exit
get(const char *socket, bool as_json, const char *map, const char *key)
{
	enum command_exit status = COMMAND_UNAVAILABLE;
	struct buffer text;
	json_t *json;

	buffer_init(&text, strlen(map) + strlen(key) + 16);
	if (buffer_printf(&text, "%s %s", map, key))
		status = admin_client_ask(
		    socket, "POST", "/cache-get", buffer_slice(&text), &json);
	buffer_fini(&text);
	if (status != COMMAND_OK)
		return status;
	if (as_json)
		print_json(json);
	else
		print_entry(json);
	if (strcmp(json_text(json, "state"), "none") == 0)
		status = COMMAND_NOTFOUND;
	json_decref(json);
	return status;
}

enum command_exit
cache_look(const struct command *self, const struct command_options *options,
    int count, char *const operands[])
{
	bool is_get = strcmp(operands[0], "get") == 0;
	const char *who = options->admin != NULL ? options->admin : "backend";
	const char *socket = admin_client_socket(who);
	char shown[QUOTE_SIZE];

	if (socket == NULL)
		return command_usage(self,
		    "--admin %s is no path with a / in it",
		    quote_value(slice_of(who), shown));
	if (count != (is_get ? 3 : 1))
		return command_usage(self,
		    is_get ? "get needs a map and a key"
			   : "stat needs nothing more");
	return is_get ? get(socket, options->json, operands[1], operands[2])
		      : get_stat(socket, options->json);
}
