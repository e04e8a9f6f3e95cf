/*
 * doctor_maps - what is wrong with main.cf, as far as userli-bridge goes
 *
 * Pure functions of Postfix's configuration; the facts are those of Postfix 3.7
 * to 3.12 (src/util/dict_sockmap.c, trivial-rewrite(8), virtual(8), local(8)).
 */
#ifndef FRONTEND_CLI_DOCTOR_MAPS_H
#define FRONTEND_CLI_DOCTOR_MAPS_H

#include <stdint.h>

#include "frontend/cli/findings.h"
#include "frontend/cli/postconf.h"

/* "proxy:socketmap:inet:127.0.0.1:10001:alias" taken apart. */
struct doctor_reference {
	struct slice text;    /* without "proxy:" */
	bool proxied;         /* through proxymap(8) */
	bool is_unix;         /* address is a path */
	struct slice address; /* "127.0.0.1:10001" or a path */
	struct slice name;    /* "alias" */
};

/* False for a table that is no socketmap. */
bool doctor_reference_parse(struct slice word, struct doctor_reference *out)
    __attribute__((warn_unused_result));

/* Call fn for each socketmap of the four settings that userli answers. */
void doctor_references(const struct postconf *pc,
    void (*fn)(void *arg, const char *setting,
	const struct doctor_reference *reference),
    void *arg);

/* All checks that need nothing but main.cf and master.cf. */
void doctor_maps(const struct postconf *pc, struct findings *f);

/* Whether Postfix may open more connections than the frontend takes. */
void doctor_limits(
    const struct postconf *pc, uint64_t connections_max, struct findings *f);

#endif
