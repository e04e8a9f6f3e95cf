#include "common/dns.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <resolv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "common/mem.h"
#include "common/srv.h"

/* --- The system's resolver ----------------------------------------------- */

static int
system_addresses(void *arg, const char *host, struct addrinfo **addresses)
{
	static const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG };

	(void)arg;
	return getaddrinfo(host, NULL, &hints, addresses);
}

static const char *
reason_of(int h_error)
{
	switch (h_error) {
	case HOST_NOT_FOUND:
		return "there is no such name";
	case NO_DATA:
		return "the name has no SRV records";
	case TRY_AGAIN:
		return "no answer, or a failure of the server";
	default:
		return "the server refuses or makes no sense";
	}
}

static int
system_records(void *arg, const char *name, unsigned char *answer, int size,
    const char **reason)
{
	struct __res_state state = { 0 };
	int len;

	(void)arg;
	if (res_ninit(&state) != 0) {
		*reason = "the resolver cannot start";
		return -1;
	}
	len = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, size);
	if (len < 0)
		*reason = reason_of(state.res_h_errno);
	res_nclose(&state);
	return len;
}

const struct dns_calls dns_system = { system_addresses, system_records, NULL };

/* --- One question -------------------------------------------------------- */

struct work {
	const struct dns_calls *calls;
	const struct dns_question *question;
	struct dns_answer *answer;
	uint64_t deadline_ns;
};

static void conclude(struct work *w, enum dns_verdict verdict,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

static void
conclude(struct work *w, enum dns_verdict verdict, const char *format, ...)
{
	va_list args;

	w->answer->verdict = verdict;
	va_start(args, format);
	(void)vsnprintf(w->answer->reason, DNS_REASON_MAX, format, args);
	va_end(args);
}

/* Add each address as a backend at port; false when there are too many. */
static bool
add_all(struct work *w, const struct addrinfo *from, const char *name,
    uint16_t port, double weight)
{
	for (const struct addrinfo *a = from; a != NULL; a = a->ai_next) {
		struct endpoint e = w->question->endpoint;
		struct address address = { .weight = weight };

		if (getnameinfo(a->ai_addr, a->ai_addrlen, e.host,
			sizeof e.host, NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		e.port = port;
		e.by_srv = false;
		endpoint_format(&e, ENDPOINT_POOL, address.url);
		memcpy(address.name, name, strlen(name) + 1);
		if (!addresses_add(&w->answer->found, &address))
			return false;
	}
	return true;
}

static const char *
error_text(int error)
{
	return error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
}

static void
resolve_host(struct work *w)
{
	const struct endpoint *e = &w->question->endpoint;
	struct addrinfo *addresses = NULL;
	int error = w->calls->addresses(w->calls->arg, e->host, &addresses);

	if (error != 0) {
		conclude(w, DNS_FAILED, "%s", error_text(error));
		return;
	}
	if (!add_all(w, addresses, e->host, e->port, 1))
		conclude(w, DNS_PARTIAL, "more than %d addresses",
		    DNS_ADDRESSES_MAX);
	else if (w->answer->found.count == 0)
		conclude(w, DNS_FAILED, "no address");
	freeaddrinfo(addresses);
}

/* --- SRV ----------------------------------------------------------------- */

/* The records of one priority, with what their targets stand for. */
struct group {
	const struct srv_record *records;
	size_t count;
	struct addrinfo **addresses; /* of each record; may be NULL */
	size_t missing; /* targets that could not be looked up for now */
	const char *reason;
};

/* Not the answer "there is none". */
static bool
is_temporary(int error)
{
	return error != EAI_NONAME && error != EAI_NODATA &&
	    error != EAI_ADDRFAMILY;
}

static void
look_up(struct work *w, struct group *g)
{
	struct addrinfo *found = NULL;
	int error = 0;

	for (size_t i = 0; i < g->count; i++) {
		/* Sorted: a target's ports are next to each other. */
		if (i == 0 ||
		    strcmp(g->records[i].target, g->records[i - 1].target) !=
			0) {
			found = NULL;
			error = uv_hrtime() < w->deadline_ns
			    ? w->calls->addresses(
				  w->calls->arg, g->records[i].target, &found)
			    : EAI_AGAIN;
			if (error != 0)
				g->reason = error_text(error);
		}
		g->addresses[i] = error == 0 ? found : NULL;
		g->missing += error != 0 && is_temporary(error);
	}
}

static size_t
length(const struct addrinfo *addresses)
{
	size_t n = 0;

	for (; addresses != NULL; addresses = addresses->ai_next)
		n++;
	return n;
}

/* How many members, so that their mean weight is 1: whole numbers, which add
 * up alike in whatever order the records come. */
static bool
add_group(struct work *w, const struct group *g)
{
	uint16_t heaviest = 0;
	uint64_t sum = 0;
	size_t members = 0;

	for (size_t i = 0; i < g->count; i++) {
		members += length(g->addresses[i]);
		if (g->addresses[i] != NULL && g->records[i].weight > heaviest)
			heaviest = g->records[i].weight;
	}
	for (size_t i = 0; i < g->count; i++) {
		if (g->addresses[i] != NULL)
			sum +=
			    srv_scaled_weight(g->records[i].weight, heaviest);
	}
	for (size_t i = 0; i < g->count; i++) {
		const struct srv_record *r = &g->records[i];
		double weight = srv_scaled_weight(r->weight, heaviest);

		if (g->addresses[i] != NULL &&
		    !add_all(w, g->addresses[i], r->target, r->port,
			weight * (double)members / (double)sum /
			    (double)length(g->addresses[i])))
			return false;
	}
	return true;
}

/* Whether this priority decides the answer; else the next one is tried. */
static bool
try_group(struct work *w, struct group *g)
{
	look_up(w, g);
	if (!add_group(w, g))
		conclude(w, DNS_PARTIAL, "more than %d addresses",
		    DNS_ADDRESSES_MAX);
	else if (w->answer->found.count > 0 && g->missing > 0)
		conclude(w, DNS_PARTIAL, "%zu of %zu targets: %s", g->missing,
		    g->count, g->reason);
	else if (w->answer->found.count > 0)
		conclude(w, DNS_OK, "%s", "");
	else
		conclude(w, DNS_FAILED, "no target has an address: %s",
		    g->reason != NULL ? g->reason : "none");
	for (size_t i = 0; i < g->count; i++) {
		if (g->addresses[i] != NULL &&
		    (i == 0 || g->addresses[i] != g->addresses[i - 1]))
			freeaddrinfo(g->addresses[i]);
	}
	return w->answer->found.count > 0 ||
	    (g->missing > 0 && w->question->known);
}

static void
resolve_targets(struct work *w, const struct srv_record *records, size_t count)
{
	struct addrinfo **addresses = mem_calloc(count, sizeof(void *));

	for (size_t i = 0, next; i < count; i = next) {
		struct group g = { .records = records + i,
			.addresses = addresses + i };

		for (next = i; next < count &&
		     records[next].priority == records[i].priority;)
			next++;
		g.count = next - i;
		if (try_group(w, &g))
			break;
	}
	free(addresses);
}

static void
resolve_srv(struct work *w)
{
	static const char *const reasons[] = {
		[SRV_NONE] = "no SRV record that can be used",
		[SRV_REFUSED] = "the service is not offered there",
		[SRV_MALFORMED] = "the answer makes no sense",
	};
	unsigned char *bytes = mem_calloc(1, NS_MAXMSG);
	struct srv_record *records =
	    mem_calloc(DNS_ADDRESSES_MAX, sizeof *records);
	enum srv_verdict verdict = SRV_MALFORMED;
	char name[SRV_NAME_MAX];
	const char *reason = "";
	size_t count = 0;
	int len;

	srv_query_name(w->question->endpoint.host, name);
	len = w->calls->records(w->calls->arg, name, bytes, NS_MAXMSG, &reason);
	if (len >= 0 && len <= NS_MAXMSG) {
		verdict = srv_parse(
		    (struct slice){ (const char *)bytes, (size_t)len }, records,
		    DNS_ADDRESSES_MAX, &count);
		reason = reasons[verdict];
	}
	if (verdict == SRV_OK)
		resolve_targets(w, records, count);
	else
		conclude(w, DNS_FAILED, "%s", reason);
	free(records);
	free(bytes);
}

void
dns_resolve(const struct dns_calls *calls, const struct dns_question *question,
    struct dns_answer *answer)
{
	struct work w = { calls, question, answer,
		uv_hrtime() + question->patience_ms * 1000000 };

	answer->verdict = DNS_OK;
	answer->reason[0] = '\0';
	addresses_init(&answer->found, DNS_ADDRESSES_MAX);
	if (question->endpoint.by_srv)
		resolve_srv(&w);
	else
		resolve_host(&w);
	addresses_sort(&answer->found);
}
