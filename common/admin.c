#include "common/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
admin_check(const char *text, struct error *error)
{
	if (strcmp(text, "none") == 0)
		return true;
	if (text[0] != '/') {
		error_set(
		    error, "is neither a path that starts with / nor \"none\"");
		return false;
	}
	if (strlen(text) <= ENDPOINT_PATH_MAX)
		return true;
	error_set(error,
	    "is longer than the %d bytes that a socket's path may "
	    "have",
	    ENDPOINT_PATH_MAX);
	return false;
}

bool
admin_path(const char *setting, const char *runtime_directory,
    char out[static ENDPOINT_PATH_MAX + 1])
{
	int len;

	if (strcmp(setting, "none") == 0)
		return false;
	if (setting[0] != '\0') {
		(void)snprintf(out, ENDPOINT_PATH_MAX + 1, "%s", setting);
		return true;
	}
	if (runtime_directory == NULL || runtime_directory[0] != '/')
		return false;
	/* systemd.exec(5): several are separated by colons. */
	len = snprintf(out, ENDPOINT_PATH_MAX + 1, "%.*s/" ADMIN_SOCKET_NAME,
	    (int)strcspn(runtime_directory, ":"), runtime_directory);
	return len <= ENDPOINT_PATH_MAX;
}

void
admin_done(struct ops_reply *reply)
{
	ops_reply_status(reply, "ok", NULL);
}

void
admin_fail(struct ops_reply *reply, unsigned status, const char *why)
{
	reply->status = status;
	ops_reply_status(reply, "error", why);
}

static void
apply(struct admin *a, bool (*hook)(void *arg, struct error *error),
    const char *what, struct ops_reply *reply)
{
	struct error error;

	log_info(a->log, log_msg("asked by the administrator"),
	    log_str("action", what));
	if (hook(a->hooks.arg, &error))
		admin_done(reply);
	else
		admin_fail(reply, 409, error.text);
}

static void
on_drain(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct admin *a = arg;

	(void)request;
	apply(a, a->hooks.drain, "drain", reply);
}

static void
on_resume(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct admin *a = arg;

	(void)request;
	apply(a, a->hooks.resume, "resume", reply);
}

static void
on_get_level(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct admin *a = arg;

	(void)request;
	if (!buffer_printf(reply->body, "{\"level\":\"%s\"}\n",
		log_level_names[log_level(a->log)]))
		reply->status = 500;
}

static void
on_set_level(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct admin *a = arg;

	for (int i = 0; log_level_names[i] != NULL; i++) {
		if (!slice_equal(request->body, slice_of(log_level_names[i])))
			continue;
		log_set_level(a->log, (enum log_level)i);
		log_at(a->log, LOG_LEVEL_ERROR, log_msg("log level set"),
		    log_str("level", log_level_names[i]));
		admin_done(reply);
		return;
	}
	admin_fail(reply, 400, "the level is none of debug, info, warn, error");
}

bool
admin_start(struct admin *a, uv_loop_t *loop, const char *setting,
    const struct admin_hooks *hooks, struct metrics *metrics, struct log *log,
    struct error *error)
{
	struct endpoint_list list = { .count = 1 };

	*a = (struct admin){ .log = log, .hooks = *hooks };
	list.items[0].kind = ENDPOINT_UNIX;
	if (!admin_path(
		setting, getenv("RUNTIME_DIRECTORY"), list.items[0].path))
		return true;
	a->ops = ops_start(loop, &list, log, error);
	if (a->ops == NULL)
		return false;
	ops_route_standard(a->ops, metrics);
	ops_route(a->ops, "POST", "/drain", on_drain, a);
	ops_route(a->ops, "POST", "/resume", on_resume, a);
	ops_route(a->ops, "GET", "/log-level", on_get_level, a);
	ops_route(a->ops, "POST", "/log-level", on_set_level, a);
	return true;
}

void
admin_route(struct admin *a, const char *method, const char *path,
    ops_handler handler, void *arg)
{
	if (a->ops != NULL)
		ops_route(a->ops, method, path, handler, arg);
}

void
admin_stop(struct admin *a)
{
	if (a->ops != NULL)
		ops_stop(a->ops);
	a->ops = NULL;
}
