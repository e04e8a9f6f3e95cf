#include "frontend/cli/admin_client.h"

#include <string.h>

#include "frontend/cli/http_client.h"

#define TIMEOUT_MS 10000
#define REPLY_BYTES_MAX ((size_t)8 << 20)

const char *
admin_client_socket(const char *who)
{
	if (strcmp(who, "frontend") == 0)
		return ADMIN_CLIENT_FRONTEND;
	if (strcmp(who, "backend") == 0)
		return ADMIN_CLIENT_BACKEND;
	return strchr(who, '/') != NULL ? who : NULL;
}

static enum command_exit
judge(const char *socket, const struct http_answer *answer, json_t **out)
{
	json_t *json = json_read(answer->body);
	enum command_exit status = COMMAND_OK;

	if (answer->status == 404) {
		command_complain("%s: this daemon does not know how to; it may "
				 "be the other tier, or older",
		    socket);
		status = COMMAND_UNAVAILABLE;
	} else if (answer->status >= 300) {
		command_complain("%s: %s", socket, json_text(json, "error"));
		status = answer->status == 409 ? COMMAND_TEMPORARY
					       : COMMAND_UNAVAILABLE;
	} else if (json == NULL) {
		command_complain("%s: the answer is not JSON", socket);
		status = COMMAND_UNAVAILABLE;
	}
	if (status != COMMAND_OK || out == NULL)
		json_decref(json);
	else
		*out = json;
	return status;
}

enum command_exit
admin_client_ask(const char *socket, const char *method, const char *path,
    struct slice body, json_t **out)
{
	const struct http_target target = { .path = socket };
	enum command_exit status = COMMAND_UNAVAILABLE;
	struct http_answer answer;
	struct buffer reply;
	struct error error;

	buffer_init(&reply, REPLY_BYTES_MAX);
	if (http_client_ask(&target, method, path, body, TIMEOUT_MS, &reply,
		&answer, &error))
		status = judge(socket, &answer, out);
	else
		command_complain("%s: %s; is the daemon running, is this its "
				 "ADMIN_SOCKET, and are you root or its user?",
		    socket, error.text);
	buffer_fini(&reply);
	return status;
}
