#include "frontend/cli/query_explain.h"

#include <stdio.h>
#include <time.h>

#include "common/buffer.h"
#include "common/quote.h"
#include "common/steps.h"
#include "frontend/cli/admin_client.h"
#include "frontend/cli/asker.h"
#include "frontend/cli/style.h"

#define POLL_MS 10 /* between questions whether it is done */

/* What --via asks for. */
enum way {
	WAY_SOCKETMAP,
	WAY_BACKEND,
	WAY_USERLI,
	WAYS,
};

static const char *const way_names[WAYS] = { "socketmap", "backend", "userli" };

static enum command_exit
status_of(const char *outcome)
{
	if (strcmp(outcome, "OK") == 0)
		return COMMAND_OK;
	if (strcmp(outcome, "NOTFOUND") == 0)
		return COMMAND_NOTFOUND;
	if (strcmp(outcome, "PERM") == 0 ||
	    strcmp(outcome, "UNIMPLEMENTED") == 0)
		return COMMAND_UNAVAILABLE;
	return COMMAND_TEMPORARY;
}

static enum command_exit
print(const json_t *answer, bool as_json)
{
	const char *outcome = json_text(answer, "outcome");
	const char *backend = json_text(answer, "backend");
	enum command_exit status = status_of(outcome);
	size_t i;
	json_t *step;

	if (as_json) {
		(void)json_dumpf(answer, stdout, JSON_INDENT(2));
		(void)fputc('\n', stdout);
		return status;
	}
	json_array_foreach(json_object_get(answer, "steps"), i, step)
	{
		(void)printf("%s%10.1f ms%s  %-8s  %-8s  %s\n",
		    style(STYLE_FAINT), json_figure(step, "us") / 1000,
		    style(STYLE_NONE), json_text(step, "at"),
		    json_text(step, "name"), json_text(step, "text"));
	}
	(void)printf("%s%s%s %s  (%s%s%s, request %s)\n",
	    style(status == COMMAND_OK           ? STYLE_GOOD
		    : status == COMMAND_NOTFOUND ? STYLE_BOLD
						 : STYLE_BAD),
	    outcome, style(STYLE_NONE), json_text(answer, "data"),
	    json_text(answer, "source"), backend[0] != '\0' ? ", by " : "",
	    backend, json_text(answer, "request_id"));
	return status;
}

/* --- By the frontend ------------------------------------------------------ */

/* Ask until it is done: the frontend bounds it by LOOKUP_TIMEOUT. */
static enum command_exit
fetch(const char *socket, const char *id, json_t **out)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };

	for (;;) {
		enum command_exit status = admin_client_ask(
		    socket, "POST", "/explain-result", slice_of(id), out);

		if (status != COMMAND_OK ||
		    json_is_true(json_object_get(*out, "done")))
			return status;
		json_decref(*out);
		(void)nanosleep(&pause, NULL);
	}
}

static enum command_exit
ask_frontend(const char *socket, bool direct, const char *map, const char *key,
    bool as_json)
{
	enum command_exit status = COMMAND_UNAVAILABLE;
	struct buffer text;
	char id[32];
	json_t *answer;

	buffer_init(&text, strlen(map) + strlen(key) + 32);
	if (!buffer_printf(&text, "%s%s %s", direct ? "direct " : "", map, key))
		goto cleanup;
	status = admin_client_ask(
	    socket, "POST", "/explain", buffer_slice(&text), &answer);
	if (status != COMMAND_OK)
		goto cleanup;
	(void)snprintf(id, sizeof id, "%.0f", json_figure(answer, "id"));
	json_decref(answer);
	status = fetch(socket, id, &answer);
	if (status != COMMAND_OK)
		goto cleanup;
	status = print(answer, as_json);
	json_decref(answer);
cleanup:
	buffer_fini(&text);
	return status;
}

/* --- By a backend --------------------------------------------------------- */

static json_t *
text_of(struct slice text)
{
	json_t *json = json_stringn(text.ptr != NULL ? text.ptr : "", text.len);

	return json != NULL ? json : json_string("(not UTF-8)");
}

/* What a frontend would have written. */
static json_t *
object_of(const struct lookup_result *result)
{
	json_t *answer = json_object();
	json_t *steps = json_array();
	struct slice rest = result->steps;
	struct step step;

	while (steps_next(&rest, &step)) {
		json_t *one = json_object();

		(void)json_object_set_new(one, "at", json_string("backend"));
		(void)json_object_set_new(
		    one, "us", json_integer((json_int_t)step.us));
		(void)json_object_set_new(one, "name", text_of(step.name));
		(void)json_object_set_new(one, "text", text_of(step.text));
		(void)json_array_append_new(steps, one);
	}
	(void)json_object_set_new(answer, "outcome",
	    json_string(lookup_outcome_name(result->outcome)));
	(void)json_object_set_new(answer, "data", text_of(result->data));
	(void)json_object_set_new(
	    answer, "source", json_string(lookup_source_name(result->source)));
	(void)json_object_set_new(
	    answer, "age_ms", json_integer(result->age_ms));
	(void)json_object_set_new(answer, "request_id", json_string("0"));
	(void)json_object_set_new(answer, "steps", steps);
	return answer;
}

static enum command_exit
ask_backend(const struct command *self, const struct command_options *options,
    enum rpc_how how, const char *map, const char *key)
{
	const char *address =
	    options->address != NULL ? options->address : ASKER_BACKEND_ADDRESS;
	enum command_exit status = COMMAND_UNAVAILABLE;
	struct lookup_result result;
	struct asker *asker;
	struct error error;
	json_t *answer;

	asker = asker_backend(address, options->timeout_ms, how, &error);
	if (asker == NULL)
		return command_usage(self, "--addr: %s", error.text);
	switch (asker->ask(asker, map, slice_of(key), &result, &error)) {
	case ASKER_ANSWERED:
		if (result.steps.len == 0)
			command_complain("%s answers, but explains nothing: it "
					 "is older, or refused",
			    address);
		answer = object_of(&result);
		status = print(answer, options->json);
		json_decref(answer);
		break;
	case ASKER_TIMEOUT:
		status = COMMAND_TEMPORARY;
		/* fall through */
	default:
		command_complain("%s: %s", map, error.text);
		break;
	}
	asker->free(asker);
	return status;
}

enum command_exit
query_explain(const struct command *self, const struct command_options *options,
    const char *map, const char *key)
{
	const char *who = options->admin != NULL ? options->admin : "frontend";
	const char *socket = admin_client_socket(who);
	char shown[QUOTE_SIZE];
	int way = WAY_SOCKETMAP;

	if (options->via != NULL) {
		while (way < WAYS && strcmp(way_names[way], options->via) != 0)
			way++;
		if (way == WAYS)
			return command_usage(self,
			    "--via %s is none of socketmap, backend and userli",
			    quote_value(slice_of(options->via), shown));
	}
	if (options->admin == NULL && way != WAY_SOCKETMAP)
		return ask_backend(self, options,
		    way == WAY_USERLI ? RPC_HOW_DIRECT : RPC_HOW_EXPLAINED, map,
		    key);
	if (socket == NULL)
		return command_usage(self,
		    "--admin %s is no path with a / in it",
		    quote_value(slice_of(who), shown));
	return ask_frontend(socket, way == WAY_USERLI, map, key, options->json);
}
