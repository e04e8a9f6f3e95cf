#include "directory.h"

#include <stdlib.h>

#include "text.h"

#define KEY_MAX 512 /* bytes; no key of a directory is longer */

static void
drop_domain(struct table_entry *entry)
{
	free(entry);
}

static void
drop_user(struct table_entry *entry)
{
	struct user *user = (struct user *)entry;

	free(user->password);
	free(user);
}

static void
drop_alias(struct table_entry *entry)
{
	struct alias *alias = (struct alias *)entry;

	for (size_t i = 0; i < alias->count; i++)
		free(alias->destinations[i]);
	free((void *)alias->destinations);
	free(alias);
}

static void
drop_token(struct table_entry *entry)
{
	free(entry);
}

void
directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	table_clear(&d->domains, drop_domain);
	table_clear(&d->users, drop_user);
	table_clear(&d->aliases, drop_alias);
	table_clear(&d->tokens, drop_token);
	free(d->postmaster);
	free(d->abuse);
	free(d);
}

/* Keys are kept in lower case, and none is longer than KEY_MAX. */
static struct table_entry *
find_folded(const struct table *t, struct slice key)
{
	char folded[KEY_MAX];

	if (key.len == 0 || key.len > KEY_MAX)
		return NULL;
	memcpy(folded, key.ptr, key.len);
	text_lower(folded, key.len);
	return table_find(t, (struct slice){ folded, key.len });
}

bool
directory_domain(const struct directory *d, struct slice name)
{
	return find_folded(&d->domains, name) != NULL;
}

const struct user *
directory_user(const struct directory *d, struct slice email)
{
	return (const struct user *)find_folded(&d->users, email);
}

const struct alias *
directory_alias(const struct directory *d, struct slice source)
{
	return (const struct alias *)find_folded(&d->aliases, source);
}

const struct token *
directory_token(const struct directory *d, struct slice value)
{
	return (const struct token *)table_find(&d->tokens, value);
}
