/*
 * dns - the addresses of one endpoint that names backends, asked of DNS now
 *
 * Blocks for as long as the system's resolver does (resolv.conf(5)), so it runs
 * in a thread of its own: see resolver.h.  A name's A and AAAA records are one
 * backend each; an SRV name's records (srv.h) give hosts and ports, and of the
 * lowest priority that has an address every address is one backend.  A target's
 * weight is shared out among its addresses, and the mean weight is 1.
 */
#ifndef COMMON_DNS_H
#define COMMON_DNS_H

#include <netdb.h>

#include "common/addresses.h"

#define DNS_ADDRESSES_MAX 256 /* of one name; records of an answer, too */
#define DNS_REASON_MAX 128
/* Then no further target of an SRV answer is looked up, this time. */
#define DNS_PATIENCE_MS 10000

/* The system's resolver, or a test's; called in any thread. */
struct dns_calls {
	/* As getaddrinfo(3); freeaddrinfo() releases the result. */
	int (*addresses)(
	    void *arg, const char *host, struct addrinfo **addresses);
	/* An answer with SRV records: its length, or -1 and *reason, static. */
	int (*records)(void *arg, const char *name, unsigned char *answer,
	    int size, const char **reason);
	void *arg;
};

extern const struct dns_calls dns_system;

struct dns_question {
	struct endpoint endpoint;
	/* Something is known from before: what fails for now, and might not the
	 * next time, is then no ground to do with less. */
	bool known;
	uint64_t patience_ms; /* DNS_PATIENCE_MS */
};

enum dns_verdict {
	DNS_OK,
	DNS_PARTIAL, /* these, and some that could not be looked up for now */
	DNS_FAILED,  /* none */
};

struct dns_answer {
	enum dns_verdict verdict;
	struct addresses found;      /* sorted */
	char reason[DNS_REASON_MAX]; /* unless DNS_OK: for the log */
};

/* The caller owns the answer's set. */
void dns_resolve(const struct dns_calls *calls,
    const struct dns_question *question, struct dns_answer *answer);

#endif
