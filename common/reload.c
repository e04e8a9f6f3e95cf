#include "common/reload.h"

#include <string.h>
#include <time.h>

#include "common/buffer.h"

#define NAMES_MAX 1024 /* bytes of the list of settings in a log line */

static void
note_success(struct reload *r, bool well)
{
	metrics_set(r->successful, well);
	if (well)
		metrics_set(r->timestamp, (double)time(NULL));
}

void
reload_init(struct reload *r, const struct config *first,
    struct metrics *metrics, struct log *log)
{
	*r = (struct reload){ .first = first, .log = log };
	r->successful = metrics_gauge(
	    metrics_gauges(metrics, "config_last_reload_successful",
		"Whether the last SIGHUP, or the start, was obeyed", NULL),
	    NULL);
	r->timestamp =
	    metrics_gauge(metrics_gauges(metrics,
			      "config_last_reload_success_timestamp_seconds",
			      "When settings were last taken over", NULL),
		NULL);
	note_success(r, true);
}

void
reload_fini(struct reload *r)
{
	config_free(r->next);
	config_free(r->now);
	r->next = NULL;
	r->now = NULL;
}

const void *
reload_settings(const struct reload *r)
{
	return config_settings(r->now != NULL ? r->now : r->first);
}

/* What the running program was started with and keeps. */
static void
warn_of_restart(const struct reload *r)
{
	struct buffer names;
	const char *name;

	buffer_init(&names, NAMES_MAX);
	for (size_t i = 0;
	     (name = config_next_change(r->first, r->next, &i)) != NULL;)
		if (!buffer_printf(&names, "%s%s",
			buffer_len(&names) > 0 ? ", " : "", name))
			break;
	if (buffer_len(&names) > 0)
		log_warn(r->log,
		    log_msg("settings that need a restart have changed"),
		    log_slice("settings", buffer_slice(&names)));
	buffer_fini(&names);
}

const void *
reload_read(struct reload *r)
{
	const char *const *warnings;
	struct error error;

	r->next = config_reload(r->first, &error);
	if (r->next == NULL) {
		log_error(r->log,
		    log_msg("settings not taken over, the old ones stay"),
		    log_str("error", error.text));
		return NULL;
	}
	for (warnings = config_warnings(r->next); *warnings != NULL; warnings++)
		log_warn(r->log, log_msg(*warnings));
	warn_of_restart(r);
	return config_settings(r->next);
}

void
reload_finish(struct reload *r, bool well)
{
	if (r->next != NULL) {
		config_forget(r->first, r->next);
		config_free(r->now);
		r->now = r->next;
		r->next = NULL;
	}
	note_success(r, well);
	if (well)
		log_info(r->log, log_msg("settings taken over"));
}
