/*
 * resolver - a question to DNS in a thread of its own, the answer on the loop
 *
 * Not libuv's pool of threads: a name whose server is silent would keep others
 * waiting there, and the process's end, too, for as long as resolv.conf(5)
 * says.  A question can be abandoned at any time; its thread then ends
 * whenever it can, or with the process.  Loop's thread only, but for dns_calls.
 */
#ifndef COMMON_RESOLVER_H
#define COMMON_RESOLVER_H

#include "common/dns.h"

#include <uv.h>

struct resolver;

/* The answer is borrowed for the call; its set may be moved out.  The question
 * is freed afterwards. */
typedef void (*resolver_done)(void *arg, struct dns_answer *answer);

/*
 * Copies the question; calls is static, or outlives the thread.  done is never
 * called from within.  NULL when no thread can be made.
 */
struct resolver *resolver_ask(uv_loop_t *loop, const struct dns_calls *calls,
    const struct dns_question *question, resolver_done done, void *arg)
    __attribute__((warn_unused_result));

/* done will not be called.  Not after it has been. */
void resolver_abandon(struct resolver *r);

#endif
