/*
 * discovery - the addresses behind a list of backends, as they change
 *
 * Each host or SRV name is asked of DNS (dns.h) off the loop at start and, from
 * then on, a fixed interval after each answer: DNS's times to live are not seen
 * through getaddrinfo(3), and Docker's lie.  One that has no address at start
 * is asked for again soon, and then less and less often, down to the interval.
 * A failed or empty answer changes nothing, and one that is failed in part
 * takes nothing away.  Loop's thread only.
 */
#ifndef COMMON_DISCOVERY_H
#define COMMON_DISCOVERY_H

#include <uv.h>

#include "common/addresses.h"
#include "common/dns.h"
#include "common/log.h"

#define DISCOVERY_RETRY_MS 250 /* at first, while a name has no address */

/*
 * All addresses that there are now, of whichever name, sorted; borrowed.
 * Called whenever they change, and during discovery_new() with those that need
 * no DNS, if there are any.
 */
typedef void (*discovery_found)(void *arg, const struct addresses *all);

struct discovery_options {
	const struct endpoint_list *endpoints; /* ENDPOINT_POOL; borrowed */
	const char *setting; /* that names them, for the log; a literal */
	uint64_t interval_ms;
	size_t addresses_max;        /* of all names together */
	const struct dns_calls *dns; /* &dns_system; static */
	struct log *log;             /* borrowed */
	discovery_found found;
	void *arg;
};

struct discovery;

/* Never NULL.  The options are copied. */
struct discovery *discovery_new(
    uv_loop_t *loop, const struct discovery_options *options);

/* What found was called with last. */
const struct addresses *discovery_all(const struct discovery *d);

/* No further call of found; freed when the loop has closed the handles. */
void discovery_close(struct discovery *d);

#endif
