#include "backend/config.h"

#include "backend/http.h"
#include "backend/http_url.h"
#include "backend/tokens.h"
#include "common/admin.h"
#include "common/log.h"

#define FIELD(name) offsetof(struct backend_settings, name)
#define DAY_MS 86400000
#define NEGATIVE_TTL(map, text)                                               \
	{                                                                     \
		.name = "LOOKUP_NEGATIVE_TTL_" #map, .type = CONFIG_DURATION, \
		.flags = CONFIG_RELOAD, .fallback = (text), .max = DAY_MS,    \
		.help = "The same, for this map alone.",                      \
		.offset = FIELD(map_negative_ttl_ms[LOOKUP_##map])            \
	}

static bool
check_base_url(const char *text, struct error *error)
{
	struct http_url url;

	return http_url_parse(text, &url, error);
}

static bool
check_cache_file(const char *text, struct error *error)
{
	size_t len = strlen(text);

	if (len == 0 || (text[0] == '/' && text[len - 1] != '/'))
		return true;
	error_set(error, "must be the absolute path of a file");
	return false;
}

static const struct config_option options[] = {
	{ .name = "BACKEND_LISTEN_URL",
	    .type = CONFIG_ENDPOINTS,
	    .fallback = "tcp://127.0.0.1:10010",
	    .syntax = ENDPOINT_RPC,
	    .help = "Where frontends call: a list of tcp://host:port, "
		    "tls+tcp://host:port and ipc:///path.",
	    .offset = FIELD(listen) },
	{ .name = "BACKEND_INSECURE_NETWORK",
	    .type = CONFIG_BOOL,
	    .fallback = "0",
	    .help = "1 lets tcp:// listen beyond loopback: whoever reaches it "
		    "may ask.",
	    .offset = FIELD(insecure_network) },
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
	    .help = "PEM file with the CAs that the certificates of frontends "
		    "and peers must be of.",
	    .offset = FIELD(tls_ca) },
	{ .name = "RPC_TLS_SERVER_NAME",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help = "The name in every peer's certificate; empty expects the "
		    "host of its URL.",
	    .offset = FIELD(tls_server_name) },
	{ .name = "BACKEND_PEERS",
	    .type = CONFIG_ENDPOINTS,
	    .fallback = "",
	    .syntax = ENDPOINT_POOL,
	    .help = "The other backends, to tell them what to forget: a list "
		    "as BACKEND_URLS; this one may be in it.",
	    .offset = FIELD(peers) },
	{ .name = "BACKEND_RESOLVE_INTERVAL",
	    .type = CONFIG_DURATION,
	    .fallback = "5s",
	    .min = 100,
	    .max = 3600000,
	    .help = "How often the names of BACKEND_PEERS are asked of DNS "
		    "again.",
	    .offset = FIELD(resolve_interval_ms) },
	{ .name = "WEBHOOK_SECRET",
	    .type = CONFIG_STRING,
	    .flags = CONFIG_SECRET,
	    .fallback = "",
	    .help = "The secret of userli's webhook; turns on POST /webhook "
		    "at METRICS_LISTEN_ADDR.",
	    .offset = FIELD(webhook_secret) },
	{ .name = "WEBHOOK_WINDOW",
	    .type = CONFIG_DURATION,
	    .fallback = "5m",
	    .min = 1000,
	    .max = 86400000,
	    .help = "How old, or how far ahead of this host's clock, a "
		    "webhook may be.",
	    .offset = FIELD(webhook_window_ms) },
	{ .name = "WEBHOOK_REPEAT",
	    .type = CONFIG_DURATION,
	    .fallback = "5s",
	    .max = 600000,
	    .help = "After so long a webhook's address is forgotten once "
		    "more, since userli's own cache lags; 0 does not.",
	    .offset = FIELD(webhook_repeat_ms) },
	{ .name = "BACKEND_NAME",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help = "Names this backend in logs and answers; empty takes the "
		    "host's name and the process id.",
	    .offset = FIELD(name) },
	{ .name = "BACKEND_MAX_CALLS",
	    .type = CONFIG_INTEGER,
	    .fallback = "4096",
	    .min = 1,
	    .max = 1000000,
	    .help = "In progress at once; more are answered BUSY, and asked "
		    "elsewhere.",
	    .offset = FIELD(calls_max) },
	{ .name = "USERLI_TOKEN",
	    .type = CONFIG_STRING,
	    .flags = CONFIG_REQUIRED | CONFIG_SECRET | CONFIG_RELOAD,
	    .fallback = "",
	    .help = "userli's API token, with the scope postfix; or two, "
		    "separated by a comma, of which one is used while the "
		    "other is refused.",
	    .offset = FIELD(token),
	    .check = tokens_check },
	{ .name = "USERLI_BASE_URL",
	    .type = CONFIG_STRING,
	    .fallback = "http://localhost:8000",
	    .help = "userli: http://host:port/prefix, https://… or unix:/path.",
	    .offset = FIELD(base_url),
	    .check = check_base_url },
	{ .name = "USERLI_CA_FILE",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help =
		"PEM file with the CAs for https; empty takes the system's.",
	    .offset = FIELD(ca_file),
	    .check = http_check_ca_file },
	{ .name = "USERLI_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .fallback = "5s",
	    .min = 100,
	    .max = 90000,
	    .help = "Bounds one request to userli, connecting included.",
	    .offset = FIELD(userli_timeout_ms) },
	{ .name = "USERLI_MAX_REQUESTS",
	    .type = CONFIG_INTEGER,
	    .fallback = "32",
	    .min = 1,
	    .max = 1000,
	    .help = "To userli at once; the rest wait.",
	    .offset = FIELD(requests_max) },
	{ .name = "USERLI_MAX_QUEUE",
	    .type = CONFIG_INTEGER,
	    .fallback = "1024",
	    .min = 0,
	    .max = 1000000,
	    .help = "Waiting for their turn; more are answered BUSY, and asked "
		    "elsewhere.",
	    .offset = FIELD(queue_max) },
	{ .name = "USERLI_QUEUE_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "500ms",
	    .max = 90000,
	    .help = "Who has waited so long for their turn is answered BUSY, "
		    "and asked elsewhere; 0 waits until time is up.",
	    .offset = FIELD(queue_timeout_ms) },
	{ .name = "LOOKUP_CACHE_TTL",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "300s",
	    .max = DAY_MS,
	    .help = "How long what userli has found is told again unasked; 0 "
		    "asks userli every time.",
	    .offset = FIELD(cache_ttl_ms) },
	{ .name = "LOOKUP_NEGATIVE_TTL",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "10s",
	    .max = DAY_MS,
	    .help = "The same for what userli does not know.",
	    .offset = FIELD(negative_ttl_ms) },
	NEGATIVE_TTL(ALIAS, "LOOKUP_NEGATIVE_TTL"),
	NEGATIVE_TTL(DOMAIN, "60s"),
	NEGATIVE_TTL(MAILBOX, "LOOKUP_NEGATIVE_TTL"),
	NEGATIVE_TTL(SENDERS, "LOOKUP_NEGATIVE_TTL"),
	{ .name = "CACHE_MAX_BYTES",
	    .type = CONFIG_SIZE,
	    .fallback = "64MiB",
	    .min = 1048576,
	    .max = UINT64_C(1) << 40,
	    .help = "Memory for answers; those longest unused give way.",
	    .offset = FIELD(cache_bytes_max) },
	{ .name = "CACHE_FILE",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help = "Keeps answers over a restart, in a directory of its own, "
		    "mode 0700; empty keeps none.",
	    .offset = FIELD(cache_file),
	    .check = check_cache_file },
	{ .name = "CACHE_FILE_INTERVAL",
	    .type = CONFIG_DURATION,
	    .fallback = "5m",
	    .min = 100,
	    .max = DAY_MS,
	    .help = "How often it is written, besides at the end.",
	    .offset = FIELD(cache_file_interval_ms) },
	{ .name = "LOOKUP_STALE_TTL",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "24h",
	    .max = UINT64_C(30) * DAY_MS,
	    .help = "How much longer what userli has found is told while "
		    "userli fails; 0 never tells it.",
	    .offset = FIELD(stale_ttl_ms) },
	{ .name = "STALE_AFTER",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "1.8s",
	    .max = 90000,
	    .help = "Who has waited so long for a slow userli is told it, too.",
	    .offset = FIELD(stale_after_ms) },
	{ .name = "KNOWN_DOMAIN_GATE",
	    .type = CONFIG_BOOL,
	    .flags = CONFIG_RELOAD,
	    .fallback = "1",
	    .help = "Asks userli for addresses only if it has their domain.",
	    .offset = FIELD(gate) },
	{ .name = "POSTFIX_RECIPIENT_DELIMITER",
	    .type = CONFIG_STRING,
	    .fallback = "",
	    .help = "Postfix's recipient_delimiter: user+ext is looked up as "
		    "user.",
	    .offset = FIELD(delimiter) },
	{ .name = "POSTFIX_PROPAGATE_EXTENSION",
	    .type = CONFIG_BOOL,
	    .fallback = "0",
	    .help = "1 adds the +ext of user+ext to what an alias stands for.",
	    .offset = FIELD(propagate_extension) },
	{ .name = "SHUTDOWN_TIMEOUT",
	    .type = CONFIG_DURATION,
	    .flags = CONFIG_RELOAD,
	    .fallback = "8s",
	    .min = 100,
	    .max = 300000,
	    .help = "How long lookups in flight and CACHE_FILE may take after "
		    "SIGTERM.",
	    .offset = FIELD(shutdown_timeout_ms) },
	{ .name = "METRICS_LISTEN_ADDR",
	    .type = CONFIG_ENDPOINTS,
	    .fallback = ":10012",
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

struct answers_options
backend_answers(const struct backend_settings *s)
{
	struct answers_options answers = { .ttl_ms = s->cache_ttl_ms,
		.stale_ttl_ms = s->stale_ttl_ms };

	memcpy(answers.negative_ttl_ms, s->map_negative_ttl_ms,
	    sizeof s->map_negative_ttl_ms);
	return answers;
}

struct rpctls_files
backend_tls_files(const struct backend_settings *s)
{
	return (struct rpctls_files){ .cert = s->tls_cert,
		.key = s->tls_key,
		.ca = s->tls_ca,
		.server_name = s->tls_server_name,
		.side = RPCTLS_LISTENS };
}

/* The frontend's names. */
static const char *const foreign[] = {
	"BACKEND_LOAD_FACTOR",
	"BACKEND_URLS",
	"EJECT_AFTER",
	"LOOKUP_TIMEOUT",
	"PING_AFTER",
	"SOCKETMAP_IDLE_TIMEOUT",
	"SOCKETMAP_LISTEN_ADDR",
	"SOCKETMAP_MAX_CONNECTIONS",
	"SOCKETMAP_READ_TIMEOUT",
	"SOCKETMAP_SOCKET_GROUP",
	"SOCKETMAP_SOCKET_MODE",
	"SOCKETMAP_SOCKET_OWNER",
	"SOCKETMAP_WRITE_TIMEOUT",
	NULL,
};

static bool
has_tls(const struct backend_settings *s)
{
	return s->tls_cert[0] != '\0';
}

static bool
check_listener(const struct backend_settings *s, const struct endpoint *e,
    struct error *error)
{
	char text[ENDPOINT_TEXT_MAX];

	endpoint_format(e, ENDPOINT_RPC, text);
	if (e->kind == ENDPOINT_TLS && !has_tls(s)) {
		error_set(error,
		    "BACKEND_LISTEN_URL: %s needs certificates: set "
		    "RPC_TLS_CERT, RPC_TLS_KEY and RPC_TLS_CA",
		    text);
		return false;
	}
	if (e->kind == ENDPOINT_TCP && !endpoint_is_local(e) &&
	    !s->insecure_network) {
		error_set(error,
		    "BACKEND_LISTEN_URL: %s is open to other hosts, and "
		    "without TLS whoever reaches it may ask: listen on "
		    "tls+tcp:// and set RPC_TLS_CERT, RPC_TLS_KEY and "
		    "RPC_TLS_CA, or set BACKEND_INSECURE_NETWORK=1 if every "
		    "host of that network is trusted",
		    text);
		return false;
	}
	return true;
}

static bool
check_peers(const struct backend_settings *s, struct error *error)
{
	char text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < s->peers.count; i++) {
		if (s->peers.items[i].kind != ENDPOINT_TLS || has_tls(s))
			continue;
		endpoint_format(&s->peers.items[i], ENDPOINT_POOL, text);
		error_set(error,
		    "BACKEND_PEERS: %s needs certificates: set RPC_TLS_CERT, "
		    "RPC_TLS_KEY and RPC_TLS_CA",
		    text);
		return false;
	}
	return true;
}

static bool
check_settings(const void *settings, struct error *error)
{
	const struct backend_settings *s = settings;
	struct rpctls_files files = backend_tls_files(s);

	if (!rpctls_check(&files, error))
		return false;
	for (size_t i = 0; i < s->listen.count; i++) {
		if (!check_listener(s, &s->listen.items[i], error))
			return false;
	}
	return check_peers(s, error);
}

const struct config_program backend_program = {
	.name = "userli-bridge-backend",
	.summary = "Answers the frontends' lookups from userli.",
	.options = options,
	.count = sizeof options / sizeof options[0],
	.settings_size = sizeof(struct backend_settings),
	.foreign = foreign,
	.check = check_settings,
};
