#include <stdio.h>
#include <unistd.h>

#include "frontend/cli/command.h"
#include "frontend/cli/doctor_backends.h"
#include "frontend/cli/doctor_daemons.h"
#include "frontend/cli/doctor_maps.h"
#include "frontend/cli/doctor_socket.h"
#include "frontend/cli/findings.h"

#define SETTINGS "/etc/userli-bridge/frontend.conf"
#define DELIMITER_MAX 64

static const char help[] =
    "Usage: userli-bridge doctor [--config FILE] [--postfix DIR] "
    "[WHERE...]\n"
    "\n"
    "Checks what stands between Postfix and userli, on a mail host: the "
    "frontend and\n"
    "its sockets, DNS, each backend, its clock, its certificate, the API and "
    "its\n"
    "token, and main.cf. Below each finding is what to change.\n"
    "\n"
    "  --config FILE   the frontend's settings, KEY=value a line (default\n"
    "                  " SETTINGS ", if there); the environment\n"
    "                  beats it\n"
    "  --postfix DIR   Postfix's configuration directory (default: "
    "postconf's)\n"
    "  WHERE           a backend's METRICS_LISTEN_ADDR, to ask it, too "
    "(default:\n"
    "                  127.0.0.1:10012, if a backend is on this host)\n"
    "\n"
    "Nothing is changed.  Exit status: 0 nothing found, 1 findings, 64 "
    "usage.\n";

/* The frontend's settings, or NULL with a finding. */
static struct config *
load_settings(const char *file, struct findings *f)
{
	char *argv[4] = { "userli-bridge-frontend", NULL };
	struct config *config = NULL;
	enum config_action action;
	struct error error;

	if (file == NULL && access(SETTINGS, R_OK) == 0)
		file = SETTINGS;
	if (file != NULL) {
		argv[1] = "--config";
		argv[2] = (char *)file;
	}
	if (config_load(&frontend_program, file != NULL ? 3 : 1, argv, environ,
		&config, &action, &error) == CONFIG_OK) {
		findings_ok(f, "the frontend's settings are valid (%s)",
		    file != NULL ? file : "environment and defaults");
		for (const char *const *w = config_warnings(config); *w != NULL;
		     w++)
			findings_note(f, "%s", *w);
		return config;
	}
	findings_problem(f, file != NULL ? file : "the environment",
	    "the frontend's settings: %s", error.text);
	return NULL;
}

static bool
has_local_backend(const struct frontend_settings *s)
{
	for (size_t i = 0; i < s->backends.count; i++) {
		if (endpoint_is_local(&s->backends.items[i]))
			return true;
	}
	return false;
}

static void
check_daemons(const struct frontend_settings *s, int count, char *const where[],
    struct findings *f)
{
	char address[ENDPOINT_TEXT_MAX];

	findings_section(f, "Frontend");
	endpoint_format(&s->metrics_listen.items[0], ENDPOINT_HTTP, address);
	doctor_daemon("frontend", address, true, f);
	doctor_listeners(s, f);
	findings_section(f, "Backends");
	for (int i = 0; i < count; i++)
		doctor_daemon("backend", where[i], true, f);
	if (count == 0 && has_local_backend(s))
		doctor_daemon("backend", "127.0.0.1:10012", false, f);
}

static void
check_postfix(const struct postconf *pc, const struct frontend_settings *s,
    struct findings *f)
{
	findings_section(f, "Postfix");
	doctor_maps(pc, f);
	doctor_sockets(pc, f);
	if (s != NULL)
		doctor_limits(pc, s->connections_max, f);
}

static enum command_exit
examine(const struct command_options *options, int count, char *const where[],
    struct findings *f)
{
	const struct frontend_settings *s = NULL;
	char delimiter[DELIMITER_MAX] = "";
	struct postconf pc;
	struct config *config;
	struct error error;
	bool has_postfix = postconf_read(&pc, options->postfix, &error);

	findings_section(f, "Settings");
	config = load_settings(options->config, f);
	if (has_postfix) {
		struct slice d = postconf_value(&pc, "recipient_delimiter");

		(void)snprintf(
		    delimiter, sizeof delimiter, "%.*s", (int)d.len, d.ptr);
	}
	if (config != NULL) {
		s = config_settings(config);
		check_daemons(s, count, where, f);
		doctor_backends(s, has_postfix ? delimiter : NULL, f);
	}
	if (has_postfix)
		check_postfix(&pc, s, f);
	else if (options->postfix != NULL)
		findings_problem(f, "--postfix DIR, where main.cf is",
		    "Postfix's configuration cannot be read: %s", error.text);
	else
		findings_note(f, "Postfix is not checked: %s", error.text);
	if (has_postfix)
		postconf_fini(&pc);
	config_free(config);
	return f->problems > 0 ? COMMAND_NOTFOUND : COMMAND_OK;
}

static enum command_exit
run(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { "config", "postfix", NULL };
	struct command_options options = { 0 };
	struct findings findings = { 0 };
	enum command_exit status;
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	status = examine(&options, argc - at, argv + at, &findings);
	if (findings.problems == 0)
		(void)printf("Nothing found.\n");
	else
		(void)printf("%zu finding%s.\n", findings.problems,
		    findings.problems == 1 ? "" : "s");
	return status;
}

const struct command command_doctor = {
	.name = "doctor",
	.summary = "check everything between Postfix and userli",
	.help = help,
	.run = run,
};
