/*
 * config - one table per program: names, types, defaults, ranges, help
 *
 * The table feeds parsing, --help, --check-config, --print-config and the
 * documentation test.  Values come from, weakest first: the default, a
 * --config file of KEY=value lines, the environment, and flags (X_Y_Z as
 * --x-y-z VALUE or --x-y-z=VALUE).
 *
 * A secret X is never taken from a flag, since every user of a host can read
 * its command lines.  X_FILE, in the environment, in the --config file or as
 * --x-file, names a file whose content, less one final newline, is the value;
 * X and X_FILE in the same place is an error.  When neither is set anywhere,
 * the file X under $CREDENTIALS_DIRECTORY is read, if there (systemd.exec(5)).
 *
 * A variable that is set but empty counts as unset, in the environment and in
 * the --config file; a flag's empty value is a value.
 *
 * The --config file: one KEY=value a line, as systemd and sh read them.
 * Blanks around key and value, an "export " before the key, blank lines and
 * lines that start with '#' are skipped; so is what follows a '#' after a
 * blank.  A value in '...' or "..." is taken as it is, without escapes.
 *
 * --help lists each option in two lines, in the table's order.  The columns of
 * the first are separated by two blanks or more; DEFAULT is "(required)" or
 * "(empty)" where there is no text:
 *
 *   "  NAME  DEFAULT  ALLOWED"
 *   "      What it is, in one sentence."
 *
 * --print-config writes "NAME=value  # SOURCE" for each option in the table's
 * order, SOURCE being "default", "file PATH", "environment", "secret file
 * PATH", "credential PATH" or "flag"; for a secret the value is "(set)" or
 * "(not set)".
 *
 * Pure but for reading the files it is told to; for start-up and reloads.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/endpoint.h"
#include "common/error.h"

enum config_type {
	CONFIG_STRING,   /* char *: owned by the config, never NULL */
	CONFIG_BOOL,     /* bool: 1, 0, true, false, yes, no, on, off */
	CONFIG_INTEGER,  /* uint64_t within min..max */
	CONFIG_DURATION, /* uint64_t of ms: "300s", "1.5s", "1h30m", "0" */
	CONFIG_SIZE,     /* uint64_t of bytes: "65536", "64KiB", "64M" */
	CONFIG_OCTAL,    /* uint64_t: file modes such as 0660 */
	CONFIG_CHOICE,   /* int: the index into choices */
	CONFIG_ENDPOINTS /* struct endpoint_list in the given syntax */
};

enum config_flags {
	CONFIG_REQUIRED = 1, /* an empty value is an error */
	CONFIG_SECRET = 2,   /* never shown; X_FILE and credentials are read */
	CONFIG_RELOAD = 4,   /* SIGHUP applies a new value */
};

struct config_option {
	const char *name; /* "USERLI_TIMEOUT" */
	enum config_type type;
	unsigned flags;
	/* The default, written as a user would; ""; or the name of an option
	 * further up in the table, whose value it then is. */
	const char *fallback;
	/* Of integers, modes, durations (ms), sizes (bytes); max 0 = none. */
	uint64_t min, max;
	const char *const *choices; /* NULL-terminated, for CONFIG_CHOICE */
	enum endpoint_syntax syntax;
	const char *help; /* one sentence, with the unit */
	size_t offset;    /* of the field in the program's settings struct */
	/*
	 * A further test of a value that is not empty, or NULL; false with the
	 * reason, which is shown after 'NAME: "value": ' (a secret's after
	 * "NAME: ", and must not repeat it).
	 */
	bool (*check)(const char *text, struct error *error);
};

struct config_program {
	const char *name;    /* "userli-bridge-backend" */
	const char *summary; /* one line for --help */
	const struct config_option *options;
	size_t count;
	size_t settings_size;
	/* The other tier's names, ended by NULL, or NULL: ignored in the
	 * environment and in the file, so that both can share them. */
	const char *const *foreign;
	/* What no single value shows, or NULL; false with the reason. */
	bool (*check)(const void *settings, struct error *error);
};

/* Where a value came from, for --print-config. */
enum config_source {
	CONFIG_FROM_DEFAULT,
	CONFIG_FROM_FILE,
	CONFIG_FROM_ENVIRONMENT,
	CONFIG_FROM_SECRET_FILE,
	CONFIG_FROM_CREDENTIAL,
	CONFIG_FROM_FLAG,
};

/* What the command line asked for beside settings. */
enum config_action {
	CONFIG_RUN,
	CONFIG_HELP,
	CONFIG_HELP_MDOC, /* --help=mdoc: for the manual */
	CONFIG_VERSION,
	CONFIG_CHECK,
	CONFIG_PRINT,
};

enum config_status {
	CONFIG_OK,
	CONFIG_USAGE,   /* the command line is wrong: exit 64 */
	CONFIG_INVALID, /* a value is wrong or missing: exit 78 */
};

struct config;

/*
 * Read everything.  On CONFIG_OK *out owns the values and *action says what
 * to do (for CONFIG_HELP… and CONFIG_VERSION *out is NULL: no value is read).
 * On failure *error has the first error's text and *out is NULL.  envp is as
 * environ(7).
 */
enum config_status config_load(const struct config_program *program, int argc,
    char *const argv[], char *const envp[], struct config **out,
    enum config_action *action, struct error *error)
    __attribute__((warn_unused_result));

/*
 * As config_load() has read it, once more: the same command line and
 * environment, which are borrowed for it, and the files as they are now.  NULL
 * with the first error's text in *error.  It blocks while it reads.
 */
struct config *config_reload(const struct config *config, struct error *error)
    __attribute__((warn_unused_result));

/*
 * The name of the first option from *i on that SIGHUP cannot change
 * (CONFIG_RELOAD) and whose text differs between the two, with *i behind it;
 * NULL after the last.
 */
const char *config_next_change(
    const struct config *a, const struct config *b, size_t *i);

/*
 * The path of the next file that config_reload() reads, from *i on, with *i
 * behind it: the --config file, secret files, credentials.  NULL after the
 * last.  A path may come more than once.
 */
const char *config_next_path(const struct config *config, size_t *i);

/*
 * Overwrite the secrets in the environment that config was read from, where
 * they could be seen in /proc/PID/environ and handed to child processes, and
 * what is the other tier's.  config alone has them from then on, for
 * config_reload() too.
 */
void config_clear_environment(const struct config *config);

/*
 * Overwrite those secrets of config that newer, which was reloaded from it, has
 * in their place: texts that are taken over are empty from then on.
 */
void config_forget(const struct config *config, const struct config *newer);

void config_free(struct config *config);

/* The program's settings struct, filled by the table's offsets. */
const void *config_settings(const struct config *config);

/*
 * Warnings to log once logging works: environment names that start as settings
 * do (USERLI_, SOCKETMAP_, BACKEND_, LOOKUP_, RPC_, LOG_, METRICS_) but are
 * none, lines of the file that a later one overrides, secret files that others
 * can read.  No secret is in them.  NULL ends the list.
 */
const char *const *config_warnings(const struct config *config);

/* What --print-config and --help write; the formats are described above. */
void config_print(const struct config *config, FILE *out);
void config_help(const struct config_program *program, FILE *out);

/* The settings as items of a list in mdoc(7), for the manual's page. */
void config_mdoc(const struct config_program *program, FILE *out);

/*
 * The usual start of main(): load, and for --help, --version, --check-config,
 * --print-config or an error do that and set *exit_code: 0, 64 for a wrong
 * command line, 78 for a wrong value, 75 when standard output took nothing.
 * Every error found goes to standard error, one a line; so do the warnings,
 * unless the program is to run and can log them.  Returns the config when the
 * program is to run, NULL when it is to exit with *exit_code.
 */
struct config *config_main(const struct config_program *program, int argc,
    char *const argv[], char *const envp[], int *exit_code);

#endif
