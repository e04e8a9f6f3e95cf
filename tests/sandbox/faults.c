#include "faults.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "members.h"
#include "text.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define MS_MAX 86400000
#define TIMES_MAX ((int64_t)1 << 53)

/* A rule's members that need more than copying. */
struct rest {
	const char *body;
	const char *body_hex;
	const char *raw;
	const char *raw_hex;
	const char *close;
};

void
faults_init(struct faults *f)
{
	memset(f, 0, sizeof *f);
}

void
faults_fini(struct faults *f)
{
	for (size_t i = 0; i < f->count; i++)
		buffer_fini(&f->rules[i].bytes);
	free(f->rules);
	json_decref(f->source);
	faults_init(f);
}

static bool
complain(struct error *error, const char *where, const char *what)
{
	error_set(error, "%s: %s", where, what);
	return false;
}

static bool
read_close(struct fault *rule, const char *name, const char *where,
    struct error *error)
{
	static const char *const names[] = {
		[FAULT_CLOSE_BEFORE] = "before",
		[FAULT_CLOSE_HEADERS] = "headers",
		[FAULT_CLOSE_BODY] = "body",
		[FAULT_CLOSE_AFTER] = "after",
	};

	if (name == NULL) {
		if (rule->reset && !rule->has_raw)
			rule->close = FAULT_CLOSE_BEFORE;
		return true;
	}
	for (size_t i = FAULT_CLOSE_BEFORE; i < COUNT(names); i++)
		if (strcmp(names[i], name) == 0)
			rule->close = (enum fault_close)i;
	return rule->close != FAULT_CLOSE_NONE ||
	    complain(error, where,
		"close must be \"before\", \"headers\", \"body\" or "
		"\"after\"");
}

static bool
read_hex(struct buffer *b, const char *hex)
{
	for (; *hex != '\0'; hex += 2) {
		char digits[3] = { hex[0], hex[1], '\0' };
		char byte;

		if (strspn(digits, "0123456789abcdefABCDEF") != 2)
			return false;
		byte = (char)strtoul(digits, NULL, 16);
		text_put(b, (struct slice){ &byte, 1 });
	}
	return true;
}

static bool
read_bytes(struct fault *rule, const struct rest *rest, const char *where,
    struct error *error)
{
	const char *const given[] = { rest->body, rest->body_hex, rest->raw,
		rest->raw_hex };
	size_t count = 0;

	for (size_t i = 0; i < COUNT(given); i++)
		count += given[i] != NULL;
	if (count > 1)
		return complain(error, where,
		    "takes one of body, body_hex, raw and raw_hex");
	rule->has_body = rest->body != NULL || rest->body_hex != NULL;
	rule->has_raw = rest->raw != NULL || rest->raw_hex != NULL;
	if (rest->body != NULL)
		text_put(&rule->bytes, slice_of(rest->body));
	if (rest->raw != NULL)
		text_put(&rule->bytes, slice_of(rest->raw));
	if ((rest->body_hex != NULL &&
		!read_hex(&rule->bytes, rest->body_hex)) ||
	    (rest->raw_hex != NULL && !read_hex(&rule->bytes, rest->raw_hex)))
		return complain(error, where, "needs pairs of hex digits");
	return true;
}

static bool
check_content_type(const char *type, const char *where, struct error *error)
{
	return type == NULL || strpbrk(type, "\r\n") == NULL ||
	    complain(error, where, "content_type must be one line");
}

static bool
check_headers(json_t *headers, const char *where, struct error *error)
{
	const char *name;
	json_t *value;

	json_object_foreach(headers, name, value)
	{
		if (*name == '\0' || strpbrk(name, ": \r\n") != NULL)
			return complain(error, where, "bad header name");
		if (json_is_null(value))
			continue;
		if (!json_is_string(value) ||
		    strpbrk(json_string_value(value), "\r\n") != NULL)
			return complain(error, where,
			    "headers must be strings of one line, or null");
	}
	return true;
}

static bool
read_rule(
    struct fault *rule, json_t *value, const char *where, struct error *error)
{
	struct rest rest = { NULL, NULL, NULL, NULL, NULL };
	const struct member members[] = {
		MEMBER("match", MEMBER_STRING, &rule->match),
		MEMBER_RANGE("times", &rule->times, 0, TIMES_MAX),
		MEMBER_RANGE("delay_ms", &rule->delay_ms, 0, MS_MAX),
		MEMBER_RANGE("drip_ms", &rule->drip_ms, 0, MS_MAX),
		MEMBER_RANGE("status", &rule->status, 200, 599),
		MEMBER_RANGE("truncate", &rule->truncate, 0, (int64_t)TEXT_MAX),
		MEMBER("content_type", MEMBER_STRING, &rule->content_type),
		MEMBER("headers", MEMBER_OBJECT, &rule->headers),
		MEMBER("body", MEMBER_STRING, &rest.body),
		MEMBER("body_hex", MEMBER_STRING, &rest.body_hex),
		MEMBER("raw", MEMBER_STRING, &rest.raw),
		MEMBER("raw_hex", MEMBER_STRING, &rest.raw_hex),
		MEMBER("close", MEMBER_STRING, &rest.close),
		MEMBER("reset", MEMBER_BOOL, &rule->reset),
		MEMBER("hang", MEMBER_BOOL, &rule->hang),
		MEMBER("endless", MEMBER_BOOL, &rule->endless),
	};

	*rule = (struct fault){ .match = "*", .times = -1, .truncate = -1 };
	buffer_init(&rule->bytes, TEXT_MAX);
	return members_read(value, where, members, COUNT(members), error) &&
	    read_bytes(rule, &rest, where, error) &&
	    read_close(rule, rest.close, where, error) &&
	    check_content_type(rule->content_type, where, error) &&
	    check_headers(rule->headers, where, error);
}

bool
faults_parse(struct faults *f, struct slice json, struct error *error)
{
	json_error_t broken;
	size_t i;
	json_t *item;

	f->source =
	    json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &broken);
	if (f->source == NULL) {
		error_set(error, "faults:%d:%d: %s", broken.line, broken.column,
		    broken.text);
		return false;
	}
	if (!json_is_array(f->source)) {
		error_set(error, "faults: must be a list of rules");
		faults_fini(f);
		return false;
	}
	f->rules = mem_calloc(json_array_size(f->source) + 1, sizeof *f->rules);
	json_array_foreach(f->source, i, item)
	{
		char where[MEMBER_PATH_MAX];

		(void)snprintf(where, sizeof where, "faults[%zu]", i);
		f->count++;
		if (!read_rule(&f->rules[i], item, where, error)) {
			faults_fini(f);
			return false;
		}
	}
	return true;
}

const struct fault *
faults_pick(struct faults *f, const char *path)
{
	for (size_t i = 0; i < f->count; i++) {
		struct fault *rule = &f->rules[i];

		if (rule->times == 0 || fnmatch(rule->match, path, 0) != 0)
			continue;
		if (rule->times > 0)
			rule->times--;
		return rule;
	}
	return NULL;
}

void
faults_write(const struct faults *f, struct buffer *out)
{
	char *text;

	for (size_t i = 0; i < f->count; i++)
		if (f->rules[i].times >= 0)
			json_object_set_new(json_array_get(f->source, i),
			    "times", json_integer(f->rules[i].times));
	text = f->source == NULL ? NULL : json_dumps(f->source, JSON_COMPACT);
	text_put(out, text == NULL ? SLICE("[]") : slice_of(text));
	free(text);
}
