/*
 * run_program - another program's output, as a shell's $(…) without the shell
 */
#ifndef FRONTEND_CLI_RUN_PROGRAM_H
#define FRONTEND_CLI_RUN_PROGRAM_H

#include "common/buffer.h"
#include "common/error.h"

/*
 * Run argv[0], found in PATH or the folders of system administration, and wait
 * for its end; what it writes to standard output is appended to out.  False
 * with the reason in *error (the first line of its standard error, if there is
 * one) when it cannot be run, fails, or writes more than out holds.
 */
bool run_program(const char *const argv[], struct buffer *out,
    struct error *error) __attribute__((warn_unused_result));

#endif
