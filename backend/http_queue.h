/*
 * http_queue - requests that wait for a transfer, or to be told of a failure
 *
 * First in, first out; one timer ends those whose deadline passes
 * (HTTP_TIMED_OUT) or whose patience ends before it (HTTP_QUEUE_TIMEOUT).
 * Failures are told from that timer as well, so that nobody is called back from
 * within the call that failed.  A request is on one list at most, and whoever
 * takes it off answers it, once.  Loop's thread only.
 */
#ifndef BACKEND_HTTP_QUEUE_H
#define BACKEND_HTTP_QUEUE_H

#include <uv.h>

#include "backend/http.h"

struct http_request {
	struct http_request *prev, *next; /* utlist */
	uint64_t deadline;                /* uv_now() ms */
	uint64_t patience_until;          /* the same, for its turn to come */
	uint64_t asked_ms;                /* the same */
	uint64_t turn_ms;                 /* the same; 0 before */
	uint64_t request_id;
	http_done done;
	void *arg;
	enum http_status status; /* of a failure */
	const char *reason;      /* of a failure; a literal */
	const char *bearer;      /* within path, behind its NUL */
	char path[];
};

/* Takes over a request that has failed. */
typedef void (*http_queue_failed)(void *arg, struct http_request *request);

struct http_queue {
	uv_timer_t timer;
	struct http_request *waiting;
	struct http_request *failed;
	size_t count; /* of waiting */
	bool telling;
	uint64_t expiry; /* none that waits ends earlier; UINT64_MAX = none */
	http_queue_failed tell;
	void *arg;
};

void http_queue_init(
    struct http_queue *q, uv_loop_t *loop, http_queue_failed tell, void *arg);

/* Hand a request over, at the end of the queue. */
void http_queue_push(struct http_queue *q, struct http_request *request);

/* The same, before all others. */
void http_queue_push_first(struct http_queue *q, struct http_request *request);

/* Take the request that has waited longest, or NULL. */
struct http_request *http_queue_pop(struct http_queue *q);

/* Hand over a request that has failed; it is told in a later loop turn. */
void http_queue_fail(struct http_queue *q, struct http_request *request,
    enum http_status status, const char *reason);

/* As http_queue_fail() for all that wait. */
void http_queue_fail_all(
    struct http_queue *q, enum http_status status, const char *reason);

/* Tell all failures now. */
void http_queue_tell(struct http_queue *q);

/* Close the timer; the queue's memory may be reused in or after closed. */
void http_queue_close(struct http_queue *q, uv_close_cb closed);

#endif
