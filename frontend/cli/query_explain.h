/*
 * query_explain - one lookup, shown step by step
 */
#ifndef FRONTEND_CLI_QUERY_EXPLAIN_H
#define FRONTEND_CLI_QUERY_EXPLAIN_H

#include "frontend/cli/command.h"

/*
 * Have a lookup made and explained: by the frontend with options->admin, or by
 * a backend when --via says so, and print it.  The status is that of a query.
 */
enum command_exit query_explain(const struct command *self,
    const struct command_options *options, const char *map, const char *key);

#endif
