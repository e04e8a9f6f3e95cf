#include "backend/webhook.h"

#include <jansson.h>
#include <stdio.h>

#include "backend/json_shape.h"
#include "backend/webhook_time.h"

#define SIGNED_MAX (WEBHOOK_TYPE_MAX + WEBHOOK_EMAIL_MAX + 200)
#define TIME_MAX 64 /* bytes of a timestamp */

static const char *const verdict_names[WEBHOOK_VERDICTS] = {
	[WEBHOOK_VALID] = "accepted",
	[WEBHOOK_IGNORED] = "ignored",
	[WEBHOOK_TOO_LARGE] = "too_large",
	[WEBHOOK_UNSIGNED] = "unsigned",
	[WEBHOOK_FORGED] = "forged",
	[WEBHOOK_MALFORMED] = "malformed",
	[WEBHOOK_STALE] = "stale",
	[WEBHOOK_REPLAYED] = "replayed",
};

static const char *const types[] = {
	"user.created",
	"user.deleted",
	"user.reset",
};

const char *
webhook_verdict_name(enum webhook_verdict verdict)
{
	return verdict_names[verdict];
}

/* --- The body ------------------------------------------------------------ */

/* The members that matter, borrowed from an object. */
struct members {
	struct slice type;
	struct slice email;
	json_t *timestamp;
};

static bool
get_text(json_t *object, const char *name, size_t max, struct slice *out)
{
	json_t *value = json_object_get(object, name);

	if (!json_is_string(value))
		return false;
	*out = (struct slice){ json_string_value(value),
		json_string_length(value) };
	return out->len > 0 && out->len <= max;
}

/* Parse body; NULL unless it has all of the members.  The caller releases. */
static json_t *
parse(struct slice body, struct members *out)
{
	json_t *root;

	if (json_shape_of(body).depth > WEBHOOK_NESTING_MAX)
		return NULL;
	root = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
	out->timestamp = json_object_get(root, "timestamp");
	if (out->timestamp != NULL &&
	    get_text(root, "type", WEBHOOK_TYPE_MAX, &out->type) &&
	    get_text(json_object_get(root, "data"), "email", WEBHOOK_EMAIL_MAX,
		&out->email))
		return root;
	json_decref(root);
	return NULL;
}

static bool
read_timestamp(const json_t *value, int64_t *out)
{
	if (json_is_integer(value)) {
		*out = (int64_t)json_integer_value(value);
		return true;
	}
	return json_is_string(value) &&
	    webhook_time_read((struct slice){ json_string_value(value),
				  json_string_length(value) },
		out);
}

/* One '@' with something on either side, and nothing that no address has. */
static bool
is_address(struct slice text)
{
	const char *at = memchr(text.ptr, '@', text.len);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c <= 0x20 || c == 0x7f)
			return false;
	}
	return at != NULL && at > text.ptr && at + 1 < text.ptr + text.len &&
	    strchr(at + 1, '@') == NULL;
}

/* --- The signature ------------------------------------------------------- */

/* Whether every JSON encoder writes text as it stands. */
static bool
is_plain(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			return false;
	}
	return true;
}

/* Whether mac is of what userli signed, before the body was put in order. */
static bool
signed_in_other_order(const struct webhook_rules *rules,
    const struct members *members, const uint8_t mac[static HMAC_BYTES])
{
	char text[SIGNED_MAX];
	struct slice timestamp = { json_string_value(members->timestamp),
		json_string_length(members->timestamp) };
	int len;

	if (timestamp.ptr == NULL || timestamp.len > TIME_MAX ||
	    !is_plain(timestamp) || !is_plain(members->type) ||
	    !is_plain(members->email))
		return false;
	len = snprintf(text, sizeof text,
	    "{\"type\":\"%s\",\"timestamp\":\"%s\",\"data\":{\"email\":\"%s\"}"
	    "}",
	    members->type.ptr, timestamp.ptr, members->email.ptr);
	return len > 0 && (size_t)len < sizeof text &&
	    hmac_verify(
		rules->secret, (struct slice){ text, (size_t)len }, mac);
}

/* --- Judgement ----------------------------------------------------------- */

static bool
has_type(const struct members *members)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (slice_equal(members->type, slice_of(types[i])))
			return true;
	}
	return false;
}

static bool
has_id(const struct webhook_message *message)
{
	return message->id != NULL && message->id[0] != '\0' &&
	    strlen(message->id) <= WEBHOOK_ID_MAX;
}

/* Of one that is authentic. */
static enum webhook_verdict
judge_content(const struct webhook_rules *rules,
    const struct webhook_message *message, const struct members *members,
    int64_t now, struct webhook *out)
{
	int64_t at;

	if (!has_id(message) || !read_timestamp(members->timestamp, &at) ||
	    !is_address(members->email))
		return WEBHOOK_MALFORMED;
	/* No sum of what came from outside: it could overflow. */
	if (at < now - rules->window_s || at > now + rules->window_s)
		return WEBHOOK_STALE;
	if (!has_type(members))
		return WEBHOOK_IGNORED;
	memcpy(out->email, members->email.ptr, members->email.len);
	out->email[members->email.len] = '\0';
	out->timestamp = at;
	return WEBHOOK_VALID;
}

enum webhook_verdict
webhook_judge(const struct webhook_rules *rules,
    const struct webhook_message *message, int64_t now, struct webhook *out)
{
	struct members members = { 0 };
	enum webhook_verdict verdict;
	json_t *root;
	bool authentic;

	if (message->body.len > WEBHOOK_BODY_MAX)
		return WEBHOOK_TOO_LARGE;
	if (message->signature == NULL ||
	    !hmac_read(message->signature, out->mac))
		return WEBHOOK_UNSIGNED;
	authentic = hmac_verify(rules->secret, message->body, out->mac);
	if (!authentic && message->body.len > SIGNED_MAX * 2)
		return WEBHOOK_FORGED; /* and not worth a look inside */
	root = parse(message->body, &members);
	if (!authentic && root != NULL)
		authentic = signed_in_other_order(rules, &members, out->mac);
	if (!authentic)
		verdict = WEBHOOK_FORGED;
	else if (root == NULL)
		verdict = WEBHOOK_MALFORMED;
	else
		verdict = judge_content(rules, message, &members, now, out);
	json_decref(root);
	return verdict;
}
