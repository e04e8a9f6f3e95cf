#include "backend/backend_sandbox.h"

#include <stdlib.h>

#include "backend/config.h"
#include "common/admin.h"

void
backend_sandbox_enter(
    struct sandbox *s, const struct config *config, struct log *log)
{
	const struct backend_settings *settings = config_settings(config);
	char admin[ENDPOINT_PATH_MAX + 1];

	sandbox_init(s, settings->sandbox, log);
	sandbox_config(s, config);
	sandbox_read(s, settings->tls_cert);
	sandbox_read(s, settings->tls_key);
	sandbox_read(s, settings->tls_ca);
	sandbox_read(s, settings->ca_file);
	sandbox_replace(s, settings->cache_file);
	sandbox_bind_all(s, &settings->listen);
	if (admin_path(
		settings->admin_socket, getenv("RUNTIME_DIRECTORY"), admin))
		sandbox_bind(s, admin);
	sandbox_close_files(s);
}
