#include "control.h"

#include "server.h"
#include "text.h"

#define CONTROL_PATH "/_sandbox/"

bool
control_owns(struct slice target)
{
	size_t n = sizeof CONTROL_PATH - 1;

	return target.len >= n && memcmp(target.ptr, CONTROL_PATH, n) == 0;
}

static void
get_stats(struct server *s, struct slice body, struct reply *reply)
{
	(void)body;
	stats_write(&s->stats, &reply->body);
}

static void
delete_stats(struct server *s, struct slice body, struct reply *reply)
{
	(void)body;
	stats_reset(&s->stats);
	text_put(&reply->body, SLICE("{}"));
}

static void
get_faults(struct server *s, struct slice body, struct reply *reply)
{
	(void)body;
	faults_write(&s->faults, &reply->body);
}

static void
put_faults(struct server *s, struct slice body, struct reply *reply)
{
	struct faults fresh;
	struct error error;

	faults_init(&fresh);
	if (!faults_parse(&fresh, body, &error)) {
		reply_error(reply, 400, error.text);
		return;
	}
	faults_fini(&s->faults);
	s->faults = fresh;
	server_release(s);
	text_printf(&reply->body, "{\"rules\":%zu}", s->faults.count);
}

static void
delete_faults(struct server *s, struct slice body, struct reply *reply)
{
	(void)body;
	faults_fini(&s->faults);
	server_release(s);
	text_put(&reply->body, SLICE("{}"));
}

static void
get_directory(struct server *s, struct slice body, struct reply *reply)
{
	const struct directory *d = s->directory;

	(void)body;
	text_printf(&reply->body,
	    "{\"domains\":%u,\"users\":%u,\"aliases\":%u,\"tokens\":%u}",
	    table_count(&d->domains), table_count(&d->users),
	    table_count(&d->aliases), table_count(&d->tokens));
}

static void
put_directory(struct server *s, struct slice body, struct reply *reply)
{
	struct error error;
	struct directory *fresh = directory_parse(body, "directory", &error);

	if (fresh == NULL) {
		reply_error(reply, 400, error.text);
		return;
	}
	directory_free(s->directory);
	s->directory = fresh;
	get_directory(s, body, reply);
}

void
control_answer(
    struct server *s, const struct http_request *req, struct reply *reply)
{
	static const struct {
		const char *path;
		const char *method;
		void (*answer)(struct server *, struct slice, struct reply *);
	} table[] = {
		{ CONTROL_PATH "stats", "GET", get_stats },
		{ CONTROL_PATH "stats", "DELETE", delete_stats },
		{ CONTROL_PATH "faults", "GET", get_faults },
		{ CONTROL_PATH "faults", "PUT", put_faults },
		{ CONTROL_PATH "faults", "DELETE", delete_faults },
		{ CONTROL_PATH "directory", "GET", get_directory },
		{ CONTROL_PATH "directory", "PUT", put_directory },
	};
	bool known = false;

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (!slice_equal(req->target, slice_of(table[i].path)))
			continue;
		known = true;
		if (slice_equal(req->method, slice_of(table[i].method))) {
			table[i].answer(s, req->body, reply);
			return;
		}
	}
	if (known) {
		reply_error(reply, 405, "Method not allowed");
		reply->allow = "GET, PUT, DELETE";
	} else {
		reply_error(reply, 404, "No such path");
	}
}
