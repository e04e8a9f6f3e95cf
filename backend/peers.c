#include "backend/peers.h"

#include <stdlib.h>

#include "backend/peer.h"
#include "common/mem.h"

struct peers {
	uv_loop_t *loop;
	struct peer_options each;
	struct discovery *discovery; /* NULL once closed */
	struct metrics_gauge *known;
	struct metrics_gauge *waiting;
	struct peer *items[PEERS_MAX]; /* sorted by URL */
	size_t count;
	size_t open; /* these, and those that are being closed */
	bool closed;
};

static void
free_if_done(struct peers *p)
{
	if (p->closed && p->open == 0)
		free(p);
}

static void
on_peer_closed(void *arg)
{
	struct peers *p = arg;

	p->open--;
	free_if_done(p);
}

static struct peer *
add_peer(struct peers *p, const struct address *address)
{
	p->open++;
	return peer_new(p->loop, address, &p->each);
}

/* Both lists are sorted by URL: walk them side by side. */
static void
on_found(void *arg, const struct addresses *all)
{
	struct peers *p = arg;
	struct peer *old[PEERS_MAX];
	size_t old_count = p->count;
	size_t i = 0;

	memcpy(old, p->items, sizeof old);
	p->count = 0;
	for (size_t j = 0; j < all->count; j++) {
		const struct address *address = &all->items[j];

		while (
		    i < old_count && strcmp(peer_url(old[i]), address->url) < 0)
			peer_close(old[i++], on_peer_closed, p);
		if (i < old_count &&
		    strcmp(peer_url(old[i]), address->url) == 0) {
			peer_set_name(old[i], address->name);
			p->items[p->count++] = old[i++];
		} else {
			p->items[p->count++] = add_peer(p, address);
		}
	}
	while (i < old_count)
		peer_close(old[i++], on_peer_closed, p);
}

void
peers_purge(struct peers *p, struct slice map, struct slice key)
{
	struct peer_note *everything;
	struct peer_note *note;

	if (p->count == 0)
		return;
	note = peer_note_new(map, key);
	everything = peer_note_new(SLICE(""), SLICE(""));
	for (size_t i = 0; i < p->count; i++)
		peer_tell(p->items[i], note, everything);
	peer_note_release(everything);
	peer_note_release(note);
}

size_t
peers_count(const struct peers *p)
{
	return p->count;
}

static void
collect(void *arg)
{
	struct peers *p = arg;
	size_t waiting = 0;

	for (size_t i = 0; i < p->count; i++)
		waiting += peer_waiting(p->items[i]);
	metrics_set(p->known, (double)p->count);
	metrics_set(p->waiting, (double)waiting);
}

static void
add_metrics(struct peers *p, struct metrics *m)
{
	static const char *const label[] = { "result", NULL };
	static const char *const names[PEER_RESULTS] = {
		[PEER_TOLD] = "told",
		[PEER_FAILED] = "failed",
		[PEER_REFUSED] = "refused",
	};
	struct metrics_family *results =
	    metrics_counters(m, "peer_purges_total",
		"Purges that other backends were to be told of", label);

	for (int i = 0; i < PEER_RESULTS; i++)
		p->each.results[i] = metrics_counter(
		    results, (const char *const[]){ names[i], NULL });
	p->known = metrics_gauge(metrics_gauges(m, "peers",
				     "Other backends to tell of purges", NULL),
	    NULL);
	p->waiting =
	    metrics_gauge(metrics_gauges(m, "peer_purges_waiting",
			      "Purges that wait for a peer's answer", NULL),
		NULL);
	metrics_on_collect(m, collect, p);
}

struct peers *
peers_new(uv_loop_t *loop, const struct peers_options *options)
{
	struct peers *p = mem_calloc(1, sizeof *p);
	struct discovery_options names = {
		.endpoints = options->endpoints,
		.setting = "BACKEND_PEERS",
		.interval_ms = options->resolve_interval_ms,
		.addresses_max = PEERS_MAX,
		.dns = options->dns,
		.log = options->log,
		.found = on_found,
		.arg = p,
	};

	p->loop = loop;
	p->each = (struct peer_options){ .tls = options->tls,
		.patience_ms = options->patience_ms,
		.queue_max = PEERS_QUEUE_MAX,
		.log = options->log };
	add_metrics(p, options->metrics);
	p->discovery = discovery_new(loop, &names);
	return p;
}

void
peers_close(struct peers *p)
{
	discovery_close(p->discovery);
	p->discovery = NULL;
	for (size_t i = 0; i < p->count; i++)
		peer_close(p->items[i], on_peer_closed, p);
	p->count = 0;
	p->closed = true;
	free_if_done(p);
}
