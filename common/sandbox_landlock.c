#include "common/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h of Debian 12 ends with version 2; these are of the kernel's
 * interface, and never change. */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)  /* version 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15) /* version 5 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)      /* version 6 */

/* struct landlock_ruleset_attr as of version 6; an older kernel takes the
 * fields that it does not know if they are 0. */
struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

#define OF_FILES                                                      \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	    LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)

/* All that a version can limit, so that what has no rule is forbidden. */
static uint64_t
known_to(int version)
{
	uint64_t known = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (version >= 2)
		known |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		known |= ACCESS_TRUNCATE;
	if (version >= 5)
		known |= ACCESS_IOCTL_DEV;
	return known;
}

static int
version_here(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, (void *)NULL,
	    (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
}

int
sandbox_landlock_new(int *version, struct error *error)
{
	struct ruleset rules = { 0 };
	int fd = -1;

	*version = version_here();
	if (*version >= 1) {
		rules.handled_access_fs = known_to(*version);
		if (*version >= 6)
			rules.scoped = SCOPE_SIGNAL;
		fd = (int)syscall(SYS_landlock_create_ruleset, &rules,
		    *version >= 6 ? sizeof rules
				  : sizeof rules.handled_access_fs,
		    0);
	}
	if (fd < 0) {
		error_set(error, "%s",
		    errno == ENOSYS || errno == EOPNOTSUPP
			? "this kernel has no Landlock, or it is off"
			: strerror(errno));
		*version = 0;
	}
	return fd;
}

static uint64_t
rights(unsigned access)
{
	uint64_t all = 0;

	if (access & SANDBOX_READ)
		all |=
		    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	if (access & (SANDBOX_WRITE | SANDBOX_REPLACE))
		all |= LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;
	if (access & SANDBOX_REPLACE)
		all |= LANDLOCK_ACCESS_FS_MAKE_REG |
		    LANDLOCK_ACCESS_FS_REMOVE_FILE;
	if (access & SANDBOX_BIND)
		all |= LANDLOCK_ACCESS_FS_MAKE_SOCK |
		    LANDLOCK_ACCESS_FS_REMOVE_FILE;
	return all;
}

bool
sandbox_landlock_allow(int rules, const char *path, unsigned access)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = rights(access) & known_to(version_here()),
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	struct stat status;

	if (rule.parent_fd < 0)
		return false;
	if (fstat(rule.parent_fd, &status) == 0) {
		/* A rule for a file with a directory's rights is refused. */
		if (!S_ISDIR(status.st_mode))
			rule.allowed_access &= OF_FILES;
		/* What is not allowed by it is missed when it is asked for. */
		(void)syscall(SYS_landlock_add_rule, rules,
		    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	}
	(void)close(rule.parent_fd);
	return true;
}

bool
sandbox_landlock_enter(int rules, struct error *error)
{
	bool done = syscall(SYS_landlock_restrict_self, rules, 0) == 0;

	if (!done)
		error_set(error, "%s", strerror(errno));
	(void)close(rules);
	return done;
}
