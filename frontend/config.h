/*
 * config - the frontend's settings
 *
 * The table of names, defaults and ranges is in config.c; the values are
 * filled by common/config and constant after start.
 */
#ifndef FRONTEND_CONFIG_H
#define FRONTEND_CONFIG_H

#include "common/config.h"
#include "common/rpctls.h"

struct frontend_settings {
	struct endpoint_list socketmap_listen;
	uint64_t socket_mode;
	char *socket_owner;
	char *socket_group;
	uint64_t idle_timeout_ms;
	uint64_t read_timeout_ms;
	uint64_t write_timeout_ms;
	uint64_t connections_max;
	struct endpoint_list backends;
	char *tls_cert;
	char *tls_key;
	char *tls_ca;
	char *tls_server_name;
	uint64_t resolve_interval_ms;
	char *load_factor;
	uint64_t ping_after_ms;
	uint64_t eject_after_ms;
	uint64_t lookup_timeout_ms;
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

/* Borrows from s. */
struct rpctls_files frontend_tls_files(const struct frontend_settings *s);

extern const struct config_program frontend_program;

#endif
