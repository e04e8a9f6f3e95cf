#include "stats.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/mem.h"
#include "text.h"

void
stats_init(struct stats *s)
{
	memset(s, 0, sizeof *s);
	buffer_init(&s->last_headers, TEXT_MAX);
}

static void
drop_path(struct table_entry *entry)
{
	free(entry);
}

void
stats_fini(struct stats *s)
{
	table_clear(&s->by_path, drop_path);
	buffer_fini(&s->last_headers);
}

void
stats_reset(struct stats *s)
{
	unsigned active = s->active;
	unsigned open = s->connections_open;

	stats_fini(s);
	stats_init(s);
	s->active = active;
	s->active_highest = active;
	s->connections_open = open;
}

static void
count_path(struct stats *s, struct slice target)
{
	struct stats_path *path =
	    (struct stats_path *)table_find(&s->by_path, target);

	if (path == NULL) {
		if (table_count(&s->by_path) >= STATS_PATHS_MAX ||
		    s->path_bytes + target.len > STATS_PATH_BYTES_MAX) {
			s->paths_dropped++;
			return;
		}
		path = mem_calloc(1, sizeof *path);
		table_add(&s->by_path, &path->entry, target);
		s->path_bytes += target.len;
	}
	path->count++;
}

static void
keep_headers(struct stats *s, const struct http_request *req)
{
	struct buffer *b = &s->last_headers;

	buffer_clear(b);
	text_put(b, SLICE("{"));
	for (size_t i = 0; i < req->header_count; i++) {
		const struct http_header *h = &req->headers[i];
		char *name = mem_dup(h->name.ptr, h->name.len);

		text_lower(name, h->name.len);
		if (i > 0)
			text_put(b, SLICE(","));
		text_json_bytes(b, (struct slice){ name, h->name.len });
		text_put(b, SLICE(":"));
		text_json_bytes(b, h->value);
		free(name);
	}
	text_put(b, SLICE("}"));
}

void
stats_begin(
    struct stats *s, const struct http_request *req, enum api_endpoint endpoint)
{
	s->requests++;
	s->active++;
	if (s->active > s->active_highest)
		s->active_highest = s->active;
	s->by_endpoint[endpoint]++;
	count_path(s, req->target);
	keep_headers(s, req);
}

void
stats_end(struct stats *s)
{
	s->active--;
}

void
stats_status(struct stats *s, int status)
{
	s->by_status[status]++;
}

static void
write_by_status(const struct stats *s, struct buffer *out)
{
	const char *comma = "";

	text_put(out, SLICE(",\"by_status\":{"));
	for (int i = 0; i < STATS_STATUS_MAX; i++) {
		if (s->by_status[i] == 0)
			continue;
		text_printf(out, "%s\"", comma);
		if (i == STATS_RAW)
			text_put(out, SLICE("raw"));
		else if (i == STATS_DROPPED)
			text_put(out, SLICE("dropped"));
		else
			text_printf(out, "%d", i);
		text_printf(out, "\":%" PRIu64, s->by_status[i]);
		comma = ",";
	}
	text_put(out, SLICE("}"));
}

void
stats_write(const struct stats *s, struct buffer *out)
{
	const char *comma = "";

	text_printf(out,
	    "{\"requests\":%" PRIu64 ",\"active\":%u,\"active_highest\":%u,"
	    "\"connections\":%" PRIu64 ",\"api_connections\":%" PRIu64
	    ",\"connections_open\":%u,\"unauthorized\":%" PRIu64
	    ",\"faults\":%" PRIu64 ",\"by_path_dropped\":%" PRIu64,
	    s->requests, s->active, s->active_highest, s->connections,
	    s->api_connections, s->connections_open, s->unauthorized, s->faults,
	    s->paths_dropped);

	text_put(out, SLICE(",\"by_endpoint\":{"));
	for (int e = 0; e < API_ENDPOINTS; e++)
		text_printf(out, "%s\"%s\":%" PRIu64, e == 0 ? "" : ",",
		    api_endpoint_name((enum api_endpoint)e), s->by_endpoint[e]);
	text_put(out, SLICE("}"));

	write_by_status(s, out);

	text_put(out, SLICE(",\"by_path\":{"));
	for (const struct table_entry *e = table_first(&s->by_path); e != NULL;
	     e = table_next(e)) {
		text_printf(out, "%s", comma);
		text_json_bytes(out, (struct slice){ e->key, e->len });
		text_printf(
		    out, ":%" PRIu64, ((const struct stats_path *)e)->count);
		comma = ",";
	}
	text_put(out, SLICE("},\"last_headers\":"));
	if (buffer_len(&s->last_headers) == 0)
		text_put(out, SLICE("{}"));
	else
		text_put(out, buffer_slice(&s->last_headers));
	text_put(out, SLICE("}"));
}
