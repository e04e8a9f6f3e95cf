#include "backend/userli_verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "backend/userli_json.h"

static const char *const failure_names[USERLI_FAILURES] = {
	[USERLI_FAILURE_NONE] = "none",
	[USERLI_FAILURE_TOKEN] = "token",
	[USERLI_FAILURE_BASE_URL] = "base_url",
	[USERLI_FAILURE_BUSY] = "busy",
	[USERLI_FAILURE_STATUS] = "status",
	[USERLI_FAILURE_UNREACHABLE] = "unreachable",
	[USERLI_FAILURE_TLS] = "tls",
	[USERLI_FAILURE_BROKEN] = "broken",
	[USERLI_FAILURE_TOO_LARGE] = "too_large",
	[USERLI_FAILURE_NOT_JSON] = "not_json",
	[USERLI_FAILURE_WRONG_TYPE] = "wrong_type",
	[USERLI_FAILURE_BAD_ADDRESS] = "bad_address",
	[USERLI_FAILURE_TIMEOUT] = "timeout",
	[USERLI_FAILURE_QUEUE_FULL] = "queue_full",
	[USERLI_FAILURE_QUEUE_TIMEOUT] = "queue_timeout",
	[USERLI_FAILURE_UNRESOLVED] = "unresolved",
	[USERLI_FAILURE_HELD] = "held",
};

__attribute__((format(printf, 4, 5))) static void
set(struct userli_verdict *out, enum lookup_outcome outcome,
    enum userli_failure failure, const char *format, ...)
{
	va_list args;

	*out =
	    (struct userli_verdict){ .outcome = outcome, .failure = failure };
	va_start(args, format);
	(void)vsnprintf(out->reason, sizeof out->reason, format, args);
	va_end(args);
}

/*
 * Whether a Content-Type is none, application/json or application/…+json: what
 * says to be something else is not userli's, though it may read as JSON.
 */
static bool
may_be_json(const char *type)
{
	static const char tree[] = "application/";
	size_t len;

	if (type == NULL)
		return true;
	len = strcspn(type, "; \t");
	if (len == 0)
		return true;
	if (strncasecmp(type, tree, sizeof tree - 1) != 0)
		return false;
	type += sizeof tree - 1;
	len -= sizeof tree - 1;
	if (len == 4)
		return strncasecmp(type, "json", 4) == 0;
	return len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0;
}

static void
read_body(enum lookup_map map, const struct http_response *r,
    struct buffer *value, struct userli_verdict *out)
{
	if (!may_be_json(r->content_type)) {
		set(out, LOOKUP_TEMP, USERLI_FAILURE_NOT_JSON,
		    "userli's answer is not sent as JSON: check "
		    "USERLI_BASE_URL");
		return;
	}
	switch (userli_json_read(map, r->body, value)) {
	case USERLI_JSON_FOUND:
		set(out, LOOKUP_OK, USERLI_FAILURE_NONE, "%s", "");
		return;
	case USERLI_JSON_ABSENT:
		set(out, LOOKUP_NOTFOUND, USERLI_FAILURE_NONE, "%s", "");
		return;
	case USERLI_JSON_WRONG_TYPE:
		set(out, LOOKUP_TEMP, USERLI_FAILURE_WRONG_TYPE,
		    "userli's answer is JSON of the wrong type");
		return;
	case USERLI_JSON_BAD_ADDRESS:
		set(out, LOOKUP_TEMP, USERLI_FAILURE_BAD_ADDRESS,
		    "userli's answer holds what cannot be an address");
		return;
	case USERLI_JSON_TOO_LARGE:
		set(out, LOOKUP_PERM, USERLI_FAILURE_TOO_LARGE,
		    "the value is larger than Postfix accepts (%d bytes)",
		    LOOKUP_REPLY_MAX);
		return;
	case USERLI_JSON_NO_MEMORY:
		set(out, LOOKUP_TEMP, USERLI_FAILURE_TOO_LARGE,
		    "no memory to read userli's answer");
		return;
	case USERLI_JSON_NOT_JSON:
	case USERLI_JSON_VERDICTS:
		break;
	}
	set(out, LOOKUP_TEMP, USERLI_FAILURE_NOT_JSON,
	    "userli's answer is not JSON");
}

static void
judge_busy(const struct http_response *r, struct userli_verdict *out)
{
	uint32_t pause_s = r->retry_after_s < USERLI_PAUSE_MAX_S
	    ? r->retry_after_s
	    : USERLI_PAUSE_MAX_S;

	if (pause_s > 0)
		set(out, LOOKUP_TEMP, USERLI_FAILURE_BUSY,
		    "userli asked to be left alone for %" PRIu32 " s", pause_s);
	else
		set(out, LOOKUP_TEMP, USERLI_FAILURE_BUSY,
		    "userli is busy or in maintenance (HTTP %u)", r->code);
	out->pause_s = pause_s;
}

static void
judge_code(const struct http_response *r, struct userli_verdict *out)
{
	if (r->code == 401 || r->code == 403)
		set(out, LOOKUP_TEMP, USERLI_FAILURE_TOKEN,
		    "userli rejected the API token (HTTP %u): check "
		    "USERLI_TOKEN and its postfix scope",
		    r->code);
	else if (r->code == 429 || r->code == 503)
		judge_busy(r, out);
	else if (r->code >= 300 && r->code < 500)
		set(out, LOOKUP_TEMP, USERLI_FAILURE_BASE_URL,
		    "userli answered HTTP %u: check USERLI_BASE_URL", r->code);
	else
		set(out, LOOKUP_TEMP, USERLI_FAILURE_STATUS,
		    "userli failed (HTTP %u)", r->code);
}

void
userli_verdict(enum lookup_map map, const struct http_response *r,
    struct buffer *value, struct userli_verdict *out)
{
	switch (r->status) {
	case HTTP_DONE:
		if (r->code == 200)
			read_body(map, r, value, out);
		else
			judge_code(r, out);
		return;
	case HTTP_TIMED_OUT:
		set(out, LOOKUP_TIMEOUT, USERLI_FAILURE_TIMEOUT,
		    "userli did not answer in time");
		return;
	case HTTP_QUEUE_FULL:
		set(out, LOOKUP_BUSY, USERLI_FAILURE_QUEUE_FULL,
		    "too many lookups are waiting for userli");
		return;
	case HTTP_QUEUE_TIMEOUT:
		set(out, LOOKUP_BUSY, USERLI_FAILURE_QUEUE_TIMEOUT,
		    "the wait for userli is too long");
		return;
	case HTTP_UNRESOLVED:
		set(out, LOOKUP_TEMP, USERLI_FAILURE_UNRESOLVED,
		    "userli's host name has no address");
		return;
	case HTTP_UNREACHABLE:
		set(out, LOOKUP_TEMP, USERLI_FAILURE_UNREACHABLE,
		    "userli does not answer: %s", r->reason);
		return;
	case HTTP_TLS_FAILED:
		set(out, LOOKUP_TEMP, USERLI_FAILURE_TLS,
		    "userli cannot be trusted: %s", r->reason);
		return;
	case HTTP_TOO_LARGE:
		set(out, LOOKUP_TEMP, USERLI_FAILURE_TOO_LARGE,
		    "userli's answer cannot be read: %s", r->reason);
		return;
	case HTTP_DROPPED:
		set(out, LOOKUP_TEMP, USERLI_FAILURE_HELD,
		    "userli is left alone for now");
		return;
	case HTTP_CLOSED:
		set(out, LOOKUP_DRAINING, USERLI_FAILURE_BROKEN,
		    "the backend is shutting down");
		return;
	case HTTP_BROKEN:
	case HTTP_STATUSES:
		break;
	}
	set(out, LOOKUP_TEMP, USERLI_FAILURE_BROKEN, "%s: %s",
	    r->sent ? "userli's answer is broken" : "userli was not asked",
	    r->reason);
}

const char *
userli_failure_name(enum userli_failure failure)
{
	return failure_names[failure];
}
