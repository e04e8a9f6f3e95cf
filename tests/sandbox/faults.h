/*
 * faults - rules that make answers go wrong
 *
 * A list, as set with PUT /_sandbox/faults; the first rule that matches a
 * request's decoded path, and has not been used up, is applied to it.
 */
#ifndef SANDBOX_FAULTS_H
#define SANDBOX_FAULTS_H

#include <stdint.h>

#include <jansson.h>

#include "common/buffer.h"
#include "common/error.h"

/* Where a rule cuts the connection. */
enum fault_close {
	FAULT_CLOSE_NONE,
	FAULT_CLOSE_BEFORE,  /* before any byte */
	FAULT_CLOSE_HEADERS, /* after the headers */
	FAULT_CLOSE_BODY,    /* in the middle of the body */
	FAULT_CLOSE_AFTER,   /* after a whole answer that promised to go on */
};

struct fault {
	const char *match; /* fnmatch(3) over the decoded path */
	int64_t times;     /* left to apply; negative is without end */
	int64_t delay_ms;
	int64_t drip_ms;          /* 0, or one byte of the body each */
	int64_t status;           /* 0, or instead of the real one */
	int64_t truncate;         /* -1, or bytes that are left of the body */
	const char *content_type; /* NULL, or instead of the real one */
	json_t *headers;          /* NULL, or names to strings or null */
	bool has_body;
	bool has_raw;
	struct buffer bytes; /* of the body or of the raw answer */
	enum fault_close close;
	bool reset; /* close with a RST */
	bool hang;
	bool endless;
};

struct faults {
	json_t *source; /* what the rules borrow their strings from */
	struct fault *rules;
	size_t count;
};

void faults_init(struct faults *f);
void faults_fini(struct faults *f);

/* Read rules from JSON; nothing is set and *error names the member if they are
 * wrong.  f must be empty. */
bool faults_parse(struct faults *f, struct slice json, struct error *error)
    __attribute__((warn_unused_result));

/* The rule for a path, counted as used, or NULL. */
const struct fault *faults_pick(struct faults *f, const char *path);

/* Append the rules as they were set, with what is left of their times. */
void faults_write(const struct faults *f, struct buffer *out);

#endif
