#include "api.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include <jansson.h>

#include "common/mem.h"
#include "text.h"

#define API_PATH "/api/postfix/"

static const char *const endpoint_names[API_ENDPOINTS] = {
	[API_OTHER] = "other",
	[API_ALIAS] = "alias",
	[API_DOMAIN] = "domain",
	[API_MAILBOX] = "mailbox",
	[API_SENDERS] = "senders",
	[API_SMTP_QUOTA] = "smtp_quota",
	[API_AUTH] = "auth",
};

const char *
api_endpoint_name(enum api_endpoint endpoint)
{
	return endpoint_names[endpoint];
}

void
reply_init(struct reply *reply)
{
	*reply = (struct reply){
		.status = 200,
		.content_type = "application/json",
	};
	buffer_init(&reply->body, TEXT_MAX);
}

void
reply_fini(struct reply *reply)
{
	buffer_fini(&reply->body);
}

void
reply_error(struct reply *reply, int status, const char *text)
{
	reply->status = status;
	buffer_clear(&reply->body);
	text_put(&reply->body, SLICE("{\"error\":"));
	text_json_string(&reply->body, slice_of(text));
	text_put(&reply->body, SLICE("}"));
}

/* Symfony matches decoded paths and lets no parameter hold a '/'; the web
 * server before it resolves dot segments. */
static bool
is_one_segment(struct slice key)
{
	return key.len > 0 && memchr(key.ptr, '/', key.len) == NULL &&
	    !slice_equal(key, SLICE(".")) && !slice_equal(key, SLICE(".."));
}

static void
route_path(struct api_route *route, struct slice path)
{
	size_t skip = sizeof API_PATH - 1;
	struct slice rest;

	if (path.len <= skip || memcmp(path.ptr, API_PATH, skip) != 0)
		return;
	rest = (struct slice){ path.ptr + skip, path.len - skip };
	if (slice_equal(rest, SLICE("auth"))) {
		route->endpoint = API_AUTH;
		return;
	}
	for (int e = API_ALIAS; e < API_AUTH; e++) {
		size_t n = strlen(endpoint_names[e]);
		struct slice key;

		if (rest.len <= n || rest.ptr[n] != '/' ||
		    memcmp(rest.ptr, endpoint_names[e], n) != 0)
			continue;
		key = (struct slice){ rest.ptr + n + 1, rest.len - n - 1 };
		if (!is_one_segment(key))
			return;
		route->endpoint = (enum api_endpoint)e;
		route->key = key;
	}
}

void
api_route(struct api_route *route, const char *prefix, struct slice target)
{
	const char *query = memchr(target.ptr, '?', target.len);
	size_t skip = strlen(prefix);
	size_t len;
	bool inside;

	if (query != NULL)
		target.len = (size_t)(query - target.ptr);
	inside = target.len > skip && memcmp(target.ptr, prefix, skip) == 0 &&
	    target.ptr[skip] == '/';
	if (inside) {
		target.ptr += skip;
		target.len -= skip;
	}
	*route = (struct api_route){ .path = mem_calloc(1, target.len + 1) };
	len = http_decode(target, route->path);
	if (inside)
		route_path(route, (struct slice){ route->path, len });
}

void
api_route_fini(struct api_route *route)
{
	free(route->path);
}

/* True if the request may proceed; else reply says why not. */
static bool
check_token(const struct directory *d, const struct http_request *req,
    struct reply *reply)
{
	static const char scheme[] = "Bearer ";
	struct slice value = http_header(req, "authorization");
	const struct token *token = NULL;
	size_t skip = sizeof scheme - 1;

	if (value.len > skip && strncasecmp(value.ptr, scheme, skip) == 0)
		token = directory_token(
		    d, (struct slice){ value.ptr + skip, value.len - skip });
	if (token == NULL)
		reply_error(reply, 401, "Invalid or missing API token");
	else if (!token->postfix)
		reply_error(reply, 403, "The API token lacks the scope");
	return token != NULL && token->postfix;
}

static void
put_list(struct buffer *b, char *const *items, size_t count)
{
	text_put(b, SLICE("["));
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			text_put(b, SLICE(","));
		text_json_string(b, slice_of(items[i]));
	}
	text_put(b, SLICE("]"));
}

/* The address that the settings give postmaster@ and abuse@ of a managed
 * domain, or NULL. */
static char *
role_address(const struct directory *d, struct slice key)
{
	const struct {
		struct slice role;
		char *address;
	} roles[] = {
		{ SLICE("postmaster@"), d->postmaster },
		{ SLICE("abuse@"), d->abuse },
	};

	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		struct slice role = roles[i].role;

		if (key.len <= role.len ||
		    strncasecmp(key.ptr, role.ptr, role.len) != 0)
			continue;
		key.ptr += role.len;
		key.len -= role.len;
		return directory_domain(d, key) ? roles[i].address : NULL;
	}
	return NULL;
}

static void
answer_alias(const struct directory *d, struct slice key, struct buffer *b)
{
	const struct alias *alias = directory_alias(d, key);
	char *role;

	if (alias != NULL) {
		put_list(b, alias->destinations, alias->count);
		return;
	}
	role = role_address(d, key);
	put_list(b, &role, role == NULL ? 0 : 1);
}

static bool
is_among(char *const *items, size_t count, const char *item)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(items[i], item) == 0)
			return true;
	return false;
}

/*
 * As PHP's array_unique() and json_encode() do it: the first of equal elements
 * keeps its index, and an array whose indices have a gap becomes an object.
 */
static void
answer_senders(const struct directory *d, struct slice key, struct buffer *b)
{
	const struct user *user = directory_user(d, key);
	const struct alias *alias = directory_alias(d, key);
	size_t count = 0;
	char **items;
	size_t kept = 0;
	bool gap = false;

	items =
	    mem_calloc(1 + (alias == NULL ? 0 : alias->count), sizeof *items);
	if (user != NULL)
		items[count++] = user->entry.key;
	for (size_t i = 0; alias != NULL && i < alias->count; i++)
		items[count++] = alias->destinations[i];
	for (size_t i = 0; i < count; i++) {
		if (is_among(items, i, items[i]))
			continue;
		gap = gap || i != kept;
		kept++;
	}
	gap = gap && d->senders_as_object;

	text_put(b, gap ? SLICE("{") : SLICE("["));
	kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_among(items, i, items[i]))
			continue;
		if (kept++ > 0)
			text_put(b, SLICE(","));
		if (gap)
			text_printf(b, "\"%zu\":", i);
		text_json_string(b, slice_of(items[i]));
	}
	text_put(b, gap ? SLICE("}") : SLICE("]"));
	free(items);
}

static void
answer_quota(const struct directory *d, struct slice key, struct reply *reply)
{
	const struct user *user = directory_user(d, key);

	if (user == NULL)
		reply_error(reply, 404, "Not found");
	else
		text_printf(&reply->body,
		    "{\"per_hour\":%" PRId64 ",\"per_day\":%" PRId64 "}",
		    user->per_hour, user->per_day);
}

static void
put_message(struct reply *reply, int status, const char *text)
{
	reply->status = status;
	text_put(&reply->body, SLICE("{\"message\":"));
	text_json_string(&reply->body, slice_of(text));
	text_put(&reply->body, SLICE("}"));
}

static void
answer_auth(const struct directory *d, struct slice body, struct reply *reply)
{
	json_t *root = json_loadb(body.ptr, body.len, 0, NULL);
	const char *email = json_string_value(json_object_get(root, "email"));
	const char *password =
	    json_string_value(json_object_get(root, "password"));
	const struct user *user;

	if (email == NULL || password == NULL) {
		reply_error(reply, 400, "email and password must be strings");
		json_decref(root);
		return;
	}
	user = directory_user(d, slice_of(email));
	if (user == NULL || strcmp(user->password, password) != 0)
		put_message(reply, 401, "authentication failed");
	else if (user->spam)
		put_message(reply, 403, "user disabled due to spam role");
	else if (user->password_change_required)
		put_message(reply, 403, "user password change required");
	else
		put_message(reply, 200, "success");
	json_decref(root);
}

static void
put_bool(struct buffer *b, bool value)
{
	text_put(b, value ? SLICE("true") : SLICE("false"));
}

bool
api_answer(const struct directory *d, const struct api_route *route,
    const struct http_request *req, struct reply *reply)
{
	const char *method = route->endpoint == API_AUTH ? "POST" : "GET";

	if (route->endpoint == API_OTHER) {
		reply_error(reply, 404, "No such path");
		return true;
	}
	if (!slice_equal(req->method, slice_of(method))) {
		reply_error(reply, 405, "Method not allowed");
		reply->allow = method;
		return true;
	}
	if (!check_token(d, req, reply))
		return false;
	switch (route->endpoint) {
	case API_ALIAS:
		answer_alias(d, route->key, &reply->body);
		break;
	case API_DOMAIN:
		put_bool(&reply->body, directory_domain(d, route->key));
		break;
	case API_MAILBOX:
		put_bool(&reply->body, directory_user(d, route->key) != NULL);
		break;
	case API_SENDERS:
		answer_senders(d, route->key, &reply->body);
		break;
	case API_SMTP_QUOTA:
		answer_quota(d, route->key, reply);
		break;
	case API_AUTH:
		answer_auth(d, req->body, reply);
		break;
	case API_OTHER:
	case API_ENDPOINTS:
		break;
	}
	return true;
}
