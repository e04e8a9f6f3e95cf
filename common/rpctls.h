/*
 * rpctls - the certificates between the tiers: files read, checked, reread
 *
 * Owns what RPC_TLS_CERT, RPC_TLS_KEY and RPC_TLS_CA hold, in memory.  Judged
 * by mbedTLS's X.509 code, which nng's own handshake uses, so that a mistake is
 * named at start and not by a peer that refuses; the only file that calls it.
 *
 * One object for the whole process: whoever dials or listens borrows it, asks
 * rpctls_material() each time, and so has the newest.  Loop's thread only.
 * Loading blocks for as long as three small files take: at start and on
 * SIGHUP.
 */
#ifndef COMMON_RPCTLS_H
#define COMMON_RPCTLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nngsock.h"

#define RPCTLS_FILE_MAX 1048576 /* bytes of one file */

enum rpctls_side {
	RPCTLS_DIALS,   /* a frontend */
	RPCTLS_LISTENS, /* a backend */
};

/* Paths as configured, not NULL, borrowed; "" is unset. */
struct rpctls_files {
	const char *cert, *key, *ca;
	const char *server_name; /* whom we dial bears it, whoever is named */
	enum rpctls_side side;
};

struct rpctls;

/*
 * Whether the three can be used together: all of them or none.  On false,
 * *error names the variable, the file and the remedy.  Reads them.
 */
bool rpctls_check(const struct rpctls_files *files, struct error *error)
    __attribute__((warn_unused_result));

/*
 * Read the files; with none set, there are no certificates and every other
 * function still works.  NULL with the reason in *error, as rpctls_check() has
 * it.  What may be meant so, or may pass, is a warning in the log: a key that
 * others can read, a certificate that has expired or that is not of this CA.
 */
struct rpctls *rpctls_new(const struct rpctls_files *files, struct log *log,
    struct error *error) __attribute__((warn_unused_result));
void rpctls_free(struct rpctls *t);

/*
 * Read the files again and use what they hold from now on.  On false, with the
 * reason in *error, they cannot be used, or hold a certificate whose time has
 * passed or has not come: what was there stays.
 */
bool rpctls_reload(struct rpctls *t, struct error *error)
    __attribute__((warn_unused_result));

/*
 * What to hand to nngsock, in *out: NULL when there are no certificates, or t
 * is NULL.  server_name (borrowed) is the name that the other side must bear
 * when we dial it, unless the files' server_name overrides it; NULL to listen.
 * Borrows from t until it is reloaded or freed.
 */
const struct nngsock_tls *rpctls_material(
    const struct rpctls *t, const char *server_name, struct nngsock_tls *out);

/*
 * Whether a listener that shows and believes these certificates would believe
 * our own from a client, now: in time, of this CA, allowed for clients.
 */
bool rpctls_usable_as_client(const struct rpctls *t);

/* When our certificate expires, in seconds since 1970; 0 without one. */
int64_t rpctls_expires(const struct rpctls *t);

/* A gauge of rpctls_expires(); t outlives the last exposition. */
void rpctls_add_metrics(struct rpctls *t, struct metrics *m);

#endif
