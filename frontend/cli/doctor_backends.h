/*
 * doctor_backends - asks each backend whether it, userli and the token are well
 *
 * Over the connection that a frontend would use, at every address of its name.
 */
#ifndef FRONTEND_CLI_DOCTOR_BACKENDS_H
#define FRONTEND_CLI_DOCTOR_BACKENDS_H

#include "frontend/cli/findings.h"
#include "frontend/config.h"

/*
 * delimiter is main.cf's recipient_delimiter, empty for none, NULL when it is
 * not known.  Puts the certificates of s into the environment.
 */
void doctor_backends(const struct frontend_settings *s, const char *delimiter,
    struct findings *f);

#endif
