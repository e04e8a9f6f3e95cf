/*
 * bench_keys - the keys that a map is asked for
 *
 * Either a pattern with one %d, which runs over a range, or the lines of a
 * file.  No key is longer than BENCH_KEY_MAX bytes.  Owns its memory; writing a
 * key allocates nothing.
 */
#ifndef FRONTEND_CLI_BENCH_KEYS_H
#define FRONTEND_CLI_BENCH_KEYS_H

#include <stdint.h>

#include "common/error.h"
#include "common/slice.h"

#define BENCH_KEY_MAX 10000 /* bytes; Postfix sends no longer query */
#define BENCH_KEYS_FILE_MAX ((size_t)1 << 30) /* bytes */
#define BENCH_NUMBER_DIGITS 20

struct bench_keys {
	uint64_t count; /* > 0 */
	/* A pattern: what surrounds the number; first is its least. */
	struct slice before, after;
	bool numbered;
	uint64_t first;
	struct slice *lines; /* of a file */
	char *text;          /* that of a pattern or of a file */
};

/*
 * "user%d@example.org" with the numbers first to last, "%%" for a "%"; without
 * a %d there is one key.  False with the reason in *error.
 */
bool bench_keys_pattern(struct bench_keys *keys, const char *text,
    uint64_t first, uint64_t last, struct error *error)
    __attribute__((warn_unused_result));

/* The lines of a file that are not empty. */
bool bench_keys_file(struct bench_keys *keys, const char *path,
    struct error *error) __attribute__((warn_unused_result));

void bench_keys_fini(struct bench_keys *keys);

/* Write the key of that index (below count); returns its bytes. */
size_t bench_keys_write(const struct bench_keys *keys, uint64_t index,
    char out[static BENCH_KEY_MAX]);

/*
 * A whole file in memory, with a NUL after its end; the caller frees it.  NULL
 * with the reason in *error.
 */
char *bench_keys_read_file(const char *path, size_t *len, struct error *error)
    __attribute__((warn_unused_result));

#endif
