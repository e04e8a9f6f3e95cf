#include "backend/userli_json.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/mem.h"

#include "backend/json_shape.h"

#define DECODE_FLAGS (JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

static const char *const verdict_names[USERLI_JSON_VERDICTS] = {
	[USERLI_JSON_FOUND] = "found",
	[USERLI_JSON_ABSENT] = "absent",
	[USERLI_JSON_NOT_JSON] = "not JSON",
	[USERLI_JSON_WRONG_TYPE] = "wrong type",
	[USERLI_JSON_BAD_ADDRESS] = "bad address",
	[USERLI_JSON_TOO_LARGE] = "too large",
	[USERLI_JSON_NO_MEMORY] = "out of memory",
};

/* The addresses of a list, whichever of its two forms it came in. */
struct elements {
	json_t *list;
	void *iterator; /* of an object */
	size_t next;    /* of an array */
	bool is_object;
};

static enum userli_json_verdict
check_shape(struct slice body)
{
	struct json_shape shape;

	if (body.len > USERLI_JSON_BODY_MAX)
		return USERLI_JSON_TOO_LARGE;
	/* No JSON holds one, and jansson would end there. */
	if (body.len > 0 && memchr(body.ptr, '\0', body.len) != NULL)
		return USERLI_JSON_NOT_JSON;
	shape = json_shape_of(body);
	if (shape.depth > USERLI_JSON_NESTING_MAX)
		return USERLI_JSON_WRONG_TYPE;
	if (shape.commas >= USERLI_JSON_ELEMENTS_MAX)
		return USERLI_JSON_TOO_LARGE;
	return USERLI_JSON_FOUND;
}

static bool
is_number(const char *key)
{
	if (*key == '\0')
		return false;
	return key[strspn(key, "0123456789")] == '\0';
}

/* False when list is not what this map answers. */
static bool
elements_open(struct elements *e, enum lookup_map map, json_t *list)
{
	*e = (struct elements){ .list = list };
	if (json_is_array(list))
		return true;
	if (map != LOOKUP_SENDERS || !json_is_object(list))
		return false;
	e->is_object = true;
	e->iterator = json_object_iter(list);
	for (void *i = e->iterator; i != NULL;
	     i = json_object_iter_next(list, i)) {
		if (!is_number(json_object_iter_key(i)))
			return false;
	}
	return true;
}

/* The next element, or NULL after the last. */
static json_t *
elements_next(struct elements *e)
{
	json_t *value;

	if (!e->is_object)
		return json_array_get(e->list, e->next++);
	if (e->iterator == NULL)
		return NULL;
	value = json_object_iter_value(e->iterator);
	e->iterator = json_object_iter_next(e->list, e->iterator);
	return value;
}

static struct slice
text_of(const json_t *string)
{
	return (struct slice){ json_string_value(string),
		json_string_length(string) };
}

/* jansson has seen to it that the text is UTF-8. */
static bool
is_address(struct slice text)
{
	bool has_at = false;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c <= 0x20 || c == 0x7F || c == ',')
			return false;
		/* U+0080 to U+009F, the C1 controls */
		if (c == 0xC2 && (unsigned char)text.ptr[i + 1] < 0xA0)
			return false;
		if (c == '@' && i > 0 && i + 1 < text.len)
			has_at = true;
	}
	return has_at;
}

/* Check every element, and count the bytes of all with their commas. */
static enum userli_json_verdict
measure(struct elements e, size_t *total)
{
	bool all_are_addresses = true;
	json_t *element;

	*total = 0;
	while ((element = elements_next(&e)) != NULL) {
		if (!json_is_string(element))
			return USERLI_JSON_WRONG_TYPE;
		if (!is_address(text_of(element)))
			all_are_addresses = false;
		*total += (*total > 0) + json_string_length(element);
	}
	if (!all_are_addresses)
		return USERLI_JSON_BAD_ADDRESS;
	return *total > 0 ? USERLI_JSON_FOUND : USERLI_JSON_ABSENT;
}

static enum userli_json_verdict
read_list(enum lookup_map map, json_t *list, struct buffer *out)
{
	struct elements e;
	size_t total;
	enum userli_json_verdict verdict;
	json_t *element;
	char *to;

	if (!elements_open(&e, map, list))
		return USERLI_JSON_WRONG_TYPE;
	verdict = measure(e, &total);
	if (verdict != USERLI_JSON_FOUND)
		return verdict;
	if (total > out->max - buffer_len(out))
		return USERLI_JSON_TOO_LARGE;
	to = buffer_reserve(out, total);
	if (to == NULL)
		return USERLI_JSON_NO_MEMORY;
	for (char *at = to; (element = elements_next(&e)) != NULL;) {
		struct slice text = text_of(element);

		if (at > to)
			*at++ = ',';
		memcpy(at, text.ptr, text.len);
		at += text.len;
	}
	buffer_commit(out, total);
	return USERLI_JSON_FOUND;
}

static enum userli_json_verdict
read_bool(json_t *value, struct buffer *out)
{
	if (!json_is_boolean(value))
		return USERLI_JSON_WRONG_TYPE;
	if (json_is_false(value))
		return USERLI_JSON_ABSENT;
	if (buffer_len(out) == out->max)
		return USERLI_JSON_TOO_LARGE;
	return buffer_append(out, "1", 1) ? USERLI_JSON_FOUND
					  : USERLI_JSON_NO_MEMORY;
}

void
userli_json_use_mem(void)
{
	json_set_alloc_funcs(mem_alloc, free);
}

enum userli_json_verdict
userli_json_read(enum lookup_map map, struct slice body, struct buffer *out)
{
	bool is_bool = map == LOOKUP_DOMAIN || map == LOOKUP_MAILBOX;
	enum userli_json_verdict verdict = check_shape(body);
	json_error_t error;
	json_t *value;

	/* Too long a list is no value that is too long where none may be. */
	if (verdict == USERLI_JSON_TOO_LARGE && is_bool)
		return USERLI_JSON_WRONG_TYPE;
	if (verdict != USERLI_JSON_FOUND)
		return verdict;
	value = json_loadb(
	    body.len > 0 ? body.ptr : "", body.len, DECODE_FLAGS, &error);
	if (value == NULL)
		return json_error_code(&error) == json_error_out_of_memory
		    ? USERLI_JSON_NO_MEMORY
		    : USERLI_JSON_NOT_JSON;
	if (is_bool)
		verdict = read_bool(value, out);
	else
		verdict = read_list(map, value, out);
	json_decref(value);
	return verdict;
}

const char *
userli_json_verdict_name(enum userli_json_verdict verdict)
{
	return verdict_names[verdict];
}
