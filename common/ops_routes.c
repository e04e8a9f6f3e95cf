#include "common/ops_routes.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void
ops_routes_add(struct ops_routes *routes, const char *method, const char *path,
    ops_handler handler, void *arg)
{
	struct ops_route *r = mem_calloc(1, sizeof *r);

	*r = (struct ops_route){ .next = routes->newest,
		.method = method,
		.path = path,
		.handler = handler,
		.arg = arg };
	routes->newest = r;
}

void
ops_routes_fini(struct ops_routes *routes)
{
	struct ops_route *r;

	while ((r = routes->newest) != NULL) {
		routes->newest = r->next;
		free(r);
	}
}

void
ops_routes_fail(struct ops_reply *reply, unsigned status, const char *why)
{
	reply->status = status;
	reply->content_type = "application/json";
	buffer_clear(reply->body);
	if (!buffer_printf(reply->body, "{\"error\":\"%s\"}\n", why))
		buffer_clear(reply->body); /* the status says it too */
}

static const struct ops_route *
find(const struct ops_routes *routes, const char *method, const char *path)
{
	const struct ops_route *r = routes->newest;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	while (r != NULL &&
	    (strcmp(r->method, method) != 0 || strcmp(r->path, path) != 0))
		r = r->next;
	return r;
}

void
ops_routes_on_oversized(struct ops_routes *routes, const char *method,
    const char *path, void (*hook)(void *arg))
{
	for (struct ops_route *r = routes->newest; r != NULL; r = r->next) {
		if (strcmp(r->method, method) == 0 &&
		    strcmp(r->path, path) == 0) {
			r->oversized = hook;
			return;
		}
	}
}

void
ops_routes_tell_oversized(
    const struct ops_routes *routes, const struct ops_request *request)
{
	const struct ops_route *r =
	    find(routes, request->method, request->path);

	if (r != NULL && r->oversized != NULL)
		r->oversized(r->arg);
}

/* Append text to the string allow unless it is too long. */
static void
append_method(char allow[static OPS_ROUTES_ALLOW_MAX], const char *text)
{
	size_t len = strlen(allow);
	size_t more = strlen(text) + (len > 0 ? 2 : 0);

	if (len + more >= OPS_ROUTES_ALLOW_MAX)
		return;
	(void)snprintf(allow + len, OPS_ROUTES_ALLOW_MAX - len, "%s%s",
	    len > 0 ? ", " : "", text);
}

static void
list_methods(const struct ops_routes *routes, const char *path,
    char allow[static OPS_ROUTES_ALLOW_MAX])
{
	for (const struct ops_route *r = routes->newest; r != NULL;
	     r = r->next) {
		if (strcmp(r->path, path) != 0 ||
		    find(routes, r->method, path) != r)
			continue; /* another path's, or hidden */
		append_method(allow, r->method);
		if (strcmp(r->method, "GET") == 0)
			append_method(allow, "HEAD");
	}
}

void
ops_routes_answer(const struct ops_routes *routes,
    const struct ops_request *request, struct ops_reply *reply,
    char allow[static OPS_ROUTES_ALLOW_MAX])
{
	const struct ops_route *r =
	    find(routes, request->method, request->path);

	allow[0] = '\0';
	if (r != NULL) {
		r->handler(r->arg, request, reply);
		return;
	}
	list_methods(routes, request->path, allow);
	if (allow[0] != '\0')
		ops_routes_fail(reply, 405, "method not allowed");
	else
		ops_routes_fail(reply, 404, "not found");
}

static void
write_metrics(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	(void)request;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	if (!metrics_write(arg, reply->body))
		ops_routes_fail(
		    reply, 500, "the metrics do not fit into a reply");
}

static void
write_health(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	(void)arg, (void)request;
	if (!buffer_append_slice(reply->body, SLICE("{\"status\":\"ok\"}\n")))
		ops_routes_fail(reply, 500, "out of memory");
}

void
ops_route_standard(struct ops *ops, struct metrics *metrics)
{
	ops_route(ops, "GET", "/metrics", write_metrics, metrics);
	ops_route(ops, "GET", "/health", write_health, NULL);
}
