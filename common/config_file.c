#include "common/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/quote.h"

#define EXPORT "export"

/* One --config file being read. */
struct reading {
	struct config *config;
	struct config_layer layer;
	const char *path;
	unsigned line;
	bool has_secret;
};

/* Room for cap bytes and a NUL; no copy of what is read stays behind. */
static void
grow(struct config_file *file, size_t cap)
{
	char *bytes = mem_calloc(cap + 1, 1);

	if (file->bytes != NULL) {
		memcpy(bytes, file->bytes, file->len);
		explicit_bzero(file->bytes, file->len);
		free(file->bytes);
	}
	file->bytes = bytes;
}

/* Read up to max + 1 bytes, so that a file over the limit shows. */
static bool
read_all(struct config_file *file, int fd, size_t max)
{
	size_t cap = 0;

	while (file->len <= max) {
		ssize_t n;

		if (cap == file->len) {
			cap = cap == 0 ? 4096 : cap * 2;
			grow(file, cap);
		}
		n = read(fd, file->bytes + file->len, cap - file->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0) {
			file->bytes[file->len] = '\0';
			return true;
		}
		file->len += (size_t)n;
	}
	errno = EFBIG;
	return false;
}

bool
config_file_load(struct config_file *file, const char *path, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool ok = false;

	*file = (struct config_file){ 0 };
	if (fd >= 0 && fstat(fd, &st) == 0) {
		file->is_public = S_ISREG(st.st_mode) && (st.st_mode & S_IROTH);
		ok = read_all(file, fd, max);
	}
	if (!ok) {
		int error = errno;

		config_file_free(file);
		file->error = error;
	}
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

void
config_file_free(struct config_file *file)
{
	if (file->bytes != NULL)
		explicit_bzero(file->bytes, file->len);
	free(file->bytes);
	*file = (struct config_file){ 0 };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice
trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static struct slice
without_export(struct slice key)
{
	size_t n = sizeof EXPORT - 1;

	if (key.len <= n || memcmp(key.ptr, EXPORT, n) != 0 ||
	    !is_blank(key.ptr[n]))
		return key;
	return trim((struct slice){ key.ptr + n, key.len - n });
}

/*
 * Take the value out of what stands behind the '=': quotes go, and so does a
 * comment.  False with the reason if a quote is wrong.
 */
static bool
unquote(struct slice *value, const char **reason)
{
	struct slice rest = trim(*value);
	const char *end;

	if (rest.len == 0 || (rest.ptr[0] != '"' && rest.ptr[0] != '\'')) {
		for (size_t i = 0; i < rest.len; i++)
			if (rest.ptr[i] == '#' &&
			    (i == 0 || is_blank(rest.ptr[i - 1])))
				rest.len = i;
		*value = trim(rest);
		return true;
	}
	end = memchr(rest.ptr + 1, rest.ptr[0], rest.len - 1);
	if (end == NULL) {
		*reason = "the value's quote is not closed: close it";
		return false;
	}
	*value = (struct slice){ rest.ptr + 1, (size_t)(end - rest.ptr - 1) };
	rest.len -= value->len + 2;
	rest.ptr = end + 1;
	if (rest.len > 0 && !is_blank(rest.ptr[0])) {
		*reason = "something follows the value's closing quote: put "
			  "the whole value in quotes of the other kind";
		return false;
	}
	rest = trim(rest);
	if (rest.len > 0 && rest.ptr[0] != '#') {
		*reason = "something follows the value's closing quote: "
			  "remove it, or start it with '#'";
		return false;
	}
	return true;
}

static void
set(struct reading *r, struct config_match match, struct slice value)
{
	const struct config_option *option =
	    &r->config->program->options[match.index];
	struct config_given *given = &r->layer.given[match.index];
	const char *before = match.is_file ? given->file : given->value;

	if (before != NULL)
		config_note(&r->config->warnings,
		    "%s:%u: %s%s is set again: this line overrides line %u",
		    r->path, r->line, option->name,
		    match.is_file ? "_FILE" : "", given->line);
	if ((option->flags & CONFIG_SECRET) && !match.is_file)
		r->has_secret = true;
	given->line = r->line;
	config_layer_set(&r->layer, match, value);
}

static void
refuse_key(struct reading *r, struct slice key)
{
	const char *nearest = config_option_nearest(r->config->program, key);
	char shown[QUOTE_SIZE];

	config_note(&r->config->errors,
	    "%s:%u: %s is not a setting of %s: %s%s", r->path, r->line,
	    quote_value(key, shown), r->config->program->name,
	    nearest != NULL ? "did you mean " : "see --help for all of them",
	    nearest != NULL ? nearest : "");
}

static void
read_line(struct reading *r, struct slice line)
{
	const char *equals;
	const char *reason;
	struct config_match match;
	struct slice key;
	struct slice value;

	line = trim(line);
	if (line.len == 0 || line.ptr[0] == '#')
		return;
	equals = memchr(line.ptr, '=', line.len);
	if (equals == NULL) {
		config_note(&r->config->errors,
		    "%s:%u: the line has no '=': write it as KEY=value, or "
		    "start it with '#'",
		    r->path, r->line);
		return;
	}
	key = (struct slice){ line.ptr, (size_t)(equals - line.ptr) };
	value = (struct slice){ equals + 1, line.len - key.len - 1 };
	key = without_export(trim(key));
	match = config_option_by_name(r->config->program, key);
	if (!match.is_found) {
		if (!config_option_is_foreign(r->config->program, key))
			refuse_key(r, key);
	} else if (!unquote(&value, &reason)) {
		config_note(&r->config->errors, "%s:%u: %s: %s", r->path,
		    r->line, r->config->program->options[match.index].name,
		    reason);
	} else if (value.len > 0) {
		set(r, match, value);
	}
}

static void
read_lines(struct reading *r, struct slice text)
{
	while (text.len > 0) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
		size_t used = end != NULL ? len + 1 : len;

		r->line++;
		read_line(r, (struct slice){ text.ptr, len });
		text = (struct slice){ text.ptr + used, text.len - used };
	}
}

void
config_file_apply(struct config *config, const char *path)
{
	struct reading r = { .config = config, .path = path };
	struct config_file file;

	if (!config_file_load(&file, path, CONFIG_FILE_MAX)) {
		config_note(&config->errors,
		    "--config: %s cannot be read: %s: name a file that this "
		    "user can read and that has at most 1 MiB",
		    path, strerror(file.error));
		return;
	}
	config_layer_init(&r.layer, config->program, CONFIG_FROM_FILE);
	r.layer.path = path;
	if (memchr(file.bytes, '\0', file.len) != NULL)
		config_note(&config->errors,
		    "--config: %s has a NUL byte in it: write it as text",
		    path);
	else
		read_lines(&r, (struct slice){ file.bytes, file.len });
	if (r.has_secret && file.is_public)
		config_note(&config->warnings,
		    "%s holds a secret and can be read by every user of this "
		    "host: take that away with chmod o= and the file's name",
		    path);
	config_layer_apply(config, &r.layer);
	config_layer_fini(&r.layer);
	config_file_free(&file);
}
