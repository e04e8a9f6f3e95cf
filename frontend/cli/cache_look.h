/*
 * cache_look - what a backend remembers, asked over its admin socket
 */
#ifndef FRONTEND_CLI_CACHE_LOOK_H
#define FRONTEND_CLI_CACHE_LOOK_H

#include "frontend/cli/command.h"

/* Whether the first operand of "cache" is one of these: stat, get. */
bool cache_look_is(const char *operand);

/* operands[0] is that one. */
enum command_exit cache_look(const struct command *self,
    const struct command_options *options, int count, char *const operands[]);

#endif
