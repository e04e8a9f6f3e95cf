/*
 * config_option - find an option by what someone wrote
 *
 * Pure.  A secret X is also found by X_FILE.
 */
#ifndef COMMON_CONFIG_OPTION_H
#define COMMON_CONFIG_OPTION_H

#include "common/config.h"
#include "common/slice.h"

struct config_match {
	size_t index;  /* into the program's options */
	bool is_file;  /* X_FILE was meant */
	bool is_found; /* otherwise the rest means nothing */
};

/* "USERLI_TOKEN_FILE" */
struct config_match config_option_by_name(
    const struct config_program *program, struct slice name);

/* "userli-token-file", the flag without its dashes */
struct config_match config_option_by_flag(
    const struct config_program *program, struct slice flag);

/* Whether name, or X if it is X_FILE, is the other tier's. */
bool config_option_is_foreign(
    const struct config_program *program, struct slice name);

/*
 * The option most like name ("USERLI_TIMOUT"), or NULL if none is like it
 * enough to be meant.
 */
const char *config_option_nearest(
    const struct config_program *program, struct slice name);

#endif
