#include "backend/backend_reload.h"

#include <string.h>

static bool
reload_certificates(const struct backend_parts *b)
{
	struct error error;

	if (!rpctls_reload(b->tls, &error) ||
	    !worker_renew_tls(b->worker, &error)) {
		log_error(b->log,
		    log_msg("certificates not taken over, the old ones stay"),
		    log_str("error", error.text));
		return false;
	}
	if (rpctls_expires(b->tls) > 0)
		log_info(b->log, log_msg("certificates taken over"),
		    log_int("expires", rpctls_expires(b->tls)));
	return true;
}

static bool
take_tokens(const struct backend_parts *b, const struct backend_settings *s)
{
	struct error error;

	if (!userli_set_tokens(b->userli, s->token, &error)) {
		log_error(b->log,
		    log_msg("USERLI_TOKEN not taken over, the old one stays"),
		    log_str("error", error.text));
		return false;
	}
	log_info(b->log, log_msg("USERLI_TOKEN read again"));
	return true;
}

static void
take_settings(const struct backend_parts *b, const struct backend_settings *old,
    const struct backend_settings *s)
{
	struct answers_options answers = { .ttl_ms = s->cache_ttl_ms,
		.stale_ttl_ms = s->stale_ttl_ms };

	memcpy(answers.negative_ttl_ms, s->map_negative_ttl_ms,
	    sizeof s->map_negative_ttl_ms);
	if (!resolve_configure(
		b->resolve, &answers, s->stale_after_ms, s->gate))
		log_warn(b->log,
		    log_msg("LOOKUP_CACHE_TTL turns the cache on or off with "
			    "a restart only"));
	b->slow->limit_ms = s->slow_lookup_ms;
	http_set_queue_timeout(b->http, s->queue_timeout_ms);
	/* Unless an administrator has changed it at run time. */
	if (s->log_level != old->log_level)
		log_set_level(b->log, (enum log_level)s->log_level);
}

void
backend_reload(struct reload *reload, const struct backend_parts *b)
{
	const struct backend_settings *old = reload_settings(reload);
	bool well = reload_certificates(b);
	const struct backend_settings *s = reload_read(reload);

	if (s == NULL) {
		well = false;
	} else {
		take_settings(b, old, s);
		well = take_tokens(b, s) && well;
	}
	/* Whatever has become of it, the old one may be accepted by now. */
	userli_hurry(b->userli);
	reload_finish(reload, well);
}
