#include "backend/selfprobe.h"

#include <stdlib.h>

#include "backend/watchdog.h"
#include "common/mem.h"
#include "common/rpc.h"

/* Why a listener cannot be probed. */
enum obstacle {
	OBSTACLE_ADDRESS,
	OBSTACLE_CERTIFICATE,
	OBSTACLE_RESOURCES,
	OBSTACLES
};

static const char *const obstacle_names[OBSTACLES] = { "address", "certificate",
	"resources" };

struct probe {
	struct selfprobe *owner;
	size_t index;
	struct nngsock *socket; /* NULL between probes */
	bool connected;
	bool skipped; /* it could not be probed, and that has been logged */
};

struct selfprobe {
	uv_loop_t *loop;
	struct selfprobe_options options;
	struct watchdog *watchdog;
	struct metrics_counter *restarts;
	struct metrics_counter *skipped[OBSTACLES];
	struct buffer frame; /* the health call */
	unsigned connected;
	bool paused;
	struct probe probes[ENDPOINT_LIST_MAX];
};

/* --- One probe ----------------------------------------------------------- */

static void
set_connected(struct probe *p, bool connected)
{
	struct selfprobe *s = p->owner;

	if (p->connected == connected)
		return;
	p->connected = connected;
	s->connected += connected ? 1U : -1U;
	worker_set_probes(s->options.worker, s->connected);
}

static void
on_pipes(void *arg, unsigned count)
{
	struct probe *p = arg;

	set_connected(p, count > 0);
	/* What cannot be sent is not answered. */
	if (count > 0)
		(void)!nngsock_request(
		    p->socket, 1, buffer_slice(&p->owner->frame));
}

static void
on_message(void *arg, struct slice header, struct slice body)
{
	struct probe *p = arg;

	(void)header;
	(void)body; /* BUSY and DRAINING are as alive as OK */
	if (!p->owner->paused)
		watchdog_answered(p->owner->watchdog, p->index);
}

/* Said once for each time that it begins: it may last. */
static void
skip(struct probe *p, enum obstacle obstacle, const char *url,
    const char *reason)
{
	metrics_inc(p->owner->skipped[obstacle]);
	if (!p->skipped)
		log_warn(p->owner->options.log,
		    log_msg("this listener is not watched"),
		    log_str("address", url), log_str("reason", reason));
	p->skipped = true;
}

static bool
is_tls(const char *url)
{
	return strncmp(url, "tls+", 4) == 0;
}

static uint64_t
interval_ms(void *arg, size_t i)
{
	const struct selfprobe *s = arg;
	char url[NNGSOCK_URL_MAX];

	return worker_local_url(s->options.worker, i, url) && is_tls(url)
	    ? WATCHDOG_TLS_INTERVAL_MS
	    : WATCHDOG_INTERVAL_MS;
}

static bool
start_probe(void *arg, size_t i)
{
	struct selfprobe *s = arg;
	struct probe *p = &s->probes[i];
	struct nngsock_events events = { on_message, on_pipes, p };
	const struct nngsock_tls *tls;
	struct nngsock_tls material;
	char url[NNGSOCK_URL_MAX];
	struct error error;

	worker_receive(s->options.worker);
	if (!worker_local_url(s->options.worker, i, url)) {
		skip(p, OBSTACLE_ADDRESS, "", "its address cannot be dialled");
		return false;
	}
	if (is_tls(url) && !rpctls_usable_as_client(s->options.tls)) {
		skip(p, OBSTACLE_CERTIFICATE, url,
		    "RPC_TLS_CERT is not one that RPC_TLS_CA and clientAuth "
		    "let in");
		return false;
	}
	tls = rpctls_material(s->options.tls, NULL, &material);
	material.any_name = true; /* it is us, whatever we are called */
	p->socket =
	    nngsock_dial(s->loop, url, tls, RPC_FRAME_MAX, &events, &error);
	if (p->socket == NULL) { /* no memory, no descriptors */
		skip(p, OBSTACLE_RESOURCES, url, error.text);
		return false;
	}
	p->skipped = false;
	return true;
}

static void
stop_probe(void *arg, size_t i)
{
	struct selfprobe *s = arg;
	struct probe *p = &s->probes[i];

	if (p->socket != NULL)
		nngsock_close(p->socket);
	p->socket = NULL;
	set_connected(p, false);
}

/* --- What the watchdog asks for ------------------------------------------ */

static bool
reopen(void *arg, size_t i)
{
	struct selfprobe *s = arg;
	char url[NNGSOCK_URL_MAX] = "";
	struct error error;

	if (!worker_relisten(s->options.worker, i, &error)) {
		log_warn(s->options.log, log_msg("listener not opened anew"),
		    log_str("error", error.text));
		return false;
	}
	metrics_inc(s->restarts);
	(void)!worker_local_url(s->options.worker, i, url);
	log_warn(s->options.log,
	    log_msg("listener did not answer, opened anew"),
	    log_str("address", url));
	return true;
}

static void
give_up(void *arg, size_t i)
{
	struct selfprobe *s = arg;
	char url[NNGSOCK_URL_MAX] = "";

	(void)!worker_local_url(s->options.worker, i, url);
	log_error(s->options.log,
	    log_msg("listener does not answer, however often it is opened"),
	    log_str("address", url));
	s->options.give_up(s->options.arg);
}

/* --- Life ---------------------------------------------------------------- */

static void
write_frame(struct selfprobe *s)
{
	struct rpc_call health = {
		.id = 1, .method = RPC_HEALTH, .left_ms = WATCHDOG_TIMEOUT_MS
	};
	struct rpc_writer writer;

	buffer_init(&s->frame, RPC_FRAME_MAX);
	rpc_writer_init(&writer);
	if (!rpc_add_call(&writer, &health) ||
	    !rpc_finish_calls(&writer, &s->frame))
		mem_exhausted();
	rpc_writer_fini(&writer);
}

struct selfprobe *
selfprobe_new(uv_loop_t *loop, const struct selfprobe_options *options)
{
	static const char *const reason_label[] = { "reason", NULL };
	struct selfprobe *s = mem_calloc(1, sizeof *s);
	struct metrics_family *skipped;
	struct watchdog_options watch = {
		.targets = options->listeners,
		.interval_ms = interval_ms,
		.timeout_ms = WATCHDOG_TIMEOUT_MS,
		.hooks = { start_probe, stop_probe, reopen, give_up, s },
	};

	s->loop = loop;
	s->options = *options;
	for (size_t i = 0; i < options->listeners; i++) {
		s->probes[i].owner = s;
		s->probes[i].index = i;
	}
	s->restarts = metrics_counter(
	    metrics_counters(options->metrics,
		"backend_listener_restarts_total",
		"Listeners that did not answer, opened anew", NULL),
	    NULL);
	skipped = metrics_counters(options->metrics,
	    "backend_listener_probes_skipped_total",
	    "Probes of its own listeners that could not be made", reason_label);
	for (int i = 0; i < OBSTACLES; i++)
		s->skipped[i] = metrics_counter(
		    skipped, (const char *const[]){ obstacle_names[i], NULL });
	write_frame(s);
	s->watchdog = watchdog_new(loop, &watch);
	return s;
}

void
selfprobe_pause(struct selfprobe *s)
{
	s->paused = true;
	watchdog_pause(s->watchdog);
}

void
selfprobe_close(struct selfprobe *s)
{
	watchdog_close(s->watchdog);
	buffer_fini(&s->frame);
	free(s);
}
