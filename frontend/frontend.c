#include "frontend/frontend.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/admin.h"
#include "common/metrics.h"
#include "common/nngsock.h"
#include "common/ops.h"
#include "common/reload.h"
#include "common/rpctls.h"
#include "common/sandbox.h"
#include "common/service.h"
#include "common/startup.h"
#include "frontend/dispatch.h"
#include "frontend/explain.h"
#include "frontend/frontend_status.h"
#include "frontend/listeners.h"
#include "frontend/observer.h"
#include "frontend/pool.h"
#include "frontend/pool_json.h"

/* Descriptors beside the connections: listeners, backends, metrics, nng. */
#define SPARE_FILES 256
/* After SHUTDOWN_TIMEOUT, to send the last replies. */
#define LAST_WORDS_MS 1000

struct frontend {
	const struct frontend_settings *settings;
	uv_loop_t loop;
	struct log *log;
	struct sandbox sandbox;
	struct metrics *metrics;
	struct service service;
	struct ops *ops;
	struct admin admin;
	struct observer *observer;
	struct reload reload;
	struct dispatch_limits limits; /* of the settings in force */
	uint64_t connections_max;
	struct rpctls *tls;
	struct dispatch *dispatch;
	struct pool *pool;
	struct explain *explain;
	struct socketmap_server *server; /* NULL while drained */
	uv_timer_t last_words;
	bool draining;
	bool drained; /* by the administrator, until resumed */
	struct frontend_status status_of;
	struct status *status;
	char host[HOST_NAME_MAX + 1];
};

static void
on_ready_probe(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct frontend *f = arg;
	const char *reason = NULL;

	(void)request;
	if (f->draining)
		reason = "draining";
	else if (f->drained)
		reason = "drained by the administrator";
	else if (pool_size(f->pool) == 0)
		reason = "no backend: no host of BACKEND_URLS has an address";
	else if (pool_usable(f->pool) == 0)
		reason = "no backend answers";
	if (reason != NULL)
		reply->status = 503;
	ops_reply_status(
	    reply, reason == NULL ? "ready" : "unavailable", reason);
}

static struct dispatch_limits
limits_of(const struct frontend_settings *s)
{
	return (
	    struct dispatch_limits){ s->lookup_timeout_ms, s->slow_lookup_ms };
}

/* --- Stop ---------------------------------------------------------------- */

static void
close_parts(struct frontend *f)
{
	if (f->server != NULL)
		socketmap_server_free(f->server);
	if (f->dispatch != NULL)
		dispatch_close(f->dispatch);
	if (f->explain != NULL)
		explain_close(f->explain);
	if (f->pool != NULL)
		pool_close(f->pool);
	f->status_of.pool = NULL;
	if (f->ops != NULL)
		ops_stop(f->ops);
	admin_stop(&f->admin);
	if (f->status != NULL)
		status_close(f->status);
	uv_close((uv_handle_t *)&f->last_words, NULL);
}

static void
on_server_done(void *arg)
{
	struct frontend *f = arg;

	service_drained(&f->service);
	close_parts(f);
	service_stop(&f->service);
}

/* What is not answered by now is answered TEMP, so that Postfix need not wait
 * for a connection that is cut. */
static void
on_drain_limit(uv_timer_t *timer)
{
	struct frontend *f = timer->data;

	dispatch_give_up(f->dispatch, "shutting down");
}

static void
on_drain(void *arg)
{
	struct frontend *f = arg;
	const struct frontend_settings *s = reload_settings(&f->reload);
	uint64_t limit_ms = s->shutdown_timeout_ms;

	f->draining = true;
	f->status_of.draining = true;
	service_limit_drain(&f->service, limit_ms + LAST_WORDS_MS);
	(void)uv_timer_start(&f->last_words, on_drain_limit, limit_ms, 0);
	/* Where a drain of the administrator's is under way, its end is this
	 * one's, too. */
	if (f->server == NULL)
		on_server_done(f);
	else
		socketmap_server_shutdown(f->server, on_server_done, f);
}

/* --- Reload -------------------------------------------------------------- */

/* Links show and believe them when they dial next. */
static bool
reload_certificates(struct frontend *f)
{
	struct error error;

	if (!rpctls_reload(f->tls, &error)) {
		log_error(f->log,
		    log_msg("certificates not taken over, the old ones stay"),
		    log_str("error", error.text));
		return false;
	}
	if (rpctls_expires(f->tls) > 0)
		log_info(f->log, log_msg("certificates taken over"),
		    log_int("expires", rpctls_expires(f->tls)));
	return true;
}

static void
take_settings(struct frontend *f, const struct frontend_settings *s)
{
	const struct frontend_settings *old = reload_settings(&f->reload);

	f->limits = limits_of(s);
	pool_configure(f->pool, &s->backends, s->resolve_interval_ms,
	    strtod(s->load_factor, NULL));
	/* Unless an administrator has changed it at run time. */
	if (s->log_level != old->log_level)
		log_set_level(f->log, (enum log_level)s->log_level);
}

static void
on_reload(void *arg)
{
	struct frontend *f = arg;
	bool well = reload_certificates(f);
	const struct frontend_settings *s = reload_read(&f->reload);

	if (s != NULL)
		take_settings(f, s);
	reload_finish(&f->reload, well && s != NULL);
}

/* --- Start --------------------------------------------------------------- */

static bool
start_tls(struct frontend *f, struct error *error)
{
	struct rpctls_files files = frontend_tls_files(f->settings);

	f->tls = rpctls_new(&files, f->log, error);
	if (f->tls == NULL)
		return false;
	rpctls_add_metrics(f->tls, f->metrics);
	return true;
}

static bool
start_pool(struct frontend *f, struct error *error)
{
	struct pool_options options = {
		.backends = &f->settings->backends,
		.tls = f->tls,
		.resolve_interval_ms = f->settings->resolve_interval_ms,
		.ping_after_ms = f->settings->ping_after_ms,
		.eject_after_ms = f->settings->eject_after_ms,
		.load_factor = strtod(f->settings->load_factor, NULL),
		.metrics = f->metrics,
		.log = f->log,
		.events = { dispatch_answered, dispatch_lost, dispatch_usable,
		    NULL },
	};

	if (!nngsock_init_library(error))
		return false;
	options.events.arg = f->dispatch;
	f->pool = pool_new(&f->loop, &options);
	dispatch_set_pool(f->dispatch, f->pool);
	f->status_of.pool = f->pool;
	f->explain = explain_new(
	    &f->loop, f->pool, &f->limits.lookup_timeout_ms, &f->admin, f->log);
	admin_route(&f->admin, "GET", "/pool", pool_json_reply, f->pool);
	return true;
}

static bool
start_server(struct frontend *f, struct error *error)
{
	struct socketmap_options options;
	int rv;

	socketmap_options_init(&options);
	options.idle_timeout_ms = f->settings->idle_timeout_ms;
	options.read_timeout_ms = f->settings->read_timeout_ms;
	options.write_timeout_ms = f->settings->write_timeout_ms;
	options.connections_max = (size_t)f->connections_max;
	options.reap_idle = true;
	options.observer = observer_callbacks();
	options.observer_arg = f->observer;
	rv = socketmap_server_new(&f->server, &f->loop, &options);
	if (rv != 0) {
		error_set(error, "cannot make the socketmap server: %s",
		    uv_strerror(rv));
		return false;
	}
	socketmap_server_default_map(f->server, dispatch_request, f->dispatch);
	return listeners_bind(f->server, f->settings, f->log, error);
}

static void
on_paused(void *arg)
{
	struct frontend *f = arg;

	if (f->draining) {
		on_server_done(f);
		return;
	}
	socketmap_server_free(f->server);
	f->server = NULL;
	log_info(f->log, log_msg("drained"));
}

static bool
pause_work(void *arg, struct error *error)
{
	struct frontend *f = arg;

	(void)error;
	if (f->drained || f->draining)
		return true;
	f->drained = true;
	f->status_of.drained = true;
	socketmap_server_shutdown(f->server, on_paused, f);
	return true;
}

static bool
resume_work(void *arg, struct error *error)
{
	struct frontend *f = arg;

	if (!f->drained)
		return true;
	if (f->draining || f->server != NULL) {
		error_set(error,
		    f->draining ? "it is shutting down"
				: "lookups are still being answered: try "
				  "again in a moment");
		return false;
	}
	if (!start_server(f, error)) {
		socketmap_server_free(f->server);
		f->server = NULL;
		return false;
	}
	f->drained = false;
	f->status_of.drained = false;
	return true;
}

static bool
start_admin(struct frontend *f, struct error *error)
{
	const struct admin_hooks hooks = { pause_work, resume_work, f };

	if (!admin_start(&f->admin, &f->loop, f->settings->admin_socket, &hooks,
		f->metrics, f->log, error))
		return false;
	if (f->admin.ops != NULL)
		status_route(f->status, f->admin.ops);
	return true;
}

static bool
start_ops(struct frontend *f, struct error *error)
{
	f->ops =
	    ops_start(&f->loop, &f->settings->metrics_listen, f->log, error);
	if (f->ops == NULL)
		return false;
	ops_count_failures(f->ops, f->metrics);
	ops_route_standard(f->ops, f->metrics);
	ops_count(f->ops, f->metrics);
	ops_route(f->ops, "GET", "/ready", on_ready_probe, f);
	f->status_of = (struct frontend_status){ .metrics = f->metrics,
		.connections_max = f->connections_max };
	if (gethostname(f->host, sizeof f->host - 1) != 0)
		f->host[0] = '\0';
	f->status = status_new(&f->loop, f->metrics, &frontend_status_tier,
	    f->host, &f->status_of);
	status_route(f->status, f->ops);
	return true;
}

/*
 * Descriptors must be left for backends that come, and for metrics: connections
 * that would take those are what the limit on them is lowered for.
 */
static void
limit_connections(struct frontend *f)
{
	uint64_t wanted = f->settings->connections_max;
	uint64_t files = service_raise_files(f->log, wanted + SPARE_FILES);
	uint64_t room =
	    files > 2 * SPARE_FILES ? files - SPARE_FILES : (files + 1) / 2;

	f->connections_max = wanted;
	if (room >= wanted)
		return;
	f->connections_max = room;
	log_warn(f->log,
	    log_msg("so few open files leave room for fewer connections than "
		    "SOCKETMAP_MAX_CONNECTIONS"),
	    log_uint("connections", room));
}

static bool
start(struct frontend *f)
{
	struct service_hooks hooks = {
		.drain = on_drain, .reload = on_reload, .arg = f
	};
	struct error error;

	limit_connections(f);
	(void)uv_timer_init(&f->loop, &f->last_words);
	f->last_words.data = f;
	f->observer = observer_new(&f->loop, f->metrics, f->log);
	if (!start_tls(f, &error))
		goto failed;
	f->dispatch = dispatch_new(&f->loop, &f->limits, f->metrics, f->log);
	/* The pool last: nng 1.5 leaks a connection that is closed while it is
	 * being made, and what cannot start should not call anyone. */
	if (start_server(f, &error) && start_ops(f, &error) &&
	    start_admin(f, &error) &&
	    service_init(&f->service, &f->loop, f->log, &hooks, &error)) {
		if (start_pool(f, &error))
			return true;
		service_stop(&f->service);
	}

failed:
	log_error(
	    f->log, log_msg("cannot start"), log_str("error", error.text));
	close_parts(f);
	return false;
}

static void
close_files(struct frontend *f, const struct config *config)
{
	const struct frontend_settings *s = f->settings;
	char admin[ENDPOINT_PATH_MAX + 1];

	sandbox_init(&f->sandbox, s->sandbox, f->log);
	sandbox_config(&f->sandbox, config);
	sandbox_read(&f->sandbox, s->tls_cert);
	sandbox_read(&f->sandbox, s->tls_key);
	sandbox_read(&f->sandbox, s->tls_ca);
	sandbox_bind_all(&f->sandbox, &s->socketmap_listen);
	if (admin_path(s->admin_socket, getenv("RUNTIME_DIRECTORY"), admin))
		sandbox_bind(&f->sandbox, admin);
	sandbox_close_files(&f->sandbox);
}

int
frontend_run(const struct config *config)
{
	const struct frontend_settings *settings = config_settings(config);
	const char *const *warnings = config_warnings(config);
	struct frontend f = { .settings = settings,
		.limits = limits_of(settings) };
	bool started;

	startup_begin();
	f.log = log_new(
	    &(struct log_options){ .level = (enum log_level)settings->log_level,
		.format = (enum log_format)settings->log_format,
		.show_personal = settings->log_personal,
		.fd = STDERR_FILENO });
	if (!startup_loop(&f.loop, f.log)) {
		log_free(f.log);
		return SERVICE_EXIT_TEMPORARY;
	}
	if (!settings->core_dumps)
		service_forbid_dumps(f.log);
	for (; *warnings != NULL; warnings++)
		log_warn(f.log, log_msg(*warnings));
	close_files(&f, config);
	f.metrics = metrics_new();
	metrics_add_process(f.metrics);
	log_add_metrics(f.log, f.metrics);
	reload_init(&f.reload, config, f.metrics, f.log);

	started = start(&f);
	if (started) {
		startup_end(&f.loop);
		/* Owners of UNIX sockets: a drained one opens them anew. */
		sandbox_close_calls(&f.sandbox, SANDBOX_CALLS_OWNERS);
		log_info(f.log, log_msg("ready"),
		    log_str("version", PROJECT_VERSION));
		service_ready(&f.service);
	}
	(void)uv_run(&f.loop, UV_RUN_DEFAULT);

	if (started)
		log_info(f.log, log_msg("stopped"));
	(void)uv_loop_close(&f.loop);
	observer_free(f.observer);
	reload_fini(&f.reload);
	metrics_free(f.metrics);
	rpctls_free(f.tls);
	log_free(f.log);
	return started ? SERVICE_EXIT_OK : SERVICE_EXIT_UNAVAILABLE;
}
