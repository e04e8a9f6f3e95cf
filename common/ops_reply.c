#include "common/ops.h"

/* Append text as the inside of a JSON string; what is not ASCII stays. */
static bool
append_escaped(struct buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		bool ok;

		if (c == '"' || c == '\\')
			ok = buffer_printf(out, "\\%c", c);
		else if (c < 0x20)
			ok = buffer_printf(out, "\\u%04x", c);
		else
			ok = buffer_append(out, text, 1);
		if (!ok)
			return false;
	}
	return true;
}

void
ops_reply_status(struct ops_reply *reply, const char *status, const char *error)
{
	struct buffer *out = reply->body;

	if (!buffer_printf(out, "{\"status\":\"%s\"", status) ||
	    (error != NULL &&
		(!buffer_printf(out, ",\"error\":\"") ||
		    !append_escaped(out, error) ||
		    !buffer_printf(out, "\""))) ||
	    !buffer_printf(out, "}\n"))
		reply->status = 500;
}
