#include "backend/backend.h"

#include <stdlib.h>
#include <unistd.h>

#include "backend/backend_reload.h"
#include "backend/backend_sandbox.h"
#include "backend/backend_status.h"
#include "backend/cache_keeper.h"
#include "backend/control.h"
#include "backend/http.h"
#include "backend/naming.h"
#include "backend/peers.h"
#include "backend/purger.h"
#include "backend/resolve.h"
#include "backend/selfprobe.h"
#include "backend/userli.h"
#include "backend/userli_json.h"
#include "backend/webhook_route.h"
#include "backend/worker.h"
#include "common/guard.h"
#include "common/metrics.h"
#include "common/nngsock.h"
#include "common/ops.h"
#include "common/rpc.h"
#include "common/rpctls.h"
#include "common/service.h"
#include "common/startup.h"

/* Largest body read from userli: a reply of LOOKUP_REPLY_MAX bytes, each
 * written as a JSON escape of six. */
#define BODY_MAX ((size_t)LOOKUP_REPLY_MAX * 8)

/* Descriptors beside the requests to userli: of frontends, a few hundred, and
 * of listeners, metrics, peers and nng. */
#define FRONTEND_FILES 512
#define SPARE_FILES 256

struct backend {
	const struct config *config;
	const struct backend_settings *settings;
	uv_loop_t loop;
	struct log *log;
	struct sandbox sandbox;
	struct metrics *metrics;
	struct service service;
	struct guard guard; /* until draining, which has its own limit */
	struct ops *ops;
	struct control control;
	struct explanation_parts explain;
	struct http *http;
	struct userli *userli;
	struct resolve *resolve;
	struct cache_keeper *keeper;
	struct reload reload;
	struct rpctls *tls;
	struct peers *peers;
	struct purger *purger;
	struct webhook_route *webhooks;
	struct worker *worker;
	struct slow slow;
	struct backend_status status_of;
	struct status *page;
	struct selfprobe *selfprobe; /* NULL once draining */
	bool drained, saved;         /* all is answered; the cache is kept */
	int status;                  /* to exit with */
	char name[RPC_BACKEND_NAME_MAX + 1];
	char build[RPC_BUILD_MAX + 1];
};

static void
on_ready_probe(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct backend *b = arg;
	const char *reason = "draining";
	bool ready = false;

	(void)request;
	if (worker_paused(b->worker))
		reason = "drained by the administrator";
	else if (!worker_draining(b->worker))
		ready = userli_ready(b->userli, &reason);
	if (!ready)
		reply->status = 503;
	ops_reply_status(
	    reply, ready ? "ready" : "unavailable", ready ? NULL : reason);
}

static void
stop_probing(struct backend *b)
{
	if (b->selfprobe != NULL)
		selfprobe_close(b->selfprobe);
	b->selfprobe = NULL;
}

static void
close_parts(struct backend *b)
{
	guard_stop(&b->guard);
	stop_probing(b);
	if (b->keeper != NULL)
		cache_keeper_close(b->keeper);
	if (b->resolve != NULL)
		resolve_close(b->resolve);
	if (b->http != NULL)
		http_close(b->http);
	if (b->userli != NULL)
		userli_close(b->userli);
	if (b->worker != NULL)
		worker_close(b->worker);
	if (b->purger != NULL)
		purger_close(b->purger);
	if (b->peers != NULL)
		peers_close(b->peers);
	if (b->ops != NULL)
		ops_stop(b->ops);
	control_stop(&b->control);
	if (b->page != NULL)
		status_close(b->page);
}

static void
end_when_done(struct backend *b)
{
	if (!b->drained || !b->saved)
		return;
	if (b->status == SERVICE_EXIT_OK)
		service_drained(&b->service);
	close_parts(b);
	service_stop(&b->service);
}

static void
on_drained(void *arg)
{
	struct backend *b = arg;

	b->drained = true;
	end_when_done(b);
}

static void
on_saved(void *arg)
{
	struct backend *b = arg;

	b->saved = true;
	end_when_done(b);
}

static void
on_drain(void *arg)
{
	struct backend *b = arg;
	const struct backend_settings *s = reload_settings(&b->reload);

	if (worker_draining(b->worker))
		return;
	service_limit_drain(&b->service, s->shutdown_timeout_ms);
	guard_stop(&b->guard);
	if (b->selfprobe != NULL)
		selfprobe_pause(b->selfprobe);
	purger_hurry(b->purger);
	worker_drain(b->worker, on_drained, b);
	/* What the last lookups bring is missing from it, for the sake of
	 * the time that both may take. */
	cache_keeper_finish(b->keeper, on_saved, b);
}

/* A listener is beyond help: who is connected is still served to the end. */
static void
on_give_up(void *arg)
{
	struct backend *b = arg;

	b->status = SERVICE_EXIT_TEMPORARY;
	on_drain(b);
}

static void
on_reload(void *arg)
{
	struct backend *b = arg;
	struct backend_parts parts = { b->tls, b->worker, b->userli, b->resolve,
		b->http, &b->slow, b->log };

	backend_reload(&b->reload, &parts);
}

static void
start_resolve(struct backend *b)
{
	const struct backend_settings *s = b->settings;
	struct resolve_options options = {
		.userli = b->userli,
		.delimiter = slice_of(s->delimiter),
		.propagate_extension = s->propagate_extension,
		.gate = s->gate,
		.answers = backend_answers(s),
		.cache_bytes_max = (size_t)s->cache_bytes_max,
		.stale_after_ms = s->stale_after_ms,
		.fetch_limit_ms = s->userli_timeout_ms,
		/* Who waits for userli comes first. */
		.refreshes_max = (size_t)(s->requests_max + 3) / 4,
		.metrics = b->metrics,
		.log = b->log,
	};

	b->resolve = resolve_new(&b->loop, &options);
	b->explain = (struct explanation_parts){ .resolve = b->resolve,
		.userli = b->userli,
		.delimiter = options.delimiter };
}

static void
start_keeping(struct backend *b)
{
	const struct backend_settings *s = b->settings;
	struct cache_keeper_options options = {
		.path = s->cache_file,
		.interval_ms = s->cache_file_interval_ms,
		.origin = s->base_url,
		.answers = backend_answers(s),
		.cache = resolve_cache(b->resolve),
		.metrics = b->metrics,
		.log = b->log,
	};

	b->keeper = cache_keeper_new(&b->loop, &options);
}

static bool
start_upstream(struct backend *b, struct error *error)
{
	const struct backend_settings *s = b->settings;
	struct http_options options = {
		.base_url = s->base_url,
		.ca_file = s->ca_file,
		.user_agent = "userli-bridge/" PROJECT_VERSION,
		.timeout_ms = s->userli_timeout_ms,
		.transfers_max = (size_t)s->requests_max,
		.queue_max = (size_t)s->queue_max,
		.queue_timeout_ms = s->queue_timeout_ms,
		.body_max = BODY_MAX,
	};

	b->http = http_new(&b->loop, &options, b->log, error);
	if (b->http == NULL)
		return false;
	b->userli = userli_new(&b->loop, b->http, b->metrics, b->log);
	start_resolve(b);
	start_keeping(b);
	return userli_set_tokens(b->userli, s->token, error);
}

static bool
start_tls(struct backend *b, struct error *error)
{
	struct rpctls_files files = backend_tls_files(b->settings);

	b->tls = rpctls_new(&files, b->log, error);
	if (b->tls == NULL)
		return false;
	rpctls_add_metrics(b->tls, b->metrics);
	return true;
}

/* A peer's listener believes what ours does, as a rule. */
static void
warn_of_peers(const struct backend *b)
{
	const struct endpoint_list *peers = &b->settings->peers;
	bool tls = false;

	for (size_t i = 0; i < peers->count; i++)
		tls |= peers->items[i].kind == ENDPOINT_TLS;
	if (tls && !rpctls_usable_as_client(b->tls))
		log_warn(b->log,
		    log_msg("BACKEND_PEERS may refuse our certificate: it "
			    "has expired, is not of RPC_TLS_CA or has an "
			    "extended key usage without clientAuth"));
}

/* Before the worker, which serves purges; needs the certificates. */
static void
start_purger(struct backend *b)
{
	const struct backend_settings *s = b->settings;
	struct peers_options peers = { .endpoints = &s->peers,
		.resolve_interval_ms = s->resolve_interval_ms,
		.patience_ms = PEERS_PATIENCE_MS,
		.dns = &dns_system,
		.tls = b->tls,
		.metrics = b->metrics,
		.log = b->log };
	struct purger_options purge = { .resolve = b->resolve,
		.repeat_ms = s->webhook_repeat_ms,
		.metrics = b->metrics,
		.log = b->log };

	warn_of_peers(b);
	b->peers = peers_new(&b->loop, &peers);
	purge.peers = b->peers;
	b->purger = purger_new(&b->loop, &purge);
}

static bool
start_worker(struct backend *b, struct error *error)
{
	struct worker_options options = {
		.listen = &b->settings->listen,
		.tls = b->tls,
		.name = slice_of(b->name),
		.build = slice_of(b->build),
		.calls_max = (size_t)b->settings->calls_max,
		.resolve = b->resolve,
		.purger = b->purger,
		.explain = &b->explain,
		.metrics = b->metrics,
		.log = b->log,
		.slow = &b->slow,
	};

	if (!nngsock_init_library(error))
		return false;
	b->slow.limit_ms = b->settings->slow_lookup_ms;
	b->worker = worker_new(&b->loop, &options, error);
	return b->worker != NULL;
}

static void
start_webhooks(struct backend *b)
{
	struct webhook_route_options options = {
		.secret = slice_of(b->settings->webhook_secret),
		.window_ms = b->settings->webhook_window_ms,
		.purger = b->purger,
		.metrics = b->metrics,
		.log = b->log,
	};

	b->webhooks = webhook_route_new(b->ops, &options);
}

static void
start_page(struct backend *b)
{
	b->status_of =
	    (struct backend_status){ b->userli, b->worker, b->metrics };
	b->page = status_new(
	    &b->loop, b->metrics, &backend_status_tier, b->name, &b->status_of);
	status_route(b->page, b->ops);
}

static bool
start_ops(struct backend *b, struct error *error)
{
	b->ops =
	    ops_start(&b->loop, &b->settings->metrics_listen, b->log, error);
	if (b->ops == NULL)
		return false;
	ops_count_failures(b->ops, b->metrics);
	ops_route_standard(b->ops, b->metrics);
	ops_count(b->ops, b->metrics);
	ops_route(b->ops, "GET", "/ready", on_ready_probe, b);
	start_webhooks(b);
	start_page(b);
	return true;
}

static bool
start_control(struct backend *b, struct error *error)
{
	b->control = (struct control){ .loop = &b->loop,
		.worker = b->worker,
		.resolve = b->resolve,
		.explain = &b->explain };
	if (!control_start(&b->control, b->settings->admin_socket, b->metrics,
		b->log, error))
		return false;
	if (b->control.admin.ops != NULL)
		status_route(b->page, b->control.admin.ops);
	return true;
}

static void
start_probing(struct backend *b)
{
	struct selfprobe_options options = {
		.worker = b->worker,
		.tls = b->tls,
		.listeners = b->settings->listen.count,
		.metrics = b->metrics,
		.log = b->log,
		.give_up = on_give_up,
		.arg = b,
	};

	b->selfprobe = selfprobe_new(&b->loop, &options);
}

/* Start every part; the exit status of the first that cannot be. */
static int
start(struct backend *b)
{
	struct service_hooks hooks = {
		.drain = on_drain, .reload = on_reload, .arg = b
	};
	struct error error;
	int status = SERVICE_EXIT_OK;
	bool configured;

	(void)service_raise_files(b->log,
	    (uint64_t)b->settings->requests_max + FRONTEND_FILES + SPARE_FILES);
	configured = start_upstream(b, &error) && start_tls(b, &error);
	if (configured)
		start_purger(b);
	if (!configured)
		status = SERVICE_EXIT_CONFIG;
	else if (!start_worker(b, &error) || !start_ops(b, &error) ||
	    !start_control(b, &error) ||
	    !service_init(&b->service, &b->loop, b->log, &hooks, &error))
		status = SERVICE_EXIT_UNAVAILABLE;
	if (status != SERVICE_EXIT_OK) {
		log_error(b->log, log_msg("cannot start"),
		    log_str("error", error.text));
		close_parts(b);
	}
	return status;
}

static struct log *
start_log(const struct config *config)
{
	const struct backend_settings *s = config_settings(config);
	const char *const *warnings = config_warnings(config);
	struct log *log = log_new(
	    &(struct log_options){ .level = (enum log_level)s->log_level,
		.format = (enum log_format)s->log_format,
		.show_personal = s->log_personal,
		.fd = STDERR_FILENO });

	if (!s->core_dumps)
		service_forbid_dumps(log);
	for (; *warnings != NULL; warnings++)
		log_warn(log, log_msg(*warnings));
	return log;
}

int
backend_run(const struct config *config)
{
	struct backend b = { .config = config,
		.settings = config_settings(config) };
	bool started;

	userli_json_use_mem();
	startup_begin();
	b.log = start_log(config);
	if (!startup_loop(&b.loop, b.log)) {
		log_free(b.log);
		return SERVICE_EXIT_TEMPORARY;
	}
	backend_sandbox_enter(&b.sandbox, config, b.log);
	naming_backend(b.settings->name, b.name);
	naming_build(b.build);
	b.metrics = metrics_new();
	metrics_add_process(b.metrics);
	log_add_metrics(b.log, b.metrics);
	reload_init(&b.reload, config, b.metrics, b.log);

	b.status = start(&b);
	started = b.status == SERVICE_EXIT_OK;
	if (started) {
		startup_end(&b.loop);
		sandbox_close_calls(&b.sandbox, SANDBOX_CALLS_FILES);
		log_info(b.log, log_msg("ready"), log_str("name", b.name),
		    log_str("version", PROJECT_VERSION));
		service_ready(&b.service);
		guard_start(&b.guard, &b.loop, GUARD_TICK_MS);
		start_probing(&b);
	}
	(void)uv_run(&b.loop, UV_RUN_DEFAULT);

	if (started)
		log_info(b.log, log_msg("stopped"));
	(void)uv_loop_close(&b.loop);
	webhook_route_free(b.webhooks);
	reload_fini(&b.reload);
	metrics_free(b.metrics);
	rpctls_free(b.tls);
	log_free(b.log);
	return b.status;
}
