/*
 * reload - the settings, read again on SIGHUP
 *
 * Holds those that are in force: the ones of the start, then the last that
 * could be read as a whole.  Settings that are wrong change nothing and are
 * logged; so are those that have changed but need a restart.  Metrics:
 * config_last_reload_successful (1 from the start on, 0 while the last one
 * failed) and config_last_reload_success_timestamp_seconds, as Prometheus
 * itself has them.  Loop's thread only; it blocks while files are read.
 */
#ifndef COMMON_RELOAD_H
#define COMMON_RELOAD_H

#include "common/config.h"
#include "common/log.h"
#include "common/metrics.h"

struct reload {
	const struct config *first; /* borrowed: the start's */
	struct config *now;         /* of the last reload, or NULL */
	struct config *next;        /* between reload_read() and _finish() */
	struct log *log;
	struct metrics_gauge *successful, *timestamp;
};

void reload_init(struct reload *r, const struct config *first,
    struct metrics *metrics, struct log *log);
void reload_fini(struct reload *r);

/* The settings in force; valid until the next reload_finish(). */
const void *reload_settings(const struct reload *r);

/*
 * Read everything again.  The settings to put in force, or NULL when they are
 * wrong, which has been logged.
 */
const void *reload_read(struct reload *r);

/* All has been done that SIGHUP asks for: well or not.  Settings that were
 * read are in force from now on, and the old ones gone. */
void reload_finish(struct reload *r, bool well);

#endif
