#include "common/config_value.h"

#include <strings.h>

#include "common/config_number.h"
#include "common/quote.h"

static void
format_range(
    const struct config_option *option, char out[static CONFIG_ALLOWED_SIZE])
{
	char low[32];
	char high[32];

	config_number_format(option->type, option->min, low);
	config_number_format(option->type, option->max, high);
	if (option->max == 0)
		(void)snprintf(out, CONFIG_ALLOWED_SIZE, "%s or more", low);
	else
		(void)snprintf(out, CONFIG_ALLOWED_SIZE, "%s to %s", low, high);
}

static void
format_choices(
    const struct config_option *option, char out[static CONFIG_ALLOWED_SIZE])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; option->choices[i] != NULL; i++) {
		const char *between = i == 0         ? ""
		    : option->choices[i + 1] == NULL ? " or "
						     : ", ";
		int n = snprintf(out + used, CONFIG_ALLOWED_SIZE - used, "%s%s",
		    between, option->choices[i]);

		if (n < 0 || (size_t)n >= CONFIG_ALLOWED_SIZE - used)
			return;
		used += (size_t)n;
	}
}

void
config_value_allowed(
    const struct config_option *option, char out[static CONFIG_ALLOWED_SIZE])
{
	static const char *const endpoints[] = {
		[ENDPOINT_SOCKETMAP] = "list of :port, host:port or /path",
		[ENDPOINT_HTTP] = "list of :port or host:port",
		[ENDPOINT_RPC] = "list of tcp://, tls+tcp:// or ipc:// URLs",
		[ENDPOINT_POOL] = ("list of tcp://, tls+tcp://, srv+tcp://, "
				   "srv+tls+tcp:// or ipc:// URLs"),
	};
	const char *text = "text";

	switch (option->type) {
	case CONFIG_INTEGER:
	case CONFIG_DURATION:
	case CONFIG_SIZE:
	case CONFIG_OCTAL:
		format_range(option, out);
		return;
	case CONFIG_CHOICE:
		format_choices(option, out);
		return;
	case CONFIG_BOOL:
		text = "yes or no";
		break;
	case CONFIG_ENDPOINTS:
		text = endpoints[option->syntax];
		break;
	case CONFIG_STRING:
		break;
	}
	(void)snprintf(out, CONFIG_ALLOWED_SIZE, "%s", text);
}

static bool
refuse(const struct config_option *option, const char *text, const char *reason,
    struct error *error)
{
	char shown[QUOTE_SIZE];

	if (option->flags & CONFIG_SECRET)
		error_set(error, "%s: the value %s", option->name, reason);
	else
		error_set(error, "%s: %s %s", option->name,
		    quote_value(slice_of(text), shown), reason);
	return false;
}

static bool
read_bool(const struct config_option *option, const char *text, bool *out,
    struct error *error)
{
	static const char *const names[] = { "0", "1", "false", "true", "no",
		"yes", "off", "on" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcasecmp(text, names[i]) == 0) {
			*out = i % 2 == 1;
			return true;
		}
	}
	return refuse(option, text,
	    "is neither yes nor no: write it as 1, true, yes or on, or as 0, "
	    "false, no or off",
	    error);
}

static bool
read_choice(const struct config_option *option, const char *text, int *out,
    struct error *error)
{
	char allowed[CONFIG_ALLOWED_SIZE];
	char reason[CONFIG_ALLOWED_SIZE + 32];

	for (int i = 0; option->choices[i] != NULL; i++) {
		if (strcasecmp(text, option->choices[i]) == 0) {
			*out = i;
			return true;
		}
	}
	format_choices(option, allowed);
	(void)snprintf(
	    reason, sizeof reason, "is not known: write %s", allowed);
	return refuse(option, text, reason, error);
}

static bool
read_number(const struct config_option *option, const char *text, uint64_t *out,
    struct error *error)
{
	enum config_number_status status;
	uint64_t max = option->max > 0 ? option->max : UINT64_MAX;
	const char *wrong = "is not a number: write digits only";
	char allowed[CONFIG_ALLOWED_SIZE];
	char reason[CONFIG_ALLOWED_SIZE + 96];

	if (option->type == CONFIG_DURATION) {
		status = config_number_duration(text, out);
		wrong = "is not a duration: write it as 5s, 1m30s or 500ms";
	} else if (option->type == CONFIG_SIZE) {
		status = config_number_size(text, out);
		wrong =
		    "is not a size: write it as 65536, 64KiB, 16MiB or 1GiB";
	} else if (option->type == CONFIG_OCTAL) {
		status = config_number_whole(text, 8, out);
		wrong = "is not an octal number: write it as 0660";
	} else {
		status = config_number_whole(text, 10, out);
	}
	if (status == CONFIG_NUMBER_OK && *out >= option->min && *out <= max)
		return true;

	format_range(option, allowed);
	if (status == CONFIG_NUMBER_MALFORMED)
		(void)snprintf(
		    reason, sizeof reason, "%s (allowed: %s)", wrong, allowed);
	else
		(void)snprintf(reason, sizeof reason,
		    "is out of range: allowed is %s", allowed);
	return refuse(option, text, reason, error);
}

static bool
read_string(const struct config_option *option, const char *text, void *out,
    struct error *error)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return refuse(option, text,
			    "has a control character in it, such as a line "
			    "end: write it without",
			    error);
	if ((option->flags & CONFIG_SECRET) &&
	    (strcmp(text, CONFIG_SECRET_SET) == 0 ||
		strcmp(text, CONFIG_SECRET_UNSET) == 0))
		return refuse(option, text,
		    "is what --print-config shows in place of a secret: write "
		    "the secret itself",
		    error);
	memcpy(out, &text, sizeof text);
	return true;
}

static bool
read_endpoints(const struct config_option *option, const char *text,
    struct endpoint_list *out, struct error *error)
{
	struct error reason;

	/* Not required, not given: nowhere. */
	if (text[0] == '\0' && option->fallback[0] == '\0')
		return true;
	if (endpoint_list_parse(slice_of(text), option->syntax, out, &reason))
		return true;
	error_set(error, "%s: %s", option->name, reason.text);
	return false;
}

static bool
read_typed(const struct config_option *option, const char *text, void *field,
    struct error *error)
{
	switch (option->type) {
	case CONFIG_STRING:
		return read_string(option, text, field, error);
	case CONFIG_BOOL:
		return read_bool(option, text, field, error);
	case CONFIG_CHOICE:
		return read_choice(option, text, field, error);
	case CONFIG_ENDPOINTS:
		return read_endpoints(option, text, field, error);
	case CONFIG_INTEGER:
	case CONFIG_DURATION:
	case CONFIG_SIZE:
	case CONFIG_OCTAL:
		break;
	}
	return read_number(option, text, field, error);
}

/* A URL may hold a password: what is shown begins after it. */
static struct slice
without_password(const char *text)
{
	const char *at =
	    strstr(text, "://") != NULL ? strrchr(text, '@') : NULL;

	return slice_of(at == NULL ? text : at + 1);
}

/* The option's own check; a secret that it repeats is not passed on. */
static bool
passes_check(
    const struct config_option *option, const char *text, struct error *error)
{
	struct error reason = { "is not valid" };
	char shown[QUOTE_SIZE];

	if (option->check == NULL || text[0] == '\0' ||
	    option->check(text, &reason))
		return true;
	if (!(option->flags & CONFIG_SECRET))
		error_set(error, "%s: %s: %s", option->name,
		    quote_value(without_password(text), shown), reason.text);
	else if (strstr(reason.text, text) == NULL)
		error_set(error, "%s: %s", option->name, reason.text);
	else
		error_set(error, "%s: the value is not valid", option->name);
	return false;
}

bool
config_value_read(const struct config_option *option, const char *text,
    void *settings, struct error *error)
{
	if (text[0] == '\0' && (option->flags & CONFIG_REQUIRED)) {
		if (option->flags & CONFIG_SECRET)
			error_set(error,
			    "%s: is required and not set: set it, or set "
			    "%s_FILE to the path of a file that holds it",
			    option->name, option->name);
		else
			error_set(error, "%s: is required and not set: set it",
			    option->name);
		return false;
	}
	return read_typed(
		   option, text, (char *)settings + option->offset, error) &&
	    passes_check(option, text, error);
}
