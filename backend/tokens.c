#include "backend/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/slice.h"

void
tokens_init(struct tokens *t)
{
	*t = (struct tokens){ 0 };
}

void
tokens_fini(struct tokens *t)
{
	for (size_t i = 0; i < TOKENS_MAX; i++)
		mem_wipe(t->text[i]);
	*t = (struct tokens){ .generation = t->generation };
}

static struct slice
trim(const char *text, size_t len)
{
	while (len > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	return (struct slice){ text, len };
}

static bool
check_part(struct slice part, struct error *error)
{
	if (part.len == 0) {
		error_set(error,
		    "has an empty part: write one token or two with a comma "
		    "between them");
		return false;
	}
	for (size_t i = 0; i < part.len; i++) {
		if (part.ptr[i] > ' ' && part.ptr[i] < 0x7F)
			continue;
		error_set(error,
		    "has a character that no HTTP header can carry: a token "
		    "is of ASCII letters, digits and signs, without blanks");
		return false;
	}
	return true;
}

static bool
split(const char *text, struct slice parts[static TOKENS_MAX], size_t *count,
    struct error *error)
{
	*count = 0;
	for (;;) {
		size_t len = strcspn(text, ",");

		if (*count == TOKENS_MAX) {
			error_set(error,
			    "has more than two parts: write one token or two "
			    "with a comma between them");
			return false;
		}
		parts[*count] = trim(text, len);
		if (!check_part(parts[(*count)++], error))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

bool
tokens_check(const char *text, struct error *error)
{
	struct slice parts[TOKENS_MAX];
	size_t count;

	return split(text, parts, &count, error);
}

bool
tokens_set(struct tokens *t, const char *text, struct error *error)
{
	struct slice parts[TOKENS_MAX];
	size_t count;

	if (!split(text, parts, &count, error))
		return false;
	tokens_fini(t);
	for (size_t i = 0; i < count; i++)
		t->text[i] = mem_dup(parts[i].ptr, parts[i].len);
	t->count = count;
	t->generation++;
	return true;
}

const char *
tokens_get(const struct tokens *t, size_t i)
{
	return i < TOKENS_MAX ? t->text[i] : NULL;
}

bool
tokens_other(
    const struct tokens *t, size_t i, unsigned generation, size_t *next)
{
	*next = t->current;
	if (generation != t->generation || i != t->current)
		return true;
	*next = t->current == 0 ? 1 : 0;
	return *next < t->count;
}

bool
tokens_accept(struct tokens *t, size_t i, unsigned generation)
{
	if (generation != t->generation || i == t->current || i >= t->count)
		return false;
	t->current = i;
	return true;
}

const char *
tokens_name(size_t i)
{
	return i == 0 ? "first" : "second";
}
