#include "backend/http_resolve.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* An address with brackets and a comma. */
#define ADDRESS_TEXT_MAX (INET6_ADDRSTRLEN + 3)
#define LIST_TEXT_MAX (HTTP_RESOLVE_ADDRESSES_MAX * ADDRESS_TEXT_MAX)

struct http_resolver {
	uv_timer_t timer;
	uv_getaddrinfo_t lookup;
	struct log *log;
	char *host;
	http_resolve_done done;
	void *arg;
	bool looking_up;
	bool failing; /* the last attempt failed, and that was logged */
	bool stopped;
	bool closed;               /* the timer is */
	char known[LIST_TEXT_MAX]; /* "" while no attempt succeeded */
};

static void start_lookup(uv_timer_t *timer);

static void
free_when_idle(struct http_resolver *r)
{
	if (!r->closed || r->looking_up)
		return;
	free(r->host);
	free(r);
}

static bool
has_address(const char *list, const char *address)
{
	size_t size = strlen(address);

	for (const char *at = list; (at = strstr(at, address)) != NULL; at++) {
		if ((at == list || at[-1] == ',') &&
		    (at[size] == ',' || at[size] == '\0'))
			return true;
	}
	return false;
}

/* Append one address; duplicates come with every socket type. */
static bool
append_address(char list[static LIST_TEXT_MAX], const struct sockaddr *address)
{
	char number[INET6_ADDRSTRLEN];
	char text[ADDRESS_TEXT_MAX];
	size_t len = strlen(list);
	bool ipv6 = address->sa_family == AF_INET6;
	int error = ipv6
	    ? uv_ip6_name((const struct sockaddr_in6 *)(const void *)address,
		  number, sizeof number)
	    : uv_ip4_name((const struct sockaddr_in *)(const void *)address,
		  number, sizeof number);

	if (error != 0)
		return false;
	(void)snprintf(text, sizeof text, ipv6 ? "[%s]" : "%s", number);
	if (has_address(list, text))
		return false;
	(void)snprintf(
	    list + len, LIST_TEXT_MAX - len, "%s%s", len > 0 ? "," : "", text);
	return true;
}

static void
format_addresses(const struct addrinfo *all, char list[static LIST_TEXT_MAX])
{
	size_t count = 0;

	*list = '\0';
	for (const struct addrinfo *a = all;
	     a != NULL && count < HTTP_RESOLVE_ADDRESSES_MAX; a = a->ai_next) {
		if ((a->ai_family == AF_INET || a->ai_family == AF_INET6) &&
		    append_address(list, a->ai_addr))
			count++;
	}
}

static void
log_change(struct http_resolver *r, const char *error)
{
	if (error != NULL && !r->failing)
		log_warn(r->log, log_msg("cannot resolve userli's host name"),
		    log_str("host", r->host), log_str("reason", error),
		    log_bool("last_addresses_kept", r->known[0] != '\0'));
	else if (error == NULL && r->failing)
		log_info(r->log, log_msg("resolved userli's host name again"),
		    log_str("host", r->host));
	r->failing = error != NULL;
}

static void
take(struct http_resolver *r, const char *list)
{
	bool changed = strcmp(r->known, list) != 0;

	if (*list != '\0')
		memcpy(r->known, list, strlen(list) + 1);
	if (r->known[0] == '\0')
		r->done(r->arg, NULL);
	else if (changed && *list != '\0')
		r->done(r->arg, r->known);
}

static void
on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *all)
{
	struct http_resolver *r = lookup->data;
	char list[LIST_TEXT_MAX] = "";

	r->looking_up = false;
	if (status == 0)
		format_addresses(all, list);
	uv_freeaddrinfo(all);
	if (r->stopped) {
		free_when_idle(r);
		return;
	}

	if (*list != '\0')
		log_change(r, NULL);
	else
		log_change(r, status == 0 ? "no address" : uv_strerror(status));
	take(r, list);
	if (!r->stopped)
		(void)uv_timer_start(&r->timer, start_lookup,
		    r->known[0] != '\0' ? HTTP_RESOLVE_INTERVAL_MS
					: HTTP_RESOLVE_RETRY_MS,
		    0);
}

static void
start_lookup(uv_timer_t *timer)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct http_resolver *r = timer->data;
	int error;

	r->lookup.data = r;
	r->looking_up = true;
	error = uv_getaddrinfo(
	    timer->loop, &r->lookup, on_lookup, r->host, NULL, &hints);
	if (error != 0)
		on_lookup(&r->lookup, error, NULL);
}

static void
on_closed(uv_handle_t *handle)
{
	struct http_resolver *r = handle->data;

	r->closed = true;
	free_when_idle(r);
}

struct http_resolver *
http_resolver_start(uv_loop_t *loop, const char *host, struct log *log,
    http_resolve_done done, void *arg)
{
	struct http_resolver *r = mem_calloc(1, sizeof *r);

	r->host = mem_strdup(host);
	r->log = log;
	r->done = done;
	r->arg = arg;
	(void)uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	/* From the loop, so that done is never called from within. */
	(void)uv_timer_start(&r->timer, start_lookup, 0, 0);
	return r;
}

void
http_resolver_stop(struct http_resolver *r)
{
	r->stopped = true;
	if (r->looking_up)
		(void)uv_cancel((uv_req_t *)&r->lookup);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
