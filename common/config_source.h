/*
 * config_source - where the text of each setting comes from
 *
 * Each place that settings come from is a layer: what it gives, as text, for
 * each option.  Layers are applied from the weakest to the strongest; then
 * config_source_resolve() reads the secret files that have won, looks for
 * credentials, and fills in the defaults.  Start-up only; reads files.
 *
 * Errors and warnings are collected, so that an administrator sees all of
 * them at once.
 */
#ifndef COMMON_CONFIG_SOURCE_H
#define COMMON_CONFIG_SOURCE_H

#include "common/config.h"
#include "common/config_option.h"
#include "common/slice.h"

#define CONFIG_FILE_MAX 1048576      /* bytes of a --config file */
#define CONFIG_SECRET_FILE_MAX 65536 /* bytes of X_FILE, or a credential */
#define CONFIG_NOTES_MAX 100         /* further ones are not kept */

/* Texts in the order in which they came; lines ends with NULL. */
struct config_notes {
	char **lines;
	size_t count;
};

/* What was found for one option. */
struct config_found {
	enum config_source source;
	char *text;    /* NULL until found, or until the secret file is read */
	char *path;    /* the file it came from, or NULL */
	unsigned line; /* in the --config file */
};

struct config {
	const struct config_program *program;
	int argc; /* what was read, for config_reload(); borrowed */
	char *const *argv, *const *envp;
	const char *file;           /* --config, or NULL; borrowed from argv */
	struct config_found *found; /* one for each option */
	void *settings;
	struct config_notes errors, warnings;
};

/* What one place gives for each option; both is an error. */
struct config_layer {
	enum config_source source;
	const char *path; /* of the --config file, or NULL; borrowed */
	struct config_given {
		char *value;
		char *file;    /* given as X_FILE */
		unsigned line; /* in the --config file */
	} * given;
	size_t count;
};

void config_note(struct config_notes *notes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void config_notes_free(struct config_notes *notes);

/* Free what was found, wiping its text; the rest is the default again. */
void config_found_clear(struct config_found *found);

void config_layer_init(struct config_layer *layer,
    const struct config_program *program, enum config_source source);
void config_layer_fini(struct config_layer *layer);

/* Set what match found; an earlier text for the same is replaced. */
void config_layer_set(
    struct config_layer *layer, struct config_match match, struct slice text);

/* Let the layer override what weaker ones gave. */
void config_layer_apply(struct config *config, struct config_layer *layer);

/*
 * Take over the secrets that older, of the same environment, has from it: they
 * may be overwritten there.
 */
void config_secret_inherit(struct config *config, const struct config *older);

/* Apply the environment as a layer. */
void config_source_environment(struct config *config, char *const envp[]);

/*
 * After the last layer: every option's text is set, or an error is noted.
 * envp tells CREDENTIALS_DIRECTORY.
 */
void config_source_resolve(struct config *config, char *const envp[]);

#endif
