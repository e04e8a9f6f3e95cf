/*
 * fake_dns - a DNS of a few names, for tests; it may fail, or stay silent
 *
 * Asked in any thread, changed in the test's.  What is set holds from the next
 * question on.  It lives as long as the process, for a thread that nobody waits
 * for may come at any time.
 */
#ifndef TESTS_UNIT_FAKE_DNS_H
#define TESTS_UNIT_FAKE_DNS_H

#include <stdio.h>
#include <uv.h>

#include "common/dns.h"
#include "tests/unit/srv_answer.h"

#define FAKE_HOSTS 8
#define FAKE_ASKED_MAX 64

struct fake_host {
	const char *name;
	const char *addresses; /* numeric, separated by blanks; NULL: error */
	int error;             /* EAI_… */
};

struct fake_dns {
	uv_mutex_t lock;
	uv_cond_t changed;
	struct fake_host hosts[FAKE_HOSTS];
	struct answer srv; /* len 0: none, for srv_reason */
	const char *srv_reason;
	bool silent;
	unsigned inside; /* questions in progress */
	unsigned asked;
	uint64_t asked_ms[FAKE_ASKED_MAX]; /* when */
	char last[512];                    /* what */
};

/* --- The names ------------------------------------------------------------ */

static inline void
fake_dns_init(struct fake_dns *f)
{
	memset(f, 0, sizeof *f);
	(void)uv_mutex_init(&f->lock);
	(void)uv_cond_init(&f->changed);
	f->srv_reason = "no such name";
}

/* name and addresses are literals. */
static inline void
fake_dns_set(
    struct fake_dns *f, const char *name, const char *addresses, int error)
{
	uv_mutex_lock(&f->lock);
	for (size_t i = 0; i < FAKE_HOSTS; i++) {
		struct fake_host *h = &f->hosts[i];

		if (h->name != NULL && strcmp(h->name, name) != 0)
			continue;
		*h = (struct fake_host){ name, addresses, error };
		break;
	}
	uv_mutex_unlock(&f->lock);
}

static inline void
fake_dns_set_srv(struct fake_dns *f, const struct answer *srv)
{
	uv_mutex_lock(&f->lock);
	f->srv.len = srv->len;
	memcpy(f->srv.bytes, srv->bytes, srv->len);
	uv_mutex_unlock(&f->lock);
}

static inline void
fake_dns_set_silent(struct fake_dns *f, bool silent)
{
	uv_mutex_lock(&f->lock);
	f->silent = silent;
	uv_cond_broadcast(&f->changed);
	uv_mutex_unlock(&f->lock);
}

static inline unsigned
fake_dns_asked(struct fake_dns *f)
{
	unsigned asked;

	uv_mutex_lock(&f->lock);
	asked = f->asked;
	uv_mutex_unlock(&f->lock);
	return asked;
}

/* Until so many questions have been asked, and each is answered. */
static inline void
fake_dns_wait_answered(struct fake_dns *f, unsigned count)
{
	uv_mutex_lock(&f->lock);
	while (f->asked < count || f->inside > 0)
		uv_cond_wait(&f->changed, &f->lock);
	uv_mutex_unlock(&f->lock);
}

/* --- As dns_calls --------------------------------------------------------- */

static inline void
fake_dns_enter(struct fake_dns *f, const char *name)
{
	uv_mutex_lock(&f->lock);
	if (f->asked < FAKE_ASKED_MAX)
		f->asked_ms[f->asked] = uv_hrtime() / 1000000;
	f->asked++;
	(void)snprintf(f->last, sizeof f->last, "%s", name);
	f->inside++;
	while (f->silent)
		uv_cond_wait(&f->changed, &f->lock);
}

static inline void
fake_dns_leave(struct fake_dns *f)
{
	f->inside--;
	uv_cond_broadcast(&f->changed);
	uv_mutex_unlock(&f->lock);
}

static inline int
fake_dns_numeric(const char *list, struct addrinfo **out)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST };

	*out = NULL;
	while (*list != '\0') {
		char one[64];
		size_t len = strcspn(list, " ");

		(void)snprintf(one, sizeof one, "%.*s", (int)len, list);
		if (getaddrinfo(one, NULL, &hints, out) != 0)
			return EAI_FAIL;
		out = &(*out)->ai_next;
		list += len + (list[len] == ' ');
	}
	return 0;
}

static inline int
fake_dns_addresses(void *arg, const char *host, struct addrinfo **addresses)
{
	struct fake_dns *f = arg;
	int error = EAI_NONAME;

	fake_dns_enter(f, host);
	for (size_t i = 0; i < FAKE_HOSTS; i++) {
		const struct fake_host *h = &f->hosts[i];

		if (h->name == NULL || strcmp(h->name, host) != 0)
			continue;
		error = h->addresses == NULL
		    ? h->error
		    : fake_dns_numeric(h->addresses, addresses);
	}
	fake_dns_leave(f);
	return error;
}

static inline int
fake_dns_records(void *arg, const char *name, unsigned char *answer, int size,
    const char **reason)
{
	struct fake_dns *f = arg;
	int len;

	fake_dns_enter(f, name);
	len = (int)f->srv.len;
	if (len == 0 || len > size) {
		*reason = f->srv_reason;
		len = -1;
	} else {
		memcpy(answer, f->srv.bytes, (size_t)len);
	}
	fake_dns_leave(f);
	return len;
}

static inline struct dns_calls
fake_dns_calls(struct fake_dns *f)
{
	return (struct dns_calls){ fake_dns_addresses, fake_dns_records, f };
}

#endif
