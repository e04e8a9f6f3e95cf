#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "directory.h"
#include "members.h"
#include "text.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define QUOTA_MAX ((int64_t)1 << 53)
#define KEY_BYTES_MAX 512

static bool
complain(struct error *error, const char *where, const char *what)
{
	error_set(error, "%s: %s", where, what);
	return false;
}

static void
add_lower(struct table *t, struct table_entry *entry, const char *key)
{
	char *copy = mem_strdup(key);

	text_lower(copy, strlen(copy));
	table_add(t, entry, slice_of(copy));
	free(copy);
}

static bool
is_key(const char *string)
{
	size_t len = strlen(string);

	return len > 0 && len <= KEY_BYTES_MAX;
}

static bool
is_email(const char *string)
{
	const char *at = strchr(string, '@');

	return is_key(string) && at != NULL && at != string && at[1] != '\0' &&
	    strchr(at + 1, '@') == NULL;
}

static bool
add_domain(
    struct directory *d, json_t *value, const char *where, struct error *error)
{
	const char *name = json_string_value(value);

	if (name == NULL || !is_key(name))
		return complain(error, where, "must be a domain name");
	if (directory_domain(d, slice_of(name)))
		return complain(error, where, "is a duplicate");
	add_lower(&d->domains, mem_calloc(1, sizeof(struct table_entry)), name);
	return true;
}

static bool
add_user(
    struct directory *d, json_t *value, const char *where, struct error *error)
{
	struct user read = { .per_hour = 0 };
	const char *email = NULL;
	const char *password = "";
	json_t *quota = NULL;
	char quota_where[MEMBER_PATH_MAX + sizeof ".quota"];
	const struct member members[] = {
		MEMBER_REQUIRED("email", MEMBER_STRING, &email),
		MEMBER("password", MEMBER_STRING, &password),
		MEMBER("spam", MEMBER_BOOL, &read.spam),
		MEMBER("password_change_required", MEMBER_BOOL,
		    &read.password_change_required),
		MEMBER("quota", MEMBER_OBJECT, &quota),
	};
	const struct member quota_members[] = {
		MEMBER_RANGE("per_hour", &read.per_hour, 0, QUOTA_MAX),
		MEMBER_RANGE("per_day", &read.per_day, 0, QUOTA_MAX),
	};
	struct user *user;

	if (!members_read(value, where, members, COUNT(members), error))
		return false;
	(void)snprintf(quota_where, sizeof quota_where, "%s.quota", where);
	if (quota != NULL &&
	    !members_read(
		quota, quota_where, quota_members, COUNT(quota_members), error))
		return false;
	if (!is_email(email))
		return complain(error, where, "email must be an address");
	if (directory_user(d, slice_of(email)) != NULL)
		return complain(error, where, "email is a duplicate");
	user = mem_calloc(1, sizeof *user);
	*user = read;
	user->password = mem_strdup(password);
	add_lower(&d->users, &user->entry, email);
	return true;
}

/* The alias of a source, made empty if it is new. */
static struct alias *
alias_of(struct directory *d, const char *source)
{
	struct alias *alias =
	    (struct alias *)directory_alias(d, slice_of(source));

	if (alias == NULL) {
		alias = mem_calloc(1, sizeof *alias);
		add_lower(&d->aliases, &alias->entry, source);
	}
	return alias;
}

static bool
add_alias(
    struct directory *d, json_t *value, const char *where, struct error *error)
{
	const char *source = NULL;
	json_t *destinations = NULL;
	const struct member members[] = {
		MEMBER_REQUIRED("source", MEMBER_STRING, &source),
		MEMBER_REQUIRED("destinations", MEMBER_ARRAY, &destinations),
	};
	struct alias *alias;
	size_t i;
	json_t *item;

	if (!members_read(value, where, members, COUNT(members), error))
		return false;
	if (!is_email(source))
		return complain(error, where, "source must be an address");
	json_array_foreach(destinations, i, item) if (!json_is_string(item))
	{
		error_set(
		    error, "%s.destinations[%zu]: must be a string", where, i);
		return false;
	}
	alias = alias_of(d, source);
	alias->destinations = mem_realloc(alias->destinations,
	    (alias->count + json_array_size(destinations) + 1) *
		sizeof *alias->destinations);
	json_array_foreach(destinations, i, item)
	    alias->destinations[alias->count++] =
	    mem_strdup(json_string_value(item));
	return true;
}

static bool
add_token(
    struct directory *d, json_t *value, const char *where, struct error *error)
{
	const char *text = NULL;
	json_t *scopes = NULL;
	const struct member members[] = {
		MEMBER_REQUIRED("token", MEMBER_STRING, &text),
		MEMBER_REQUIRED("scopes", MEMBER_ARRAY, &scopes),
	};
	struct token *token;
	bool postfix = false;
	size_t i;
	json_t *item;

	if (!members_read(value, where, members, COUNT(members), error))
		return false;
	if (!is_key(text))
		return complain(error, where, "token must not be empty");
	if (directory_token(d, slice_of(text)) != NULL)
		return complain(error, where, "token is a duplicate");
	json_array_foreach(scopes, i, item)
	{
		if (!json_is_string(item))
			return complain(error, where, "scopes must be strings");
		if (strcmp(json_string_value(item), "postfix") == 0)
			postfix = true;
	}
	token = mem_calloc(1, sizeof *token);
	token->postfix = postfix;
	table_add(&d->tokens, &token->entry, slice_of(text));
	return true;
}

static bool
read_settings(struct directory *d, json_t *value, struct error *error)
{
	const char *postmaster = NULL;
	const char *abuse = NULL;
	const struct member members[] = {
		MEMBER("postmaster", MEMBER_STRING, &postmaster),
		MEMBER("abuse", MEMBER_STRING, &abuse),
		MEMBER("senders_as_object", MEMBER_BOOL, &d->senders_as_object),
	};

	if (!members_read(value, "settings", members, COUNT(members), error))
		return false;
	d->postmaster = postmaster == NULL ? NULL : mem_strdup(postmaster);
	d->abuse = abuse == NULL ? NULL : mem_strdup(abuse);
	return true;
}

typedef bool add_fn(
    struct directory *d, json_t *value, const char *where, struct error *error);

static bool
add_each(struct directory *d, json_t *list, const char *name, add_fn *add,
    struct error *error)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		char where[MEMBER_PATH_MAX];

		(void)snprintf(where, sizeof where, "%s[%zu]", name, i);
		if (!add(d, item, where, error))
			return false;
	}
	return true;
}

static bool
read_root(struct directory *d, json_t *root, struct error *error)
{
	json_t *domains = NULL;
	json_t *users = NULL;
	json_t *aliases = NULL;
	json_t *settings = NULL;
	json_t *tokens = NULL;
	const struct member members[] = {
		MEMBER("domains", MEMBER_ARRAY, &domains),
		MEMBER("users", MEMBER_ARRAY, &users),
		MEMBER("aliases", MEMBER_ARRAY, &aliases),
		MEMBER("settings", MEMBER_OBJECT, &settings),
		MEMBER("tokens", MEMBER_ARRAY, &tokens),
	};

	return members_read(root, "", members, COUNT(members), error) &&
	    add_each(d, domains, "domains", add_domain, error) &&
	    add_each(d, users, "users", add_user, error) &&
	    add_each(d, aliases, "aliases", add_alias, error) &&
	    add_each(d, tokens, "tokens", add_token, error) &&
	    (settings == NULL || read_settings(d, settings, error));
}

/* Consumes root, which is NULL when the JSON itself is broken. */
static struct directory *
build(json_t *root, const json_error_t *broken, const char *name,
    struct error *error)
{
	struct directory *d;
	struct error inner;

	if (root == NULL) {
		error_set(error, "%s:%d:%d: %s", name, broken->line,
		    broken->column, broken->text);
		return NULL;
	}
	d = mem_calloc(1, sizeof *d);
	if (!read_root(d, root, &inner)) {
		error_set(error, "%.128s: %.300s", name, inner.text);
		directory_free(d);
		d = NULL;
	}
	json_decref(root);
	return d;
}

struct directory *
directory_load(const char *path, struct error *error)
{
	json_error_t broken;

	return build(json_load_file(path, JSON_REJECT_DUPLICATES, &broken),
	    &broken, path, error);
}

struct directory *
directory_parse(struct slice json, const char *name, struct error *error)
{
	json_error_t broken;

	return build(
	    json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &broken),
	    &broken, name, error);
}
