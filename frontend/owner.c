#include "frontend/owner.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define ID_DIGITS_MAX 10 /* of 4294967295, uid_t's largest */

/* A number, or OWNER_UNCHANGED for an empty name; false for a name. */
static bool
read_number(const char *text, long *id)
{
	size_t digits = strspn(text, "0123456789");

	if (text[digits] != '\0' || digits > ID_DIGITS_MAX)
		return false;
	*id = digits == 0 ? OWNER_UNCHANGED : strtol(text, NULL, 10);
	return true;
}

bool
owner_user(const char *name, long *uid, struct error *error)
{
	const struct passwd *user;

	if (read_number(name, uid))
		return true;
	user = getpwnam(name);
	if (user == NULL) {
		error_set(
		    error, "there is no such user: name one, or give a number");
		return false;
	}
	*uid = (long)user->pw_uid;
	return true;
}

bool
owner_group(const char *name, long *gid, struct error *error)
{
	const struct group *group;

	if (read_number(name, gid))
		return true;
	group = getgrnam(name);
	if (group == NULL) {
		error_set(error,
		    "there is no such group: name one, or give a number");
		return false;
	}
	*gid = (long)group->gr_gid;
	return true;
}

bool
owner_check_user(const char *name, struct error *error)
{
	long uid;

	return owner_user(name, &uid, error);
}

bool
owner_check_group(const char *name, struct error *error)
{
	long gid;

	return owner_group(name, &gid, error);
}
