/* Where secrets are not needed any more, they are overwritten. */
#include <stdlib.h>
#include <string.h>

#include "common/config_source.h"
#include "common/mem.h"

static bool
is_secret(const struct config *config, size_t i)
{
	return (config->program->options[i].flags & CONFIG_SECRET) != 0;
}

void
config_clear_environment(const struct config *config)
{
	for (char *const *entry = config->envp; *entry != NULL; entry++) {
		char *equals = strchr(*entry, '=');
		struct config_match match;
		struct slice name;

		if (equals == NULL)
			continue;
		name = (struct slice){ *entry, (size_t)(equals - *entry) };
		match = config_option_by_name(config->program, name);
		if (match.is_found
			? !match.is_file && is_secret(config, match.index)
			: config_option_is_foreign(config->program, name))
			explicit_bzero(equals + 1, strlen(equals + 1));
	}
}

void
config_secret_inherit(struct config *config, const struct config *older)
{
	for (size_t i = 0; i < config->program->count; i++) {
		if (!is_secret(config, i) ||
		    older->found[i].source != CONFIG_FROM_ENVIRONMENT)
			continue;
		config_found_clear(&config->found[i]);
		config->found[i].source = CONFIG_FROM_ENVIRONMENT;
		config->found[i].text = mem_strdup(older->found[i].text);
	}
}

void
config_forget(const struct config *config, const struct config *newer)
{
	for (size_t i = 0; i < config->program->count; i++) {
		unsigned flags = config->program->options[i].flags;
		char *text = config->found[i].text;

		/* An environment's is needed for the next reload; it stays
		 * what it is. */
		if ((flags & CONFIG_SECRET) && (flags & CONFIG_RELOAD) &&
		    text != NULL && newer->found[i].text != NULL &&
		    config->found[i].source != CONFIG_FROM_ENVIRONMENT)
			explicit_bzero(text, strlen(text));
	}
}
