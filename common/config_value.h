/*
 * config_value - one setting's text to its typed value, and back for messages
 *
 * Pure: no file, no environment.  Error texts start with the setting's name
 * and say what was given (never for a secret), what is allowed and how to
 * write it.
 */
#ifndef COMMON_CONFIG_VALUE_H
#define COMMON_CONFIG_VALUE_H

#include "common/config.h"

/* What a secret shows as; never a value. */
#define CONFIG_SECRET_SET "(set)"
#define CONFIG_SECRET_UNSET "(not set)"

#define CONFIG_ALLOWED_SIZE 160 /* of config_value_allowed()'s text */

/*
 * Read text as the option's type into its field of settings.  A
 * CONFIG_STRING's field borrows text.  False with *error set: not that type,
 * out of range, refused by the option's check, or required and empty.
 */
bool config_value_read(const struct config_option *option, const char *text,
    void *settings, struct error *error) __attribute__((warn_unused_result));

/* "100ms to 5m", "debug, info, warn or error", …: for --help and errors. */
void config_value_allowed(
    const struct config_option *option, char out[static CONFIG_ALLOWED_SIZE]);

#endif
