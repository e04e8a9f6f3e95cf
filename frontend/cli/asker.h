/*
 * asker - asks for one key at a time, and waits for the answer
 *
 * Two ways: the frontend, as Postfix asks it, or a backend, as a frontend asks
 * it, from memory or past it.  The connection is kept between questions.
 */
#ifndef FRONTEND_CLI_ASKER_H
#define FRONTEND_CLI_ASKER_H

#include "common/error.h"
#include "common/rpc.h"

#define ASKER_SOCKETMAP_ADDRESS "127.0.0.1:10001"
#define ASKER_BACKEND_ADDRESS "tcp://127.0.0.1:10010"

enum asker_status {
	ASKER_ANSWERED,
	ASKER_TIMEOUT,     /* no answer in time; *error says from whom */
	ASKER_UNREACHABLE, /* no answer to be had; *error says why */
};

struct asker {
	/* On ASKER_ANSWERED out->data is valid until the next question. */
	enum asker_status (*ask)(struct asker *self, const char *map,
	    struct slice key, struct lookup_result *out, struct error *error);
	void (*free)(struct asker *self);
};

/*
 * Both connect with the first question.  NULL with the reason in *error for
 * an address that makes no sense.  timeout_ms bounds each question.
 */
struct asker *asker_socketmap(
    const char *address, uint64_t timeout_ms, struct error *error);
struct asker *asker_backend(const char *address, uint64_t timeout_ms,
    enum rpc_how how, struct error *error);

#endif
