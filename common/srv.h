/*
 * srv - SRV records (RFC 2782): a service's hosts, ports and weights
 *
 * Pure functions over a DNS answer that may be anything: nothing is read
 * beyond it, and no more records are kept than there is room for.
 */
#ifndef COMMON_SRV_H
#define COMMON_SRV_H

#include <stdint.h>

#include "common/endpoint.h"
#include "common/slice.h"

#define SRV_SERVICE "_userli-bridge._tcp."
#define SRV_NAME_MAX (sizeof SRV_SERVICE + ENDPOINT_HOST_MAX)

/* A record without weight counts as one of the least weight that counts: the
 * heaviest record's, divided by this. */
#define SRV_WEIGHTS_RATIO 100

struct srv_record {
	uint16_t priority; /* lower ones are asked first */
	uint16_t weight;   /* relative, among those of one priority */
	uint16_t port;
	char target[ENDPOINT_HOST_MAX + 1]; /* a host's name */
};

enum srv_verdict {
	SRV_OK,
	SRV_NONE,      /* no record that can be used */
	SRV_REFUSED,   /* target ".": the service is not offered here */
	SRV_MALFORMED, /* no DNS answer, or one that is cut off */
};

/* What to ask for: a host that starts with '_' names the records in full, any
 * other one stands for this project's service there. */
void srv_query_name(const char *host, char out[static SRV_NAME_MAX]);

/*
 * Read the SRV records of an answer into records[0..max), sorted by priority
 * and then target; their number is *count, which is 0 unless SRV_OK.  Left out:
 * records beyond max, those with port 0 or a target that is no host's name.
 */
enum srv_verdict srv_parse(struct slice answer, struct srv_record *records,
    size_t max, size_t *count) __attribute__((warn_unused_result));

/*
 * A record's weight against others of its priority, heaviest being the greatest
 * weight among them: scaled, so that none is 0 nor less than a
 * SRV_WEIGHTS_RATIOth of the heaviest.
 */
uint32_t srv_scaled_weight(uint16_t weight, uint16_t heaviest);

#endif
