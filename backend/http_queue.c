#include "backend/http_queue.h"

#include <utlist.h>

static void on_timer(uv_timer_t *timer);

static void
arm(struct http_queue *q)
{
	uint64_t now = uv_now(q->timer.loop);
	uint64_t delay = q->expiry > now ? q->expiry - now : 0;

	if (uv_is_closing((uv_handle_t *)&q->timer))
		return;
	if (q->failed != NULL)
		/* 0 again would be this same turn: see http_queue_tell() */
		delay = q->telling ? 1 : 0;
	else if (q->expiry == UINT64_MAX) {
		(void)uv_timer_stop(&q->timer);
		return;
	}
	(void)uv_timer_start(&q->timer, on_timer, delay, 0);
}

static void
move_to_failed(struct http_queue *q, struct http_request *request,
    enum http_status status, const char *reason)
{
	request->status = status;
	request->reason = reason;
	DL_APPEND(q->failed, request);
}

static uint64_t
end_of(const struct http_request *request)
{
	return request->deadline < request->patience_until
	    ? request->deadline
	    : request->patience_until;
}

/* Requests may have left since the timer was set: expiry is made anew. */
static void
expire(struct http_queue *q)
{
	uint64_t now = uv_now(q->timer.loop);
	struct http_request *request;
	struct http_request *next;

	if (now < q->expiry)
		return;
	q->expiry = UINT64_MAX;
	DL_FOREACH_SAFE (q->waiting, request, next) {
		if (end_of(request) > now) {
			if (end_of(request) < q->expiry)
				q->expiry = end_of(request);
			continue;
		}
		DL_DELETE(q->waiting, request);
		q->count--;
		move_to_failed(q, request,
		    request->deadline > now ? HTTP_QUEUE_TIMEOUT
					    : HTTP_TIMED_OUT,
		    "its turn did not come in time");
	}
}

static void
on_timer(uv_timer_t *timer)
{
	struct http_queue *q = timer->data;

	q->telling = true;
	expire(q);
	http_queue_tell(q);
	arm(q);
	q->telling = false;
}

void
http_queue_init(
    struct http_queue *q, uv_loop_t *loop, http_queue_failed tell, void *arg)
{
	*q = (struct http_queue){
		.expiry = UINT64_MAX, .tell = tell, .arg = arg
	};
	(void)uv_timer_init(loop, &q->timer);
	q->timer.data = q;
}

static void
count_in(struct http_queue *q, const struct http_request *request)
{
	q->count++;
	if (end_of(request) < q->expiry) {
		q->expiry = end_of(request);
		arm(q);
	}
}

void
http_queue_push(struct http_queue *q, struct http_request *request)
{
	DL_APPEND(q->waiting, request);
	count_in(q, request);
}

void
http_queue_push_first(struct http_queue *q, struct http_request *request)
{
	DL_PREPEND(q->waiting, request);
	count_in(q, request);
}

struct http_request *
http_queue_pop(struct http_queue *q)
{
	struct http_request *request = q->waiting;

	if (request == NULL)
		return NULL;
	DL_DELETE(q->waiting, request);
	q->count--;
	return request;
}

void
http_queue_fail(struct http_queue *q, struct http_request *request,
    enum http_status status, const char *reason)
{
	move_to_failed(q, request, status, reason);
	arm(q);
}

void
http_queue_fail_all(
    struct http_queue *q, enum http_status status, const char *reason)
{
	struct http_request *request;

	while ((request = http_queue_pop(q)) != NULL)
		move_to_failed(q, request, status, reason);
	arm(q);
}

void
http_queue_tell(struct http_queue *q)
{
	/* What fails while others are told waits for the next turn: a caller
	 * that asks again at once must not keep the loop here. */
	struct http_request *last = q->failed != NULL ? q->failed->prev : NULL;
	bool more = true;

	while (more && q->failed != NULL) {
		struct http_request *request = q->failed;

		more = request != last;
		DL_DELETE(q->failed, request);
		q->tell(q->arg, request);
	}
}

void
http_queue_close(struct http_queue *q, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&q->timer, closed);
}
