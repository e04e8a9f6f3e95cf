#include "common/config_option.h"

#define FILE_SUFFIX SLICE("_FILE")
#define NAME_MAX_COMPARED 63

/* Flags are lower case with dashes, names upper case with underscores. */
static char
as_in_flag(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '_' ? '-' : c;
}

static char
as_in_name(char c)
{
	return c;
}

/* Whether written is name, every character of name passed through as. */
static bool
is_spelled(struct slice written, struct slice name, char (*as)(char c))
{
	if (written.len != name.len)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (written.ptr[i] != as(name.ptr[i]))
			return false;
	return true;
}

/* Whether written is name followed by _FILE. */
static bool
is_spelled_with_file(
    struct slice written, struct slice name, char (*as)(char c))
{
	struct slice suffix = FILE_SUFFIX;

	return written.len == name.len + suffix.len &&
	    is_spelled((struct slice){ written.ptr, name.len }, name, as) &&
	    is_spelled((struct slice){ written.ptr + name.len, suffix.len },
		suffix, as);
}

static struct config_match
find(const struct config_program *program, struct slice written,
    char (*as)(char c))
{
	struct config_match match = { 0 };

	/* X_FILE may be an option of its own beside a secret X. */
	for (size_t i = 0; i < program->count; i++) {
		const struct config_option *option = &program->options[i];

		if (is_spelled(written, slice_of(option->name), as))
			return (struct config_match){ i, false, true };
		if ((option->flags & CONFIG_SECRET) &&
		    is_spelled_with_file(written, slice_of(option->name), as))
			match = (struct config_match){ i, true, true };
	}
	return match;
}

struct config_match
config_option_by_name(const struct config_program *program, struct slice name)
{
	return find(program, name, as_in_name);
}

struct config_match
config_option_by_flag(const struct config_program *program, struct slice flag)
{
	return find(program, flag, as_in_flag);
}

bool
config_option_is_foreign(
    const struct config_program *program, struct slice name)
{
	const char *const *foreign = program->foreign;

	for (; foreign != NULL && *foreign != NULL; foreign++)
		if (slice_equal(name, slice_of(*foreign)) ||
		    is_spelled_with_file(name, slice_of(*foreign), as_in_name))
			return true;
	return false;
}

static size_t
smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many letters must be changed, added or removed (Levenshtein). */
static size_t
distance(struct slice a, struct slice b)
{
	size_t row[NAME_MAX_COMPARED + 1];

	if (a.len > NAME_MAX_COMPARED || b.len > NAME_MAX_COMPARED)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < b.len; j++) {
			size_t above = row[j + 1];

			row[j + 1] = smallest(row[j] + 1, above + 1,
			    diagonal + (a.ptr[i] != b.ptr[j]));
			diagonal = above;
		}
	}
	return row[b.len];
}

const char *
config_option_nearest(const struct config_program *program, struct slice name)
{
	const char *nearest = NULL;
	size_t limit = name.len / 4 + 1;

	for (size_t i = 0; i < program->count; i++) {
		size_t d = distance(name, slice_of(program->options[i].name));

		if (d < limit || (d == limit && nearest == NULL)) {
			limit = d;
			nearest = program->options[i].name;
		}
	}
	return nearest;
}
