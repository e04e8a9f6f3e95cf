#include "common/steps.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/utf8.h"

void
steps_init(struct steps *s, size_t max, uint64_t now_ns)
{
	buffer_init(&s->text, max);
	s->started_ns = now_ns;
}

void
steps_fini(struct steps *s)
{
	buffer_fini(&s->text);
}

/* Make a line of text printable anywhere. */
static void
clean(char *text)
{
	unsigned char *p = (unsigned char *)text;
	size_t left = strlen(text);

	while (left > 0) {
		size_t n = *p < 0x80 ? 1 : utf8_length(p, left);

		/* C1's control characters are C2 80 to C2 9F. */
		if (n == 0 || *p < 0x20 || *p == 0x7f ||
		    (*p == 0xc2 && p[1] < 0xa0)) {
			*p = '?';
			n = 1;
		}
		p += n;
		left -= n;
	}
}

void
steps_add(
    struct steps *s, uint64_t now_ns, const char *name, const char *format, ...)
{
	char text[STEPS_TEXT_MAX];
	va_list args;

	if (s == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	clean(text);
	(void)!buffer_printf(&s->text, "%" PRIu64 "\t%s\t%s\n",
	    (now_ns - s->started_ns) / 1000, name, text);
}

/* Take what comes before end off *rest. */
static bool
take(struct slice *rest, char end, struct slice *out)
{
	const char *at =
	    rest->len > 0 ? memchr(rest->ptr, end, rest->len) : NULL;

	if (at == NULL)
		return false;
	*out = (struct slice){ rest->ptr, (size_t)(at - rest->ptr) };
	rest->len -= out->len + 1;
	rest->ptr = at + 1;
	return true;
}

static bool
parse_us(struct slice digits, uint64_t *out)
{
	*out = 0;
	if (digits.len == 0 || digits.len > 15)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(digits.ptr[i] - '0');
	}
	return true;
}

bool
steps_next(struct slice *rest, struct step *out)
{
	struct slice digits;
	struct slice line;

	return take(rest, '\n', &line) && take(&line, '\t', &digits) &&
	    parse_us(digits, &out->us) && take(&line, '\t', &out->name) &&
	    (out->text = line, true);
}
