#include "delivery.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "stats.h"
#include "text.h"

#define AGAIN_BYTES 8192 /* of an endless body, sent at a time */

void
delivery_init(struct delivery *d)
{
	memset(d, 0, sizeof *d);
	buffer_init(&d->bytes, TEXT_MAX);
	buffer_init(&d->again, TEXT_MAX);
}

void
delivery_fini(struct delivery *d)
{
	buffer_fini(&d->bytes);
	buffer_fini(&d->again);
}

/* The value that the rule gives a header; *set tells null from absent. */
static const char *
fault_header(const struct fault *fault, const char *name, bool *set)
{
	const char *key;
	json_t *value;

	*set = false;
	if (fault == NULL || fault->headers == NULL)
		return NULL;
	json_object_foreach(fault->headers, key, value)
	{
		if (strcasecmp(key, name) != 0)
			continue;
		*set = true;
		return json_string_value(value);
	}
	return NULL;
}

static void
put_header(struct buffer *b, const struct fault *fault, const char *name,
    const char *value)
{
	bool set;

	(void)fault_header(fault, name, &set);
	if (set)
		return;
	text_put(b, slice_of(name));
	text_put(b, SLICE(": "));
	text_put(b, slice_of(value));
	text_put(b, SLICE("\r\n"));
}

static void
put_fault_headers(struct buffer *b, const struct fault *fault)
{
	const char *name;
	json_t *value;

	if (fault == NULL || fault->headers == NULL)
		return;
	json_object_foreach(fault->headers, name, value)
	{
		if (json_is_null(value))
			continue;
		text_put(b, slice_of(name));
		text_put(b, SLICE(": "));
		text_put(b, slice_of(json_string_value(value)));
		text_put(b, SLICE("\r\n"));
	}
}

static void
put_date(struct buffer *b, const struct fault *fault)
{
	char text[64];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	(void)strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	put_header(b, fault, "Date", text);
}

static void
put_chunk(struct buffer *b, struct slice bytes, bool chunked)
{
	if (bytes.len == 0)
		return;
	if (chunked)
		text_printf(b, "%zx\r\n", bytes.len);
	text_put(b, bytes);
	if (chunked)
		text_put(b, SLICE("\r\n"));
}

/* The rule's body without end, or a list of addresses that goes on and on. */
static void
plan_endless(struct delivery *d, const struct fault *fault, bool chunked)
{
	struct slice first = SLICE("[\"a@example.org\"");
	struct slice again = SLICE(",\"a@example.org\"");
	struct buffer block;

	if (fault->has_body && buffer_len(&fault->bytes) > 0) {
		first = buffer_slice(&fault->bytes);
		again = first;
	}
	buffer_init(&block, TEXT_MAX);
	do
		text_put(&block, again);
	while (fault->drip_ms == 0 && buffer_len(&block) < AGAIN_BYTES);
	put_chunk(&d->bytes, first, chunked);
	put_chunk(&d->again, buffer_slice(&block), chunked);
	buffer_fini(&block);
}

/* Whether the rule makes the end of the body known by nothing but the end of
 * the connection, or announces that end itself. */
static bool
fault_ends_connection(const struct fault *fault)
{
	bool length, coding, connection;
	const char *value;

	(void)fault_header(fault, "Content-Length", &length);
	(void)fault_header(fault, "Transfer-Encoding", &coding);
	value = fault_header(fault, "Connection", &connection);
	return length || coding ||
	    (value != NULL && strcasecmp(value, "close") == 0);
}

static void
plan_http(struct delivery *d, const struct http_request *req,
    struct reply *reply, const struct fault *fault)
{
	bool endless = fault != NULL && fault->endless;
	bool chunked = endless && (req == NULL || !req->http_1_0);
	bool bodiless = reply->status == 204 || reply->status == 304;
	bool no_body = bodiless ||
	    (req != NULL && slice_equal(req->method, SLICE("HEAD")));
	struct slice body = buffer_slice(&reply->body);
	struct buffer *b = &d->bytes;
	char length[24];

	if (fault != NULL && fault->truncate >= 0 &&
	    (size_t)fault->truncate < body.len)
		body.len = (size_t)fault->truncate;
	if (req == NULL || !req->keep_alive || fault_ends_connection(fault) ||
	    (endless && !chunked))
		d->after = DELIVERY_FINISH;

	text_printf(
	    b, "HTTP/1.1 %d %s\r\n", reply->status, http_reason(reply->status));
	put_header(b, fault, "Content-Type", reply->content_type);
	put_header(b, fault, "Cache-Control", "no-cache, private");
	put_date(b, fault);
	if (reply->allow != NULL)
		put_header(b, fault, "Allow", reply->allow);
	(void)snprintf(length, sizeof length, "%zu", body.len);
	if (chunked)
		put_header(b, fault, "Transfer-Encoding", "chunked");
	else if (!endless && !bodiless)
		put_header(b, fault, "Content-Length", length);
	if (d->after == DELIVERY_FINISH)
		put_header(b, fault, "Connection", "close");
	else if (req != NULL && req->http_1_0)
		put_header(b, fault, "Connection", "keep-alive");
	put_fault_headers(b, fault);
	text_put(b, SLICE("\r\n"));

	d->head = buffer_len(b);
	if (endless && !no_body)
		plan_endless(d, fault, chunked);
	else if (!no_body)
		text_put(b, body);
	d->end = buffer_len(b);
	d->outcome = reply->status;
}

static void
plan_close(struct delivery *d, const struct fault *fault)
{
	if (fault->close == FAULT_CLOSE_NONE) {
		if (fault->reset)
			d->after = DELIVERY_RESET;
		return;
	}
	buffer_clear(&d->again);
	d->after = fault->reset ? DELIVERY_RESET : DELIVERY_CLOSE;
	switch (fault->close) {
	case FAULT_CLOSE_BEFORE:
		d->head = 0;
		d->end = 0;
		d->outcome = STATS_DROPPED;
		break;
	case FAULT_CLOSE_HEADERS:
		d->end = d->head;
		break;
	case FAULT_CLOSE_BODY:
		d->end = d->head + (d->end - d->head) / 2;
		break;
	case FAULT_CLOSE_AFTER:
	case FAULT_CLOSE_NONE:
		break;
	}
}

void
delivery_plan(struct delivery *d, const struct http_request *req,
    struct reply *reply, const struct fault *fault)
{
	if (fault == NULL) {
		plan_http(d, req, reply, NULL);
		return;
	}
	d->delay_ms = fault->delay_ms;
	d->drip_ms = fault->drip_ms;
	d->hang = fault->hang;
	if (fault->has_raw) {
		text_put(&d->bytes, buffer_slice(&fault->bytes));
		d->end = buffer_len(&d->bytes);
		d->after = DELIVERY_FINISH;
		d->outcome = STATS_RAW;
	} else {
		if (fault->status != 0)
			reply->status = (int)fault->status;
		if (fault->content_type != NULL)
			reply->content_type = fault->content_type;
		if (fault->has_body) {
			buffer_clear(&reply->body);
			text_put(&reply->body, buffer_slice(&fault->bytes));
		}
		plan_http(d, req, reply, fault);
	}
	plan_close(d, fault);
}
