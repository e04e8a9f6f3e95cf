/*
 * userli_json - what a 200 body of userli's Postfix API says
 *
 * Pure; the only file that calls jansson in the backend.  Strict: one value,
 * of the type that the endpoint has, nothing after it but white space; nesting
 * and size are limited before jansson sees the bytes.  userli up to 5.x
 * answers senders with an object with numeric keys when duplicates were
 * removed: for senders such an object is read as the list of its values, in
 * order.
 */
#ifndef BACKEND_USERLI_JSON_H
#define BACKEND_USERLI_JSON_H

#include "common/buffer.h"
#include "common/lookup.h"

#define USERLI_JSON_NESTING_MAX 4
/* Bytes of a body: a full reply with every byte written as \uXXXX fits. */
#define USERLI_JSON_BODY_MAX 1048576
/* Elements of a list: more cannot be joined within LOOKUP_REPLY_MAX. */
#define USERLI_JSON_ELEMENTS_MAX (LOOKUP_REPLY_MAX / 2)

enum userli_json_verdict {
	USERLI_JSON_FOUND,       /* out holds the value: "a@x,b@y" or "1" */
	USERLI_JSON_ABSENT,      /* false, []; {} for senders */
	USERLI_JSON_NOT_JSON,    /* not one JSON text */
	USERLI_JSON_WRONG_TYPE,  /* JSON, but not what this map answers */
	USERLI_JSON_BAD_ADDRESS, /* an element that cannot be an address */
	USERLI_JSON_TOO_LARGE,   /* joined, it exceeds out's maximum */
	USERLI_JSON_NO_MEMORY,
	USERLI_JSON_VERDICTS,
};

/*
 * Have jansson ask common/mem for memory, once, before anything is read: for
 * the whole process.  By itself, jansson 2.14 leaves out a byte of a string
 * when it finds no room for it, and an address would be another one.
 */
void userli_json_use_mem(void);

/*
 * Read a body.  On FOUND the value is appended to out; otherwise out is left
 * alone.  An element cannot be an address when it has no '@' with something on
 * both sides, has a control character, or has a comma or a space (Postfix
 * would read two addresses).  What is not UTF-8 is not JSON.
 */
enum userli_json_verdict userli_json_read(enum lookup_map map,
    struct slice body, struct buffer *out) __attribute__((warn_unused_result));

/* "not JSON", "wrong type", …, for reasons and metrics. */
const char *userli_json_verdict_name(enum userli_json_verdict verdict);

#endif
