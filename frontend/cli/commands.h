/*
 * commands - every command of the tool, in the order in which help lists them
 */
#ifndef FRONTEND_CLI_COMMANDS_H
#define FRONTEND_CLI_COMMANDS_H

#include "frontend/cli/command.h"

/* Ended by NULL. */
extern const struct command *const commands[];

/* NULL when there is none of this name. */
const struct command *commands_find(const char *name);

#endif
