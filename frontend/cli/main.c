/*
 * userli-bridge - the administrator's tool: look up, check, probe
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/nngsock.h"
#include "common/quote.h"
#include "frontend/cli/commands.h"
#include "frontend/cli/json.h"

static void
print_commands(FILE *out)
{
	(void)fprintf(out, "Commands:\n");
	for (const struct command *const *c = commands; *c != NULL; c++)
		(void)fprintf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
}

static void
print_help(void)
{
	(void)printf("Usage: " COMMAND_PROGRAM " COMMAND [ARGUMENT...]\n\n"
		     "Asks the two tiers of userli-bridge what they know.\n\n");
	print_commands(stdout);
	(void)printf("\nOptions:\n"
		     "  --help       this text; after a command, its own\n"
		     "  --version    the version\n");
}

static bool
is_one_of(const char *text, const char *a, const char *b)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

/* "help", "--help" and "-h", alone or before a command's name. */
static enum command_exit
help(const char *name)
{
	const struct command *command =
	    name == NULL ? NULL : commands_find(name);

	if (command != NULL)
		(void)fputs(command->help, stdout);
	else
		print_help();
	return COMMAND_OK;
}

static enum command_exit
dispatch(int argc, char *argv[])
{
	const struct command *command;
	char shown[QUOTE_SIZE];

	if (argc < 2) {
		command_complain("which command?");
		print_commands(stderr);
		return COMMAND_USAGE;
	}
	if (is_one_of(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0)
		return help(argc > 2 ? argv[2] : NULL);
	if (is_one_of(argv[1], "--version", "-V")) {
		(void)printf("%s %s\n", COMMAND_PROGRAM, PROJECT_VERSION);
		return COMMAND_OK;
	}
	command = commands_find(argv[1]);
	if (command == NULL) {
		command_complain("there is no command %s",
		    quote_value(slice_of(argv[1]), shown));
		print_commands(stderr);
		return COMMAND_USAGE;
	}
	return command->run(command, argc - 1, argv + 1);
}

int
main(int argc, char *argv[])
{
	enum command_exit status;

	mem_serve_libuv();
	json_set_alloc_funcs(mem_alloc, free);
	status = dispatch(argc, argv);
	/* A value that never arrived must not look like one that did. */
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		command_complain("cannot write to standard output");
		status = COMMAND_TEMPORARY;
	}
	nngsock_exit((int)status);
}
