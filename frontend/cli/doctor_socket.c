#include "frontend/cli/doctor_socket.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "frontend/cli/doctor_maps.h"

#define GROUPS_MAX 64

void
doctor_socket_path(struct slice queue_directory, struct slice path, bool chroot,
    char out[static DOCTOR_PATH_MAX])
{
	bool absolute = path.len > 0 && path.ptr[0] == '/';

	if (absolute && !chroot)
		(void)snprintf(
		    out, DOCTOR_PATH_MAX, "%.*s", (int)path.len, path.ptr);
	else
		(void)snprintf(out, DOCTOR_PATH_MAX, "%.*s%s%.*s",
		    (int)queue_directory.len, queue_directory.ptr,
		    absolute ? "" : "/", (int)path.len, path.ptr);
}

/* Whether one of the bits (as for others: 01, 02, 04) is set for the user. */
static bool
may(const struct stat *st, mode_t bit, uid_t uid, const gid_t *groups,
    int count)
{
	if (st->st_uid == uid)
		return (st->st_mode & (bit << 6)) != 0;
	for (int i = 0; i < count; i++) {
		if (st->st_gid == groups[i])
			return (st->st_mode & (bit << 3)) != 0;
	}
	return (st->st_mode & bit) != 0;
}

/* Every folder above the file. */
static bool
may_reach(const char *path, uid_t uid, const gid_t *groups, int count,
    struct error *error)
{
	for (const char *p = strchr(path + 1, '/'); p != NULL;
	     p = strchr(p + 1, '/')) {
		char folder[DOCTOR_PATH_MAX];
		struct stat st;

		(void)snprintf(
		    folder, sizeof folder, "%.*s", (int)(p - path), path);
		if (stat(folder, &st) != 0) {
			error_set(error, "%s: %s", folder, strerror(errno));
			return false;
		}
		if (!may(&st, 01, uid, groups, count)) {
			error_set(error,
			    "%s has mode %04o, which keeps Postfix out", folder,
			    st.st_mode & 07777u);
			return false;
		}
	}
	return true;
}

bool
doctor_socket_allows(const char *path, uid_t uid, const gid_t *groups,
    int count, struct error *error)
{
	struct stat st;

	if (!may_reach(path, uid, groups, count, error))
		return false;
	if (stat(path, &st) != 0) {
		error_set(error, "%s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		error_set(error, "%s is no socket", path);
		return false;
	}
	if (may(&st, 02, uid, groups, count))
		return true;
	error_set(error, "%s has mode %04o and is not Postfix's", path,
	    st.st_mode & 07777u);
	return false;
}

/* --- main.cf -------------------------------------------------------------- */

struct visit {
	const struct postconf *pc;
	struct findings *findings;
	uid_t uid;
	gid_t groups[GROUPS_MAX];
	int count;
	char last[DOCTOR_PATH_MAX]; /* checked last: all maps share it */
};

static void
check_path(
    struct visit *v, const struct doctor_reference *r, const char *command)
{
	bool chroot = postconf_chrooted(v->pc, command);
	struct slice queue = postconf_value(v->pc, "queue_directory");
	char path[DOCTOR_PATH_MAX];
	char fix[DOCTOR_PATH_MAX + 200];
	struct error error;

	doctor_socket_path(queue, r->address, chroot, path);
	if (strcmp(path, v->last) == 0)
		return;
	(void)snprintf(v->last, sizeof v->last, "%s", path);
	findings_doing(v->findings, "%s", path);
	if (doctor_socket_allows(path, v->uid, v->groups, v->count, &error)) {
		findings_ok(v->findings, "%s reaches %s", command, path);
		return;
	}
	(void)snprintf(fix, sizeof fix,
	    "SOCKETMAP_LISTEN_ADDR=%s and SOCKETMAP_SOCKET_GROUP=%.*s", path,
	    (int)postconf_value(v->pc, "mail_owner").len,
	    postconf_value(v->pc, "mail_owner").ptr);
	findings_problem(v->findings, fix, "%s%s cannot connect: %s", command,
	    chroot ? " (in its chroot)" : "", error.text);
}

static void
on_reference(void *arg, const char *setting, const struct doctor_reference *r)
{
	struct visit *v = arg;

	if (!r->is_unix)
		return;
	if (r->proxied)
		check_path(v, r, "proxymap");
	else if (strcmp(setting, "virtual_mailbox_domains") == 0)
		check_path(v, r, "trivial-rewrite");
	else
		check_path(v, r, "smtpd");
}

void
doctor_sockets(const struct postconf *pc, struct findings *f)
{
	struct slice owner = postconf_value(pc, "mail_owner");
	struct visit v = { .pc = pc, .findings = f, .count = GROUPS_MAX };
	const struct passwd *user;
	char name[64];

	(void)snprintf(name, sizeof name, "%.*s", (int)owner.len, owner.ptr);
	user = getpwnam(name);
	if (user == NULL) {
		findings_note(f,
		    "there is no user %s (mail_owner): sockets "
		    "are not checked",
		    name);
		return;
	}
	v.uid = user->pw_uid;
	if (getgrouplist(name, user->pw_gid, v.groups, &v.count) < 0)
		v.count = GROUPS_MAX;
	doctor_references(pc, on_reference, &v);
}
