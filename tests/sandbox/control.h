/*
 * control - what tests tell the sandbox and ask of it, under /_sandbox/
 */
#ifndef SANDBOX_CONTROL_H
#define SANDBOX_CONTROL_H

#include "api.h"

struct server;

/* True for a target that belongs to the control API, whatever the prefix. */
bool control_owns(struct slice target);

/* Answer a request of the control API. */
void control_answer(
    struct server *s, const struct http_request *req, struct reply *reply);

#endif
