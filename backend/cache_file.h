/*
 * cache_file - the file that answers survive a restart in
 *
 * Written beside the file under another name and renamed over it when all of
 * it is on the disk, so that there is always a complete one.  It holds
 * addresses: mode 0600, and nothing is taken from a file that others could
 * have written.  These calls block; a writer belongs to one thread at a time.
 */
#ifndef BACKEND_CACHE_FILE_H
#define BACKEND_CACHE_FILE_H

#include "backend/cache_codec.h"
#include "common/error.h"

/* A file being written. */
struct cache_file {
	int fd; /* -1: none */
	char *path;
	char *temporary; /* path.tmp, locked as long as it is written */
};

/*
 * False with the reason in *error, and nothing is left to abort.  What an
 * earlier writer left behind is replaced, unless it is still being written.
 * path is copied.
 */
bool cache_file_create(struct cache_file *f, const char *path,
    struct error *error) __attribute__((warn_unused_result));

/* False with the reason in *error: abort then. */
bool cache_file_append(struct cache_file *f, struct slice bytes,
    struct error *error) __attribute__((warn_unused_result));

/* Put it in the old one's place, or abort with the reason in *error. */
bool cache_file_commit(struct cache_file *f, struct error *error)
    __attribute__((warn_unused_result));

/* Remove what was written; the old file stays.  Nothing for one that has been
 * committed or aborted. */
void cache_file_abort(struct cache_file *f);

/* Remove what a writer that was killed left behind. */
void cache_file_sweep(const char *path);

enum cache_file_verdict {
	CACHE_FILE_READ,
	CACHE_FILE_NONE,    /* there is none */
	CACHE_FILE_REFUSED, /* there is, but nothing may be taken from it */
	CACHE_FILE_DAMAGED, /* set it aside */
};

struct cache_file_reading {
	uint64_t origin; /* as it must be */
	void (*record)(void *arg, const struct cache_codec_head *head,
	    const struct cache_codec_record *record);
	void *arg;
	bool exposed; /* set: others may read it */
};

/*
 * Read the file at path.  What was read counts only when the verdict is
 * CACHE_FILE_READ; with others, *error tells why.
 */
enum cache_file_verdict cache_file_read(
    const char *path, struct cache_file_reading *reading, struct error *error);

/* Rename it to path.damaged, over an older one. */
bool cache_file_set_aside(const char *path, struct error *error)
    __attribute__((warn_unused_result));

/* Whether files can be kept there privately; false with the reason. */
bool cache_file_check_place(const char *path, struct error *error)
    __attribute__((warn_unused_result));

#endif
