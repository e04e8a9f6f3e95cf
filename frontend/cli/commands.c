#include "frontend/cli/commands.h"

#include <string.h>

const struct command *const commands[] = {
	&command_query,
	&command_doctor,
	&command_stat,
	&command_pool,
	&command_ping,
	&command_cache,
	&command_healthcheck,
	&command_bench,
	&command_drain,
	&command_resume,
	&command_log_level,
	&command_completion,
	NULL,
};

const struct command *
commands_find(const char *name)
{
	const struct command *const *c = commands;

	while (*c != NULL && strcmp((*c)->name, name) != 0)
		c++;
	return *c;
}
