#include "frontend/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/jsonout.h"
#include "common/mem.h"
#include "frontend/explained.h"

/* Before what is asked of userli, whatever is known. */
#define DIRECT "direct "

struct explain {
	struct explained_context context;
	uv_timer_t tick; /* runs while one is not done */
	uint64_t last_id;
	struct explained lookups[EXPLAIN_MAX];
};

static void
on_tick(uv_timer_t *timer)
{
	struct explain *e = timer->data;
	bool any = false;

	for (size_t i = 0; i < EXPLAIN_MAX; i++)
		any |= explained_advance(&e->lookups[i]);
	if (!any)
		(void)uv_timer_stop(timer);
}

/* --- Requests ------------------------------------------------------------ */

/* A free place, or that of the oldest which is done; NULL without one. */
static struct explained *
find_place(struct explain *e)
{
	struct explained *best = NULL;

	for (size_t i = 0; i < EXPLAIN_MAX; i++) {
		struct explained *l = &e->lookups[i];

		if (l->phase == EXPLAINED_FREE)
			return l;
		if (l->phase == EXPLAINED_DONE &&
		    (best == NULL || l->id < best->id))
			best = l;
	}
	if (best != NULL)
		explained_forget(best);
	return best;
}

static void
on_explain(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	const struct slice direct = SLICE(DIRECT);
	struct explain *e = arg;
	struct slice text = request->body;
	enum rpc_how how = RPC_HOW_EXPLAINED;
	const char *blank;
	struct explained *l;
	size_t map_len;

	if (text.len > direct.len &&
	    memcmp(text.ptr, direct.ptr, direct.len) == 0) {
		how = RPC_HOW_DIRECT;
		text.ptr += direct.len;
		text.len -= direct.len;
	}
	blank = text.len > 0 ? memchr(text.ptr, ' ', text.len) : NULL;
	if (blank == NULL) {
		admin_fail(reply, 400, "a map and a key are needed");
		return;
	}
	l = find_place(e);
	if (l == NULL) {
		admin_fail(reply, 503, "too many lookups are being explained");
		return;
	}
	map_len = (size_t)(blank - text.ptr);
	explained_begin(l, ++e->last_id, (struct slice){ text.ptr, map_len },
	    (struct slice){ blank + 1, text.len - map_len - 1 }, how);
	(void)uv_timer_start(
	    &e->tick, on_tick, EXPLAINED_TICK_MS, EXPLAINED_TICK_MS);
	if (!buffer_printf(reply->body, "{\"id\":%" PRIu64 "}\n", l->id))
		reply->status = 500;
}

static void
write_steps(struct jsonout *j, struct slice steps)
{
	const struct slice backend = SLICE(EXPLAINED_BACKEND);
	struct step step;

	jsonout_array(j, "steps");
	while (steps_next(&steps, &step)) {
		bool there = step.name.len > backend.len &&
		    memcmp(step.name.ptr, backend.ptr, backend.len) == 0;
		size_t skip = there ? backend.len : 0;
		char *name =
		    mem_dup(step.name.ptr + skip, step.name.len - skip);
		char *text = mem_dup(step.text.ptr, step.text.len);

		jsonout_object(j, NULL);
		jsonout_string(j, "at", there ? "backend" : "frontend");
		jsonout_integer(j, "us", step.us);
		jsonout_string(j, "name", name);
		jsonout_string(j, "text", text);
		jsonout_end_object(j);
		free(name);
		free(text);
	}
	jsonout_end_array(j);
}

static void
write_lookup(struct jsonout *j, const struct explained *l)
{
	char request_id[17];

	(void)snprintf(
	    request_id, sizeof request_id, "%016" PRIx64, l->request_id);
	jsonout_object(j, NULL);
	jsonout_bool(j, "done", l->phase == EXPLAINED_DONE);
	if (l->phase == EXPLAINED_DONE) {
		jsonout_string(j, "request_id", request_id);
		jsonout_string(
		    j, "outcome", lookup_outcome_name(l->result.outcome));
		jsonout_string(j, "data", l->result.data.ptr);
		jsonout_string(
		    j, "source", lookup_source_name(l->result.source));
		jsonout_integer(j, "age_ms", l->result.age_ms);
		jsonout_string(j, "backend", l->backend);
		write_steps(j, buffer_slice(&l->steps.text));
	}
	jsonout_end_object(j);
}

static void
on_result(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct explain *e = arg;
	char digits[21] = "";
	uint64_t id;

	if (request->body.len > 0 && request->body.len < sizeof digits)
		memcpy(digits, request->body.ptr, request->body.len);
	id = strtoull(digits, NULL, 10);
	for (size_t i = 0; i < EXPLAIN_MAX; i++) {
		struct jsonout j;

		if (id == 0 || e->lookups[i].id != id)
			continue;
		jsonout_init(&j, reply->body);
		write_lookup(&j, &e->lookups[i]);
		if (!jsonout_ok(&j))
			admin_fail(reply, 500, "the answer is too long");
		return;
	}
	admin_fail(reply, 410, "it has been forgotten");
}

/* --- Life ---------------------------------------------------------------- */

struct explain *
explain_new(uv_loop_t *loop, struct pool *pool,
    const uint64_t *lookup_timeout_ms, struct admin *admin, struct log *log)
{
	struct explain *e = mem_calloc(1, sizeof *e);

	e->context =
	    (struct explained_context){ loop, pool, log, lookup_timeout_ms };
	for (size_t i = 0; i < EXPLAIN_MAX; i++)
		e->lookups[i].context = &e->context;
	(void)uv_timer_init(loop, &e->tick);
	e->tick.data = e;
	admin_route(admin, "POST", "/explain", on_explain, e);
	admin_route(admin, "POST", "/explain-result", on_result, e);
	return e;
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
explain_close(struct explain *e)
{
	for (size_t i = 0; i < EXPLAIN_MAX; i++)
		explained_forget(&e->lookups[i]);
	uv_close((uv_handle_t *)&e->tick, on_closed);
}
