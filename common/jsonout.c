#include "common/jsonout.h"

#include <inttypes.h>
#include <math.h>

void
jsonout_init(struct jsonout *j, struct buffer *out)
{
	*j = (struct jsonout){ .out = out };
}

static void
append(struct jsonout *j, const char *text)
{
	if (!j->failed && !buffer_append_slice(j->out, slice_of(text)))
		j->failed = true;
}

/* What comes before any value. */
static void
begin(struct jsonout *j, const char *name)
{
	if (j->follows)
		append(j, ",");
	j->follows = true;
	if (name == NULL)
		return;
	append(j, "\"");
	append(j, name);
	append(j, "\":");
}

void
jsonout_object(struct jsonout *j, const char *name)
{
	begin(j, name);
	append(j, "{");
	j->follows = false;
}

void
jsonout_array(struct jsonout *j, const char *name)
{
	begin(j, name);
	append(j, "[");
	j->follows = false;
}

void
jsonout_end_object(struct jsonout *j)
{
	append(j, "}");
	j->follows = true;
}

void
jsonout_end_array(struct jsonout *j)
{
	append(j, "]");
	j->follows = true;
}

void
jsonout_string(struct jsonout *j, const char *name, const char *value)
{
	begin(j, name);
	append(j, "\"");
	for (; *value != '\0' && !j->failed; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			j->failed |= !buffer_printf(j->out, "\\%c", c);
		else if (c < 0x20)
			j->failed |= !buffer_printf(j->out, "\\u%04x", c);
		else
			j->failed |= !buffer_append(j->out, value, 1);
	}
	append(j, "\"");
}

void
jsonout_bool(struct jsonout *j, const char *name, bool value)
{
	begin(j, name);
	append(j, value ? "true" : "false");
}

void
jsonout_number(struct jsonout *j, const char *name, double value)
{
	begin(j, name);
	if (!isfinite(value))
		append(j, "null");
	else if (!j->failed)
		j->failed = !buffer_printf(j->out, "%.10g", value);
}

void
jsonout_integer(struct jsonout *j, const char *name, uint64_t value)
{
	begin(j, name);
	if (!j->failed)
		j->failed = !buffer_printf(j->out, "%" PRIu64, value);
}
