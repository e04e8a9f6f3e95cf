#include "common/config.h"

#include <stdlib.h>
#include <string.h>

#include "common/config_file.h"
#include "common/config_option.h"
#include "common/config_source.h"
#include "common/config_value.h"
#include "common/mem.h"
#include "common/quote.h"
#include "common/service.h"

/* The command line being read. */
struct command {
	const struct config_program *program;
	char *const *next; /* the first argument not yet read */
	enum config_action action;
	const char *file; /* --config, or NULL */
	struct config_layer layer;
	struct error *error;
};

/* A flag's value: what follows its '=', or the next argument. */
static bool
take_value(struct command *c, const char *flag, const char **value)
{
	const char *equals = strchr(flag, '=');

	if (equals != NULL) {
		*value = equals + 1;
		return true;
	}
	if (*c->next == NULL) {
		error_set(c->error, "%s: needs a value: write it as %s VALUE",
		    flag, flag);
		return false;
	}
	*value = *c->next++;
	return true;
}

/* --help and its like; false if flag is none of them. */
static bool
read_action(struct command *c, const char *flag)
{
	static const struct {
		const char *flag;
		enum config_action action;
	} actions[] = {
		{ "--help", CONFIG_HELP },
		{ "--help=mdoc", CONFIG_HELP_MDOC },
		{ "--version", CONFIG_VERSION },
		{ "--check-config", CONFIG_CHECK },
		{ "--print-config", CONFIG_PRINT },
	};

	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(flag, actions[i].flag) == 0) {
			c->action = actions[i].action;
			return true;
		}
	}
	return false;
}

static bool
read_setting(struct command *c, const char *flag)
{
	size_t len = strcspn(flag, "=");
	struct config_match match = config_option_by_flag(
	    c->program, (struct slice){ flag + 2, len - 2 });
	const struct config_option *option;
	char shown[QUOTE_SIZE];
	const char *value;

	/* What follows the '=' may be a secret under a mistyped name. */
	if (!match.is_found) {
		error_set(c->error, "%s is not an option: see --help for all",
		    quote_value((struct slice){ flag, len }, shown));
		return false;
	}
	option = &c->program->options[match.index];
	if ((option->flags & CONFIG_SECRET) && !match.is_file) {
		error_set(c->error,
		    "%.*s: a secret cannot be given on the command line, which "
		    "every user of this host can read: set %s_FILE, or "
		    "%.*s-file, to the path of a file that holds it",
		    (int)len, flag, option->name, (int)len, flag);
		return false;
	}
	if (!take_value(c, flag, &value))
		return false;
	config_layer_set(&c->layer, match, slice_of(value));
	return true;
}

static bool
read_flag(struct command *c, const char *flag)
{
	char shown[QUOTE_SIZE];

	if (strncmp(flag, "--", 2) != 0 || flag[2] == '\0') {
		/* NAME=value may have been meant for the environment, and
		 * the value may be a secret. */
		struct slice head = { flag, strcspn(flag, "=") };

		error_set(c->error,
		    "%s is not expected here: write a setting as --x-y VALUE; "
		    "see --help for all",
		    quote_value(head, shown));
		return false;
	}
	if (read_action(c, flag))
		return true;
	if (strcmp(flag, "--config") != 0 &&
	    strncmp(flag, "--config=", sizeof "--config=" - 1) != 0)
		return read_setting(c, flag);
	if (c->file != NULL) {
		error_set(c->error, "--config: is given twice: give it once");
		return false;
	}
	return take_value(c, flag, &c->file);
}

/* Whether no value is to be read for it. */
static bool
needs_no_values(enum config_action action)
{
	return action == CONFIG_HELP || action == CONFIG_HELP_MDOC ||
	    action == CONFIG_VERSION;
}

static bool
read_command(struct command *c)
{
	while (*c->next != NULL) {
		const char *flag = *c->next++;

		if (!read_flag(c, flag))
			return false;
		/* What stands behind --help does not matter any more. */
		if (needs_no_values(c->action))
			break;
	}
	return true;
}

static void
read_values(struct config *config)
{
	const struct config_program *program = config->program;

	for (size_t i = 0; i < program->count; i++) {
		struct error error;
		const char *text = config->found[i].text;

		/* A secret file that could not be read has been noted. */
		if (text == NULL ||
		    config_value_read(
			&program->options[i], text, config->settings, &error))
			continue;
		if (config->found[i].source == CONFIG_FROM_FILE)
			config_note(&config->errors, "%s:%u: %s",
			    config->found[i].path, config->found[i].line,
			    error.text);
		else
			config_note(&config->errors, "%s", error.text);
	}
}

/* Only of values that are right each by itself. */
static void
check_together(struct config *config)
{
	struct error error;

	if (config->program->check != NULL && config->errors.count == 0 &&
	    !config->program->check(config->settings, &error))
		config_note(&config->errors, "%s", error.text);
}

static struct config *
config_new(const struct config_program *program)
{
	struct config *config = mem_calloc(1, sizeof *config);

	config->program = program;
	config->found = mem_calloc(program->count + 1, sizeof config->found[0]);
	config->settings = mem_calloc(1, program->settings_size);
	return config;
}

/*
 * As config_load(), but for CONFIG_INVALID *out is the config, whose errors
 * tell all that is wrong.  older is what is read once more, or NULL.
 */
static enum config_status
load(const struct config_program *program, int argc, char *const argv[],
    char *const envp[], const struct config *older, struct config **out,
    enum config_action *action, struct error *error)
{
	struct command c = { .program = program,
		.next = argc > 0 ? argv + 1 : argv,
		.error = error };
	enum config_status status = CONFIG_USAGE;

	*out = NULL;
	config_layer_init(&c.layer, program, CONFIG_FROM_FLAG);
	if (!read_command(&c))
		goto cleanup;
	*action = c.action;
	status = CONFIG_OK;
	if (needs_no_values(c.action))
		goto cleanup;

	*out = config_new(program);
	(*out)->argc = argc;
	(*out)->argv = argv;
	(*out)->envp = envp;
	(*out)->file = c.file;
	if (c.file != NULL)
		config_file_apply(*out, c.file);
	config_source_environment(*out, envp);
	if (older != NULL)
		config_secret_inherit(*out, older);
	config_layer_apply(*out, &c.layer);
	config_source_resolve(*out, envp);
	read_values(*out);
	check_together(*out);
	if ((*out)->errors.count > 0)
		status = CONFIG_INVALID;

cleanup:
	config_layer_fini(&c.layer);
	return status;
}

/* The config, or NULL with the first error's text. */
static struct config *
only_valid(
    struct config *config, enum config_status status, struct error *error)
{
	if (status != CONFIG_INVALID)
		return config;
	error_set(error, "%s", config->errors.lines[0]);
	config_free(config);
	return NULL;
}

enum config_status
config_load(const struct config_program *program, int argc, char *const argv[],
    char *const envp[], struct config **out, enum config_action *action,
    struct error *error)
{
	enum config_status status =
	    load(program, argc, argv, envp, NULL, out, action, error);

	*out = only_valid(*out, status, error);
	return status;
}

struct config *
config_reload(const struct config *config, struct error *error)
{
	enum config_action action;
	struct config *again;
	enum config_status status = load(config->program, config->argc,
	    config->argv, config->envp, config, &again, &action, error);

	return only_valid(again, status, error);
}

const char *
config_next_change(const struct config *a, const struct config *b, size_t *i)
{
	while (*i < a->program->count) {
		const struct config_option *option = &a->program->options[*i];
		const char *was = a->found[*i].text;
		const char *is = b->found[*i].text;

		++*i;
		if ((option->flags & CONFIG_RELOAD) == 0 &&
		    strcmp(was != NULL ? was : "", is != NULL ? is : "") != 0)
			return option->name;
	}
	return NULL;
}

const char *
config_next_path(const struct config *config, size_t *i)
{
	if (*i == 0 && config->file != NULL) {
		*i = 1;
		return config->file;
	}
	for (*i += *i == 0; *i <= config->program->count;) {
		const struct config_found *found = &config->found[*i - 1];

		++*i;
		if (found->path != NULL && found->source != CONFIG_FROM_FILE)
			return found->path;
	}
	return NULL;
}

void
config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->program->count; i++)
		config_found_clear(&config->found[i]);
	free(config->found);
	free(config->settings);
	config_notes_free(&config->errors);
	config_notes_free(&config->warnings);
	free(config);
}

const void *
config_settings(const struct config *config)
{
	return config->settings;
}

const char *const *
config_warnings(const struct config *config)
{
	static const char *const none[] = { NULL };

	return config->warnings.count > 0
	    ? (const char *const *)config->warnings.lines
	    : none;
}

static void
tell(const struct config_program *program, const char *what,
    const struct config_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		(void)fprintf(
		    stderr, "%s: %s%s\n", program->name, what, notes->lines[i]);
}

/* Standard output may be a full disk or a closed pipe. */
static int
finish_output(const struct config_program *program)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return SERVICE_EXIT_OK;
	(void)fprintf(
	    stderr, "%s: cannot write to standard output\n", program->name);
	return SERVICE_EXIT_TEMPORARY;
}

struct config *
config_main(const struct config_program *program, int argc, char *const argv[],
    char *const envp[], int *exit_code)
{
	enum config_action action;
	struct config *config;
	struct error error;
	enum config_status status =
	    load(program, argc, argv, envp, NULL, &config, &action, &error);

	if (status == CONFIG_USAGE) {
		(void)fprintf(stderr, "%s: %s\n", program->name, error.text);
		*exit_code = SERVICE_EXIT_USAGE;
		return NULL;
	}
	if (status == CONFIG_OK && action == CONFIG_RUN)
		return config;

	if (config != NULL) {
		tell(program, "warning: ", &config->warnings);
		tell(program, "", &config->errors);
	}
	if (status == CONFIG_INVALID) {
		*exit_code = SERVICE_EXIT_CONFIG;
	} else {
		if (action == CONFIG_HELP)
			config_help(program, stdout);
		else if (action == CONFIG_HELP_MDOC)
			config_mdoc(program, stdout);
		else if (action == CONFIG_VERSION)
			(void)printf("%s %s\n", program->name, PROJECT_VERSION);
		else if (action == CONFIG_CHECK)
			(void)printf("configuration ok\n");
		else
			config_print(config, stdout);
		*exit_code = finish_output(program);
	}
	config_free(config);
	return NULL;
}
