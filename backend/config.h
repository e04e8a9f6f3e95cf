/*
 * config - the backend's settings
 *
 * The table of names, defaults and ranges is in config.c; the values are
 * filled by common/config and constant after start.
 */
#ifndef BACKEND_CONFIG_H
#define BACKEND_CONFIG_H

#include "backend/answers.h"
#include "common/config.h"
#include "common/lookup.h"
#include "common/rpctls.h"

struct backend_settings {
	struct endpoint_list listen;
	bool insecure_network;
	char *tls_cert;
	char *tls_key;
	char *tls_ca;
	char *tls_server_name;
	struct endpoint_list peers; /* may be empty */
	uint64_t resolve_interval_ms;
	char *webhook_secret;
	uint64_t webhook_window_ms;
	uint64_t webhook_repeat_ms;
	char *name;
	uint64_t calls_max;
	char *token;
	char *base_url;
	char *ca_file;
	uint64_t userli_timeout_ms;
	uint64_t requests_max;
	uint64_t queue_max;
	uint64_t queue_timeout_ms;
	uint64_t cache_ttl_ms;
	uint64_t negative_ttl_ms; /* the default of those for each map */
	uint64_t map_negative_ttl_ms[LOOKUP_MAPS];
	uint64_t cache_bytes_max;
	char *cache_file;
	uint64_t cache_file_interval_ms;
	uint64_t stale_ttl_ms;
	uint64_t stale_after_ms;
	bool gate;
	char *delimiter;
	bool propagate_extension;
	uint64_t shutdown_timeout_ms;
	struct endpoint_list metrics_listen;
	char *admin_socket;
	int log_level;
	int log_format;
	uint64_t slow_lookup_ms;
	bool log_personal;
	bool core_dumps;
	bool sandbox;
};

/* How long answers live. */
struct answers_options backend_answers(const struct backend_settings *s);

/* Borrows from s. */
struct rpctls_files backend_tls_files(const struct backend_settings *s);

extern const struct config_program backend_program;

#endif
