/*
 * gate - no request for an address whose domain userli does not hold
 *
 * alias, mailbox and senders of userli hold addresses of its own domains only.
 * So one answer for a domain serves all addresses of it: those of a dictionary
 * attack, and all outbound recipients.  Only userli's unexpired word that it
 * does not hold the domain closes the gate; any doubt opens it.  Pure
 * functions.
 */
#ifndef BACKEND_GATE_H
#define BACKEND_GATE_H

#include "backend/answers.h"

enum gate_verdict {
	GATE_OPEN,   /* ask for the address */
	GATE_CLOSED, /* the address is not found */
	GATE_ASK,    /* ask for the domain first */
};

/*
 * The domain of an address that keyrules_apply() has passed, as it is to be
 * asked of the map domain; empty where the gate has no say: a domain asked
 * itself, or one that the key rules would ask for in another form.
 */
struct slice gate_domain(enum lookup_map map, struct slice key);

/* domain is the domain's entry or NULL. */
enum gate_verdict gate_judge(const struct answers_options *o,
    const struct cache_entry *domain, uint64_t now);

#endif
