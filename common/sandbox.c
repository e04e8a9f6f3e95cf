#include "common/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/sandbox_capabilities.h"
#include "common/sandbox_landlock.h"
#include "common/sandbox_lists.h"

/*
 * Read by the C library when names are resolved, modules of nsswitch.conf
 * included, by OpenSSL, and by metrics.  resolv.conf and its like are replaced
 * by others under the same name, so that a rule must be for their directory.
 * Whoever is in a sandbox of Landlock's, and has not root's powers, cannot look
 * into other processes below /proc.
 */
static const char *const of_the_system[] = { "/etc", "/usr", "/lib", "/lib64",
	"/proc", "/sys/devices/system/cpu", "/dev/null", "/dev/random",
	"/dev/urandom" };
/* Links, as a rule, to where another program writes. */
static const char *const linked[] = { "/etc/resolv.conf", "/etc/hosts",
	"/etc/nsswitch.conf", "/etc/localtime",
	"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem" };

static bool
allow(struct sandbox *s, const char *path, unsigned access)
{
	return s->rules >= 0 && sandbox_landlock_allow(s->rules, path, access);
}

/* The directory that a path is in; if that is yet to be made, the one above,
 * but not the whole system. */
static void
allow_around(struct sandbox *s, const char *path, unsigned access)
{
	char directory[PATH_MAX];
	char *end;

	if (strlen(path) >= sizeof directory)
		return;
	memcpy(directory, path, strlen(path) + 1);
	while ((end = strrchr(directory, '/')) != NULL && end != directory) {
		*end = '\0';
		if (allow(s, directory, access))
			return;
	}
	if (end == NULL)
		(void)allow(s, ".", access);
	else if (strrchr(path, '/') == path)
		(void)allow(s, "/", access);
}

void
sandbox_read(struct sandbox *s, const char *path)
{
	char real[PATH_MAX];

	if (s->rules < 0 || path[0] == '\0')
		return;
	/* By itself, where its directory would be the whole system. */
	(void)allow(s, path, SANDBOX_READ);
	if (strrchr(path, '/') != path)
		allow_around(s, path, SANDBOX_READ);
	if (realpath(path, real) != NULL && strrchr(real, '/') != real)
		allow_around(s, real, SANDBOX_READ);
}

void
sandbox_replace(struct sandbox *s, const char *path)
{
	if (path[0] != '\0')
		allow_around(s, path, SANDBOX_READ | SANDBOX_REPLACE);
}

void
sandbox_bind(struct sandbox *s, const char *path)
{
	if (path[0] != '\0')
		allow_around(s, path, SANDBOX_BIND);
}

void
sandbox_bind_all(struct sandbox *s, const struct endpoint_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == ENDPOINT_UNIX)
			sandbox_bind(s, list->items[i].path);
}

void
sandbox_config(struct sandbox *s, const struct config *config)
{
	const char *path;

	for (size_t i = 0; (path = config_next_path(config, &i)) != NULL;)
		sandbox_read(s, path);
}

static void
allow_system(struct sandbox *s)
{
	for (size_t i = 0; i < sizeof of_the_system / sizeof of_the_system[0];
	     i++)
		(void)allow(s, of_the_system[i], SANDBOX_READ);
	for (size_t i = 0; i < sizeof linked / sizeof linked[0]; i++)
		sandbox_read(s, linked[i]);
	(void)allow(s, "/dev/null", SANDBOX_WRITE);
	/* For its report a sanitizer reads the program, its own files … */
	if (SANDBOX_SANITIZED)
		(void)allow(s, "/", SANDBOX_READ);
}

static void
warn(struct sandbox *s, const char *message, const char *reason)
{
	log_warn(s->log, log_msg(message), log_str("reason", reason));
}

void
sandbox_init(struct sandbox *s, bool on, struct log *log)
{
	struct error error;

	*s = (struct sandbox){ .on = on, .log = log, .rules = -1 };
	if (!on) {
		log_warn(
		    log, log_msg("the sandbox is off: SANDBOX=1 turns it on"));
		return;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		warn(s, "cannot forbid new privileges", strerror(errno));
	/* Leaks are looked for with a power of root's. */
	if (!SANDBOX_SANITIZED && !sandbox_capabilities_drop())
		warn(s, "cannot drop capabilities", strerror(errno));
	s->rules = sandbox_landlock_new(&s->landlock, &error);
	if (s->rules < 0)
		/* Many kernels have none. */
		log_info(log, log_msg("files are not limited"),
		    log_str("reason", error.text));
	allow_system(s);
}

void
sandbox_close_files(struct sandbox *s)
{
	struct error error;

	if (s->rules < 0)
		return;
	if (!sandbox_landlock_enter(s->rules, &error)) {
		s->landlock = 0;
		warn(s, "files are not limited", error.text);
	}
	s->rules = -1;
}

void
sandbox_close_calls(struct sandbox *s, enum sandbox_calls extra)
{
	struct error error;

	if (!s->on)
		return;
	if (!sandbox_calls_limit(extra, &error)) {
		warn(s, "system calls are not limited", error.text);
		return;
	}
	log_info(
	    s->log, log_msg("sandboxed"), log_int("landlock", s->landlock));
}
