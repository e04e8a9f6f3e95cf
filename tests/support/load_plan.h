/*
 * load_plan - what a load generator asks, whom, and what it must be told
 *
 * For tests: what cannot be read ends the program with a message.
 */
#ifndef TESTS_SUPPORT_LOAD_PLAN_H
#define TESTS_SUPPORT_LOAD_PLAN_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>

#define LOAD_KEY_MAX 504 /* bytes of map, space and key, with a NUL */
#define LOAD_ADDRESSES_MAX 8

struct load_expectation {
	const char *before; /* map, space, key up to {} */
	const char *after;  /* the rest of the key; NULL: there was no {} */
	const char *reply;
};

struct load_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} to;
	socklen_t len;
};

struct load_plan {
	struct load_address addresses[LOAD_ADDRESSES_MAX];
	size_t address_count;
	struct load_expectation *expected;
	size_t expected_count;
	size_t expected_room;
	size_t next;
	uint64_t next_number; /* what the next {} becomes */
};

/* Add the lookups of a file, a line "MAP KEY<tab>REPLY" each. */
void load_plan_read(struct load_plan *plan, const char *path);

/* Add 127.0.0.1:PORT or the path of a UNIX socket. */
void load_plan_add_address(struct load_plan *plan, const char *text);

/* A socket that connects to an address, or -1 when that has failed. */
int load_plan_connect(const struct load_plan *plan, size_t target);

/* The next lookup; text becomes its "MAP KEY". */
const struct load_expectation *load_plan_next(
    struct load_plan *plan, char text[static LOAD_KEY_MAX]);

#endif
