#include "common/ops_connections.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "common/mem.h"

static const char *const end_names[OPS_ENDS] = {
	[OPS_END_UNKNOWN] = "unknown",
	[OPS_END_ANSWERED] = "answered",
	[OPS_END_REFUSED] = "refused",
	[OPS_END_MALFORMED] = "malformed",
	[OPS_END_LEFT] = "left",
	[OPS_END_TIMEOUT] = "timeout",
	[OPS_END_EVICTED] = "evicted",
};

void
ops_connections_init(
    struct ops_connections *l, unsigned idle_timeout_s, unsigned lifetime_s)
{
	*l = (struct ops_connections){
		.idle_timeout_ms = (uint64_t)idle_timeout_s * 1000,
		.lifetime_ms = (uint64_t)lifetime_s * 1000,
	};
}

void
ops_connections_count(struct ops_connections *l, struct metrics *metrics)
{
	static const char *const labels[] = { "reason", NULL };
	struct metrics_family *family =
	    metrics_counters(metrics, "ops_connections_closed_total",
		"Connections to METRICS_LISTEN_ADDR that have ended, by reason",
		labels);

	for (int i = OPS_END_UNKNOWN + 1; i < OPS_ENDS; i++)
		l->ends[i] = metrics_counter(
		    family, (const char *const[]){ end_names[i], NULL });
}

static void
append(struct ops_connections *l, struct ops_connection *c, uint64_t now_ms)
{
	c->deadline_ms = now_ms + l->lifetime_ms;
	c->next = NULL;
	c->prev = l->newest;
	*(c->prev != NULL ? &c->prev->next : &l->oldest) = c;
	l->newest = c;
}

static void
take_out(struct ops_connections *l, struct ops_connection *c)
{
	*(c->prev != NULL ? &c->prev->next : &l->oldest) = c->next;
	*(c->next != NULL ? &c->next->prev : &l->newest) = c->prev;
}

struct ops_connection *
ops_connections_add(struct ops_connections *l, int fd, uint64_t now_ms)
{
	struct ops_connection *c = mem_calloc(1, sizeof *c);

	c->fd = fd;
	c->since_ms = now_ms;
	append(l, c, now_ms);
	l->count++;
	return c;
}

static bool
has_gone(const struct ops_connection *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void
ops_connections_remove(
    struct ops_connections *l, struct ops_connection *c, uint64_t now_ms)
{
	/* The library does not say why it has closed one by itself. */
	if (c->end == OPS_END_UNKNOWN) {
		if (now_ms - c->since_ms >= l->idle_timeout_ms)
			c->end = OPS_END_TIMEOUT;
		else
			c->end = has_gone(c) ? OPS_END_LEFT : OPS_END_MALFORMED;
	}
	if (l->ends[c->end] != NULL)
		metrics_inc(l->ends[c->end]);
	take_out(l, c);
	l->count--;
	free(c);
}

void
ops_connections_answered(struct ops_connection *c, unsigned status)
{
	c->end =
	    status >= 400 && status < 500 ? OPS_END_REFUSED : OPS_END_ANSWERED;
}

static void
shut(struct ops_connection *c, enum ops_end end)
{
	(void)shutdown(c->fd, SHUT_RDWR);
	c->end = end;
	c->shut = true;
}

void
ops_connections_end_abandoned(struct ops_connections *l)
{
	for (struct ops_connection *c = l->oldest; c != NULL; c = c->next) {
		if (c->end == OPS_END_UNKNOWN && has_gone(c))
			shut(c, OPS_END_LEFT);
	}
}

void
ops_connections_end_late(struct ops_connections *l, uint64_t now_ms)
{
	struct ops_connection *c;

	while ((c = l->oldest) != NULL && c->deadline_ms <= now_ms) {
		shut(c, OPS_END_TIMEOUT);
		take_out(l, c);
		append(l, c, now_ms);
	}
}

void
ops_connections_evict(struct ops_connections *l)
{
	struct ops_connection *reader = NULL;

	for (struct ops_connection *c = l->oldest; c != l->newest;
	     c = c->next) {
		if (c->end == OPS_END_UNKNOWN) {
			shut(c, OPS_END_EVICTED);
			return;
		}
		if (reader == NULL && !c->shut)
			reader = c;
	}
	if (reader != NULL)
		shut(reader, OPS_END_EVICTED);
}
