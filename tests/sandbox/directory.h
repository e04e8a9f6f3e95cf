/*
 * directory - the domains, users, aliases, settings and tokens served
 *
 * Read as a whole from JSON and then never changed: a new version replaces the
 * old one.  Everything is found through hash tables, so that hundreds of
 * thousands of generated users cost nothing.  Keys are compared without regard
 * to ASCII case, as userli does, and kept in lower case.
 */
#ifndef SANDBOX_DIRECTORY_H
#define SANDBOX_DIRECTORY_H

#include <stdint.h>

#include "common/error.h"
#include "common/slice.h"
#include "table.h"

struct user {
	struct table_entry entry; /* the address */
	char *password;
	bool spam;
	bool password_change_required;
	int64_t per_hour; /* messages; 0 is unlimited */
	int64_t per_day;
};

/* All aliases with one source, in the order of the file. */
struct alias {
	struct table_entry entry; /* the source */
	char **destinations;      /* as written in the file */
	size_t count;
};

struct token {
	struct table_entry entry; /* the token itself */
	bool postfix;             /* has the scope that the Postfix API wants */
};

struct directory {
	struct table domains; /* of bare entries */
	struct table users;
	struct table aliases;
	struct table tokens;
	char *postmaster; /* NULL unless set */
	char *abuse;
	bool senders_as_object;
};

/*
 * Read a directory from a file or from bytes (name is what errors call them).
 * NULL with the file, the member and the reason in *error; the caller frees.
 */
struct directory *directory_load(const char *path, struct error *error)
    __attribute__((warn_unused_result));
struct directory *directory_parse(struct slice json, const char *name,
    struct error *error) __attribute__((warn_unused_result));
void directory_free(struct directory *d);

/* Absent is false or NULL; a key may have any case.  Borrowed from d. */
bool directory_domain(const struct directory *d, struct slice name);
const struct user *directory_user(
    const struct directory *d, struct slice email);
const struct alias *directory_alias(
    const struct directory *d, struct slice source);

/* Tokens are compared exactly. */
const struct token *directory_token(
    const struct directory *d, struct slice value);

#endif
