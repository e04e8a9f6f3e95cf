/*
 * config_file - files of KEY=value lines, and of one secret
 *
 * Start-up only: reads whole files, within a limit.
 */
#ifndef COMMON_CONFIG_FILE_H
#define COMMON_CONFIG_FILE_H

#include "common/config_source.h"

struct config_file {
	char *bytes; /* NUL-terminated after len bytes */
	size_t len;
	bool is_public; /* a regular file that every user may read */
	int error;      /* errno(3) when it could not be loaded */
};

/*
 * Load a file of at most max bytes; false with file->error set (EFBIG for a
 * larger one) and nothing to free.
 */
bool config_file_load(struct config_file *file, const char *path, size_t max)
    __attribute__((warn_unused_result));

/* Wipes the bytes, which may be a secret. */
void config_file_free(struct config_file *file);

/*
 * Apply the KEY=value lines of a file as a layer.  A line that is none, an
 * unknown key and a file that cannot be read are errors; their texts never
 * show a value.
 */
void config_file_apply(struct config *config, const char *path);

#endif
