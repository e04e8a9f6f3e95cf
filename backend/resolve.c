#include "backend/resolve.h"

#include <assert.h>
#include <stdlib.h>

#include "backend/extension.h"
#include "backend/fetch.h"
#include "backend/gate.h"
#include "backend/purge.h"
#include "backend/resolve_metrics.h"
#include "backend/userli_verdict.h"
#include "common/keyrules.h"
#include "common/mem.h"

struct resolve {
	uv_loop_t *loop;
	struct resolve_options options;
	struct cache *cache; /* NULL while it is off */
	struct fetches *fetches;
	struct resolve_metrics metrics;
	struct buffer extended; /* the value that is being told */
	uint64_t random;
};

/* What was asked. */
struct question {
	enum lookup_map map;
	struct slice key;       /* as userli has it */
	struct slice extension; /* to be added to the answer */
	uint64_t deadline;
	uint64_t request_id;
	resolve_done done;
	void *arg;
};

/* A question that waits for a fetch: of its key, or first of its domain. */
struct query {
	struct fetch_waiter waiter;
	struct resolve *resolve;
	struct question question;
	struct slice domain; /* within the key; empty once it has been asked */
	char bytes[];        /* of the question's slices */
};

/* --- Telling ------------------------------------------------------------- */

static void
tell(struct resolve *r, const struct question *q, struct lookup_result result)
{
	if (result.outcome == LOOKUP_OK && q->extension.len > 0) {
		buffer_clear(&r->extended);
		if (extension_add(result.data, q->extension, &r->extended)) {
			result.data = buffer_slice(&r->extended);
		} else {
			result.outcome = LOOKUP_PERM;
			result.data =
			    SLICE("the value is too large with its extensions");
		}
	}
	q->done(q->arg, &result);
}

/* Tell what is remembered, which is in the given state; reason is why, if that
 * is stale. */
static void
tell_entry(struct resolve *r, const struct question *q,
    const struct cache_entry *entry, enum answers_state state,
    struct slice reason)
{
	struct lookup_result result =
	    answers_result(entry, state, uv_now(r->loop));

	if (state == ANSWERS_STALE)
		resolve_metrics_stale(&r->metrics, q->map, q->key,
		    q->request_id, result.age_ms, reason);
	else
		metrics_inc(r->metrics.hits[q->map]);
	tell(r, q, result);
}

static void
finish(struct query *query, const struct lookup_result *result)
{
	tell(query->resolve, &query->question, *result);
	free(query);
}

static enum answers_state
remembered(const struct query *query, const struct cache_entry **entry)
{
	const struct resolve *r = query->resolve;
	const struct question *q = &query->question;

	*entry = r->cache != NULL ? cache_peek(r->cache, q->map, q->key) : NULL;
	return answers_state(&r->options.answers, *entry, uv_now(r->loop));
}

/* userli did not say: the best that is remembered, or the failure. */
static void
finish_failed(struct query *query, const struct lookup_result *failure)
{
	const struct cache_entry *entry;
	enum answers_state state = remembered(query, &entry);

	if (state == ANSWERS_NONE) {
		finish(query, failure);
		return;
	}
	tell_entry(
	    query->resolve, &query->question, entry, state, failure->data);
	free(query);
}

/* --- Asking userli ------------------------------------------------------- */

static uint64_t
next_random(struct resolve *r)
{
	/* xorshift64 */
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

/* Fetch in the background what is remembered, if that costs nobody anything. */
static void
refresh(struct resolve *r, const struct cache_entry *entry, uint64_t request_id)
{
	if (answers_held(entry, uv_now(r->loop)) ||
	    fetches_background(r->fetches) >= r->options.refreshes_max ||
	    fetch_find(r->fetches, entry->map, entry->key) != NULL ||
	    userli_unwell(r->options.userli) ||
	    userli_crowded(r->options.userli))
		return;
	(void)fetch_start(r->fetches, entry->map, entry->key, request_id, true);
}

/* Keep what userli said. */
static void
on_landed(void *arg, const struct fetch_about *about,
    const struct lookup_result *result)
{
	struct resolve *r = arg;
	uint64_t now = uv_now(r->loop);
	struct cache_entry *entry;
	uint64_t life_ms;

	if (about->background)
		metrics_inc(r->metrics.refreshes[result->outcome == LOOKUP_OK
			? RESOLVE_REFRESH_OK
			: result->outcome == LOOKUP_NOTFOUND
			? RESOLVE_REFRESH_NOTFOUND
			: RESOLVE_REFRESH_FAILED]);
	if (r->cache == NULL || about->forgotten)
		return;
	switch (result->outcome) {
	case LOOKUP_OK:
	case LOOKUP_NOTFOUND:
		life_ms = answers_life_ms(&r->options.answers, about->map,
		    result->outcome, next_random(r));
		if (life_ms > 0) {
			cache_put(r->cache, about->map, about->key,
			    result->outcome, result->data, now, now + life_ms);
			return;
		}
		break;
	case LOOKUP_PERM: /* userli's word, too: the old one is not true */
		break;
	default:
		entry = cache_peek(r->cache, about->map, about->key);
		if (entry != NULL)
			entry->retry_ms = now + ANSWERS_HOLD_MS;
		return;
	}
	(void)cache_remove(r->cache, about->map, about->key);
}

/*
 * When a question that waits for a fetch looks for a stale answer, or gives up.
 * What it can be told should reach the frontend before its time is up there.
 */
static uint64_t
wake_time(const struct query *query, const struct fetch_about *about)
{
	const struct resolve *r = query->resolve;
	uint64_t now = uv_now(r->loop);
	uint64_t deadline = query->question.deadline;
	uint64_t stale_ms = about->started_ms + r->options.stale_after_ms;
	const struct cache_entry *entry;

	if (now >= deadline || query->domain.len > 0 ||
	    remembered(query, &entry) == ANSWERS_NONE)
		return deadline;
	deadline -= (deadline - now) / 10;
	return stale_ms < deadline ? stale_ms : deadline;
}

/* Wait for the fetch of the domain, if that comes first, or of the key. */
static void
ask(struct query *query)
{
	static const struct lookup_result closed = {
		.outcome = LOOKUP_DRAINING,
		.data = { "the backend is shutting down", 28 },
	};
	struct resolve *r = query->resolve;
	const struct question *q = &query->question;
	bool domain = query->domain.len > 0;
	enum lookup_map map = domain ? LOOKUP_DOMAIN : q->map;
	struct slice key = domain ? query->domain : q->key;

	if (fetch_find(r->fetches, map, key) != NULL) {
		metrics_inc(r->metrics.coalesced[q->map]);
	} else if (!fetch_start(r->fetches, map, key, q->request_id, false)) {
		finish_failed(query, &closed);
		return;
	}
	fetch_wait(r->fetches, &query->waiter, map, key,
	    wake_time(query, fetch_find(r->fetches, map, key)));
}

/* Its time has come before userli's answer. */
static void
on_wake(struct query *query)
{
	static const struct lookup_result slow = {
		.outcome = LOOKUP_TIMEOUT,
		.data = { "userli did not answer in time", 29 },
	};
	const struct cache_entry *entry;

	if (uv_now(query->resolve->loop) < query->question.deadline &&
	    remembered(query, &entry) == ANSWERS_NONE)
		ask(query); /* what it hoped for has been purged */
	else
		finish_failed(query, &slow);
}

static void
on_domain(struct query *query, const struct fetch_about *about,
    const struct lookup_result *result)
{
	struct resolve *r = query->resolve;

	query->domain.len = 0;
	if (result->outcome == LOOKUP_NOTFOUND && !about->forgotten) {
		metrics_inc(r->metrics.gate[query->question.map]);
		finish(query, result);
	} else if (result->outcome == LOOKUP_BUSY ||
	    result->outcome == LOOKUP_DRAINING) {
		finish_failed(query, result); /* so would the address be */
	} else {
		ask(query);
	}
}

static void
on_told(struct fetch_waiter *waiter, const struct fetch_about *about,
    const struct lookup_result *result)
{
	struct query *query = (struct query *)waiter;

	if (result == NULL)
		on_wake(query);
	else if (query->domain.len > 0)
		on_domain(query, about, result);
	else if (result->outcome == LOOKUP_OK ||
	    result->outcome == LOOKUP_NOTFOUND ||
	    result->outcome == LOOKUP_PERM)
		finish(query, result);
	else
		finish_failed(query, result);
}

static void
wait_for_userli(
    struct resolve *r, const struct question *q, struct slice domain)
{
	struct query *query =
	    mem_calloc(1, sizeof *query + q->key.len + q->extension.len);
	char *bytes = query->bytes;

	query->waiter.told = on_told;
	query->resolve = r;
	query->question = *q;
	memcpy(bytes, q->key.ptr, q->key.len);
	query->question.key.ptr = bytes;
	if (domain.len > 0) {
		query->domain.ptr = bytes + q->key.len - domain.len;
		query->domain.len = domain.len;
	}
	if (q->extension.len > 0) {
		bytes += q->key.len;
		memcpy(bytes, q->extension.ptr, q->extension.len);
		query->question.extension.ptr = bytes;
	}
	metrics_inc(r->metrics.misses[q->map]);
	ask(query);
}

/* --- A lookup ------------------------------------------------------------ */

/* Why a stale entry is to be told without waiting for userli; empty = it is
 * not. */
static struct slice
reason_for_stale(const struct resolve *r, const struct cache_entry *entry)
{
	uint64_t now = uv_now(r->loop);
	const struct fetch_about *about;

	if (userli_unwell(r->options.userli))
		return SLICE("userli is known to fail");
	if (answers_held(entry, now))
		return SLICE("userli failed a moment ago");
	about = fetch_find(r->fetches, entry->map, entry->key);
	if (about != NULL &&
	    now >= about->started_ms + r->options.stale_after_ms)
		return SLICE("userli is slow");
	return (struct slice){ NULL, 0 };
}

/*
 * What the gate says to a question that has no fresh answer.  On GATE_ASK
 * *domain is to be asked first, on GATE_CLOSED *entry is the domain's.
 */
static enum gate_verdict
ask_gate(struct resolve *r, const struct question *q, struct slice *domain,
    const struct cache_entry **entry)
{
	enum gate_verdict verdict;

	*domain = r->options.gate ? gate_domain(q->map, q->key)
				  : (struct slice){ NULL, 0 };
	if (domain->len == 0)
		return GATE_OPEN;
	*entry = cache_find(r->cache, LOOKUP_DOMAIN, *domain);
	verdict = gate_judge(&r->options.answers, *entry, uv_now(r->loop));
	if (verdict != GATE_ASK && answers_ageing(*entry, uv_now(r->loop)))
		refresh(r, *entry, q->request_id);
	return verdict;
}

/* Answer from the cache, or wait for userli. */
static void
answer(struct resolve *r, const struct question *q)
{
	const struct cache_entry *entry = cache_find(r->cache, q->map, q->key);
	enum answers_state state =
	    answers_state(&r->options.answers, entry, uv_now(r->loop));
	const struct cache_entry *domain_entry = NULL;
	struct slice domain = { NULL, 0 };
	struct slice reason;
	enum gate_verdict gate;

	if (state == ANSWERS_FRESH) {
		tell_entry(r, q, entry, state, (struct slice){ NULL, 0 });
		if (answers_ageing(entry, uv_now(r->loop)))
			refresh(r, entry, q->request_id);
		return;
	}
	gate = ask_gate(r, q, &domain, &domain_entry);
	if (gate == GATE_CLOSED) {
		metrics_inc(r->metrics.gate[q->map]);
		tell(r, q,
		    answers_result(
			domain_entry, ANSWERS_FRESH, uv_now(r->loop)));
		return;
	}
	if (state == ANSWERS_STALE) {
		reason = reason_for_stale(r, entry);
		if (reason.len > 0) {
			tell_entry(r, q, entry, state, reason);
			return;
		}
	}
	/* An address that was there needs no domain to be asked for. */
	if (gate != GATE_ASK || state == ANSWERS_STALE)
		domain.len = 0;
	wait_for_userli(r, q, domain);
}

void
resolve_lookup(struct resolve *r, enum lookup_map map, struct slice key,
    uint64_t deadline, uint64_t request_id, resolve_done done, void *arg)
{
	struct question q = { .map = map,
		.deadline = deadline,
		.request_id = request_id,
		.done = done,
		.arg = arg };
	char normal[KEYRULES_KEY_MAX];
	size_t len;

	if (map == LOOKUP_MAPS) {
		tell(r, &q,
		    (struct lookup_result){ .outcome = LOOKUP_PERM,
			.source = LOOKUP_RULE,
			.data = SLICE("Unknown map name") });
		return;
	}
	if (keyrules_apply(map, key, r->options.delimiter, normal, &len) ==
	    KEYRULES_ABSENT) {
		tell(r, &q,
		    (struct lookup_result){
			.outcome = LOOKUP_NOTFOUND, .source = LOOKUP_RULE });
		return;
	}
	q.key = (struct slice){ normal, len };
	if (r->options.propagate_extension && map == LOOKUP_ALIAS)
		q.extension = extension_find(key, r->options.delimiter);
	if (r->cache == NULL)
		wait_for_userli(r, &q, (struct slice){ NULL, 0 });
	else
		answer(r, &q);
}

/* --- Life ---------------------------------------------------------------- */

size_t
resolve_purge(struct resolve *r, enum lookup_map map, struct slice key)
{
	const struct purge purge = { r->fetches, r->cache,
		r->options.delimiter };

	return purge_key(&purge, map, key);
}

struct cache *
resolve_cache(struct resolve *r)
{
	return r->cache;
}

const struct answers_options *
resolve_answers(const struct resolve *r)
{
	return &r->options.answers;
}

bool
resolve_configure(struct resolve *r, const struct answers_options *answers,
    uint64_t stale_after_ms, bool gate)
{
	if ((answers->ttl_ms > 0) != (r->cache != NULL))
		return false;
	r->options.answers = *answers;
	r->options.stale_after_ms = stale_after_ms;
	r->options.gate = gate;
	return true;
}

struct resolve *
resolve_new(uv_loop_t *loop, const struct resolve_options *options)
{
	struct resolve *r = mem_calloc(1, sizeof *r);
	struct fetch_options fetch = { .userli = options->userli,
		.limit_ms = options->fetch_limit_ms,
		.landed = on_landed,
		.arg = r };

	r->loop = loop;
	r->options = *options;
	r->random = uv_hrtime() | 1;
	buffer_init(&r->extended, USERLI_VALUE_MAX);
	if (options->answers.ttl_ms > 0)
		r->cache = cache_new(options->cache_bytes_max);
	r->fetches = fetches_new(loop, &fetch);
	resolve_metrics_init(
	    &r->metrics, loop, options->metrics, options->log, r->cache);
	return r;
}

static void
on_closed(void *arg)
{
	struct resolve *r = arg;

	if (r->cache != NULL)
		cache_free(r->cache);
	buffer_fini(&r->extended);
	free(r);
}

void
resolve_close(struct resolve *r)
{
	fetches_close(r->fetches, on_closed, r);
}
