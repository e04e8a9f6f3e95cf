#include "frontend/cli/postconf.h"

#include <stdlib.h>

#include "common/mem.h"
#include "frontend/cli/run_program.h"

#define OUTPUT_MAX ((size_t)4 << 20)

/* Run postconf with one option more; NULL with the reason in *error. */
static char *
ask(const char *directory, const char *option, struct error *error)
{
	const char *argv[5] = { "postconf", option, NULL };
	struct buffer out;
	char *text = NULL;

	if (directory != NULL) {
		argv[2] = "-c";
		argv[3] = directory;
	}
	buffer_init(&out, OUTPUT_MAX);
	if (run_program(argv, &out, error)) {
		struct slice bytes = buffer_slice(&out);

		text = mem_dup(bytes.len > 0 ? bytes.ptr : "", bytes.len);
	}
	buffer_fini(&out);
	return text;
}

bool
postconf_read(struct postconf *pc, const char *directory, struct error *error)
{
	*pc = (struct postconf){ 0 };
	pc->settings = ask(directory, "-x", error);
	if (pc->settings == NULL)
		return false;
	pc->services = ask(directory, "-M", error);
	pc->options = ask(directory, "-P", error);
	pc->types = ask(directory, "-m", error);
	if (pc->services != NULL && pc->options != NULL && pc->types != NULL)
		return true;
	postconf_fini(pc);
	return false;
}

void
postconf_fini(struct postconf *pc)
{
	free(pc->settings);
	free(pc->services);
	free(pc->options);
	free(pc->types);
	*pc = (struct postconf){ 0 };
}

/* --- Reading ------------------------------------------------------------- */

static bool
next_line(struct slice *rest, struct slice *line)
{
	const char *end;

	if (rest->len == 0)
		return false;
	end = memchr(rest->ptr, '\n', rest->len);
	line->ptr = rest->ptr;
	line->len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
	rest->ptr += line->len + (end != NULL);
	rest->len -= line->len + (end != NULL);
	return true;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice
trimmed(struct slice s)
{
	while (s.len > 0 && is_space(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

struct slice
postconf_value(const struct postconf *pc, const char *name)
{
	struct slice rest = slice_of(pc->settings);
	struct slice wanted = slice_of(name);
	struct slice line;

	while (next_line(&rest, &line)) {
		const char *equals =
		    line.len > 0 ? memchr(line.ptr, '=', line.len) : NULL;
		size_t len = equals != NULL ? (size_t)(equals - line.ptr) : 0;

		if (equals != NULL &&
		    slice_equal(
			trimmed((struct slice){ line.ptr, len }), wanted))
			return trimmed(
			    (struct slice){ equals + 1, line.len - len - 1 });
	}
	return SLICE("");
}

static long
number_of(struct slice text, long fallback)
{
	char digits[20];
	char *end;
	long n;

	if (text.len == 0 || text.len >= sizeof digits)
		return fallback;
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = '\0';
	n = strtol(digits, &end, 10);
	return *end == '\0' ? n : fallback;
}

long
postconf_number(const struct postconf *pc, const char *name, long fallback)
{
	return number_of(postconf_value(pc, name), fallback);
}

bool
postconf_has_type(const struct postconf *pc, const char *type)
{
	struct slice rest = slice_of(pc->types);
	struct slice line;

	while (next_line(&rest, &line)) {
		if (slice_equal(trimmed(line), slice_of(type)))
			return true;
	}
	return false;
}

bool
postconf_next_word(struct slice *rest, struct slice *word)
{
	while (rest->len > 0 &&
	    (is_space(rest->ptr[0]) || rest->ptr[0] == ',' ||
		rest->ptr[0] == '\n')) {
		rest->ptr++;
		rest->len--;
	}
	*word = (struct slice){ rest->ptr, 0 };
	while (rest->len > 0 && !is_space(rest->ptr[0]) &&
	    rest->ptr[0] != ',' && rest->ptr[0] != '\n') {
		rest->ptr++;
		rest->len--;
		word->len++;
	}
	return word->len > 0;
}

bool
postconf_next_service(struct slice *rest, struct postconf_service *out)
{
	struct slice line;
	/* service type private unpriv chroot wakeup maxproc command */
	struct slice fields[8];

	while (next_line(rest, &line)) {
		size_t n = 0;

		if (line.len == 0 || is_space(line.ptr[0]) ||
		    line.ptr[0] == '#')
			continue;
		while (n < 8 && postconf_next_word(&line, &fields[n]))
			n++;
		if (n < 8)
			continue;
		*out = (struct postconf_service){
			.name = fields[0],
			.type = fields[1],
			.command = fields[7],
			/* "-" is "n" since Postfix 3.0. */
			.chroot = slice_equal(fields[4], SLICE("y")),
			.maxproc = number_of(fields[6], -1),
		};
		return true;
	}
	return false;
}

bool
postconf_chrooted(const struct postconf *pc, const char *command)
{
	struct slice rest = slice_of(pc->services);
	struct postconf_service s;

	while (postconf_next_service(&rest, &s)) {
		if (s.chroot && slice_equal(s.command, slice_of(command)))
			return true;
	}
	return false;
}
