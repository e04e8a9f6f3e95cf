#include "frontend/config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/admin.h"
#include "common/log.h"
#include "frontend/owner.h"

#define FIELD(name) offsetof(struct frontend_settings, name)

#define LOAD_FACTOR_MIN 1.05
#define LOAD_FACTOR_MAX 100.0

static bool
check_load_factor(const char *text, struct error *error)
{
	char *end;
	double value = strtod(text, &end);

	if (*end == '\0' && value >= LOAD_FACTOR_MIN &&
	    value <= LOAD_FACTOR_MAX)
		return true;
	error_set(error, "is not a number from %.2f to %.0f, as 1.25",
	    LOAD_FACTOR_MIN, LOAD_FACTOR_MAX);
	return false;
}

static const struct config_option options[] = {
	{ .name = "SOCKETMAP_LISTEN_ADDR",
	    .type = CONFIG_ENDPOINTS,
	    .fallback = ":10001",
	    .syntax = ENDPOINT_SOCKETMAP,
	    .help = "Where Postfix asks: a list of host:port and UNIX socket "
		    "paths; sockets that systemd passes take its place.",
	    .offset = FIELD(socketmap_listen) },
	{ .name = "SOCKETMAP_SOCKET_MODE",
	    .type = CONFIG_OCTAL,
	    .fallback = "0660",
	    .max = 0777,
	    .help = "Mode of UNIX sockets.",
	    .offset = FIELD(socket_mode) },
	{ .name = "SOCKETMAP_SOCKET_OWNER",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .check = owner_check_user,
	    .help = "User, by name or number, that owns UNIX sockets.",
	    .offset = FIELD(socket_owner) },
	{ .name = "SOCKETMAP_SOCKET_GROUP",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .check = owner_check_group,
	    .help = "Group, by name or number, of UNIX sockets (postfix, as a "
		    "rule).",
	    .offset = FIELD(socket_group) },
	{ .name = "SOCKETMAP_IDLE_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .fallback = "0",
	    .max = 86400000,
	    .help = "Closes connections idle for so long; 0 leaves that to "
		    "Postfix.",
	    .offset = FIELD(idle_timeout_ms) },
	{ .name = "SOCKETMAP_READ_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .fallback = "100s",
	    .max = 86400000,
	    .help = "Closes connections whose request is not complete so long "
		    "after its first byte; 0 waits for ever.",
	    .offset = FIELD(read_timeout_ms) },
	{ .name = "SOCKETMAP_WRITE_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .fallback = "100s",
	    .max = 86400000,
	    .help = "Closes connections that do not take a reply for so long; "
		    "0 waits for ever.",
	    .offset = FIELD(write_timeout_ms) },
	{ .name = "SOCKETMAP_MAX_CONNECTIONS",
	    .type = CONFIG_INTEGER,
	    .fallback = "10000",
	    .min = 1,
	    .max = 1000000,
	    .help = "At this many, a new one takes the place of the longest "
		    "idle.",
	    .offset = FIELD(connections_max) },
	{ .name = "BACKEND_URLS",
	    .type = CONFIG_ENDPOINTS,
	    .flags = CONFIG_RELOAD,
	    .fallback = "tcp://127.0.0.1:10010",
	    .syntax = ENDPOINT_POOL,
	    .help = "The backends: a list of tcp://host:port, "
		    "tls+tcp://host:port, srv+tcp://name (SRV records) and "
		    "ipc:///path; every address of a host is one.",
	    .offset = FIELD(backends) },
	{ .name = "RPC_TLS_CERT",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help = "PEM file with this program's certificate and its "
		    "intermediates, for tls+tcp://; read again on SIGHUP.",
	    .offset = FIELD(tls_cert) },
	{ .name = "RPC_TLS_KEY",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help = "PEM file with its private key, not encrypted.",
	    .offset = FIELD(tls_key) },
	{ .name = "RPC_TLS_CA",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help =
		"PEM file with the CAs that backends' certificates must be of.",
	    .offset = FIELD(tls_ca) },
	{ .name = "RPC_TLS_SERVER_NAME",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help = "The name in every backend's certificate; empty expects "
		    "the host of its URL.",
	    .offset = FIELD(tls_server_name) },
	{ .name = "BACKEND_RESOLVE_INTERVAL",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "5s",
	    .min = 100,
	    .max = 3600000,
	    .help = "How often the names of BACKEND_URLS are asked of DNS "
		    "again.",
	    .offset = FIELD(resolve_interval_ms) },
	{ .name = "BACKEND_LOAD_FACTOR",
	    .type = CONFIG_STRING,
	    .flags = CONFIG_RELOAD,
	    .fallback = "1.25",
	    .check = check_load_factor,
	    .help = "How many times its share of the calls in flight a "
		    "backend may have before the next is asked.",
	    .offset = FIELD(load_factor) },
	{ .name = "PING_AFTER",
	    .type = CONFIG_DURATION,
	    .fallback = "100ms",
	    .min = 10,
	    .max = 60000,
	    .help = "A backend that is awaited and silent for so long is "
		    "asked for a sign of life.",
	    .offset = FIELD(ping_after_ms) },
	{ .name = "EJECT_AFTER",
	    .type = CONFIG_DURATION,
	    .fallback = "350ms",
	    .min = 20,
	    .max = 60000,
	    .help = "One that stays silent for so long loses its calls to "
		    "others, until it answers; more than PING_AFTER.",
	    .offset = FIELD(eject_after_ms) },
	{ .name = "LOOKUP_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "10s",
	    .min = 100,
	    .max = 90000,
	    .help = "Bounds every lookup; Postfix itself waits 100s.",
	    .offset = FIELD(lookup_timeout_ms) },
	{ .name = "SHUTDOWN_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "8s",
	    .min = 100,
	    .max = 300000,
	    .help = "How long lookups in flight may take after SIGTERM.",
	    .offset = FIELD(shutdown_timeout_ms) },
	{ .name = "METRICS_LISTEN_ADDR",
	    .type = CONFIG_ENDPOINTS,
	    .fallback = ":10002",
	    .syntax = ENDPOINT_HTTP,
	    .help = "Where the status page, /metrics, /health and /ready are "
		    "served.",
	    .offset = FIELD(metrics_listen) },
	{ .name = "ADMIN_SOCKET",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .check = admin_check,
	    .help = "UNIX socket for userli-bridge's drain, log-level and the "
		    "like, mode 0600; empty takes admin.sock in "
		    "$RUNTIME_DIRECTORY, if systemd has set that; \"none\" has "
		    "none.",
	    .offset = FIELD(admin_socket) },
	{ .name = "LOG_LEVEL",
	    .type = CONFIG_CHOICE,
	    .flags = CONFIG_RELOAD,
	    .fallback = "info",
	    .choices = log_level_names,
	    .help = "Events below this level are not logged.",
	    .offset = FIELD(log_level) },
	{ .name = "LOG_FORMAT",
	    .type = CONFIG_CHOICE,
	    .fallback = "json",
	    .choices = log_format_names,
	    .help = "One JSON object, or one line of text, an event.",
	    .offset = FIELD(log_format) },
	{ .name = "SLOW_LOOKUP",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "1s",
	    .max = 90000,
	    .help = "Lookups that took as long are logged, with where their "
		    "time went; 0 logs none.",
	    .offset = FIELD(slow_lookup_ms) },
	{ .name = "LOG_PII",
	    .type = CONFIG_BOOL,
	    .fallback = "0",
	    .help = "1 shows addresses in logs; else they are keyed hashes.",
	    .offset = FIELD(log_personal) },
	{ .name = "CORE_DUMPS",
	    .type = CONFIG_BOOL,
	    .fallback = "0",
	    .help = "1 lets a crash leave a core dump, which holds addresses; "
		    "and tools as gdb look into the program.",
	    .offset = FIELD(core_dumps) },
	{ .name = "SANDBOX",
	    .type = CONFIG_BOOL,
	    .fallback = "1",
	    .help = "0 leaves the program all files and system calls, also "
		    "those that it never needs.",
	    .offset = FIELD(sandbox) },
};

/* The backend's names, and what only the replaced adapter read. */
static const char *const foreign[] = {
	"BACKEND_INSECURE_NETWORK",
	"BACKEND_LISTEN_URL",
	"BACKEND_MAX_CALLS",
	"BACKEND_NAME",
	"BACKEND_PEERS",
	"CACHE_FILE",
	"CACHE_FILE_INTERVAL",
	"CACHE_MAX_BYTES",
	"KNOWN_DOMAIN_GATE",
	"LOOKUP_CACHE_TTL",
	"LOOKUP_NEGATIVE_TTL",
	"LOOKUP_NEGATIVE_TTL_ALIAS",
	"LOOKUP_NEGATIVE_TTL_DOMAIN",
	"LOOKUP_NEGATIVE_TTL_MAILBOX",
	"LOOKUP_NEGATIVE_TTL_SENDERS",
	"LOOKUP_STALE_TTL",
	"POSTFIX_PROPAGATE_EXTENSION",
	"POSTFIX_RECIPIENT_DELIMITER",
	"STALE_AFTER",
	"USERLI_BASE_URL",
	"USERLI_CA_FILE",
	"USERLI_MAX_QUEUE",
	"USERLI_MAX_REQUESTS",
	"USERLI_QUEUE_TIMEOUT",
	"USERLI_TIMEOUT",
	"USERLI_TOKEN",
	"USERLI_TOKEN_FILE",
	"WEBHOOK_REPEAT",
	"WEBHOOK_SECRET",
	"WEBHOOK_SECRET_FILE",
	"WEBHOOK_WINDOW",
	NULL,
};

struct rpctls_files
frontend_tls_files(const struct frontend_settings *s)
{
	return (struct rpctls_files){ .cert = s->tls_cert,
		.key = s->tls_key,
		.ca = s->tls_ca,
		.server_name = s->tls_server_name,
		.side = RPCTLS_DIALS };
}

static bool
check_tls(const struct frontend_settings *s, struct error *error)
{
	struct rpctls_files files = frontend_tls_files(s);

	if (!rpctls_check(&files, error))
		return false;
	for (size_t i = 0; i < s->backends.count; i++) {
		char text[ENDPOINT_TEXT_MAX];

		if (s->backends.items[i].kind != ENDPOINT_TLS ||
		    s->tls_cert[0] != '\0')
			continue;
		endpoint_format(&s->backends.items[i], ENDPOINT_POOL, text);
		error_set(error,
		    "BACKEND_URLS: %s needs certificates: set RPC_TLS_CERT, "
		    "RPC_TLS_KEY and RPC_TLS_CA",
		    text);
		return false;
	}
	return true;
}

static bool
check_settings(const void *settings, struct error *error)
{
	const struct frontend_settings *s = settings;

	if (!check_tls(s, error))
		return false;
	if (s->eject_after_ms > s->ping_after_ms)
		return true;
	error_set(error,
	    "EJECT_AFTER: %" PRIu64 "ms is not longer than PING_AFTER, which "
	    "is %" PRIu64 "ms",
	    s->eject_after_ms, s->ping_after_ms);
	return false;
}

const struct config_program frontend_program = {
	.name = "userli-bridge-frontend",
	.summary =
	    "Answers Postfix's socketmap lookups from a pool of backends.",
	.options = options,
	.count = sizeof options / sizeof options[0],
	.settings_size = sizeof(struct frontend_settings),
	.foreign = foreign,
	.check = check_settings,
};
