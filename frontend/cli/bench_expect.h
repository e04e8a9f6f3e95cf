/*
 * bench_expect - which answer is right
 *
 * From a file, a line "MAP KEY<tab>ANSWER" each, where ANSWER is "OK value",
 * "NOTFOUND" or another status, with or without the text behind it.  A status
 * without text other than OK holds for every text.  Owns its memory; finding
 * allocates nothing.
 */
#ifndef FRONTEND_CLI_BENCH_EXPECT_H
#define FRONTEND_CLI_BENCH_EXPECT_H

#include "common/error.h"
#include "frontend/socketmap/protocol.h"

struct bench_expected {
	struct slice question; /* "map key" */
	enum socketmap_status status;
	bool any_text;
	struct slice text;
};

struct bench_expect;

/* NULL with the reason, and the line's number, in *error. */
struct bench_expect *bench_expect_read(const char *path, struct error *error)
    __attribute__((warn_unused_result));
void bench_expect_free(struct bench_expect *e); /* NULL is fine */

/* The same from memory; text is changed and must live on. */
struct bench_expect *bench_expect_parse(char *text, size_t len,
    struct error *error) __attribute__((warn_unused_result));

/* NULL when the file says nothing of it. */
const struct bench_expected *bench_expect_find(
    const struct bench_expect *e, struct slice question);

bool bench_expected_is(
    const struct bench_expected *expected, const struct reply *reply);

#endif
