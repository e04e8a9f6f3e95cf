/*
 * postconf - Postfix's configuration, as postconf(1) tells it
 *
 * Read with postconf_read(), or filled by hand in tests.  Everything else is
 * pure; slices are borrowed from the texts.
 */
#ifndef FRONTEND_CLI_POSTCONF_H
#define FRONTEND_CLI_POSTCONF_H

#include <stdbool.h>

#include "common/error.h"
#include "common/slice.h"

struct postconf {
	char *settings; /* postconf -x: "name = value" a line */
	char *services; /* postconf -M: master.cf without comments */
	char *options;  /* postconf -P: "service/type/name = value" a line */
	char *types;    /* postconf -m: a type of table a line */
};

/* directory is for -c, or NULL.  False with the reason in *error. */
bool postconf_read(struct postconf *pc, const char *directory,
    struct error *error) __attribute__((warn_unused_result));
void postconf_fini(struct postconf *pc);

/* A setting's value with its variables expanded; empty when there is none. */
struct slice postconf_value(const struct postconf *pc, const char *name);

/* A number, or fallback when it is none. */
long postconf_number(
    const struct postconf *pc, const char *name, long fallback);

bool postconf_has_type(const struct postconf *pc, const char *type);

struct postconf_service {
	struct slice name;    /* "127.0.0.1:smtp", "cleanup" */
	struct slice type;    /* "inet", "unix" */
	struct slice command; /* "smtpd" */
	bool chroot;
	long maxproc; /* -1: default_process_limit; 0: without limit */
};

/* The next line of *rest, at first slice_of(pc->services); false at the end. */
bool postconf_next_service(struct slice *rest, struct postconf_service *out)
    __attribute__((warn_unused_result));

/* Whether a service of this command is in a chroot. */
bool postconf_chrooted(const struct postconf *pc, const char *command);

/* Take the first word, separated by blanks or commas, off *rest. */
bool postconf_next_word(struct slice *rest, struct slice *word)
    __attribute__((warn_unused_result));

#endif
