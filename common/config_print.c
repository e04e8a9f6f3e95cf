#include <string.h>

#include "common/config.h"
#include "common/config_source.h"
#include "common/config_value.h"

static void
print_source(const struct config_found *found, FILE *out)
{
	static const char *const names[] = {
		[CONFIG_FROM_DEFAULT] = "default",
		[CONFIG_FROM_FILE] = "file",
		[CONFIG_FROM_ENVIRONMENT] = "environment",
		[CONFIG_FROM_SECRET_FILE] = "secret file",
		[CONFIG_FROM_CREDENTIAL] = "credential",
		[CONFIG_FROM_FLAG] = "flag",
	};

	(void)fprintf(out, "  # %s", names[found->source]);
	if (found->path != NULL)
		(void)fprintf(out, " %s", found->path);
	(void)fputc('\n', out);
}

/* The quotes that the file format needs around value; "" also for a value
 * with both kinds, which no quotes can hold. */
static const char *
quotes_for(const char *value)
{
	bool has_double = strchr(value, '"') != NULL;
	bool has_single = strchr(value, '\'') != NULL;

	if (has_double)
		return has_single ? "" : "'";
	return strpbrk(value, "#' \t") != NULL ? "\"" : "";
}

void
config_print(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < config->program->count; i++) {
		const struct config_option *option =
		    &config->program->options[i];
		const struct config_found *found = &config->found[i];
		const char *text = found->text != NULL ? found->text : "";
		const char *quote = quotes_for(text);

		if (option->flags & CONFIG_SECRET) {
			quote = "";
			text = text[0] != '\0' ? CONFIG_SECRET_SET
					       : CONFIG_SECRET_UNSET;
		}
		(void)fprintf(
		    out, "%s=%s%s%s", option->name, quote, text, quote);
		print_source(found, out);
	}
}

static const char *
default_text(const struct config_option *option)
{
	if (option->fallback[0] != '\0')
		return option->fallback;
	return option->flags & CONFIG_REQUIRED ? "(required)" : "(empty)";
}

static void
print_usage(const struct config_program *program, FILE *out)
{
	(void)fprintf(out,
	    "Usage: %s [--config FILE] [--x-y-z VALUE]...\n"
	    "%s\n"
	    "\n"
	    "Options:\n"
	    "  --config FILE   read settings from a file of KEY=value lines\n"
	    "  --check-config  check all settings, and exit\n"
	    "  --print-config  show all settings and their sources, and exit\n"
	    "  --help          show this text, and exit\n"
	    "  --version       show the version, and exit\n"
	    "  --x-y-z VALUE   set X_Y_Z, any setting below but a secret; "
	    "also\n"
	    "                  --x-y-z=VALUE\n"
	    "\n"
	    "Settings, with default and what is allowed.  Each is read from "
	    "the\n"
	    "environment, which beats the --config file; a flag beats both.  "
	    "A secret X is\n"
	    "also read from the file that X_FILE names, or from the file X in\n"
	    "$CREDENTIALS_DIRECTORY.\n"
	    "\n",
	    program->name, program->summary);
}

static void
print_marks(const struct config_option *option, FILE *out)
{
	if (option->flags & CONFIG_SECRET)
		(void)fputs(", secret", out);
	if (option->flags & CONFIG_RELOAD)
		(void)fputs(", SIGHUP applies it", out);
}

void
config_help(const struct config_program *program, FILE *out)
{
	int name_width = 0;
	int default_width = 0;

	for (size_t i = 0; i < program->count; i++) {
		const struct config_option *option = &program->options[i];
		int name = (int)strlen(option->name);
		int text = (int)strlen(default_text(option));

		name_width = name > name_width ? name : name_width;
		default_width = text > default_width ? text : default_width;
	}
	print_usage(program, out);
	for (size_t i = 0; i < program->count; i++) {
		const struct config_option *option = &program->options[i];
		char allowed[CONFIG_ALLOWED_SIZE];

		config_value_allowed(option, allowed);
		(void)fprintf(out, "  %-*s  %-*s  %s", name_width, option->name,
		    default_width, default_text(option), allowed);
		print_marks(option, out);
		(void)fprintf(out, "\n      %s\n", option->help);
	}
	(void)fputs("\n"
		    "Exit codes: 0 stopped as asked, 64 wrong command line, 69 "
		    "cannot bind or reach,\n"
		    "75 temporary failure, 78 wrong configuration.\n",
	    out);
}
