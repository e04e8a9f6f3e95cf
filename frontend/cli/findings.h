/*
 * findings - what 'userli-bridge doctor' says
 *
 * A line for each check as it ends: "ok", "note" or "FINDING", and below a
 * finding what to change.  Only findings count.  With a sink of its own a test
 * collects them instead.
 */
#ifndef FRONTEND_CLI_FINDINGS_H
#define FRONTEND_CLI_FINDINGS_H

#include <stddef.h>

enum findings_kind {
	FINDINGS_OK,
	FINDINGS_NOTE,    /* could not be checked, or good to know */
	FINDINGS_PROBLEM, /* to be changed */
};

struct findings {
	size_t problems;
	/* NULL prints to standard output; fix may be NULL. */
	void (*sink)(void *arg, enum findings_kind kind, const char *text,
	    const char *fix);
	void *arg;
};

/* A heading. */
void findings_section(struct findings *f, const char *title);

/* What is being looked at, shown on a terminal until the next line. */
void findings_doing(struct findings *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void findings_ok(struct findings *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void findings_note(struct findings *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* fix is what to change: a line to put somewhere, or a sentence. */
void findings_problem(struct findings *f, const char *fix, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

#endif
