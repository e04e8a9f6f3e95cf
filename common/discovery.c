#include "common/discovery.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/resolver.h"

enum source_state {
	SOURCE_NEW, /* not answered yet */
	SOURCE_FINE,
	SOURCE_PARTIAL,
	SOURCE_FAILED,
};

/* One endpoint of the list. */
struct source {
	struct discovery *discovery;
	const struct endpoint *endpoint;
	enum source_state state;
	struct addresses addresses; /* the last good ones */
	uint64_t retry_ms;          /* the next delay while there are none */
	uv_timer_t timer;           /* only for a name */
	struct resolver *resolver;  /* NULL when none is asked */
	bool named;
};

struct discovery {
	struct discovery_options options;
	uv_loop_t *loop;
	size_t count; /* of sources */
	size_t handles;
	bool closed;
	bool full;
	struct addresses all;
	struct source sources[ENDPOINT_LIST_MAX];
};

/* --- What is known ------------------------------------------------------- */

static void
set_full(struct discovery *d, bool full)
{
	if (full && !d->full)
		log_error(d->options.log,
		    log_msg("the setting names more backends than can be used"),
		    log_str("setting", d->options.setting),
		    log_uint("max", d->options.addresses_max));
	d->full = full;
}

static void
tell(struct discovery *d)
{
	bool full = false;

	d->all.count = 0;
	for (size_t i = 0; i < d->count; i++) {
		const struct addresses *some = &d->sources[i].addresses;

		for (size_t j = 0; j < some->count; j++)
			full |= !addresses_add(&d->all, &some->items[j]);
	}
	addresses_sort(&d->all);
	set_full(d, full);
	d->options.found(d->options.arg, &d->all);
}

/* Log what has changed, once. */
static void
set_state(struct source *s, enum source_state state, const char *reason)
{
	const struct discovery_options *o = &s->discovery->options;
	struct log *log = o->log;
	enum source_state before = s->state;

	if (state == before)
		return;
	s->state = state;
	if (state == SOURCE_FAILED)
		log_warn(log, log_msg("host has no address"),
		    log_str("setting", o->setting),
		    log_str("host", s->endpoint->host),
		    log_str("error", reason),
		    log_uint("kept", s->addresses.count));
	else if (state == SOURCE_PARTIAL)
		log_warn(log, log_msg("host has addresses that are not known"),
		    log_str("setting", o->setting),
		    log_str("host", s->endpoint->host),
		    log_str("error", reason));
	else if (before != SOURCE_NEW)
		log_info(log, log_msg("host has addresses"),
		    log_str("setting", o->setting),
		    log_str("host", s->endpoint->host));
}

/* What an answer in part does not mention may still be there. */
static void
keep_old(const struct source *s, struct addresses *found)
{
	size_t fresh = found->count;

	for (size_t i = 0; i < s->addresses.count; i++) {
		struct addresses sorted = { .items = found->items,
			.count = fresh };
		const struct address *old = &s->addresses.items[i];

		if (addresses_find(&sorted, old->url) == NULL &&
		    !addresses_add(found, old))
			break;
	}
	addresses_sort(found);
}

/* --- Asking -------------------------------------------------------------- */

static void on_due(uv_timer_t *timer);

static void
schedule(struct source *s)
{
	const struct discovery_options *o = &s->discovery->options;
	uint64_t delay = o->interval_ms;

	if (s->addresses.count == 0 && s->retry_ms < delay) {
		delay = s->retry_ms;
		s->retry_ms *= 2;
	}
	(void)uv_timer_start(&s->timer, on_due, delay, 0);
}

static void
on_answer(void *arg, struct dns_answer *answer)
{
	static const enum source_state states[] = {
		[DNS_OK] = SOURCE_FINE,
		[DNS_PARTIAL] = SOURCE_PARTIAL,
		[DNS_FAILED] = SOURCE_FAILED,
	};
	struct source *s = arg;

	s->resolver = NULL;
	set_state(s, states[answer->verdict], answer->reason);
	if (answer->verdict == DNS_PARTIAL)
		keep_old(s, &answer->found);
	if (answer->verdict != DNS_FAILED &&
	    !addresses_equal(&s->addresses, &answer->found)) {
		addresses_move(&s->addresses, &answer->found);
		tell(s->discovery);
	}
	if (!s->discovery->closed)
		schedule(s);
}

static void
on_due(uv_timer_t *timer)
{
	struct source *s = timer->data;
	struct discovery *d = s->discovery;
	struct dns_question question = { .endpoint = *s->endpoint,
		.known = s->addresses.count > 0,
		.patience_ms = DNS_PATIENCE_MS };

	s->resolver =
	    resolver_ask(d->loop, d->options.dns, &question, on_answer, s);
	if (s->resolver != NULL)
		return;
	set_state(s, SOURCE_FAILED, "no thread to ask in");
	schedule(s);
}

/* --- Life ---------------------------------------------------------------- */

static bool
is_numeric(const struct endpoint *e)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	return e->kind == ENDPOINT_UNIX || uv_ip4_addr(e->host, 0, &v4) == 0 ||
	    uv_ip6_addr(e->host, 0, &v6) == 0;
}

static void
start_source(struct discovery *d, size_t i)
{
	struct source *s = &d->sources[i];

	s->discovery = d;
	s->endpoint = &d->options.endpoints->items[i];
	s->named = !is_numeric(s->endpoint);
	s->retry_ms = DISCOVERY_RETRY_MS;
	addresses_init(&s->addresses, DNS_ADDRESSES_MAX);
	if (s->named) {
		(void)uv_timer_init(d->loop, &s->timer);
		s->timer.data = s;
		d->handles++;
		(void)uv_timer_start(&s->timer, on_due, 0, 0);
	} else {
		struct address address = { .weight = 1 };

		endpoint_format(s->endpoint, ENDPOINT_POOL, address.url);
		memcpy(address.name, s->endpoint->host, sizeof address.name);
		(void)!addresses_add(&s->addresses, &address);
	}
}

struct discovery *
discovery_new(uv_loop_t *loop, const struct discovery_options *options)
{
	struct discovery *d = mem_calloc(1, sizeof *d);
	size_t known = 0;

	d->options = *options;
	d->loop = loop;
	d->count = options->endpoints->count;
	addresses_init(&d->all, options->addresses_max);
	for (size_t i = 0; i < d->count; i++) {
		start_source(d, i);
		known += d->sources[i].addresses.count;
	}
	if (known > 0)
		tell(d);
	return d;
}

const struct addresses *
discovery_all(const struct discovery *d)
{
	return &d->all;
}

static void
free_memory(struct discovery *d)
{
	for (size_t i = 0; i < d->count; i++)
		addresses_fini(&d->sources[i].addresses);
	addresses_fini(&d->all);
	free(d);
}

static void
on_closed(uv_handle_t *handle)
{
	struct discovery *d = ((struct source *)handle->data)->discovery;

	if (--d->handles == 0)
		free_memory(d);
}

void
discovery_close(struct discovery *d)
{
	d->closed = true;
	for (size_t i = 0; i < d->count; i++) {
		struct source *s = &d->sources[i];

		if (s->resolver != NULL)
			resolver_abandon(s->resolver);
		s->resolver = NULL;
		if (s->named)
			uv_close((uv_handle_t *)&s->timer, on_closed);
	}
	if (d->handles == 0)
		free_memory(d);
}
