/*
 * command - what each command of the administrator's tool is made of
 *
 * A command gets its own argv, whose [0] is its name, and returns the
 * program's exit status.  Results go to standard output, everything else to
 * standard error, each line after the program's name.
 */
#ifndef FRONTEND_CLI_COMMAND_H
#define FRONTEND_CLI_COMMAND_H

#include <stdint.h>

#include "common/error.h"
#include "common/slice.h"

#define COMMAND_PROGRAM "userli-bridge"

/* postmap(1)'s first two, then sysexits(3)'s. */
enum command_exit {
	COMMAND_OK = 0, /* found, healthy */
	COMMAND_NOTFOUND = 1,
	COMMAND_WRONG = 1, /* answers were not as expected */
	COMMAND_USAGE = 64,
	COMMAND_UNAVAILABLE = 69, /* PERM, not reached, not healthy */
	COMMAND_TEMPORARY = 75,   /* TEMP, TIMEOUT: try again later */
};

struct command {
	const char *name;
	const char *summary; /* for the list of commands, without a period */
	const char *help;    /* the whole text of --help */
	enum command_exit (*run)(
	    const struct command *self, int argc, char *const argv[]);
};

extern const struct command command_bench;
extern const struct command command_cache;
extern const struct command command_completion;
extern const struct command command_doctor;
extern const struct command command_drain;
extern const struct command command_healthcheck;
extern const struct command command_log_level;
extern const struct command command_ping;
extern const struct command command_pool;
extern const struct command command_query;
extern const struct command command_resume;
extern const struct command command_stat;

/* What a command's options may set; defaults are the caller's. */
struct command_options {
	const char *via;     /* --via */
	const char *address; /* --addr */
	uint64_t timeout_ms; /* --timeout */
	const char *admin;   /* --admin: a socket */
	const char *config;  /* --config: a daemon's file of settings */
	const char *postfix; /* --postfix: a configuration directory */
	uint64_t watch_ms;   /* --watch, -w; 0: once */
	bool explain;        /* --explain */
	bool json;           /* --json */
};

/*
 * Read the options, any of those that accepted names (without the
 * "--"; NULL ends it), and --help.  True with *operand, the index of the
 * first of what is left in argv (which getopt(3) reorders); false when the
 * program is to exit with *status.
 */
bool command_parse(const struct command *self, int argc, char *const argv[],
    const char *const *accepted, struct command_options *options, int *operand,
    enum command_exit *status) __attribute__((warn_unused_result));

/* Say what is wrong with the command line, and how to get help. */
enum command_exit command_usage(const struct command *self, const char *format,
    ...) __attribute__((format(printf, 2, 3)));

/* One line on standard error. */
void command_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/*
 * Copy text that came from a peer to out for a terminal: control characters
 * as '?', cut to fit, NUL-terminated.  Returns out.
 */
const char *command_printable(struct slice text, char *out, size_t size);

#endif
