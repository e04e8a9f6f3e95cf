#include "common/config_source.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/config_file.h"
#include "common/mem.h"
#include "common/quote.h"

void
config_note(struct config_notes *notes, const char *format, ...)
{
	struct error text;
	va_list args;

	if (notes->count == CONFIG_NOTES_MAX)
		return;
	va_start(args, format);
	(void)vsnprintf(text.text, sizeof text.text, format, args);
	va_end(args);
	notes->lines = mem_realloc(
	    notes->lines, (notes->count + 2) * sizeof notes->lines[0]);
	notes->lines[notes->count++] = mem_strdup(text.text);
	notes->lines[notes->count] = NULL;
}

void
config_notes_free(struct config_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		free(notes->lines[i]);
	free(notes->lines);
	*notes = (struct config_notes){ 0 };
}

void
config_layer_init(struct config_layer *layer,
    const struct config_program *program, enum config_source source)
{
	*layer =
	    (struct config_layer){ .source = source, .count = program->count };
	layer->given = mem_calloc(program->count + 1, sizeof layer->given[0]);
}

void
config_layer_fini(struct config_layer *layer)
{
	for (size_t i = 0; i < layer->count; i++) {
		/* It may be a secret. */
		mem_wipe(layer->given[i].value);
		free(layer->given[i].file);
	}
	free(layer->given);
	*layer = (struct config_layer){ 0 };
}

void
config_layer_set(
    struct config_layer *layer, struct config_match match, struct slice text)
{
	struct config_given *given = &layer->given[match.index];
	char **to = match.is_file ? &given->file : &given->value;

	mem_wipe(*to);
	*to = mem_dup(text.ptr, text.len);
}

void
config_found_clear(struct config_found *found)
{
	mem_wipe(found->text);
	free(found->path);
	*found = (struct config_found){ 0 };
}

void
config_layer_apply(struct config *config, struct config_layer *layer)
{
	for (size_t i = 0; i < layer->count; i++) {
		const char *name = config->program->options[i].name;
		struct config_given *given = &layer->given[i];
		struct config_found *found = &config->found[i];

		if (given->value != NULL && given->file != NULL)
			config_note(&config->errors,
			    "%s and %s_FILE are both set in %s: unset one "
			    "of them",
			    name, name,
			    layer->path != NULL ? layer->path
						: "the environment");
		if (given->value != NULL) {
			config_found_clear(found);
			found->source = layer->source;
			found->text = given->value;
			given->value = NULL;
			found->line = given->line;
			if (layer->path != NULL)
				found->path = mem_strdup(layer->path);
		} else if (given->file != NULL) {
			config_found_clear(found);
			found->source = CONFIG_FROM_SECRET_FILE;
			found->path = given->file;
			given->file = NULL;
		}
	}
}

/* Names that start so are meant for this bridge. */
static bool
looks_like_ours(struct slice name)
{
	static const char *const prefixes[] = { "USERLI_", "SOCKETMAP_",
		"BACKEND_", "LOOKUP_", "RPC_", "LOG_", "METRICS_" };

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		size_t n = strlen(prefixes[i]);

		if (name.len > n && memcmp(name.ptr, prefixes[i], n) == 0)
			return true;
	}
	return false;
}

static void
warn_of_unknown(struct config *config, struct slice name)
{
	const char *nearest = config_option_nearest(config->program, name);
	char shown[QUOTE_SIZE];

	if (!looks_like_ours(name) ||
	    config_option_is_foreign(config->program, name))
		return;
	config_note(&config->warnings,
	    "%s is set in the environment, but %s has no such setting%s%s%s",
	    quote_value(name, shown), config->program->name,
	    nearest != NULL ? " (did you mean " : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "?)" : "");
}

/* Of two variables with one name the first counts, as for getenv(3). */
static bool
is_unset(const struct config_layer *layer, struct config_match match)
{
	const struct config_given *given = &layer->given[match.index];

	return (match.is_file ? given->file : given->value) == NULL;
}

void
config_source_environment(struct config *config, char *const envp[])
{
	struct config_layer layer;

	config_layer_init(&layer, config->program, CONFIG_FROM_ENVIRONMENT);
	for (; *envp != NULL; envp++) {
		const char *equals = strchr(*envp, '=');
		struct config_match match;
		struct slice name;

		if (equals == NULL || equals[1] == '\0')
			continue;
		name = (struct slice){ *envp, (size_t)(equals - *envp) };
		match = config_option_by_name(config->program, name);
		if (match.is_found && is_unset(&layer, match))
			config_layer_set(&layer, match, slice_of(equals + 1));
		else if (!match.is_found)
			warn_of_unknown(config, name);
	}
	config_layer_apply(config, &layer);
	config_layer_fini(&layer);
}

/* Take a secret's text from a file; false if there is no such file. */
static bool
read_secret(struct config *config, size_t i, const char *label)
{
	const char *name = config->program->options[i].name;
	struct config_found *found = &config->found[i];
	struct config_file file;
	char shown[QUOTE_SIZE];

	assert(found->path != NULL);
	(void)quote_value(slice_of(found->path), shown);
	if (!config_file_load(&file, found->path, CONFIG_SECRET_FILE_MAX)) {
		if (file.error == ENOENT &&
		    found->source == CONFIG_FROM_CREDENTIAL)
			return false;
		config_note(&config->errors,
		    "%s%s: %s cannot be read: %s: name a file that this user "
		    "can read and that has at most 64 KiB",
		    name, label, shown, strerror(file.error));
		return true;
	}
	if (file.len > 0 && file.bytes[file.len - 1] == '\n')
		file.bytes[--file.len] = '\0';
	if (file.len == 0)
		config_note(&config->errors,
		    "%s%s: %s is empty: write the secret to it", name, label,
		    shown);
	else if (memchr(file.bytes, '\0', file.len) != NULL)
		config_note(&config->errors,
		    "%s%s: %s has a NUL byte in it: write the secret as text",
		    name, label, shown);
	else
		found->text = mem_dup(file.bytes, file.len);
	if (file.is_public && found->source == CONFIG_FROM_SECRET_FILE)
		config_note(&config->warnings,
		    "%s%s: %s can be read by every user of this host: take "
		    "that away with chmod o= and the file's name",
		    name, label, shown);
	config_file_free(&file);
	return true;
}

static const char *
variable(char *const envp[], const char *name)
{
	size_t n = strlen(name);

	for (; *envp != NULL; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	return "";
}

static void
read_credential(struct config *config, size_t i, const char *directory)
{
	const char *name = config->program->options[i].name;
	struct config_found *found = &config->found[i];
	size_t size = strlen(directory) + strlen(name) + sizeof "/";

	found->source = CONFIG_FROM_CREDENTIAL;
	found->path = mem_calloc(size, 1);
	(void)snprintf(found->path, size, "%s/%s", directory, name);
	if (!read_secret(config, i, ""))
		config_found_clear(found);
}

/* The text of an option's default; an option further up has its text. */
static const char *
default_text(const struct config *config, size_t i)
{
	const char *fallback = config->program->options[i].fallback;
	struct config_match match =
	    config_option_by_name(config->program, slice_of(fallback));

	if (!match.is_found || match.is_file)
		return fallback;
	assert(match.index < i);
	return config->found[match.index].text;
}

void
config_source_resolve(struct config *config, char *const envp[])
{
	const char *credentials = variable(envp, "CREDENTIALS_DIRECTORY");

	for (size_t i = 0; i < config->program->count; i++) {
		const struct config_option *option =
		    &config->program->options[i];
		struct config_found *found = &config->found[i];
		bool is_given = found->text != NULL || found->path != NULL;

		if (found->source == CONFIG_FROM_SECRET_FILE)
			(void)read_secret(config, i, "_FILE");
		else if (!is_given && (option->flags & CONFIG_SECRET) &&
		    credentials[0] != '\0')
			read_credential(config, i, credentials);
		if (found->text == NULL && found->path == NULL)
			found->text = mem_strdup(default_text(config, i));
	}
}
